#!/bin/sh
# The tests of the web page, in Debian's chromium: `npm run test:web`. Apart from `npm test`, which
# should not need a browser. Arguments go to
# `node --test` in the place of all of them.
set -eu
root=$(CDPATH='' cd -- "$(dirname -- "$0")/.." && pwd -P)
. "$root/scripts/setup.sh"
prepare
cd "$root"
log=$root/.runtime/setup.log
packages=
need chromium chromium
fc-list 2>/dev/null | grep -q . || packages="$packages fonts-dejavu-core"
install_needed
PATH=${node%/*}:$PATH
export PATH NODE_COMPILE_CACHE="$root/.runtime/cache"
npm run -s types
prepare_web
[ $# -gt 0 ] || set -- 'test/web/*.test.ts'
exec "$node" --disable-warning=ExperimentalWarning --test --test-timeout=90000 "$@"
