#!/bin/bash
# Inside the virtual machine, as its first process with the host's files as root: makes a small
# system around them, runs one part and turns the machine off. `run.sh` reads what is printed.
# shellcheck disable=SC2154 # vm_root, vm_part and vm_chosen come from the kernel's command line
set -u
export PATH=/usr/sbin:/usr/bin
unset HOME TERM
uid=4242
groups=/sys/fs/cgroup
: "${vm_chosen:=}"
read -r node <"$vm_root/.runtime/ready"

say() {
  printf 'vm: %s: %s\n' "$vm_part" "$*"
}

# The last word, which the host looks for.
finish() {
  [ "$1" = 0 ] || "$vm_root/.runtime/vm/tree/bin/busybox" dmesg | tail -n 60
  say "status $1"
  echo o >/proc/sysrq-trigger
  sleep 60
}

mount_all() {
  mount -t proc proc /proc
  mount -t sysfs sysfs /sys
  mount -t cgroup2 cgroup2 "$groups"
  mkdir -p /dev/pts /dev/shm /checkout
  mount --bind "$vm_root" /checkout
  mount -t devpts devpts /dev/pts
  mount -t tmpfs -o mode=1777 tmpfs /dev/shm
  mount -t tmpfs -o mode=755 tmpfs /run
  mount -t tmpfs -o mode=1777 tmpfs /tmp
  echo vm >/proc/sys/kernel/hostname
  show_checkout
}

# Where it is on the host, though that be below /tmp or in a home that only its owner may enter.
show_checkout() {
  local above=$vm_root
  mkdir -p "$vm_root"
  mount --move /checkout "$vm_root"
  while above=${above%/*} && [ -n "$above" ]; do
    chmod o+x "$above"
  done
}

make_user() {
  printf 'user:x:%s:%s::/home/user:/bin/bash\n' "$uid" "$uid" >>/etc/passwd
  printf 'user:x:%s:\n' "$uid" >>/etc/group
  printf 'user:100000:65536\n' >>/etc/subuid
  printf 'user:100000:65536\n' >>/etc/subgid
  mkdir -m 700 -p /home/user
  chown "$uid:$uid" /home/user
  install -m 4755 "$vm_root"/.runtime/vm/tree/usr/bin/new[ug]idmap /usr/bin/
  # A checkout of their own, in a home that nobody else may enter.
  mkdir /home/user/sandrun
  mount --bind "$vm_root" /home/user/sandrun
}

# A piped handler of core files, as systemd and distributions set it; it keeps what reaches it
# under the uid, the number and the program of the process.
set_core_handler() {
  mkdir -m 777 /run/cores
  printf '%s\n' '#!/bin/sh' 'cat >"/run/cores/$1.part"' 'mv "/run/cores/$1.part" "/run/cores/$1"' \
    >/run/handle-core
  chmod 755 /run/handle-core
  echo '|/run/handle-core %u.%P%E' >/proc/sys/kernel/core_pattern
}

# A group as a login makes it: not the top one, and this shell is in it.
enter_login() {
  echo '+memory +pids +cpu' >"$groups/cgroup.subtree_control"
  mkdir -p "$groups/$1"
  echo $$ >"$groups/$1/cgroup.procs"
}

# A group that belongs to the ordinary user, and this shell in one below it.
enter_delegated() {
  delegate "$1"
  delegate "$1/session"
  echo $$ >"$1/session/cgroup.procs"
}

delegate() {
  mkdir -p "$1"
  chown "$uid:$uid" "$1" "$1"/cgroup.{procs,threads,subtree_control}
}

# Words before a command that make it the ordinary user's.
as_user=(setpriv --reuid "$uid" --regid "$uid" --clear-groups env HOME=/home/user)

# Words before a script: what Node compiles is kept, and tests are patient with emulated processors.
script=(env NODE_COMPILE_CACHE=/run/compiled SANDRUN_TEST_SLOWNESS=10
  "$node" --disable-warning=ExperimentalWarning)

prepare() {
  mount_all
  make_user
  set_core_handler
  mkdir -m 1777 /run/compiled
  "$vm_root/.runtime/vm/tree/bin/busybox" ip link set lo up
}

# Becomes systemd, with no unit but one that comes back here.
become_systemd() {
  mkdir -p /run/systemd/system
  printf '[Unit]\nDefaultDependencies=no\n[Service]\nType=exec\nEnvironment=vm_root=%s vm_part=%s\nExecStart=/bin/bash %s/test/vm/guest.sh\nStandardOutput=tty\nStandardError=tty\nTTYPath=/dev/ttyS0\n' \
    "$vm_root" "$vm_part" "$vm_root" >/run/systemd/system/vm.service
  umount "$groups"
  exec /lib/systemd/systemd --unit=vm.service --show-status=no --log-level=warning --log-target=console
}

if [ $$ = 1 ]; then
  prepare
  [ "$vm_part" != systemd ] || become_systemd
fi
cd "$vm_root" || finish 1
# shellcheck source=test/vm/parts.sh
. "$vm_root/test/vm/parts.sh"
case $vm_chosen:$vm_part in
  ?*:sandbox* | ?*:hostile* | :*) ;;
  *) say 'this part cannot be run by names' && finish 2 ;;
esac
case $(type -t "part_$vm_part") in
  function) ;;
  *) say 'no such part' && finish 2 ;;
esac
"part_$vm_part"
finish $?
