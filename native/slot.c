/* The groups of a slot: limited and opened for each box.
 *
 * Theory of operation. A job must not be told of the last one on its slot by what its group counts, and
 * nothing of that one may be left in it. On cgroup v2 the group is made anew for each box: peaks cannot
 * be reset there. To make and remove a group of v1's for memory costs more than all else of a box's
 * groups together, but its peak can be reset. So there groups stay, and their limits and that peak are
 * set back for each box (of the time that was used only differences are told); that of memory is made
 * anew when it is not as good as new: when the kernel killed somebody in it, when somebody is in it, which
 * then fails, or when it holds more than the kernel holds ahead for two processors. That is how exactly it
 * counts; and callers are told whole megabytes, so not what was left. What runs is in the groups of all
 * controllers, so all are empty when that of memory is.
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

/* For one processor 64 pages are charged ahead (MEMCG_CHARGE_BATCH). */
enum { RESIDUE_MOST = 2 * 256 * 1024 };

struct leaf_limits {
  uint64_t memory_bytes;
  unsigned processes, cpu_percent;
};

static bool says(struct leaf *leaf, enum leaf_file file, const char *value) {
  char text[64];
  if (!read_leaf(leaf, file, text, sizeof text)) return false;
  text[strcspn(text, "\n")] = '\0';
  return strcmp(text, value) == 0;
}

/* Written only where another stands: changing a share of the processor stops all of them for a moment.
 * The kernel takes some values otherwise than they were written, and says nothing; and a limit that did
 * not take is a fault, since nobody looks at it again before a job runs. */
static int set_limit(struct leaf *leaf, enum leaf_file file, const char *value, struct fault *fault) {
  if (says(leaf, file, value)) return 0;
  if (write_leaf(leaf, file, value, fault) == -1) return -1;
  if (says(leaf, file, value)) return 0;
  return FAIL_WITH(fault, ERANGE, "%s of a cgroup did not hold", leaf_file_name(file));
}

static int set_number(struct leaf *leaf, enum leaf_file file, uint64_t value, struct fault *fault) {
  char text[32];
  (void)snprintf(text, sizeof text, "%llu", (unsigned long long)value);
  return set_limit(leaf, file, text, fault);
}

static int limit_v2(struct leaf *leaf, const struct leaf_limits *limits, struct fault *fault) {
  char quota[48];
  (void)snprintf(quota, sizeof quota, "%u 100000", limits->cpu_percent * 1000);
  if (set_number(leaf, LEAF_MEMORY_MAX, limits->memory_bytes, fault) == -1) return -1;
  if (set_limit(leaf, LEAF_SWAP_MAX, "0", fault) == -1) return -1;
  if (set_limit(leaf, LEAF_OOM_GROUP, "1", fault) == -1) return -1;
  if (set_number(leaf, LEAF_PIDS_MAX, limits->processes, fault) == -1) return -1;
  return set_limit(leaf, LEAF_CPU_MAX, quota, fault);
}

/* Without swap: the second file limits both together, and the first is never above it, on no way. */
static int limit_memory_v1(struct leaf *leaf, uint64_t bytes, struct fault *fault) {
  static const enum leaf_file files[] = {LEAF_MEMORY_LIMIT, LEAF_MEMSW_LIMIT};
  char text[64];
  if (!read_leaf(leaf, LEAF_MEMORY_LIMIT, text, sizeof text)) return fail(fault, "read a limit of a cgroup");
  const bool rises = strtoull(text, NULL, 10) < bytes;
  if (set_number(leaf, files[rises], bytes, fault) == -1) return -1;
  return set_number(leaf, files[!rises], bytes, fault);
}

static int limit_v1(struct leaf *leaf, unsigned controllers, const struct leaf_limits *limits,
                    struct fault *fault) {
  if ((controllers & MEMORY) && limit_memory_v1(leaf, limits->memory_bytes, fault) == -1) return -1;
  if ((controllers & PIDS) && set_number(leaf, LEAF_PIDS_MAX, limits->processes, fault) == -1) return -1;
  if ((controllers & CPU) == 0) return 0;
  if (set_limit(leaf, LEAF_CPU_PERIOD, "100000", fault) == -1) return -1;
  return set_number(leaf, LEAF_CPU_QUOTA, limits->cpu_percent * 1000, fault);
}

