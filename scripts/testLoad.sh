#!/bin/sh
# The load test, after the same set-up as `sandrun`. `--quick`: a fifth of it.
set -eu
root=$(CDPATH='' cd -- "$(dirname -- "$0")/.." && pwd -P)
. "$root/scripts/setup.sh"
prepare
cd "$root"
exec "$node" --disable-warning=ExperimentalWarning test/load/main.ts "$@"
