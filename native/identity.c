/* Keeps S4, S7 and S19 of SECURITY.md. */
#include "identity.h"

#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <linux/close_range.h>
#include <linux/securebits.h>
#include <sched.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "breakable.h"

static int set_capabilities(unsigned kept, struct fault *fault) {
  struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3, .pid = 0};
  struct __user_cap_data_struct data[2] = {{.effective = kept, .permitted = kept}, {0}};
  TRY((int)syscall(SYS_capset, &header, data), "set capabilities");
  return 0;
}

int become_namespace_root(struct fault *fault) {
  TRY(setgroups(0, NULL), "drop supplementary groups");
  TRY(setresgid(0, 0, 0), "take gid 0 of the namespace");
  TRY(setresuid(0, 0, 0), "take uid 0 of the namespace");
  return 0;
}

/* Up to the first that the kernel does not know. */
int empty_bounding_set(struct fault *fault) {
  if (BROKEN(CAPABILITIES)) return 0;
  for (int capability = 0;; capability++) {
    if (prctl(PR_CAPBSET_DROP, capability, 0, 0, 0) == 0) continue;
    if (errno == EINVAL && capability > CAP_SETFCAP) return 0;
    return fail(fault, "empty the bounding set");
  }
}

int keep_box_capabilities(struct fault *fault) {
  if (BROKEN(CAPABILITIES)) return keep_all_capabilities(fault);
  TRY(prctl(PR_SET_SECUREBITS, SECBIT_NOROOT | SECBIT_NOROOT_LOCKED | SECBIT_NO_CAP_AMBIENT_RAISE |
                                   SECBIT_NO_CAP_AMBIENT_RAISE_LOCKED, 0, 0, 0),
      "lock the secure bits");
  TRY(prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0), "clear ambient capabilities");
  if (!BROKEN(NO_NEW_PRIVS)) TRY(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), "set no_new_privs");
  return set_capabilities(1u << CAP_KILL | 1u << CAP_SETUID | 1u << CAP_SETGID, fault);
}

static int change_policy(int from, int to, struct fault *fault) {
  const struct sched_param none = {0};
  const int policy = sched_getscheduler(0);
  TRY(policy, "ask for the own scheduling policy");
  if (policy == from) TRY(sched_setscheduler(0, to, &none), "take another scheduling policy");
  return 0;
}

int be_patient(struct fault *fault) {
  return change_policy(SCHED_OTHER, SCHED_BATCH, fault);
}

int take_turns(struct fault *fault) {
  return change_policy(SCHED_BATCH, SCHED_OTHER, fault);
}

static const struct {
  __rlimit_resource_t resource;
  rlim_t most;
  const char *name;
} resources[] = {
    /* First: see limit_core. 1 and not 0: with 0 a piped core_pattern still gets the memory of the job. */
    {RLIMIT_CORE, 1, "core files"},
    {RLIMIT_NOFILE, OPEN_FILES, "open files"},
    {RLIMIT_MEMLOCK, 64 * 1024, "locked memory"},
    /* Timers and queued signals, of which all boxes together have as many as one user. */
    {RLIMIT_SIGPENDING, 256, "pending signals"},
    {RLIMIT_MSGQUEUE, 64 * 1024, "message queues"},
    {RLIMIT_RTPRIO, 0, "real-time priority"},
    {RLIMIT_NICE, 0, "nice"},
};

static int limit_some(size_t first, size_t count, struct fault *fault) {
  if (BROKEN(RLIMITS)) return 0;
  for (size_t i = first; i < first + count; i++) {
    if (BROKEN(CORE) && resources[i].resource == RLIMIT_CORE) continue;
    const struct rlimit value = {.rlim_cur = resources[i].most, .rlim_max = resources[i].most};
    TRY(setrlimit(resources[i].resource, &value), "limit %s", resources[i].name);
  }
  return 0;
}

int limit_core(struct fault *fault) {
  return limit_some(0, 1, fault);
}

int limit_resources(struct fault *fault) {
  return limit_some(1, sizeof resources / sizeof resources[0] - 1, fault);
}

bool resources_are_limited(void) {
  for (size_t i = 0; i < sizeof resources / sizeof resources[0]; i++) {
    struct rlimit value;
    if (getrlimit(resources[i].resource, &value) == -1 || value.rlim_max != resources[i].most ||
        value.rlim_cur != resources[i].most)
      return false;
  }
  return true;
}

/* In this order: without uid 0 no gid can be taken any more. */
static int take_program_ids(struct fault *fault) {
  if (BROKEN(UID)) return 0;
  TRY(setgroups(0, NULL), "drop supplementary groups");
  TRY(setresgid(PROGRAM_UID, PROGRAM_UID, PROGRAM_UID), "take the program's gid");
  TRY(setresuid(PROGRAM_UID, PROGRAM_UID, PROGRAM_UID), "take the program's uid");
  return 0;
}

int become_program(struct fault *fault) {
  if (take_program_ids(fault) == -1) return -1;
  if (!BROKEN(CAPABILITIES) && set_capabilities(0, fault) == -1) return -1;
  umask(022);
  return 0;
}

int keep_descriptors(const int *fds, int count, int first_private, struct fault *fault) {
  enum { SAFE = 100, MOST = 32 };
  int high[MOST];
  if (count > MOST) return FAIL_WITH(fault, E2BIG, "keep descriptors");
  for (int i = 0; i < count; i++) {
    /* In nobody's way. */
    high[i] = fds[i] >= count ? fds[i] : fcntl(fds[i], F_DUPFD, SAFE);
    TRY(high[i], "move descriptor %d", i);
  }
  for (int i = 0; i < count; i++)
    TRY(dup3(high[i], i, i >= first_private ? O_CLOEXEC : 0), "place descriptor %d", i);
  if (!BROKEN(DESCRIPTORS)) TRY((int)syscall(SYS_close_range, (unsigned)count, ~0u, 0), "close other descriptors");
  return 0;
}
