#!/bin/sh
# The benchmark, after the same set-up as `sandrun`.
set -eu
root=$(CDPATH='' cd -- "$(dirname -- "$0")/.." && pwd -P)
. "$root/scripts/setup.sh"
prepare
cd "$root"
# What is started bare must not read certificates that only a server needs.
unset NODE_EXTRA_CA_CERTS
exec "$node" --disable-warning=ExperimentalWarning bench/main.ts "$@"
