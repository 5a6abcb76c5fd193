#!/bin/sh
# Runs Sandrun under cgroup v2 on Debian's own kernel, in virtual machines on this host.
#
#   test/vm/run.sh [--all] [PART[:NAME,…]…]
#
# Without a PART: those of a usual run, or with --all all there are. With NAMEs a part of box tests
# runs those files of test/sandbox alone, and one of hostile programs those with that in their id.
#
# Theory: the machine has no disk. Its root is the host's, read-only over 9p, below a layer of
# memory that takes what is written; so what is tested is this very checkout, and nothing that
# happens in there can reach the host. Kernel, busybox and uidmap are Debian's packages, unpacked into
# .runtime/vm and never installed; only qemu is installed, when it is missing.
#
# Each part has a machine of its own, as many at once as there are processors here. Processors are
# emulated, all of a machine's by one thread: with more, Node crashed now and then. A part that does
# not come to its end is ended; of one that fails, all that its console said is shown.
set -eu
usual='hostile sandbox user sandbox_user:life,lease,namespaces,privileges,sharing,warden hostile_user:privileges/,mounts/,proc/,kernel/ root systemd'
all='hostile sandbox user root systemd sandbox_other sandbox_user hostile_user'
root=$(CDPATH='' cd -- "$(dirname -- "$0")/../.." && pwd -P)
place=$root/.runtime/vm
modules='drivers/virtio/virtio_ring drivers/virtio/virtio drivers/virtio/virtio_pci_modern_dev
drivers/virtio/virtio_pci_legacy_dev drivers/virtio/virtio_pci fs/netfs/netfs
fs/fscache/fscache net/9p/9pnet net/9p/9pnet_virtio fs/9p/9p fs/overlayfs/overlay'

say() {
  printf 'vm: %s\n' "$*" >&2
}

fail() {
  say "$*"
  exit 1
}

# with_lists COMMAND…: once more behind a new look at the package lists when it fails.
with_lists() {
  "$@" >"$place/apt.log" 2>&1 && return
  apt-get update >>"$place/apt.log" 2>&1 || true
  "$@" >>"$place/apt.log" 2>&1
}

install_qemu() {
  command -v qemu-system-x86_64 >/dev/null && return
  [ "$(id -u)" = 0 ] || fail 'qemu is missing; install it: sudo apt-get install qemu-system-x86'
  say 'installing the Debian package qemu-system-x86'
  with_lists env DEBIAN_FRONTEND=noninteractive apt-get -o DPkg::Lock::Timeout=300 install -y \
    --no-install-recommends qemu-system-x86 || fail "could not install it; see $place/apt.log"
}

# What linux-image-amd64 stands for today, and the others.
download_packages() {
  kernel=$(apt-cache depends linux-image-amd64 |
    sed -n 's/^ *Depends: *\(linux-image-[^ ]*\)$/\1/p' | head -n 1)
  [ -n "$kernel" ] || return 1
  (cd "$place/packages" && apt-get download -q "$kernel" busybox-static uidmap)
}

fetch_packages() {
  [ -f "$place/fetched" ] && return
  rm -rf "$place/packages" "$place/tree"
  mkdir -p "$place/packages" "$place/tree"
  say "fetching Debian's kernel, busybox-static, uidmap"
  with_lists download_packages || fail "could not fetch them; see $place/apt.log"
  for package in "$place"/packages/*.deb; do
    dpkg -x "$package" "$place/tree" || fail "could not unpack $package"
  done
  rm -rf "$place/packages"
  : >"$place/fetched"
}

# The first root: busybox, the modules in the order in which they are loaded, and `init`.
build_initramfs() {
  stage=$place/initramfs
  rm -rf "$stage"
  mkdir -p "$stage/bin" "$stage/lib" "$stage/proc" "$stage/dev"
  cp "$place/tree/bin/busybox" "$stage/bin/busybox"
  cp "$root/test/vm/init" "$stage/init"
  chmod 755 "$stage/init"
  for module in $modules; do
    cp "$place"/tree/lib/modules/*/kernel/"$module.ko" "$stage/lib/" || fail "the kernel has no $module"
    printf '%s\n' "${module##*/}" >>"$stage/lib/modules"
  done
  (cd "$stage" && find . | "$stage/bin/busybox" cpio -o -H newc 2>/dev/null) >"$place/initramfs.cpio"
}

# boot PART[:NAME,…]: its last word on the console is the status.
boot() {
  part=${1%%:*} chosen=''
  [ "$part" = "$1" ] || chosen=${1#*:}
  log=$place/$part.log
  began=$(date +%s)
  status=0
  timeout --kill-after=5 "${SANDRUN_VM_SECONDS:-1800}" qemu-system-x86_64 \
    -accel "${SANDRUN_VM_ACCELERATOR:-tcg,thread=single}" -cpu Nehalem -smp 2 -m 4G \
    -nodefaults -no-reboot -display none -serial "file:$log" \
    -kernel "$place"/tree/boot/vmlinuz-* -initrd "$place/initramfs.cpio" \
    -append "console=ttyS0 quiet loglevel=2 panic=-1 mitigations=off init_on_alloc=0 vm_root=$root vm_part=$part vm_chosen=$chosen" \
    -virtfs local,path=/,mount_tag=host,security_model=none,readonly=on,multidevs=remap \
    </dev/null 2>"$place/$part.qemu.log" || status=$?
  seconds=$(($(date +%s) - began))
  if tr -d '\r' <"$log" | grep -q "^vm: $part: status 0$"; then
    tr -d '\r' <"$log" | grep "^vm: $part: " >&2
    say "$part: passed, $seconds s"
    return
  fi
  cat "$place/$part.qemu.log" >&2
  tr -d '\r' <"$log" >&2
  [ "$status" != 124 ] || say "$part: did not come to its end in time"
  say "$part: FAILED, $seconds s"
  return 1
}

prepare_machine() {
  [ "$(uname -m)" = x86_64 ] || fail 'the virtual machine is made for x86-64'
  install_qemu
  fetch_packages
  build_initramfs
  # Also sets up the checkout: there is no network inside the machine.
  "$root/sandrun" --version >/dev/null
  make -s -C "$root/native" build/sandrun-native-broken
}

if [ "${1-}" = --boot ]; then
  boot "$2"
  exit
fi
parts=$usual
[ "${1-}" != --all ] || { parts=$all && shift; }
[ $# -gt 0 ] || set -- $parts
mkdir -p "$place"
exec 9>"$place/lock"
flock 9
prepare_machine
# In turn, each as soon as one before it has ended.
printf '%s\n' "$@" | xargs -n 1 -P "$(nproc)" sh "$0" --boot || fail 'not all parts passed'
say "all parts passed: $*"