static int limit_leaf(const struct cgroups *cgroups, unsigned controllers, struct leaf *leaf,
                      const struct leaf_limits *limits, struct fault *fault) {
  return cgroups->version == 2 ? limit_v2(leaf, limits, fault) : limit_v1(leaf, controllers, limits, fault);
}

/* The owner may change what a job gets, never where a process is or what the slot's parents get. */
static int give_limits(const struct cgroups *cgroups, unsigned controllers, const struct leaf *leaf,
                       struct fault *fault) {
  static const struct {
    int version;
    unsigned controller;
    enum leaf_file file;
  } given[] = {{2, MEMORY, LEAF_MEMORY_MAX}, {2, PIDS, LEAF_PIDS_MAX}, {2, CPU, LEAF_CPU_MAX},
               {1, MEMORY, LEAF_MEMORY_LIMIT}, {1, MEMORY, LEAF_MEMSW_LIMIT}, {1, PIDS, LEAF_PIDS_MAX},
               {1, CPU, LEAF_CPU_QUOTA}, {1, CPU, LEAF_CPU_PERIOD}};
  if (cgroups->owner == geteuid()) return 0;
  for (size_t i = 0; i < sizeof given / sizeof given[0]; i++) {
    char path[64];
    if (given[i].version != cgroups->version || (controllers & given[i].controller) == 0) continue;
    (void)snprintf(path, sizeof path, "%s/%s", leaf->name, leaf_file_name(given[i].file));
    TRY(fchownat(leaf->parent, path, cgroups->owner, (gid_t)-1, 0), "give %s of a job to the service",
        leaf_file_name(given[i].file));
  }
  return 0;
}

/* v1 kills one process at a time; an eventfd tells the box, which then kills the rest. It fires
 * too when all jobs together reach their ceiling, so the box looks at its own counter. */
static int watch_oom(struct leaf *leaf, struct groups *groups, struct fault *fault) {
  char text[48];
  groups->oom_control = open_leaf_file(leaf, LEAF_OOM_CONTROL, fault);
  if (groups->oom_control == -1) return -1;
  groups->oom_event = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  TRY(groups->oom_event, "make an eventfd");
  (void)snprintf(text, sizeof text, "%d %d", groups->oom_event, groups->oom_control);
  return write_leaf(leaf, LEAF_EVENT_CONTROL, text, fault);
}

static int make_leaf(struct leaf *leaf, int parent, const char *name, struct fault *fault) {
  close_leaf(leaf);
  if (mkdirat(parent, name, 0755) == -1 && errno != EEXIST) return fail(fault, "make a slot's cgroup");
  return find_leaf(leaf, parent, name) ? 0 : fail(fault, "find a slot's cgroup");
}

/* Nobody else can change what was set when it was made. A whole processor: these processes work one at
 * a time, and with less the steward would stand still for what a job's collector used before, and the
 * keeper, which waits for it, with it. */
static int prepare_box(const struct cgroups *cgroups, const struct hierarchy *hierarchy, const char *name,
                       bool is_made, struct leaf *leaf, struct fault *fault) {
  const struct leaf_limits limits = {cgroups->box_memory_bytes, 16, 100};
  if (is_made && find_leaf(leaf, hierarchy->boxes, name)) return 0;
  if (make_leaf(leaf, hierarchy->boxes, name, fault) == -1) return -1;
  return limit_leaf(cgroups, hierarchy->controllers, leaf, &limits, fault);
}

/* Opened for each look: an open list of v1's goes on to say what it said a second ago. */
static bool is_empty(const struct leaf *leaf) {
  char path[64], some;
  (void)snprintf(path, sizeof path, "%s/tasks", leaf->name);
  int fd = openat(leaf->parent, path, O_RDONLY | O_CLOEXEC);
  if (fd == -1) return false;
  const ssize_t got = read(fd, &some, 1);
  close(fd);
  return got == 0;
}

static bool is_as_new(struct leaf *leaf) {
  char text[256];
  if (!is_empty(leaf) || !read_leaf(leaf, LEAF_MEMORY_USAGE, text, sizeof text)) return false;
  if (strtoull(text, NULL, 10) > RESIDUE_MOST) return false;
  if (!read_leaf(leaf, LEAF_OOM_CONTROL, text, sizeof text)) return false;
  const char *killed = strstr(text, OOM_KILLED);
  return killed != NULL && strtoul(killed + strlen(OOM_KILLED), NULL, 10) == 0;
}

