#!/bin/sh
# Runs Sandrun under cgroup v2 on Debian's own kernel, in a virtual machine on this host.
#
#   test/vm/run.sh [PART…]      parts: root user systemd sandbox; all of them when none is named
#
# Theory: the machine has no disk. Its root is the host's, read-only over 9p, below a layer of
# memory that takes what is written; so what is tested is this very checkout, and nothing that
# happens in there can reach the host. Kernel, busybox and uidmap are Debian's packages, unpacked into
# .runtime/vm and never installed; only qemu is installed, when it is missing.
#
# Do not run the hostile tests on the host meanwhile: they take leases on files of /usr and /etc,
# which then cannot be opened over 9p ("Resource temporarily unavailable").
set -eu
root=$(CDPATH='' cd -- "$(dirname -- "$0")/../.." && pwd -P)
place=$root/.runtime/vm
log=$place/console.log
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

install_qemu() {
  command -v qemu-system-x86_64 >/dev/null && return
  [ "$(id -u)" = 0 ] || fail 'qemu is missing; install it: sudo apt-get install qemu-system-x86'
  say 'installing the Debian package qemu-system-x86'
  DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends qemu-system-x86 \
    >"$place/apt.log" 2>&1 || fail "could not install it; see $place/apt.log"
}

# What linux-image-amd64 stands for today.
kernel_package() {
  apt-cache depends linux-image-amd64 | sed -n 's/^ *Depends: *\(linux-image-[^ ]*\)$/\1/p' | head -n 1
}

fetch_packages() {
  [ -f "$place/fetched" ] && return
  rm -rf "$place/packages" "$place/tree"
  mkdir -p "$place/packages" "$place/tree"
  kernel=$(kernel_package)
  [ -n "$kernel" ] || fail 'apt-cache knows no linux-image-amd64; run apt-get update'
  say "fetching $kernel, busybox-static, uidmap"
  (cd "$place/packages" && apt-get download -q "$kernel" busybox-static uidmap) \
    >"$place/apt.log" 2>&1 || fail "could not fetch them; see $place/apt.log (mend: apt-get update)"
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

# The machine prints on its console; its last word is the status.
boot() {
  part=$1
  accelerator=${SANDRUN_VM_ACCELERATOR:-tcg,thread=multi}
  timeout "${SANDRUN_VM_SECONDS:-900}" qemu-system-x86_64 -accel "$accelerator" -cpu Nehalem -smp 2 -m 4G \
    -nodefaults -no-reboot -display none -serial stdio \
    -kernel "$place"/tree/boot/vmlinuz-* -initrd "$place/initramfs.cpio" \
    -append "console=ttyS0 quiet panic=-1 vm_root=$root vm_part=$part" \
    -virtfs local,path=/,mount_tag=host,security_model=none,readonly=on,multidevs=remap \
    </dev/null 2>"$place/qemu.log" | tr -d '\r' | tee "$log"
  grep -q "^vm: $part: status 0$" "$log"
}

[ "$(uname -m)" = x86_64 ] || fail 'the virtual machine is made for x86-64'
mkdir -p "$place"
install_qemu
fetch_packages
build_initramfs
# Also sets up the checkout: there is no network inside the machine.
"$root/sandrun" --version >/dev/null
[ $# -gt 0 ] || set -- root user systemd sandbox
failed=''
for part; do
  say "== $part"
  boot "$part" || failed="$failed $part"
done
[ -z "$failed" ] || fail "failed:$failed"
say 'all parts passed'
