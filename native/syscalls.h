/* The system calls that a program in a box may make, in groups, each with its reason.
 *
 * GROUP(name, reason) opens a group, ALLOW(call) lists a call of it. CHECK(call, rule) lists a
 * call that is allowed only with some arguments; the rules are in seccomp.c. PRETEND(call) lists
 * one that succeeds and does nothing. What stands here neither takes privileges that the program
 * could not use anyway, nor reaches code in the kernel that an ordinary program has no use for,
 * nor takes memory that no cgroup counts.
 *
 * Not listed means EPERM, so that a program can say what it was refused. Numbers above
 * SYSCALL_NEWEST mean ENOSYS, as on a kernel that does not know them yet; so does clone3, whose
 * flags lie in memory where a filter cannot look: the C library then falls back to clone.
 */
#define SYSCALL_NEWEST 462

#ifndef GROUP
#error "define GROUP, ALLOW, CHECK and PRETEND before including syscalls.h"
#endif

GROUP(io, "reading and writing what is already open")
ALLOW(read) ALLOW(write) ALLOW(readv) ALLOW(writev) ALLOW(pread64) ALLOW(pwrite64) ALLOW(preadv)
ALLOW(pwritev) ALLOW(preadv2) ALLOW(pwritev2) ALLOW(lseek) ALLOW(close) ALLOW(close_range)
ALLOW(dup) ALLOW(dup3) ALLOW(fcntl) ALLOW(flock) ALLOW(fsync) ALLOW(fdatasync) ALLOW(sync_file_range)
ALLOW(readahead) CHECK(fadvise64, FADVISE) ALLOW(sendfile) ALLOW(splice) ALLOW(tee) ALLOW(copy_file_range)
ALLOW(pipe2) CHECK(ioctl, IOCTL)

GROUP(files, "files of the box; the mounts decide what is there and what can be written")
ALLOW(openat) ALLOW(openat2) ALLOW(newfstatat) ALLOW(fstat) ALLOW(statx) ALLOW(statfs)
ALLOW(fstatfs) ALLOW(faccessat) ALLOW(faccessat2) ALLOW(readlinkat) ALLOW(getdents64)
ALLOW(mkdirat) ALLOW(mknodat) ALLOW(unlinkat) ALLOW(linkat) ALLOW(symlinkat) ALLOW(renameat)
ALLOW(renameat2) ALLOW(fchmodat) ALLOW(fchmodat2) ALLOW(fchmod) ALLOW(fchownat) ALLOW(fchown)
ALLOW(truncate) ALLOW(ftruncate) ALLOW(fallocate) ALLOW(utimensat) ALLOW(umask) ALLOW(getcwd)
ALLOW(chdir) ALLOW(fchdir) ALLOW(syncfs) ALLOW(getxattr) ALLOW(lgetxattr)
ALLOW(fgetxattr) ALLOW(listxattr) ALLOW(llistxattr) ALLOW(flistxattr) ALLOW(setxattr)
ALLOW(lsetxattr) ALLOW(fsetxattr) ALLOW(removexattr) ALLOW(lremovexattr) ALLOW(fremovexattr)

GROUP(flushing, "the files of a box are memory: there is nothing to flush, and the real call would "
                "write back every file system of the host")
PRETEND(sync)

GROUP(watch, "waiting for events; a watch reaches only inodes of the box's own mounts")
ALLOW(epoll_create1) ALLOW(epoll_ctl) ALLOW(epoll_pwait) ALLOW(epoll_pwait2) ALLOW(ppoll)
ALLOW(pselect6) ALLOW(eventfd2) ALLOW(signalfd4) ALLOW(timerfd_create) ALLOW(timerfd_settime)
ALLOW(timerfd_gettime) ALLOW(inotify_init1) ALLOW(inotify_add_watch) ALLOW(inotify_rm_watch)

GROUP(memory, "memory of the process itself; the cgroup counts it. Not mbind and set_mempolicy: the "
              "policies of a shared mapping are kernel memory without bound that nobody counts")
CHECK(mmap, MMAP) ALLOW(munmap) ALLOW(mprotect) ALLOW(mremap) CHECK(madvise, MADVISE) ALLOW(brk)
ALLOW(msync) ALLOW(mincore) ALLOW(mlock) ALLOW(mlock2) ALLOW(munlock) ALLOW(mlockall)
ALLOW(munlockall) CHECK(memfd_create, MEMFD) ALLOW(membarrier) ALLOW(mseal) ALLOW(pkey_alloc)
ALLOW(pkey_free) ALLOW(pkey_mprotect) ALLOW(map_shadow_stack) ALLOW(get_mempolicy)

GROUP(processes, "starting, waiting for and ending processes of the box")
CHECK(clone, CLONE) ALLOW(execve) ALLOW(execveat) ALLOW(exit) ALLOW(exit_group) ALLOW(wait4)
ALLOW(waitid) ALLOW(getpid) ALLOW(getppid) ALLOW(gettid) ALLOW(getpgid) ALLOW(setpgid)
ALLOW(getsid) ALLOW(setsid) ALLOW(set_tid_address) ALLOW(set_robust_list) ALLOW(get_robust_list)
ALLOW(rseq) CHECK(prctl, PRCTL) CHECK(personality, PERSONALITY) ALLOW(pidfd_open)
ALLOW(pidfd_send_signal) ALLOW(restart_syscall)

