/* The groups of a slot: limited and opened for each box.
 *
 * Theory of operation. A job's group is made anew for each box, since peaks and counters of memory
 * cannot be reset and would tell the next job about the last; and it can only be removed when no
 * process is left in it. Of cgroup v1 that is done for memory alone: groups of the other controllers
 * stay, and their limits and the time that was used are written again. What runs is in all of them,
 * so they are empty when the one of memory could be removed.
 *
 * Keeps S5, S6 and S8 of SECURITY.md.
 */
#include <fcntl.h>
#include <sys/eventfd.h>
#include <sys/stat.h>
#include <unistd.h>

#include "place.h"

struct leaf_limits {
  uint64_t memory_bytes;
  unsigned processes, cpu_percent;
};

/* The kernel takes some values otherwise than they were written, and says nothing. */
static bool says(int fd, const char *value) {
  char text[64];
  const ssize_t got = pread(fd, text, sizeof text - 1, 0);
  if (got < 0) return false;
  text[got] = '\0';
  text[strcspn(text, "\n")] = '\0';
  return strcmp(text, value) == 0;
}

/* Written only where another stands: changing a share of the processor stops all of them for a moment.
 * A limit that did not take is a fault: nobody looks at it again before a job runs. */
static int set_limit(int leaf, const char *name, const char *value, struct fault *fault) {
  int fd = openat(leaf, name, O_RDWR | O_CLOEXEC), result = 0;
  TRY(fd, "open %s of a cgroup", name);
  if (says(fd, value)) result = 0;
  else if (write_all(fd, value, strlen(value)) == -1) result = fail(fault, "write %s to %s of a cgroup", value, name);
  else if (!says(fd, value)) result = FAIL_WITH(fault, ERANGE, "%s of a cgroup did not hold", name);
  close(fd);
  return result;
}

static int set_number(int leaf, const char *name, uint64_t value, struct fault *fault) {
  char text[32];
  (void)snprintf(text, sizeof text, "%llu", (unsigned long long)value);
  return set_limit(leaf, name, text, fault);
}

static int limit_v2(int leaf, const struct leaf_limits *limits, struct fault *fault) {
  char quota[48];
  (void)snprintf(quota, sizeof quota, "%u 100000", limits->cpu_percent * 1000);
  if (set_number(leaf, "memory.max", limits->memory_bytes, fault) == -1) return -1;
  if (set_limit(leaf, "memory.swap.max", "0", fault) == -1) return -1;
  if (set_limit(leaf, "memory.oom.group", "1", fault) == -1) return -1;
  if (set_number(leaf, "pids.max", limits->processes, fault) == -1) return -1;
  return set_limit(leaf, "cpu.max", quota, fault);
}

/* Without swap: the second file of memory limits both together. */
static int limit_v1(int leaf, unsigned controllers, const struct leaf_limits *limits, struct fault *fault) {
  if (controllers & MEMORY) {
    if (set_number(leaf, "memory.limit_in_bytes", limits->memory_bytes, fault) == -1) return -1;
    if (set_number(leaf, "memory.memsw.limit_in_bytes", limits->memory_bytes, fault) == -1) return -1;
  }
  if ((controllers & PIDS) && set_number(leaf, "pids.max", limits->processes, fault) == -1) return -1;
  if ((controllers & CPU) == 0) return 0;
  if (set_limit(leaf, "cpu.cfs_period_us", "100000", fault) == -1) return -1;
  return set_number(leaf, "cpu.cfs_quota_us", limits->cpu_percent * 1000, fault);
}

static int limit_leaf(const struct cgroups *cgroups, unsigned controllers, int leaf,
                      const struct leaf_limits *limits, struct fault *fault) {
  return cgroups->version == 2 ? limit_v2(leaf, limits, fault) : limit_v1(leaf, controllers, limits, fault);
}

/* The owner may change what a job gets, never where a process is or what the slot's parents get. */
static int give_limits(const struct cgroups *cgroups, unsigned controllers, int leaf, struct fault *fault) {
  static const struct {
    int version;
    unsigned controller;
    const char *name;
  } files[] = {{2, MEMORY, "memory.max"}, {2, PIDS, "pids.max"}, {2, CPU, "cpu.max"},
               {1, MEMORY, "memory.limit_in_bytes"}, {1, MEMORY, "memory.memsw.limit_in_bytes"},
               {1, PIDS, "pids.max"}, {1, CPU, "cpu.cfs_quota_us"}, {1, CPU, "cpu.cfs_period_us"}};
  if (cgroups->owner == geteuid()) return 0;
  for (size_t i = 0; i < sizeof files / sizeof files[0]; i++) {
    if (files[i].version != cgroups->version || (controllers & files[i].controller) == 0) continue;
    TRY(fchownat(leaf, files[i].name, cgroups->owner, (gid_t)-1, 0), "give %s of a job to the service", files[i].name);
  }
  return 0;
}

/* v1 kills one process at a time; an eventfd tells the box, which then kills the rest. It fires
 * too when all jobs together reach their ceiling, so the box looks at its own counter. */
