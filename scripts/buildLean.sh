#!/bin/sh
# Builds dist/lean/sandrun: one file with runtime, program and native part, which needs no checkout, no
# Node and no packages. Its runtime is Bun, fetched here and nowhere else, in one release, and taken only
# if it has the sum that stands here.
set -eu
root=$(CDPATH='' cd -- "$(dirname -- "$0")/.." && pwd -P)
. "$root/scripts/setup.sh"
prepare
cd "$root"

release=1.4.5
package=bun-linux-x64
sum=2165fd0442e8187014b4ca2791e49a35a6705f3464fa80f0e8c93e1c115777728760804d06c20646ea4c64f7203680db2692eeea00098c8a0854f66db75689d6
[ "$(uname -m)" = x86_64 ] || fail "the lean build is for x86_64; run ./sandrun from a checkout here"

log=$root/.runtime/setup.log
place=$root/.runtime/bun-$release

fetch_bun() {
  cd "$work"
  npm pack --silent "@oven/$package@$release" || return 1
  printf '%s  %s\n' "$sum" "oven-$package-$release.tgz" | sha512sum -c || return 1
  tar -xzf "oven-$package-$release.tgz"
}

if [ ! -d "$place" ]; then
  say "fetching Bun $release"
  work=$place.$$
  mkdir -p "$work"
  (fetch_bun) >"$log" 2>&1 || {
    rm -rf "$work"
    give_up "could not fetch Bun $release from the npm registry"
  }
  # In one step, so that no other run finds half of it.
  mv -T "$work" "$place" 2>/dev/null || rm -rf "$work"
fi

# Put in place at once: one that runs keeps its file.
mkdir -p dist/lean
"$place/package/bin/bun" lean/build.ts "dist/lean/sandrun.new" >"$log" 2>&1 || give_up "could not build dist/lean/sandrun"
chmod 755 dist dist/lean dist/lean/sandrun.new
mv -f dist/lean/sandrun.new dist/lean/sandrun
