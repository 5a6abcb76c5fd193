#!/bin/sh
# All tests, after the same set-up as `sandrun`. Arguments go to `node --test`; a path among them
# replaces the default selection, which leaves out what needs a virtual machine, a browser or a venv, or loads the host.
set -eu
root=$(CDPATH='' cd -- "$(dirname -- "$0")/.." && pwd -P)
. "$root/scripts/setup.sh"
. "$root/scripts/seccompTools.sh"
prepare
cd "$root"

# What the tests use beside what a run does: clients, a certificate, a venv.
log=$root/.runtime/setup.log
packages=
need curl curl
need openssl openssl
need tar tar
need ps procps
need zsh zsh
need fish fish
/usr/bin/python3 -c 'import ensurepip' 2>/dev/null || packages="$packages python3-venv"
install_needed
fetch_seccomp_tools

PATH=${node%/*}:$PATH
export PATH NODE_COMPILE_CACHE="$root/.runtime/cache"

# A test that hangs fails instead of holding up all the others for ever.
set -- --test-timeout=900000 "$@"

for word; do
  case $word in
    -*) ;;
    *) exec "$node" --disable-warning=ExperimentalWarning --test "$@" ;;
  esac
done
exec "$node" --disable-warning=ExperimentalWarning --test "$@" 'test/*.test.ts' 'test/!(vm|load|web|frontends)/**/*.test.ts'