static int watch_oom(int leaf, struct groups *groups, struct fault *fault) {
  char text[48];
  groups->oom_control = openat(leaf, "memory.oom_control", O_RDONLY | O_CLOEXEC);
  TRY(groups->oom_control, "open memory.oom_control of a job");
  groups->oom_event = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  TRY(groups->oom_event, "make an eventfd");
  (void)snprintf(text, sizeof text, "%d %d", groups->oom_event, groups->oom_control);
  return write_file_at(leaf, "cgroup.event_control", text, fault);
}

static int open_leaf(int parent, const char *name, struct fault *fault) {
  int leaf = openat(parent, name, O_PATH | O_DIRECTORY | O_CLOEXEC);
  TRY(leaf, "open a slot's cgroup");
  return leaf;
}

static int make_leaf(int parent, const char *name, struct fault *fault) {
  if (mkdirat(parent, name, 0755) == -1 && errno != EEXIST) return fail(fault, "make a slot's cgroup");
  return open_leaf(parent, name, fault);
}

/* Who joins has one thread. On v1 it joins by `tasks`: the kernel then leaves alone the lock that
 * keeps all processes from being forked and from ending, which it takes for a process of any other
 * kind and which costs a grace period of RCU, with all of cgroups held, whenever it was not taken
 * for a while (cgroup_procs_write_start in kernel/cgroup/cgroup.c). v2 has that for the threads of
 * one domain only. */
static int open_entry(const struct cgroups *cgroups, int parent, const char *name, struct fault *fault) {
  char path[48];
  (void)snprintf(path, sizeof path, "%s/%s", name, cgroups->version == 2 ? "cgroup.procs" : "tasks");
  int fd = openat(parent, path, O_WRONLY | O_CLOEXEC);
  TRY(fd, "open the entry of a slot's cgroup");
  return fd;
}

/* Nobody else can change what was set when it was made. */
static int make_box(const struct cgroups *cgroups, const struct hierarchy *hierarchy, const char *name,
                    struct fault *fault) {
  const struct leaf_limits limits = {cgroups->box_memory_bytes, 16, 50};
  int leaf = make_leaf(hierarchy->boxes, name, fault);
  if (leaf == -1) return -1;
  int result = limit_leaf(cgroups, hierarchy->controllers, leaf, &limits, fault);
  close(leaf);
  return result;
}

static int prepare_job(const struct cgroups *cgroups, const struct hierarchy *hierarchy, const char *name,
                       bool is_made, struct groups *groups, struct fault *fault) {
  const struct leaf_limits limits = {cgroups->job_memory_bytes, cgroups->processes, cgroups->cpu_percent};
  const unsigned controllers = hierarchy->controllers;
  const bool is_v1 = cgroups->version == 1, is_kept = is_made && (controllers & MEMORY) == 0;
  if (!is_kept && remove_group(hierarchy->jobs, name, fault) == -1) return -1;
  int leaf = is_kept ? open_leaf(hierarchy->jobs, name, fault) : make_leaf(hierarchy->jobs, name, fault);
  if (leaf == -1) return -1;
  int result = limit_leaf(cgroups, controllers, leaf, &limits, fault);
  if (result == 0 && !is_kept) result = give_limits(cgroups, controllers, leaf, fault);
  if (result == 0 && is_kept && (controllers & CPUACCT)) result = write_file_at(leaf, "cpuacct.usage", "0", fault);
  if (result == 0 && is_v1 && (controllers & MEMORY)) result = watch_oom(leaf, groups, fault);
  close(leaf);
  return result;
}

static int open_in_hierarchy(const struct cgroups *cgroups, int index, const char *name, bool is_made,
                             struct groups *groups, struct fault *fault) {
  const struct hierarchy *hierarchy = &cgroups->hierarchies[index];
  if (!is_made && make_box(cgroups, hierarchy, name, fault) == -1) return -1;
  if (prepare_job(cgroups, hierarchy, name, is_made, groups, fault) == -1) return -1;
  groups->box_procs[index] = open_entry(cgroups, hierarchy->boxes, name, fault);
  if (groups->box_procs[index] == -1) return -1;
  groups->job_procs[index] = open_entry(cgroups, hierarchy->jobs, name, fault);
  return groups->job_procs[index] == -1 ? -1 : 0;
}

int open_slot_groups(struct cgroups *cgroups, unsigned slot, struct groups *groups,
                     struct fault *fault) {
  const bool is_made = cgroups->has_slot[slot];
  char name[24];
  int result = 0;
  (void)snprintf(name, sizeof name, "slot-%u", slot);
  groups->count = cgroups->count;
  groups->oom_event = groups->oom_control = -1;
  for (int i = 0; i < HIERARCHIES_MOST; i++) groups->box_procs[i] = groups->job_procs[i] = -1;
  for (int i = 0; result == 0 && i < cgroups->count; i++)
    result = open_in_hierarchy(cgroups, i, name, is_made, groups, fault);
  cgroups->has_slot[slot] = result == 0;
  if (result == -1) close_slot_groups(groups);
  return result;
}

void close_slot_groups(const struct groups *groups) {
  for (int i = 0; i < groups->count; i++) {
    if (groups->box_procs[i] != -1) close(groups->box_procs[i]);
    if (groups->job_procs[i] != -1) close(groups->job_procs[i]);
  }
  if (groups->oom_event != -1) close(groups->oom_event);
  if (groups->oom_control != -1) close(groups->oom_control);
}
