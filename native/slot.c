/* The groups of a slot: limited and opened for each box.
 *
 * Theory of operation. A job must not be told of the last one on its slot by what its group counts, and
 * nothing of that one may be left in it. On cgroup v2 the group is made anew for each box: peaks cannot
 * be reset there. To make and remove a group of v1's for memory costs more than all else of a box's
 * groups together, but its peak can be reset. So there groups stay, and what was written to them or
 * counted by them is set back for each box; that of memory is made anew when it is not as good as new:
 * when it holds more than the kernel holds ahead for one processor, which is how exactly it counts
 * anyway, when the kernel killed somebody in it, or when somebody is in it, which then fails. What runs
 * is in the groups of all controllers, so all are empty when that of memory is.
 *
 * Keeps S5, S6 and S8 of SECURITY.md.
 */
#include <fcntl.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/stat.h>
#include <unistd.h>

#include "place.h"

#define OOM_KILLED "oom_kill "

/* What the kernel charges ahead for one processor: 64 pages (MEMCG_CHARGE_BATCH). */
enum { RESIDUE_MOST = 256 * 1024 };

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

/* Of a small file, whole; false when there is none. */
static bool read_entry(int leaf, const char *name, char *text, size_t size) {
  int fd = openat(leaf, name, O_RDONLY | O_CLOEXEC);
  if (fd == -1) return false;
  const ssize_t got = read(fd, text, size - 1);
  close(fd);
  text[got < 0 ? 0 : got] = '\0';
  return got >= 0;
}

static bool is_as_new(int leaf) {
  char text[256];
  if (!read_entry(leaf, "tasks", text, sizeof text) || text[0] != '\0') return false;
  if (!read_entry(leaf, "memory.usage_in_bytes", text, sizeof text)) return false;
  if (text[0] == '\0' || strtoull(text, NULL, 10) > RESIDUE_MOST) return false;
  if (!read_entry(leaf, "memory.oom_control", text, sizeof text)) return false;
  const char *killed = strstr(text, OOM_KILLED);
  return killed != NULL && strtoul(killed + strlen(OOM_KILLED), NULL, 10) == 0;
}

/* -1, and no fault, where there is none that could be used again. */
static int open_again(const struct cgroups *cgroups, const struct hierarchy *hierarchy, const char *name) {
  if (cgroups->version == 2) return -1;
  int leaf = openat(hierarchy->jobs, name, O_PATH | O_DIRECTORY | O_CLOEXEC);
  if (leaf == -1 || (hierarchy->controllers & MEMORY) == 0 || is_as_new(leaf)) return leaf;
  close(leaf);
  return -1;
}

/* Only an empty group can be removed. */
static int make_again(const struct cgroups *cgroups, const struct hierarchy *hierarchy, const char *name,
                      struct fault *fault) {
  if (remove_group(hierarchy->jobs, name, fault) == -1) return -1;
  int leaf = make_leaf(hierarchy->jobs, name, fault);
  if (leaf == -1 || give_limits(cgroups, hierarchy->controllers, leaf, fault) == 0) return leaf;
  close(leaf);
  return -1;
}

/* Makes the job that comes the first that is counted. */
static int reset_counts(unsigned controllers, int leaf, struct fault *fault) {
  if ((controllers & CPUACCT) && write_file_at(leaf, "cpuacct.usage", "0", fault) == -1) return -1;
  return (controllers & MEMORY) ? write_file_at(leaf, "memory.max_usage_in_bytes", "0", fault) : 0;
}

static int prepare_job(const struct cgroups *cgroups, const struct hierarchy *hierarchy, const char *name,
                       bool is_made, struct groups *groups, struct fault *fault) {
  const struct leaf_limits limits = {cgroups->job_memory_bytes, cgroups->processes, cgroups->cpu_percent};
  const unsigned controllers = hierarchy->controllers;
  int leaf = is_made ? open_again(cgroups, hierarchy, name) : -1;
  const bool is_again = leaf != -1;
  if (!is_again) leaf = make_again(cgroups, hierarchy, name, fault);
  if (leaf == -1) return -1;
  int result = limit_leaf(cgroups, controllers, leaf, &limits, fault);
  if (result == 0 && is_again) result = reset_counts(controllers, leaf, fault);
  if (result == 0 && cgroups->version == 1 && (controllers & MEMORY)) result = watch_oom(leaf, groups, fault);
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
