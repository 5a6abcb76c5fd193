/* The filter: a classic BPF program compiled from the table in syscalls.h.
 *
 * The table is laid out as one action for each number from 0 to SYSCALL_NEWEST, runs of equal
 * actions become segments, and the segments become a balanced tree of comparisons: about seven
 * for any call, and cheap for the kernel to walk when it works out which numbers are always
 * allowed (it then skips the program for those). A call whose arguments matter jumps to a
 * short piece of code behind the tree; most of these compare one argument with a list.
 *
 * Keeps S4 and S19 of SECURITY.md.
 */
#include "seccomp.h"

#include <asm/socket.h>
#include <linux/audit.h>
#include <linux/seccomp.h>
#include <fcntl.h>
#include <sched.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "breakable.h"

/* Calls that are younger than the headers of the oldest system that we build on; from 424 on the
 * numbers are the same on every architecture. */
#ifndef SYS_fchmodat2
#define SYS_fchmodat2 452
#endif
#ifndef SYS_map_shadow_stack
#define SYS_map_shadow_stack 453
#endif
#ifndef SYS_futex_wake
#define SYS_futex_wake 454
#define SYS_futex_wait 455
#define SYS_futex_requeue 456
#endif
#ifndef SYS_mseal
#define SYS_mseal 462
#endif

#if defined(__x86_64__)
#define NATIVE_ARCH AUDIT_ARCH_X86_64
#define X32_FIRST 0x40000000u
#elif defined(__aarch64__)
#define NATIVE_ARCH AUDIT_ARCH_AARCH64
#else
#error "no system call table for this architecture"
#endif

enum action {
  REFUSE, PASS, UNKNOWN, DONE,
  RULE_FIRST,
  /* One argument decides. */
  RULE_PRCTL = RULE_FIRST, RULE_PERSONALITY, RULE_SETRLIMIT, RULE_SOCKETPAIR,
  RULE_SETSOCKOPT, RULE_FCNTL, RULE_FADVISE, RULE_MADVISE, RULE_MMAP, RULE_MEMFD, CHOICES_END,
  /* Code of its own. */
  RULE_IOCTL = CHOICES_END, RULE_CLONE, RULE_PRLIMIT, ACTION_COUNT,
};

struct entry {
  int number;
  enum action action;
};

#define GROUP(name, reason)
#define RULE(rule, answer, when, why)
#define DENY(call)
#define ALLOW(call) {SYS_##call, PASS},
#define PRETEND(call) {SYS_##call, DONE},
#define CHECK(call, rule) {SYS_##call, RULE_##rule},
#define ABSENT(call) {SYS_##call, UNKNOWN},
static const struct entry table[] = {
#include "syscalls.h"
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
  uint32_t then, otherwise;
  unsigned count;
  uint32_t values[VALUES_MOST];
};

