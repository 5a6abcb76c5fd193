#!/bin/sh
# The box tests with a native part under AddressSanitizer and UndefinedBehaviorSanitizer, in every
# process that it has: warden, keeper, PID 1 of a box, hand, collector. Arguments go to `node --test`.
set -eu
root=$(CDPATH='' cd -- "$(dirname -- "$0")/.." && pwd -P)
. "$root/scripts/setup.sh"
prepare
make -s -C "$root/native" build/sandrun-native-sanitized
export SANDRUN_TEST_NATIVE="$root/native/build/sandrun-native-sanitized"
exec sh "$root/scripts/test.sh" "$@" 'test/sandbox/*.test.ts'
