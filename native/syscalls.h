/* The system calls that a program in a box may make, in groups, each with its reason.
 *
 * GROUP(name, reason) opens a group, ALLOW(call) lists a call of it. CHECK(call, rule) lists a
 * call that is allowed only with some arguments, and RULE(rule, answer, when, why) says what it
 * answers otherwise; the rules are in arguments.h. PRETEND(call) lists a call that
 * succeeds and does nothing. What stands here neither takes privileges that the program could not
 * use anyway, nor reaches code in the kernel that an ordinary program has no use for, nor takes
 * memory that no cgroup counts.
 *
 * Not listed means EPERM, so that a program can say what it was refused. DENY(call) compiles to
 * nothing: it says that the call was thought about, and its group why it is refused. ABSENT(call)
 * means ENOSYS, and so do numbers above SYSCALL_NEWEST, as on a kernel that does not know them.
 *
 * docs/syscalls.md is made from this file by scripts/syscallTable.ts.
 *
 * Keeps S3 of SECURITY.md.
 */
#define SYSCALL_NEWEST 462

#ifndef GROUP
#error "define GROUP, RULE, ALLOW, CHECK, PRETEND, DENY and ABSENT before including syscalls.h"
#endif

RULE(IOCTL, EPERM, "the request is TIOCSTI, TIOCLINUX, TIOCSETD or between 0x8910 and 0x89ff",
     "the first two type or paste into a terminal that somebody else looks at, the third makes the "
     "kernel load line disciplines, and the others ask about or set up networks by any socket")
RULE(CLONE, EPERM, "the flags have CLONE_NEWUSER, _NEWPID, _NEWNET, _NEWNS, _NEWIPC, _NEWUTS or "
     "_NEWCGROUP, or CLONE_FILES without CLONE_THREAD",
     "a new user namespace would give capabilities over kernel interfaces made afresh; processes "
     "that share their descriptors could leave locks that nobody counts and show a dead owner")
RULE(PRCTL, EINVAL, "the option is none of PR_SET_PDEATHSIG, PR_GET_PDEATHSIG, PR_GET_DUMPABLE, "
     "PR_SET_DUMPABLE, PR_GET_KEEPCAPS, PR_SET_KEEPCAPS, PR_SET_NAME, PR_GET_NAME, "
     "PR_GET_SECCOMP, PR_CAPBSET_READ, PR_GET_TSC, PR_GET_SECUREBITS, PR_SET_TIMERSLACK, "
     "PR_GET_TIMERSLACK, PR_SET_CHILD_SUBREAPER, PR_GET_CHILD_SUBREAPER, PR_SET_NO_NEW_PRIVS, "
     "PR_GET_NO_NEW_PRIVS, PR_GET_TID_ADDRESS, PR_SET_THP_DISABLE, PR_GET_THP_DISABLE, "
     "PR_CAP_AMBIENT, PR_GET_SPECULATION_CTRL, PR_SET_SPECULATION_CTRL; of arm64 PR_SVE_GET_VL, "
     "PR_SVE_SET_VL, PR_GET_TAGGED_ADDR_CTRL, PR_SET_TAGGED_ADDR_CTRL",
     "others are answered as by an older kernel: more filters make it walk long ones, a core "
     "scheduling cookie idles the sibling of a core, names of mappings are memory that nobody counts")
RULE(PERSONALITY, EPERM, "the personality is neither 0 (plain Linux) nor 0xffffffff (only asking)",
     "others turn mitigations off")
RULE(SETRLIMIT, success, "the resource is RLIMIT_CORE (nothing is done)",
     "it stays 1: with 0 a core_pattern that is a pipe would run and get the program's memory; and "
     "programs that switch cores off, as sanitizers do, give up when they cannot")
RULE(PRLIMIT, success, "the resource is RLIMIT_CORE and there is a new limit (nothing is done); EPERM if "
     "the old one is asked for besides",
     "as for setrlimit")
RULE(SOCKETPAIR, EPERM, "the family is not AF_UNIX", "other families reach other parts of the kernel")
RULE(SETSOCKOPT, EPERM, "the option is SO_ATTACH_FILTER, SO_ATTACH_BPF, SO_ATTACH_REUSEPORT_CBPF or "
     "SO_ATTACH_REUSEPORT_EBPF",
     "compiled filters use up memory that the whole host shares, and no other box could take its "
     "own syscall filter without it")
RULE(FCNTL, EINVAL, "the command is F_OFD_SETLK or F_OFD_SETLKW",
     "such locks are memory that nobody counts, and show no owner who could be stopped")
RULE(FADVISE, success, "the advice is POSIX_FADV_DONTNEED (nothing is done)",
     "it throws files of /usr out of the cache of the host and of all boxes")
RULE(MADVISE, EINVAL, "the advice is MADV_MERGEABLE",
     "merged pages tell, by the time a write takes, what others have in memory")
RULE(MMAP, ENOMEM, "the flags have MAP_HUGETLB",
     "huge pages come from a pool of the host that the memory limit does not count")
