#!/bin/sh
# What is Python: types and style, and the pages of frontends/ and examples/frontends in a venv of exact
# versions and in Debian's chromium. The Python client's own tests are part of `npm test`, since they
# need neither. Arguments go to `node --test`.
set -eu
root=$(CDPATH='' cd -- "$(dirname -- "$0")/.." && pwd -P)
. "$root/scripts/setup.sh"
prepare
cd "$root"

log=$root/.runtime/setup.log
wanted=clients/python/requirements-test.txt
venv=$root/.runtime/python

# In one step and named by what is in it, so that no run finds half of it or an older one.
make_venv() {
  rm -rf "$venv.new"
  /usr/bin/python3 -m venv "$venv.new" &&
    "$venv.new/bin/python" -m pip install --disable-pip-version-check --no-deps -r "$wanted" || return 1
  cksum <"$wanted" >"$venv.new/made-from"
  rm -rf "$venv" && mv -T "$venv.new" "$venv"
}

packages=
need openssl openssl
need chromium chromium
fc-list 2>/dev/null | grep -q . || packages="$packages fonts-dejavu-core"
/usr/bin/python3 -c 'import ensurepip' 2>/dev/null || packages="$packages python3-venv"
install_needed
if [ "$(cksum <"$wanted")" != "$(cat "$venv/made-from" 2>/dev/null)" ]; then
  say "fetching what the Python tests need (about a minute)"
  (make_venv) >>"$log" 2>&1 || give_up "could not make a venv in .runtime/python"
fi

for place in clients/python frontends/streamlit; do
  (
    cd "$place"
    "$venv/bin/python" -m mypy
    "$venv/bin/python" -m ruff check
    "$venv/bin/python" -m ruff format --check
  )
done

PATH=${node%/*}:$PATH
export PATH NODE_COMPILE_CACHE="$root/.runtime/cache" SANDRUN_TEST_PYTHON="$venv/bin/python"
exec "$node" --disable-warning=ExperimentalWarning --test --test-timeout=300000 "$@" 'test/frontends/*.test.ts'
