/* Keeps S5, S6 and S8 of SECURITY.md. */
#include "cgroup.h"

#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "place.h"

enum { REMOVE_TRIES = 2000 };

static void nap(void) {
  const struct timespec millisecond = {.tv_nsec = 1000000};
  (void)nanosleep(&millisecond, NULL);
}

/* Kills what is in a group and waits until it is empty; a process may be dying for a while. */
static int empty_group(const char *directory, struct fault *fault) {
  char path[600];
  (void)snprintf(path, sizeof path, "%s/cgroup.procs", directory);
  for (int tries = 0; tries < REMOVE_TRIES; tries++) {
    FILE *file = fopen(path, "re");
    if (file == NULL && (errno == ENOENT || errno == ENODEV)) return 0;
    if (file == NULL) return fail(fault, "read a cgroup's processes");
    int pid, seen = 0;
    while (fscanf(file, "%d", &pid) == 1) {
      seen++;
      /* 0 stands for a process that we cannot see, -1 would be everybody. */
      if (pid > 1 && pid != getpid()) (void)kill(pid, SIGKILL);
    }
    (void)fclose(file);
    if (seen == 0) return 0;
    nap();
  }
  return FAIL_WITH(fault, EBUSY, "empty a cgroup of the service");
}

static int remove_group(const char *directory, struct fault *fault) {
  for (int tries = 0; tries < REMOVE_TRIES; tries++) {
    if (rmdir(directory) == 0 || errno == ENOENT) return 0;
    if (errno != EBUSY) break;
    nap();
  }
  return fail(fault, "remove a cgroup of the service");
}

/* Removes a group with all below it; depth is ours by construction (name/jobs/slot). */
static int remove_tree(const char *directory, int depth, struct fault *fault) {
  DIR *list = opendir(directory);
  if (list == NULL) return errno == ENOENT ? 0 : fail(fault, "list a cgroup of the service");
  int result = 0;
  for (struct dirent *entry; result == 0 && (entry = readdir(list)) != NULL;) {
    char path[600];
    if (entry->d_type != DT_DIR || entry->d_name[0] == '.' || depth == 0) continue;
    if (snprintf(path, sizeof path, "%s/%s", directory, entry->d_name) < (int)sizeof path)
      result = remove_tree(path, depth - 1, fault);
  }
  closedir(list);
  if (result == 0) result = empty_group(directory, fault);
  return result == -1 ? -1 : remove_group(directory, fault);
}

/* What a job used at most is told from this file; older kernels do not have it. */
static int check_peak(const char *group, struct fault *fault) {
  char path[440];
  (void)snprintf(path, sizeof path, "%s/memory.peak", group);
  TRY(access(path, R_OK), "find memory.peak (cgroup v2 needs Linux 5.19 or newer)");
  return 0;
}

/* Without swap: the second file limits memory and swap together. */
static int limit_memory_v1(const char *directory, uint64_t bytes, struct fault *fault) {
  if (write_group_number(directory, "memory.limit_in_bytes", bytes, fault) == -1) return -1;
  return write_group_number(directory, "memory.memsw.limit_in_bytes", bytes, fault);
}

static int limit_jobs(const struct cgroups *cgroups, unsigned controllers, const char *jobs,
                      struct fault *fault) {
  const uint64_t most = cgroups->memory_bytes;
  if ((controllers & MEMORY) == 0 || most == 0) return 0;
  if (cgroups->version == 2) return write_group_number(jobs, "memory.max", most, fault);
  return limit_memory_v1(jobs, most, fault);
}

/* The two groups whose leaves are the slots'. */
static int make_parents(const struct cgroups *cgroups, const struct hierarchy *hierarchy,
                        struct fault *fault) {
  static const char *const names[] = {"boxes", "jobs"};
  char parent[420];
  for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
    (void)snprintf(parent, sizeof parent, "%s/%s", hierarchy->directory, names[i]);
    if (make_group(parent, fault) == -1) return -1;
    if (cgroups->version == 2 && enable_controllers(parent, fault) == -1) return -1;
  }
  return limit_jobs(cgroups, hierarchy->controllers, parent, fault);
}

/* Job bytes pass through the service's own memory too: nothing of it, of boxes and of jobs goes to
 * swap. v1 can only be told that it would rather not, and groups below are made as this one is. */
