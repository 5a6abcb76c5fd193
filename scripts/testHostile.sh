#!/bin/sh
# The hostile suite and its control run, after the same set-up as `sandrun`; arguments are those of
# test/hostile/run.ts.
set -eu
root=$(CDPATH='' cd -- "$(dirname -- "$0")/.." && pwd -P)
. "$root/scripts/setup.sh"
prepare
export NODE_COMPILE_CACHE="$root/.runtime/cache"
exec "$node" --disable-warning=ExperimentalWarning "$root/test/hostile/run.ts" "$@"