GROUP(signals, "signals; the PID namespace holds everything that they can reach")
ALLOW(kill) ALLOW(tkill) ALLOW(tgkill) ALLOW(rt_sigaction) ALLOW(rt_sigprocmask)
ALLOW(rt_sigreturn) ALLOW(rt_sigsuspend) ALLOW(rt_sigpending) ALLOW(rt_sigtimedwait)
ALLOW(rt_sigqueueinfo) ALLOW(rt_tgsigqueueinfo) ALLOW(sigaltstack)

GROUP(threads, "threads and their locks")
ALLOW(futex) ALLOW(futex_waitv) ALLOW(futex_wake) ALLOW(futex_wait) ALLOW(futex_requeue)

GROUP(scheduling, "asking about and lowering the own share of the processor")
ALLOW(sched_yield) ALLOW(sched_getaffinity) ALLOW(sched_setaffinity) ALLOW(sched_getparam)
ALLOW(sched_setparam) ALLOW(sched_getscheduler) ALLOW(sched_setscheduler) ALLOW(sched_getattr)
ALLOW(sched_setattr) ALLOW(sched_get_priority_max) ALLOW(sched_get_priority_min)
ALLOW(sched_rr_get_interval) ALLOW(getpriority) ALLOW(setpriority) ALLOW(ioprio_get)
ALLOW(ioprio_set) ALLOW(getcpu)

GROUP(clocks, "reading clocks and sleeping; none of these sets a clock")
ALLOW(clock_gettime) ALLOW(clock_getres) ALLOW(clock_nanosleep) ALLOW(nanosleep)
ALLOW(gettimeofday) ALLOW(times) ALLOW(getitimer) ALLOW(setitimer) ALLOW(timer_create)
ALLOW(timer_settime) ALLOW(timer_gettime) ALLOW(timer_getoverrun) ALLOW(timer_delete)

GROUP(identity, "asking who one is; changing it fails, since no capability is left")
ALLOW(getuid) ALLOW(geteuid) ALLOW(getgid) ALLOW(getegid) ALLOW(getresuid) ALLOW(getresgid)
ALLOW(getgroups) ALLOW(setuid) ALLOW(setgid) ALLOW(setreuid) ALLOW(setregid) ALLOW(setresuid)
ALLOW(setresgid) ALLOW(setfsuid) ALLOW(setfsgid) ALLOW(setgroups) ALLOW(capget) ALLOW(capset)

GROUP(limits, "asking for and lowering limits; the core limit stays, or a core handler would run")
ALLOW(getrlimit) CHECK(setrlimit, SETRLIMIT) CHECK(prlimit64, PRLIMIT) ALLOW(getrusage)

GROUP(system, "asking about the system")
ALLOW(uname) ALLOW(sysinfo) ALLOW(getrandom)

GROUP(sockets, "pairs of sockets inside the box (asyncio, multiprocessing, child processes); "
               "no call makes a socket that could be bound or connected")
CHECK(socketpair, SOCKETPAIR) ALLOW(sendto) ALLOW(recvfrom) ALLOW(sendmsg) ALLOW(recvmsg)
ALLOW(sendmmsg) ALLOW(recvmmsg) ALLOW(shutdown) ALLOW(getsockname) ALLOW(getpeername)
ALLOW(getsockopt) CHECK(setsockopt, SETSOCKOPT)

GROUP(ipc, "System V and POSIX IPC; the IPC namespace holds them, the cgroup counts them")
ALLOW(shmget) ALLOW(shmat) ALLOW(shmdt) ALLOW(shmctl) ALLOW(semget) ALLOW(semop)
ALLOW(semtimedop) ALLOW(semctl) ALLOW(msgget) ALLOW(msgsnd) ALLOW(msgrcv) ALLOW(msgctl)
ALLOW(mq_open) ALLOW(mq_unlink) ALLOW(mq_timedsend) ALLOW(mq_timedreceive) ALLOW(mq_notify)
ALLOW(mq_getsetattr)

GROUP(sandboxing, "programs that confine themselves further")
ALLOW(landlock_create_ruleset) ALLOW(landlock_add_rule) ALLOW(landlock_restrict_self)

#ifdef __x86_64__
GROUP(legacy, "older spellings of the above that x86-64 still has")
ALLOW(open) ALLOW(creat) ALLOW(stat) ALLOW(lstat) ALLOW(access) ALLOW(readlink) ALLOW(getdents)
ALLOW(mkdir) ALLOW(rmdir) ALLOW(mknod) ALLOW(unlink) ALLOW(link) ALLOW(symlink) ALLOW(rename)
ALLOW(chmod) ALLOW(chown) ALLOW(lchown) ALLOW(utime) ALLOW(utimes) ALLOW(futimesat) ALLOW(pipe)
ALLOW(dup2) ALLOW(poll) ALLOW(select) ALLOW(epoll_create) ALLOW(epoll_wait) ALLOW(eventfd)
ALLOW(signalfd) ALLOW(inotify_init) ALLOW(fork) ALLOW(vfork) ALLOW(getpgrp) ALLOW(time)
ALLOW(alarm) ALLOW(pause) ALLOW(arch_prctl)
#endif
