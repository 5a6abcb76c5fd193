# What the tests of the syscall filter need, put below .runtime/seccomp. Sourced by scripts/test.sh
# after setup.sh.
#
# Theory: the oracle is libseccomp's simulator of filters and its disassembler. Debian's package
# `seccomp` has neither, only its source has, so these two are built from the source package of
# this system, which apt fetches and verifies. Lists of source packages go to a place of their own:
# the system's stay as they are. The filter for arm64 is made by a cross compiler and runs in
# qemu's emulator, which is unpacked and not installed, since its package would make the host, and
# then boxes, run programs of other machines.

fetch_seccomp_tools() {
  tools=$root/.runtime/seccomp
  packages=
  need scmp_sys_resolver seccomp
  if [ "$(uname -m)" = x86_64 ]; then
    need aarch64-linux-gnu-gcc gcc-aarch64-linux-gnu
    [ -e /usr/aarch64-linux-gnu/include/stdio.h ] || packages="$packages libc6-dev-arm64-cross"
  fi
  install_needed
  [ ! -d "$tools" ] || return 0
  say "fetching libseccomp's simulator and an emulator of arm64 for the tests"
  work=$root/.runtime/seccomp.$$
  rm -rf "$work"
  mkdir -p "$work/done" "$work/lists/partial" "$work/cache"
  (cd "$work" && build_simulator && unpack_emulator) >>"$log" 2>&1 || {
    rm -rf "$work"
    give_up "could not fetch the oracle of the syscall filter (mend: apt-get update)"
  }
  # In one step, so that no other run finds half of it.
  mv -T "$work/done" "$tools" || [ -d "$tools" ] || fail "could not write $tools"
  rm -rf "$work"
}

# The first archive that this system takes packages from, as a line that names its sources.
source_line() {
  apt-get indextargets --format '$(ORIGIN) $(REPO_URI) $(CODENAME) $(COMPONENT)' 'Created-By: Packages' |
    while read -r origin address codename component; do
      case $origin in
        Debian | Ubuntu) ;;
        *) continue ;;
      esac
      keys=/usr/share/keyrings/$(printf %s "$origin" | tr DU du)-archive-keyring.gpg
      [ -f "$keys" ] && signed="[signed-by=$keys] " || signed=
      echo "deb-src $signed$address $codename $component"
      break
    done
}

build_simulator() {
  source_line >sources.list
  [ -s sources.list ] || return 1
  set -- -o Dir::Etc::sourcelist="$PWD/sources.list" -o Dir::Etc::sourceparts=- \
    -o Dir::State::lists="$PWD/lists" -o Dir::Cache="$PWD/cache" -o APT::Sandbox::User=
  apt-get "$@" update && apt-get "$@" source --download-only libseccomp || return 1
  rm -f ./*.asc
  mkdir source && tar -xf libseccomp_*.orig.tar.* -C source --strip-components 1 || return 1
  for tool in scmp_bpf_sim scmp_bpf_disasm; do
    gcc -O2 "source/tools/$tool.c" source/tools/util.c -o "done/$tool" || return 1
  done
}

unpack_emulator() {
  [ "$(uname -m)" = x86_64 ] || return 0
  apt-get -o APT::Sandbox::User= download qemu-user-static && dpkg -x qemu-user-static_*.deb emulator &&
    cp emulator/usr/bin/qemu-aarch64-static done/
}