static int keep_from_swap(const struct cgroups *cgroups, const struct hierarchy *hierarchy,
                          struct fault *fault) {
  if (cgroups->version == 2) return write_group_file(hierarchy->directory, "memory.swap.max", "0", fault);
  if ((hierarchy->controllers & MEMORY) == 0) return 0;
  return write_group_file(hierarchy->directory, "memory.swappiness", "0", fault);
}

static int make_service(const struct cgroups *cgroups, const struct hierarchy *hierarchy,
                        struct fault *fault) {
  char service[420];
  const char *directory = hierarchy->directory;
  if (remove_tree(directory, 2, fault) == -1 || make_group(directory, fault) == -1) return -1;
  if (cgroups->version == 2 && enable_controllers(directory, fault) == -1) return -1;
  if (keep_from_swap(cgroups, hierarchy, fault) == -1) return -1;
  if (make_parents(cgroups, hierarchy, fault) == -1) return -1;
  (void)snprintf(service, sizeof service, "%s/service", directory);
  if (make_group(service, fault) == -1) return -1;
  if (cgroups->version == 2 && check_peak(service, fault) == -1) return -1;
  if ((hierarchy->controllers & CPU) == 0) return 0;
  /* Ten times the jobs' weight, so that the service answers while they burn all cores. */
  return write_group_number(service, cgroups->version == 2 ? "cpu.weight" : "cpu.shares",
                            cgroups->version == 2 ? 1000 : 10240, fault);
}

int open_cgroups(struct cgroups *cgroups, const char *name, struct fault *fault) {
  if (find_places(cgroups, name, fault) == -1) return -1;
  for (int i = 0; i < cgroups->count; i++)
    if (make_service(cgroups, &cgroups->hierarchies[i], fault) == -1) return -1;
  return 0;
}

int join_service_group(const struct cgroups *cgroups, pid_t pid, struct fault *fault) {
  char directory[512];
  for (int i = 0; i < cgroups->count; i++) {
    (void)snprintf(directory, sizeof directory, "%s/service", cgroups->hierarchies[i].directory);
    if (write_group_number(directory, "cgroup.procs", (uint64_t)pid, fault) == -1) return -1;
  }
  return 0;
}

struct leaf_limits {
  uint64_t memory_bytes;
  unsigned processes, cpu_percent;
};

static int limit_leaf(const struct cgroups *cgroups, unsigned controllers, const char *leaf,
                      const struct leaf_limits *limits, struct fault *fault) {
  char quota[48];
  uint64_t quota_us = (uint64_t)limits->cpu_percent * 1000;
  if (cgroups->version == 2) {
    (void)snprintf(quota, sizeof quota, "%llu 100000", (unsigned long long)quota_us);
    if (write_group_number(leaf, "memory.max", limits->memory_bytes, fault) == -1) return -1;
    if (write_group_file(leaf, "memory.swap.max", "0", fault) == -1) return -1;
    if (write_group_file(leaf, "memory.oom.group", "1", fault) == -1) return -1;
    if (write_group_number(leaf, "pids.max", limits->processes, fault) == -1) return -1;
    return write_group_file(leaf, "cpu.max", quota, fault);
  }
  if ((controllers & MEMORY) && limit_memory_v1(leaf, limits->memory_bytes, fault) == -1) return -1;
  if ((controllers & PIDS) && write_group_number(leaf, "pids.max", limits->processes, fault) == -1)
    return -1;
  if ((controllers & CPU) == 0) return 0;
  if (write_group_file(leaf, "cpu.cfs_period_us", "100000", fault) == -1) return -1;
  return write_group_number(leaf, "cpu.cfs_quota_us", quota_us, fault);
}

/* The owner may change what a job gets, never where a process is or what the slot's parents get. */
static int give_limits(const struct cgroups *cgroups, unsigned controllers, const char *leaf,
                       struct fault *fault) {
  static const struct {
    int version;
    unsigned controller;
    const char *name;
  } files[] = {{2, MEMORY, "memory.max"}, {2, PIDS, "pids.max"}, {2, CPU, "cpu.max"},
               {1, MEMORY, "memory.limit_in_bytes"}, {1, MEMORY, "memory.memsw.limit_in_bytes"},
               {1, PIDS, "pids.max"}, {1, CPU, "cpu.cfs_quota_us"}, {1, CPU, "cpu.cfs_period_us"}};
  if (cgroups->owner == geteuid()) return 0;
  for (size_t i = 0; i < sizeof files / sizeof files[0]; i++) {
    char path[600];
    if (files[i].version != cgroups->version || (controllers & files[i].controller) == 0) continue;
    (void)snprintf(path, sizeof path, "%s/%s", leaf, files[i].name);
    TRY(chown(path, cgroups->owner, (gid_t)-1), "give %s of a job to the service", files[i].name);
  }
  return 0;
}

