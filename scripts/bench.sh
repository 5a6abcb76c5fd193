#!/bin/sh
# The benchmark, or the one that the first argument names, after the same set-up as `sandrun`.
set -eu
root=$(CDPATH='' cd -- "$(dirname -- "$0")/.." && pwd -P)
. "$root/scripts/setup.sh"
prepare
cd "$root"
# What is started bare must not read certificates that only a server needs.
unset NODE_EXTRA_CA_CERTS
program=main.ts
case ${1:-} in *.ts) program=$1; shift ;; esac
exec "$node" --disable-warning=ExperimentalWarning "bench/$program" "$@"
