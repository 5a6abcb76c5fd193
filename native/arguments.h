/* What the filter answers, and which arguments decide it: data of seccomp.c.
 *
 * Keeps S4 and S19 of SECURITY.md.
 */
#ifndef SANDRUN_ARGUMENTS_H
#define SANDRUN_ARGUMENTS_H

#include <asm/socket.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>

enum action {
  REFUSE, PASS, UNKNOWN, DONE,
  /* Only what a rule answers. */
  INVALID, NO_MEMORY,
  RULE_FIRST,
  /* One argument decides. */
  RULE_PRCTL = RULE_FIRST, RULE_PERSONALITY, RULE_SETRLIMIT, RULE_SOCKETPAIR,
  RULE_SETSOCKOPT, RULE_FCNTL, RULE_FADVISE, RULE_MADVISE, RULE_MMAP, RULE_MEMFD, CHOICES_END,
  /* Code of its own. */
  RULE_IOCTL = CHOICES_END, RULE_CLONE, RULE_PRLIMIT, ACTION_COUNT,
};

#define ALLOWED SECCOMP_RET_ALLOW
#define ERROR(error) (SECCOMP_RET_ERRNO | (error))
/* The call succeeds and nothing is done. */
#define SUCCESS ERROR(0)
#define RETURN(verdict) BPF_STMT(BPF_RET | BPF_K, (verdict))
#define LOAD(field) \
  BPF_STMT(BPF_LD | BPF_W | BPF_ABS, (unsigned)offsetof(struct seccomp_data, field))
/* The low half of an argument on the little-endian machines that we build for. */
#define LOAD_ARG(index) \
  BPF_STMT(BPF_LD | BPF_W | BPF_ABS, (unsigned)(offsetof(struct seccomp_data, args) + 8 * (index)))
#define LOAD_ARG_HIGH(index)          \
  BPF_STMT(BPF_LD | BPF_W | BPF_ABS,  \
           (unsigned)(offsetof(struct seccomp_data, args) + 8 * (index) + 4))
#define JUMP(how, value, skip_if, skip_else) \
  BPF_JUMP(BPF_JMP | (how) | BPF_K, (value), (skip_if), (skip_else))

enum { VALUES_MOST = 32 };

/* "The argument is one of the values, or has one of the bits: then this, otherwise that."
 * Bits are one value: BPF_JSET is not in the language of libseccomp's simulator, which tests us. */
struct choice {
  unsigned argument;
  bool bits;
  enum action then, otherwise;
  unsigned count;
  uint32_t values[VALUES_MOST];
};

