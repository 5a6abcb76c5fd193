#!/bin/sh
# Builds the lean executable and runs the end-to-end tests with it in place of the checkout's program.
# Arguments go to `node --test`; a path among them replaces the default selection.
set -eu
root=$(CDPATH='' cd -- "$(dirname -- "$0")/.." && pwd -P)
sh "$root/scripts/buildLean.sh"
export SANDRUN_TEST_PROGRAM="$root/dist/lean/sandrun"
for word; do
  case $word in
    -*) ;;
    *) exec sh "$root/scripts/test.sh" "$@" ;;
  esac
done
exec sh "$root/scripts/test.sh" "$@" "$root"/test/e2e/*.test.ts