static bool can_be_used_again(const struct cgroups *cgroups, const struct hierarchy *hierarchy,
                              const char *name, struct leaf *leaf) {
  if (cgroups->version == 2 || !find_leaf(leaf, hierarchy->jobs, name)) return false;
  return (hierarchy->controllers & MEMORY) == 0 || is_as_new(leaf);
}

/* Only an empty group can be removed. */
static int make_again(const struct cgroups *cgroups, const struct hierarchy *hierarchy, const char *name,
                      struct leaf *leaf, struct fault *fault) {
  if (remove_group(hierarchy->jobs, name, fault) == -1) return -1;
  if (make_leaf(leaf, hierarchy->jobs, name, fault) == -1) return -1;
  return give_limits(cgroups, hierarchy->controllers, leaf, fault);
}

static int prepare_job(const struct cgroups *cgroups, const struct hierarchy *hierarchy, const char *name,
                       bool is_made, struct leaf *leaf, struct groups *groups, struct fault *fault) {
  const struct leaf_limits limits = {cgroups->job_memory_bytes, cgroups->processes, cgroups->cpu_percent};
  const unsigned controllers = hierarchy->controllers;
  const bool is_again = is_made && can_be_used_again(cgroups, hierarchy, name, leaf);
  if (!is_again && make_again(cgroups, hierarchy, name, leaf, fault) == -1) return -1;
  if (limit_leaf(cgroups, controllers, leaf, &limits, fault) == -1) return -1;
  if (cgroups->version == 2 || (controllers & MEMORY) == 0) return 0;
  /* A new group's, too, though it says nothing yet: so a slot has as many files open after its first box
   * as after any other, and none that comes later looks like one that was lost. */
  if (open_leaf_file(leaf, LEAF_MEMORY_USAGE, fault) == -1) return -1;
  if (write_leaf(leaf, LEAF_MEMORY_PEAK, "0", fault) == -1) return -1;
  return watch_oom(leaf, groups, fault);
}

static int open_in_hierarchy(const struct cgroups *cgroups, int index, const char *name, bool is_made,
                             struct slot_leaves *leaves, struct groups *groups, struct fault *fault) {
  const struct hierarchy *hierarchy = &cgroups->hierarchies[index];
  const enum leaf_file entry = cgroups->version == 2 ? LEAF_ENTRY_V2 : LEAF_ENTRY_V1;
  if (prepare_box(cgroups, hierarchy, name, is_made, &leaves->box[index], fault) == -1) return -1;
  if (prepare_job(cgroups, hierarchy, name, is_made, &leaves->job[index], groups, fault) == -1) return -1;
  groups->box_procs[index] = open_leaf_file(&leaves->box[index], entry, fault);
  if (groups->box_procs[index] == -1) return -1;
  groups->job_procs[index] = open_leaf_file(&leaves->job[index], entry, fault);
  return groups->job_procs[index] == -1 ? -1 : 0;
}

static struct slot_leaves *leaves_of(struct cgroups *cgroups, unsigned slot) {
  return cgroups->version == 1 && slot < LEAVES_KEPT ? &cgroups->kept[slot] : &cgroups->passing;
}

static void close_leaves(struct slot_leaves *leaves) {
  for (int i = 0; i < HIERARCHIES_MOST; i++) {
    close_leaf(&leaves->box[i]);
    close_leaf(&leaves->job[i]);
  }
}

int open_slot_groups(struct cgroups *cgroups, unsigned slot, struct groups *groups,
                     struct fault *fault) {
  struct slot_leaves *leaves = leaves_of(cgroups, slot);
  const bool is_made = cgroups->has_slot[slot];
  char name[24];
  int result = 0;
  (void)snprintf(name, sizeof name, "slot-%u", slot);
  groups->count = cgroups->count;
  groups->oom_event = groups->oom_control = -1;
  for (int i = 0; result == 0 && i < cgroups->count; i++)
    result = open_in_hierarchy(cgroups, i, name, is_made, leaves, groups, fault);
  cgroups->has_slot[slot] = result == 0;
  if (result == 0) return 0;
  close_slot_groups(cgroups, groups);
  close_leaves(leaves);
  return -1;
}

void close_slot_groups(struct cgroups *cgroups, const struct groups *groups) {
  if (groups->oom_event != -1) close(groups->oom_event);
  close_leaves(&cgroups->passing);
}