static const struct choice choices[CHOICES_END] = {
    /* What ordinary programs ask for; others are answered as by an older kernel. More filters let
     * a program make the kernel walk long ones; a core scheduling cookie idles the sibling of
     * its core; names of mappings are memory that nobody counts. */
    [RULE_PRCTL] = {0, false, PASS, INVALID, 28,
                    {PR_SET_PDEATHSIG, PR_GET_PDEATHSIG, PR_GET_DUMPABLE, PR_SET_DUMPABLE,
                     PR_GET_KEEPCAPS, PR_SET_KEEPCAPS, PR_SET_NAME, PR_GET_NAME, PR_GET_SECCOMP,
                     PR_CAPBSET_READ, PR_GET_TSC, PR_GET_SECUREBITS, PR_SET_TIMERSLACK,
                     PR_GET_TIMERSLACK, PR_SET_CHILD_SUBREAPER, PR_GET_CHILD_SUBREAPER,
                     PR_SET_NO_NEW_PRIVS, PR_GET_NO_NEW_PRIVS, PR_GET_TID_ADDRESS,
                     PR_SET_THP_DISABLE, PR_GET_THP_DISABLE, PR_CAP_AMBIENT,
                     PR_GET_SPECULATION_CTRL, PR_SET_SPECULATION_CTRL, PR_SVE_GET_VL,
                     PR_SVE_SET_VL, PR_GET_TAGGED_ADDR_CTRL, PR_SET_TAGGED_ADDR_CTRL}},
    /* Only asking, and the plain Linux personality: others turn mitigations off. */
    [RULE_PERSONALITY] = {0, false, PASS, REFUSE, 2, {0xffffffff, 0}},
    /* A core limit of 1 keeps a piped core_pattern from running; 0 would let it run again. Programs
     * that switch cores off (sanitizers, gpg) give up when they cannot; with 1 they are off. */
    [RULE_SETRLIMIT] = {0, false, DONE, PASS, 1, {RLIMIT_CORE}},
    [RULE_SOCKETPAIR] = {0, false, PASS, REFUSE, 1, {AF_UNIX}},
    /* Compiled filters of sockets use up memory that the whole host shares, and without it no
     * other box could take its own syscall filter. */
    [RULE_SETSOCKOPT] = {2, false, REFUSE, PASS, 4,
                         {SO_ATTACH_FILTER, SO_ATTACH_BPF, SO_ATTACH_REUSEPORT_CBPF,
                          SO_ATTACH_REUSEPORT_EBPF}},
    /* Locks that show no owner: the keeper could not tell whose are too many (hoard.c). */
    [RULE_FCNTL] = {1, false, INVALID, PASS, 2, {F_OFD_SETLK, F_OFD_SETLKW}},
    /* It throws files of /usr out of the cache of the host and of all boxes. */
    [RULE_FADVISE] = {3, false, DONE, PASS, 1, {POSIX_FADV_DONTNEED}},
    /* Merged pages tell by the time a write takes what others have in memory. */
    [RULE_MADVISE] = {2, false, INVALID, PASS, 1, {MADV_MERGEABLE}},
    /* Huge pages come from a pool of the host that the memory cgroup does not count. */
    [RULE_MMAP] = {3, true, NO_MEMORY, PASS, 1, {MAP_HUGETLB}},
    [RULE_MEMFD] = {1, true, NO_MEMORY, PASS, 1, {MFD_HUGETLB}},
};

/* TIOCSTI types into the terminal of whoever looks at it, TIOCLINUX pastes there, TIOCSETD loads
 * kernel modules of line disciplines, and 0x8910 to 0x89ff ask about and set up networks. */
static const struct sock_filter rule_ioctl[] = {
    LOAD_ARG(1),
    JUMP(BPF_JEQ, TIOCSTI, 5, 0),
    JUMP(BPF_JEQ, TIOCLINUX, 4, 0),
    JUMP(BPF_JEQ, TIOCSETD, 3, 0),
    JUMP(BPF_JGE, 0x8910, 0, 1),
    JUMP(BPF_JGT, 0x89ff, 0, 1),
    RETURN(ALLOWED),
    RETURN(ERROR(EPERM))};

/* A new user namespace would give capabilities over fresh kernel interfaces. Processes, not
 * threads, that share their descriptors could leave locks behind that show a dead owner. */
static const struct sock_filter rule_clone[] = {
    LOAD_ARG(0),
    BPF_STMT(BPF_ALU | BPF_AND | BPF_K, CLONE_NEWUSER | CLONE_NEWPID | CLONE_NEWNET | CLONE_NEWNS |
                                            CLONE_NEWIPC | CLONE_NEWUTS | CLONE_NEWCGROUP),
    JUMP(BPF_JEQ, 0, 0, 4),
    LOAD_ARG(0),
    BPF_STMT(BPF_ALU | BPF_AND | BPF_K, CLONE_FILES | CLONE_THREAD),
    JUMP(BPF_JEQ, CLONE_FILES, 1, 0),
    RETURN(ALLOWED),
    RETURN(ERROR(EPERM))};

/* What setrlimit does, as C libraries spell it. Success with an old limit asked for would tell garbage. */
static const struct sock_filter rule_prlimit[] = {
    LOAD_ARG(1),      JUMP(BPF_JEQ, RLIMIT_CORE, 0, 8),
    LOAD_ARG(2),      JUMP(BPF_JEQ, 0, 0, 2),
    LOAD_ARG_HIGH(2), JUMP(BPF_JEQ, 0, 4, 0),
    LOAD_ARG(3),      JUMP(BPF_JEQ, 0, 0, 3),
    LOAD_ARG_HIGH(3), JUMP(BPF_JEQ, 0, 2, 1),
    RETURN(ALLOWED),  RETURN(ERROR(EPERM)), RETURN(SUCCESS)};

#endif
