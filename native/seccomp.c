/* The filter: a classic BPF program compiled from the table in syscalls.h.
 *
 * The table is laid out as one action for each number from 0 to SYSCALL_NEWEST, runs of equal
 * actions become segments, and the segments become a balanced tree of comparisons: about seven
 * for any call, and cheap for the kernel to walk when it works out which numbers are always
 * allowed (it then skips the program for those). A call whose arguments matter jumps to a
 * short piece of code behind the tree.
 */
#include "seccomp.h"

#include <linux/audit.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <stddef.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

/* Calls that are younger than the headers of the oldest system that we build on; from 424 on the
 * numbers are the same on every architecture. */
#ifndef SYS_cachestat
#define SYS_cachestat 451
#endif
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
#ifndef CLONE_NEWTIME
#define CLONE_NEWTIME 0x80
#endif

#if defined(__x86_64__)
#define NATIVE_ARCH AUDIT_ARCH_X86_64
#define X32_BIT 0x40000000u
#elif defined(__aarch64__)
#define NATIVE_ARCH AUDIT_ARCH_AARCH64
#else
#error "no system call table for this architecture"
#endif

enum action {
  REFUSE, PASS, UNKNOWN,
  RULE_IOCTL, RULE_CLONE, RULE_PRCTL, RULE_PERSONALITY, RULE_SETRLIMIT, RULE_PRLIMIT,
  RULE_SOCKETPAIR, ACTION_COUNT,
};

struct entry {
  int number;
  enum action action;
};

#define GROUP(name, reason)
#define ALLOW(call) {SYS_##call, PASS},
#define CHECK(call, rule) {SYS_##call, RULE_##rule},
static const struct entry table[] = {
#include "syscalls.h"
};

#define RETURN_ALLOW BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW)
#define RETURN_ERROR(error) BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | (error))
#define LOAD(field) \
  BPF_STMT(BPF_LD | BPF_W | BPF_ABS, (unsigned)offsetof(struct seccomp_data, field))
/* The low half of an argument on the little-endian machines that we build for. */
#define LOAD_ARG(index) \
  BPF_STMT(BPF_LD | BPF_W | BPF_ABS, (unsigned)(offsetof(struct seccomp_data, args) + 8 * (index)))
#define LOAD_ARG_HIGH(index)          \
  BPF_STMT(BPF_LD | BPF_W | BPF_ABS,  \
           (unsigned)(offsetof(struct seccomp_data, args) + 8 * (index) + 4))
#define IF_EQUAL(value, skip_if, skip_else) \
  BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (value), (skip_if), (skip_else))
#define IF_ANY_BIT(bits, skip_if, skip_else) \
  BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, (bits), (skip_if), (skip_else))

#define NAMESPACE_FLAGS                                                                   \
  (CLONE_NEWUSER | CLONE_NEWPID | CLONE_NEWNET | CLONE_NEWNS | CLONE_NEWIPC | CLONE_NEWUTS | \
   CLONE_NEWCGROUP)

/* TIOCSTI types into the terminal of whoever looks at it, TIOCLINUX pastes there. */
static const struct sock_filter rule_ioctl[] = {
    LOAD_ARG(1), IF_EQUAL(TIOCSTI, 2, 0), IF_EQUAL(TIOCLINUX, 1, 0), RETURN_ALLOW,
    RETURN_ERROR(EPERM)};

/* A new user namespace would give capabilities over fresh kernel interfaces. */
static const struct sock_filter rule_clone[] = {
    LOAD_ARG(0), IF_ANY_BIT(NAMESPACE_FLAGS, 1, 0), RETURN_ALLOW, RETURN_ERROR(EPERM)};

/* More filters would do no harm but let a program make the kernel walk long ones. */
static const struct sock_filter rule_prctl[] = {
    LOAD_ARG(0), IF_EQUAL(PR_SET_SECCOMP, 1, 0), RETURN_ALLOW, RETURN_ERROR(EPERM)};