static int open_procs(const char *leaf, struct fault *fault) {
  char path[600];
  (void)snprintf(path, sizeof path, "%s/cgroup.procs", leaf);
  int fd = open(path, O_WRONLY | O_CLOEXEC);
  TRY(fd, "open a slot's cgroup.procs");
  return fd;
}

/* v1 kills one process at a time; an eventfd tells the box, which then kills the rest. It fires
 * too when all jobs together reach their ceiling, so the box looks at its own counter. */
static int watch_oom(const char *leaf, struct groups *groups, struct fault *fault) {
  char path[600], text[48];
  (void)snprintf(path, sizeof path, "%s/memory.oom_control", leaf);
  groups->oom_control = open(path, O_RDONLY | O_CLOEXEC);
  TRY(groups->oom_control, "open memory.oom_control of a job");
  groups->oom_event = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  TRY(groups->oom_event, "make an eventfd");
  (void)snprintf(text, sizeof text, "%d %d", groups->oom_event, groups->oom_control);
  return write_group_file(leaf, "cgroup.event_control", text, fault);
}

static int open_in_hierarchy(const struct cgroups *cgroups, int index, unsigned slot,
                             struct groups *groups, struct fault *fault) {
  const struct hierarchy *hierarchy = &cgroups->hierarchies[index];
  char box[440], job[440];
  (void)snprintf(box, sizeof box, "%s/boxes/slot-%u", hierarchy->directory, slot);
  (void)snprintf(job, sizeof job, "%s/jobs/slot-%u", hierarchy->directory, slot);
  const struct leaf_limits of_box = {cgroups->box_memory_bytes, 16, 50};
  const struct leaf_limits of_job = {cgroups->job_memory_bytes, cgroups->processes,
                                     cgroups->cpu_percent};
  if (!cgroups->has_box[slot] && (make_group(box, fault) == -1 ||
                                  limit_leaf(cgroups, hierarchy->controllers, box, &of_box, fault) == -1))
    return -1;
  if (remove_group(job, fault) == -1 || make_group(job, fault) == -1) return -1;
  if (limit_leaf(cgroups, hierarchy->controllers, job, &of_job, fault) == -1) return -1;
  if (give_limits(cgroups, hierarchy->controllers, job, fault) == -1) return -1;
  groups->box_procs[index] = open_procs(box, fault);
  if (groups->box_procs[index] == -1) return -1;
  groups->job_procs[index] = open_procs(job, fault);
  if (groups->job_procs[index] == -1) return -1;
  if (cgroups->version == 2 || (hierarchy->controllers & MEMORY) == 0) return 0;
  return watch_oom(job, groups, fault);
}

int open_slot_groups(struct cgroups *cgroups, unsigned slot, struct groups *groups,
                     struct fault *fault) {
  groups->count = cgroups->count;
  groups->oom_event = groups->oom_control = -1;
  for (int i = 0; i < HIERARCHIES_MOST; i++) groups->box_procs[i] = groups->job_procs[i] = -1;
  for (int i = 0; i < cgroups->count; i++)
    if (open_in_hierarchy(cgroups, i, slot, groups, fault) == -1) {
      close_slot_groups(groups);
      return -1;
    }
  cgroups->has_box[slot] = true;
  return 0;
}

void close_slot_groups(const struct groups *groups) {
  for (int i = 0; i < groups->count; i++) {
    if (groups->box_procs[i] != -1) close(groups->box_procs[i]);
    if (groups->job_procs[i] != -1) close(groups->job_procs[i]);
  }
  if (groups->oom_event != -1) close(groups->oom_event);
  if (groups->oom_control != -1) close(groups->oom_control);
}

int remove_cgroups(const struct cgroups *cgroups, struct fault *fault) {
  for (int i = 0; i < cgroups->count; i++)
    if (remove_tree(cgroups->hierarchies[i].directory, 2, fault) == -1) return -1;
  return leave_places(cgroups, fault);
}
