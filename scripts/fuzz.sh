#!/bin/sh
# Fuzzers of the native part, then the TypeScript properties with many runs.
#
#   npm run fuzz                 10 minutes for each native target
#   npm run fuzz -- MINUTES
#   npm run fuzz -- --short      5 seconds for each native target; the properties are in `npm test`
#
# What was found earlier (native/fuzz/regressions) is replayed first. What is found now lies in
# native/build/fuzz/found: mend it, then move the file to native/fuzz/regressions/TARGET/. What the
# fuzzers learn is kept in native/build/fuzz/corpus. FUZZ_CC names another clang with libFuzzer.
set -eu
root=$(CDPATH='' cd -- "$(dirname -- "$0")/.." && pwd -P)
. "$root/scripts/setup.sh"
prepare
cd "$root"

case ${1-} in
  --short) seconds=5 runs= ;;
  '') seconds=600 runs=50000 ;;
  *[!0-9]* | 0) fail "usage: npm run fuzz [-- MINUTES | --short]" ;;
  *) seconds=$(($1 * 60)) runs=$(($1 * 5000)) ;;
esac

log=$root/.runtime/setup.log
packages=
if [ -z "${FUZZ_CC-}" ]; then
  FUZZ_CC=clang-14
  need clang-14 clang-14
  ls /usr/lib/llvm-14/lib/clang/*/lib/linux/libclang_rt.fuzzer-*.a >/dev/null 2>&1 ||
    packages="$packages libclang-rt-14-dev"
  install_needed
fi
make -s -C native FUZZ_CC="$FUZZ_CC" fuzz

out=native/build/fuzz
mkdir -p "$out/found"
failed=

# Tells runs and coverage of one target in one line; what it found in full.
fuzz_target() {
  target=$1
  mkdir -p "$out/corpus/$target"
  for seed in native/fuzz/regressions/"$target"/*; do
    [ -e "$seed" ] || continue
    "$out/$target" "$seed" >"$out/$target.log" 2>&1 || {
      cat "$out/$target.log"
      return 1
    }
  done
  "$out/$target" -max_total_time="$seconds" -max_len=8192 -timeout=10 -print_final_stats=1 \
    -artifact_prefix="$out/found/$target-" "$out/corpus/$target" native/fuzz/seeds/"$target" \
    >"$out/$target.log" 2>&1 || {
    tail -n 40 "$out/$target.log"
    return 1
  }
  awk -v target="$target" '
    / cov: / { for (i = 1; i < NF; i++) if ($i == "cov:") coverage = $(i + 1) }
    /^Done / { printf "%-10s %10d runs in %d s, %d edges\n", target, $2, $5, coverage }' "$out/$target.log"
}

for source in native/fuzz/*.c; do
  target=$(basename "$source" .c)
  fuzz_target "$target" || failed="$failed $target"
done

if [ -n "$runs" ]; then
  SANDRUN_FUZZ_RUNS=$runs "$node" --disable-warning=ExperimentalWarning --test 'test/fuzz/*.test.ts' ||
    failed="$failed properties"
fi
[ -z "$failed" ] || fail "found something:$failed"