/* Only asking, and the plain Linux personality: others turn mitigations off. */
static const struct sock_filter rule_personality[] = {
    LOAD_ARG(0), IF_EQUAL(0xffffffff, 1, 0), IF_EQUAL(0, 0, 1), RETURN_ALLOW,
    RETURN_ERROR(EPERM)};

/* A core limit of 1 keeps a piped core_pattern from running; 0 would let it run again. */
static const struct sock_filter rule_setrlimit[] = {
    LOAD_ARG(0), IF_EQUAL(RLIMIT_CORE, 1, 0), RETURN_ALLOW, RETURN_ERROR(EPERM)};

static const struct sock_filter rule_prlimit[] = {
    LOAD_ARG(1), IF_EQUAL(RLIMIT_CORE, 0, 4), LOAD_ARG(2), IF_EQUAL(0, 0, 3),
    LOAD_ARG_HIGH(2), IF_EQUAL(0, 0, 1), RETURN_ALLOW, RETURN_ERROR(EPERM)};

static const struct sock_filter rule_socketpair[] = {
    LOAD_ARG(0), IF_EQUAL(AF_UNIX, 0, 1), RETURN_ALLOW, RETURN_ERROR(EPERM)};

struct rule {
  const struct sock_filter *code;
  unsigned length;
};
#define RULE(name) {name, sizeof name / sizeof name[0]}

static const struct rule rules[ACTION_COUNT] = {
    [RULE_IOCTL] = RULE(rule_ioctl),
    [RULE_CLONE] = RULE(rule_clone),
    [RULE_PRCTL] = RULE(rule_prctl),
    [RULE_PERSONALITY] = RULE(rule_personality),
    [RULE_SETRLIMIT] = RULE(rule_setrlimit),
    [RULE_PRLIMIT] = RULE(rule_prlimit),
    [RULE_SOCKETPAIR] = RULE(rule_socketpair),
};

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
      case PASS: emit(filter, (struct sock_filter)RETURN_ALLOW); return;
      case REFUSE: emit(filter, (struct sock_filter)RETURN_ERROR(EPERM)); return;
      case UNKNOWN: emit(filter, (struct sock_filter)RETURN_ERROR(ENOSYS)); return;
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

static void emit_rules(struct filter *filter, unsigned tree_start) {
  unsigned tree_end = filter->length, place[ACTION_COUNT] = {0};
  for (unsigned action = RULE_IOCTL; action < ACTION_COUNT; action++) {
    place[action] = filter->length;
    for (unsigned i = 0; i < rules[action].length; i++) emit(filter, rules[action].code[i]);
  }
  for (unsigned i = tree_start; i < tree_end && i < FILTER_MOST; i++) {
    if (filter->code[i].code != (BPF_JMP | BPF_JA)) continue;
    filter->code[i].k = place[filter->code[i].k] - i - 1;
  }
}

static int segments_of_table(struct segment *segments) {
  unsigned char actions[SYSCALL_NEWEST + 2] = {REFUSE};
  for (size_t i = 0; i < sizeof table / sizeof table[0]; i++)
    actions[table[i].number] = (unsigned char)table[i].action;
  actions[SYS_clone3] = UNKNOWN;
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
  emit(filter, (struct sock_filter)IF_EQUAL(NATIVE_ARCH, 1, 0));
  emit(filter, (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS));
  emit(filter, (struct sock_filter)LOAD(nr));
#ifdef X32_BIT
  emit(filter, (struct sock_filter)IF_ANY_BIT(X32_BIT, 0, 1));
  emit(filter, (struct sock_filter)RETURN_ERROR(EPERM));
#endif
  unsigned tree_start = filter->length;
  emit_tree(filter, segments, 0, count - 1);
  emit_rules(filter, tree_start);
  if (filter->length > FILTER_MOST) return FAIL_WITH(fault, E2BIG, "compile the syscall filter");
  return 0;
}

int install_filter(const struct filter *filter, struct fault *fault) {
  struct sock_fprog program = {.len = filter->length,
                               .filter = (struct sock_filter *)(uintptr_t)filter->code};
  TRY((int)syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &program), "install the syscall filter");
  return 0;
}