RULE(MEMFD, ENOMEM, "the flags have MFD_HUGETLB", "as for mmap")

GROUP(io, "reading and writing what is already open")
ALLOW(read) ALLOW(write) ALLOW(readv) ALLOW(writev) ALLOW(pread64) ALLOW(pwrite64) ALLOW(preadv)
ALLOW(pwritev) ALLOW(preadv2) ALLOW(pwritev2) ALLOW(lseek) ALLOW(close) ALLOW(close_range)
ALLOW(dup) ALLOW(dup3) CHECK(fcntl, FCNTL) ALLOW(flock) ALLOW(fsync) ALLOW(fdatasync) ALLOW(sync_file_range)
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

GROUP(watch, "waiting for events; a watch reaches only inodes of the box's own mounts, but for devices where the service is an ordinary user")
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
ALLOW(sched_get_priority_max) ALLOW(sched_get_priority_min)
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
               "none can be made that reaches beyond it")
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

/* What is refused on purpose. Together with the above these are all calls that x86-64 has up to
 * SYSCALL_NEWEST, so that none is refused because nobody thought of it. */
GROUP(no_network, "sockets that could reach beyond the box")
DENY(socket) DENY(bind) DENY(listen) DENY(accept) DENY(accept4) DENY(connect)

GROUP(no_other_road, "doing the work of calls past the filter, or in threads of the kernel")
DENY(io_uring_setup) DENY(io_uring_enter) DENY(io_uring_register) DENY(io_setup) DENY(io_submit)
DENY(io_cancel) DENY(io_destroy) DENY(io_getevents) DENY(io_pgetevents)

GROUP(no_namespaces, "making or entering namespaces, changing or listing mounts")
DENY(unshare) DENY(setns) DENY(mount) DENY(umount2) DENY(pivot_root) DENY(chroot) DENY(fsopen)
DENY(fsconfig) DENY(fsmount) DENY(fspick) DENY(open_tree) DENY(move_mount) DENY(mount_setattr)
DENY(statmount) DENY(listmount)

GROUP(no_handles, "opening files by handle, which looks past the mounts")
DENY(name_to_handle_at) DENY(open_by_handle_at)

GROUP(no_tracing, "looking into processes, changing or measuring them")
DENY(ptrace) DENY(process_vm_readv) DENY(process_vm_writev) DENY(process_madvise)
DENY(process_mrelease) DENY(pidfd_getfd) DENY(kcmp) DENY(perf_event_open)

GROUP(no_watching, "seeing what others do with files that are shared: events of whole file systems, "
                   "what is in the page cache, quotas, accounts of processes")
DENY(fanotify_init) DENY(fanotify_mark) DENY(cachestat) DENY(quotactl) DENY(quotactl_fd) DENY(acct)

GROUP(no_kernel_code, "putting code into the kernel or replacing it; a filter, too, is code")
DENY(bpf) DENY(seccomp) DENY(init_module) DENY(finit_module) DENY(delete_module)
DENY(create_module) DENY(query_module) DENY(get_kernel_syms) DENY(kexec_load)
DENY(kexec_file_load) DENY(reboot)

GROUP(no_keys, "keyrings, which are the host's and outlive a box")
DENY(add_key) DENY(request_key) DENY(keyctl)

GROUP(no_odd_memory, "memory managed in ways that ordinary programs do without: halting the kernel "
                     "in a page fault, pages hidden from it, placing and moving pages")
DENY(mbind) DENY(set_mempolicy) DENY(userfaultfd) DENY(memfd_secret) DENY(vmsplice) DENY(remap_file_pages)
DENY(migrate_pages) DENY(move_pages) DENY(set_mempolicy_home_node)

GROUP(no_host, "changing the host or making it work: its clocks, names, swap, log, disks, ports")
DENY(settimeofday) DENY(clock_settime) DENY(clock_adjtime) DENY(adjtimex) DENY(sethostname)
DENY(setdomainname) DENY(swapon) DENY(swapoff) DENY(syslog) DENY(vhangup) DENY(ioperm) DENY(iopl)

GROUP(no_security_modules, "asking about or changing the host's security modules")
DENY(lsm_get_self_attr) DENY(lsm_set_self_attr) DENY(lsm_list_modules)

GROUP(no_relics, "what no program of our time uses; most are empty in today's kernels")
DENY(modify_ldt) DENY(set_thread_area) DENY(get_thread_area) DENY(uselib) DENY(ustat) DENY(sysfs)
DENY(_sysctl) DENY(lookup_dcookie) DENY(nfsservctl) DENY(afs_syscall) DENY(tuxcall)
DENY(security) DENY(vserver) DENY(getpmsg) DENY(putpmsg) DENY(epoll_ctl_old) DENY(epoll_wait_old)

GROUP(not_there, "what they ask for lies in memory where a filter cannot look, and is there for older calls too: "
                 "namespaces by clone3, turns of a tenth of a second, for which all others wait, by sched_setattr")
ABSENT(clone3) ABSENT(sched_setattr)
