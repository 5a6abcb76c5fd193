/* The filter: a classic BPF program compiled from the table in syscalls.h.
 *
 * The table is laid out as one action for each number from 0 to SYSCALL_NEWEST, runs of equal
 * actions become segments, and the segments become a balanced tree of comparisons: about seven
 * for any call, and cheap for the kernel to walk when it works out which numbers are always
 * allowed (it then skips the program for those). A call whose arguments matter jumps to a
 * short piece of code behind the tree; most of these compare one argument with a list. The verdicts
 * stand at the end, each once: the kernel compiles the program anew for every box, so it is short.
 *
 * Keeps S4 and S19 of SECURITY.md.
 */
#include "seccomp.h"

#include <linux/audit.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "arguments.h"
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

struct segment {
  unsigned from;
  enum action action;
};

/* Where a jump leads: to the instruction behind it, or to a verdict or rule (enum action, whose place
 * is known at the end). */
enum { NEXT = ACTION_COUNT };

struct draft {
  struct filter *filter;
  unsigned place[ACTION_COUNT];
  unsigned char then[FILTER_MOST], otherwise[FILTER_MOST];
};

static void emit_jump(struct draft *draft, struct sock_filter instruction, int then, int otherwise) {
  struct filter *filter = draft->filter;
  if (filter->length < FILTER_MOST) {
    filter->code[filter->length] = instruction;
    draft->then[filter->length] = (unsigned char)then;
    draft->otherwise[filter->length] = (unsigned char)otherwise;
  }
  filter->length++;
}

static void emit(struct draft *draft, struct sock_filter instruction) {
  emit_jump(draft, instruction, NEXT, NEXT);
}

/* Emits the comparisons for segments[low..high], of which there are two at least. */
static void emit_tree(struct draft *draft, const struct segment *segments, int low, int high) {
  struct filter *filter = draft->filter;
  const int middle = (low + high + 1) / 2;
  const bool below = middle - 1 > low, above = high > middle;
  const unsigned at = filter->length;
  emit_jump(draft, (struct sock_filter)JUMP(BPF_JGE, segments[middle].from, 0, 0),
            above ? NEXT : (int)segments[middle].action, below ? NEXT : (int)segments[low].action);
  if (below) emit_tree(draft, segments, low, middle - 1);
  /* A conditional jump reaches 255 instructions. */
  const unsigned between = filter->length - at - 1;
  if (above && between > 255) filter->length = FILTER_MOST + 1;
  else if (above && at < FILTER_MOST) filter->code[at].jt = (unsigned char)between;
  if (above) emit_tree(draft, segments, middle, high);
}

static void emit_choice(struct draft *draft, const struct choice *choice) {
  emit(draft, (struct sock_filter)LOAD_ARG(choice->argument));
  if (choice->bits) {
    emit(draft, (struct sock_filter)BPF_STMT(BPF_ALU | BPF_AND | BPF_K, choice->values[0]));
    emit_jump(draft, (struct sock_filter)JUMP(BPF_JEQ, 0, 0, 0), choice->otherwise, choice->then);
    return;
  }
  for (unsigned i = 0; i < choice->count; i++)
    emit_jump(draft, (struct sock_filter)JUMP(BPF_JEQ, choice->values[i], 0, 0), choice->then,
              i + 1 < choice->count ? NEXT : choice->otherwise);
}

static void emit_code(struct draft *draft, const struct sock_filter *code, size_t length) {
  for (size_t i = 0; i < length; i++) emit(draft, code[i]);
}

static void emit_rules(struct draft *draft) {
  const struct filter *filter = draft->filter;
  for (unsigned action = RULE_FIRST; action < CHOICES_END; action++) {
    draft->place[action] = filter->length;
    emit_choice(draft, &choices[action]);
  }
  draft->place[RULE_IOCTL] = filter->length;
  emit_code(draft, rule_ioctl, sizeof rule_ioctl / sizeof rule_ioctl[0]);
  draft->place[RULE_CLONE] = filter->length;
  emit_code(draft, rule_clone, sizeof rule_clone / sizeof rule_clone[0]);
  draft->place[RULE_PRLIMIT] = filter->length;
  emit_code(draft, rule_prlimit, sizeof rule_prlimit / sizeof rule_prlimit[0]);
}

static void emit_verdicts(struct draft *draft) {
  static const uint32_t verdicts[RULE_FIRST] = {
      [REFUSE] = ERROR(EPERM), [PASS] = ALLOWED, [UNKNOWN] = ERROR(ENOSYS), [DONE] = SUCCESS,
      [INVALID] = ERROR(EINVAL), [NO_MEMORY] = ERROR(ENOMEM)};
  for (unsigned action = 0; action < RULE_FIRST; action++) {
    draft->place[action] = draft->filter->length;
    emit(draft, (struct sock_filter)RETURN(verdicts[action]));
  }
}

/* Now that every place is known; false when one is out of reach. */
static bool resolve(struct draft *draft) {
  struct filter *filter = draft->filter;
  for (unsigned i = 0; i < filter->length; i++) {
    const int labels[2] = {draft->then[i], draft->otherwise[i]};
    unsigned char *const jumps[2] = {&filter->code[i].jt, &filter->code[i].jf};
    for (int side = 0; side < 2; side++) {
      if (labels[side] == NEXT) continue;
      const unsigned distance = draft->place[labels[side]] - i - 1;
      if (distance > 255) return false;
      *jumps[side] = (unsigned char)distance;
    }
  }
  return true;
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
  struct draft draft = {.filter = filter};
  const int count = segments_of_table(segments);
  filter->length = 0;
  emit(&draft, (struct sock_filter)LOAD(arch));
  emit(&draft, (struct sock_filter)JUMP(BPF_JEQ, NATIVE_ARCH, 1, 0));
  emit(&draft, (struct sock_filter)RETURN(SECCOMP_RET_KILL_PROCESS));
  emit(&draft, (struct sock_filter)LOAD(nr));
#ifdef X32_FIRST
  emit_jump(&draft, (struct sock_filter)JUMP(BPF_JGE, X32_FIRST, 0, 0), REFUSE, NEXT);
#endif
  emit_tree(&draft, segments, 0, count - 1);
  emit_rules(&draft);
  emit_verdicts(&draft);
  if (filter->length > FILTER_MOST || !resolve(&draft)) return FAIL_WITH(fault, E2BIG, "compile the syscall filter");
  return 0;
}

int install_filter(const struct filter *filter, struct fault *fault) {
  if (BROKEN(SECCOMP)) return 0;
  struct sock_fprog program = {.len = filter->length,
                               .filter = (struct sock_filter *)(uintptr_t)filter->code};
  TRY((int)syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &program), "install the syscall filter");
  return 0;
}