static const struct choice choices[CHOICES_END] = {
    /* What ordinary programs ask for; others are answered as by an older kernel. More filters let
     * a program make the kernel walk long ones; a core scheduling cookie idles the sibling of
     * its core; names of mappings are memory that nobody counts. */
    [RULE_PRCTL] = {0, false, ALLOWED, ERROR(EINVAL), 28,
                    {PR_SET_PDEATHSIG, PR_GET_PDEATHSIG, PR_GET_DUMPABLE, PR_SET_DUMPABLE,
                     PR_GET_KEEPCAPS, PR_SET_KEEPCAPS, PR_SET_NAME, PR_GET_NAME, PR_GET_SECCOMP,
                     PR_CAPBSET_READ, PR_GET_TSC, PR_GET_SECUREBITS, PR_SET_TIMERSLACK,
                     PR_GET_TIMERSLACK, PR_SET_CHILD_SUBREAPER, PR_GET_CHILD_SUBREAPER,
                     PR_SET_NO_NEW_PRIVS, PR_GET_NO_NEW_PRIVS, PR_GET_TID_ADDRESS,
                     PR_SET_THP_DISABLE, PR_GET_THP_DISABLE, PR_CAP_AMBIENT,
                     PR_GET_SPECULATION_CTRL, PR_SET_SPECULATION_CTRL, PR_SVE_GET_VL,
                     PR_SVE_SET_VL, PR_GET_TAGGED_ADDR_CTRL, PR_SET_TAGGED_ADDR_CTRL}},
    /* Only asking, and the plain Linux personality: others turn mitigations off. */
    [RULE_PERSONALITY] = {0, false, ALLOWED, ERROR(EPERM), 2, {0xffffffff, 0}},
    /* A core limit of 1 keeps a piped core_pattern from running; 0 would let it run again. Programs
     * that switch cores off (sanitizers, gpg) give up when they cannot; with 1 they are off. */
    [RULE_SETRLIMIT] = {0, false, SUCCESS, ALLOWED, 1, {RLIMIT_CORE}},
    [RULE_SOCKETPAIR] = {0, false, ALLOWED, ERROR(EPERM), 1, {AF_UNIX}},
    /* Compiled filters of sockets use up memory that the whole host shares, and without it no
     * other box could take its own syscall filter. */
    [RULE_SETSOCKOPT] = {2, false, ERROR(EPERM), ALLOWED, 4,
                         {SO_ATTACH_FILTER, SO_ATTACH_BPF, SO_ATTACH_REUSEPORT_CBPF,
                          SO_ATTACH_REUSEPORT_EBPF}},
    /* Locks that show no owner: the keeper could not tell whose are too many (hoard.c). */
    [RULE_FCNTL] = {1, false, ERROR(EINVAL), ALLOWED, 2, {F_OFD_SETLK, F_OFD_SETLKW}},
    /* It throws files of /usr out of the cache of the host and of all boxes. */
    [RULE_FADVISE] = {3, false, SUCCESS, ALLOWED, 1, {POSIX_FADV_DONTNEED}},
    /* Merged pages tell by the time a write takes what others have in memory. */
    [RULE_MADVISE] = {2, false, ERROR(EINVAL), ALLOWED, 1, {MADV_MERGEABLE}},
    /* Huge pages come from a pool of the host that the memory cgroup does not count. */
    [RULE_MMAP] = {3, true, ERROR(ENOMEM), ALLOWED, 1, {MAP_HUGETLB}},
    [RULE_MEMFD] = {1, true, ERROR(ENOMEM), ALLOWED, 1, {MFD_HUGETLB}},
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

struct segment {
  unsigned from;
  enum action action;
};

static void emit(struct filter *filter, struct sock_filter instruction) {
  if (filter->length < FILTER_MOST) filter->code[filter->length] = instruction;
  filter->length++;
}

/* Emits the comparisons for segments[low..high]; a leaf that needs a rule is marked with the
 * rule in its jump and resolved when the rules' places are known. */
static void emit_tree(struct filter *filter, const struct segment *segments, int low, int high) {
  if (low == high) {
    switch (segments[low].action) {
      case PASS: emit(filter, (struct sock_filter)RETURN(ALLOWED)); return;
      case REFUSE: emit(filter, (struct sock_filter)RETURN(ERROR(EPERM))); return;
      case UNKNOWN: emit(filter, (struct sock_filter)RETURN(ERROR(ENOSYS))); return;
      case DONE: emit(filter, (struct sock_filter)RETURN(SUCCESS)); return;
      default:
        emit(filter, (struct sock_filter)BPF_STMT(BPF_JMP | BPF_JA, segments[low].action));
        return;
    }
  }
  int middle = (low + high + 1) / 2;
  unsigned at = filter->length;
  emit(filter, (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JGE | BPF_K, segments[middle].from, 0, 0));
  emit_tree(filter, segments, low, middle - 1);
  unsigned left = filter->length - at - 1;
  if (left > 255) {
    /* A conditional jump reaches 255 instructions; the caller sees the overflow. */
    filter->length = FILTER_MOST + 1;
    return;
  }
  if (at < FILTER_MOST) filter->code[at].jt = (unsigned char)left;
  emit_tree(filter, segments, middle, high);
}

static void emit_choice(struct filter *filter, const struct choice *choice) {
  emit(filter, (struct sock_filter)LOAD_ARG(choice->argument));
  if (choice->bits) {
    emit(filter, (struct sock_filter)BPF_STMT(BPF_ALU | BPF_AND | BPF_K, choice->values[0]));
    emit(filter, (struct sock_filter)JUMP(BPF_JEQ, 0, 0, 1));
  } else {
    for (unsigned i = 0; i < choice->count; i++)
      emit(filter, (struct sock_filter)JUMP(BPF_JEQ, choice->values[i], choice->count - i, 0));
  }
  emit(filter, (struct sock_filter)RETURN(choice->otherwise));
  emit(filter, (struct sock_filter)RETURN(choice->then));
}

static void emit_code(struct filter *filter, const struct sock_filter *code, size_t length) {
  for (size_t i = 0; i < length; i++) emit(filter, code[i]);
}

/* Puts the rules behind the tree, whose leaves then get their places. */
static void emit_rules(struct filter *filter, unsigned tree_start) {
  unsigned tree_end = filter->length, place[ACTION_COUNT] = {0};
  for (unsigned action = RULE_FIRST; action < CHOICES_END; action++) {
    place[action] = filter->length;
    emit_choice(filter, &choices[action]);
  }
  place[RULE_IOCTL] = filter->length;
  emit_code(filter, rule_ioctl, sizeof rule_ioctl / sizeof rule_ioctl[0]);
  place[RULE_CLONE] = filter->length;
  emit_code(filter, rule_clone, sizeof rule_clone / sizeof rule_clone[0]);
  place[RULE_PRLIMIT] = filter->length;
  emit_code(filter, rule_prlimit, sizeof rule_prlimit / sizeof rule_prlimit[0]);
  for (unsigned i = tree_start; i < tree_end && i < FILTER_MOST; i++) {
    if (filter->code[i].code != (BPF_JMP | BPF_JA)) continue;
    filter->code[i].k = place[filter->code[i].k] - i - 1;
  }
}

static int segments_of_table(struct segment *segments) {
  unsigned char actions[SYSCALL_NEWEST + 2] = {REFUSE};
  for (size_t i = 0; i < sizeof table / sizeof table[0]; i++)
    actions[table[i].number] = (unsigned char)table[i].action;
  actions[SYSCALL_NEWEST + 1] = UNKNOWN;
  int count = 0;
  for (unsigned number = 0; number < sizeof actions; number++)
    if (number == 0 || actions[number] != actions[number - 1])
      segments[count++] = (struct segment){number, (enum action)actions[number]};
  return count;
}

int compile_filter(struct filter *filter, struct fault *fault) {
  struct segment segments[SYSCALL_NEWEST + 2];
  int count = segments_of_table(segments);
  filter->length = 0;
  emit(filter, (struct sock_filter)LOAD(arch));
  emit(filter, (struct sock_filter)JUMP(BPF_JEQ, NATIVE_ARCH, 1, 0));
  emit(filter, (struct sock_filter)RETURN(SECCOMP_RET_KILL_PROCESS));
  emit(filter, (struct sock_filter)LOAD(nr));
#ifdef X32_FIRST
  emit(filter, (struct sock_filter)JUMP(BPF_JGE, X32_FIRST, 0, 1));
  emit(filter, (struct sock_filter)RETURN(ERROR(EPERM)));
#endif
  unsigned tree_start = filter->length;
  emit_tree(filter, segments, 0, count - 1);
  emit_rules(filter, tree_start);
  if (filter->length > FILTER_MOST) return FAIL_WITH(fault, E2BIG, "compile the syscall filter");
  return 0;
}

int install_filter(const struct filter *filter, struct fault *fault) {
  if (BROKEN(SECCOMP)) return 0;
  struct sock_fprog program = {.len = filter->length,
                               .filter = (struct sock_filter *)(uintptr_t)filter->code};
  TRY((int)syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &program), "install the syscall filter");
  return 0;
}
