#!/bin/sh
# CPython's own tests outside and in a box. Arguments go to test/compatibility/cpython/main.ts.
#
# Theory: Debian's package libpython3.11-testsuite and the Python that it belongs to are fetched by
# apt, which verifies them, and unpacked below .runtime/compatibility; nothing is installed. So the
# tests, the library and the interpreter are of one build, whatever the host's own are, and both
# sides run the same tree: outside by its path, in a box as the environment `cpython`, at /env.
set -eu
root=$(CDPATH='' cd -- "$(dirname -- "$0")/.." && pwd -P)
. "$root/scripts/setup.sh"
prepare
cd "$root"

log=$root/.runtime/setup.log
place=$root/.runtime/compatibility
series=3.11

fetch_python() {
  cd "$work"
  apt-get -o APT::Sandbox::User= download "libpython$series-testsuite" "libpython$series-stdlib" \
    "libpython$series-minimal" "python$series-minimal" "python$series" "python$series-venv" \
    python3-distutils python3-lib2to3 || return 1
  for package in ./*.deb; do
    dpkg -x "$package" unpacked || return 1
  done
  ls ./*.deb | sed 's|^\./||' >unpacked/usr/packages
  ln -s "python$series" unpacked/usr/bin/python3
  # As where it is installed: modules are not compiled again by every job. Some tests are no Python.
  "unpacked/usr/bin/python$series" -W ignore -m compileall -q -j 2 "unpacked/usr/lib/python$series" || true
}

if [ ! -d "$place/env" ]; then
  say "fetching Python $series and its tests"
  work=$place/fetch.$$
  mkdir -p "$work"
  (fetch_python) >>"$log" 2>&1 || {
    rm -rf "$work"
    give_up "could not fetch Python's tests (mend: apt-get update)"
  }
  # In one step, so that no other run finds half of it.
  mv -T "$work/unpacked/usr" "$place/env" || [ -d "$place/env" ] || fail "could not write $place"
  rm -rf "$work"
fi

PATH=${node%/*}:$PATH
export PATH NODE_COMPILE_CACHE="$root/.runtime/cache"
exec "$node" test/compatibility/cpython/main.ts "$@"
