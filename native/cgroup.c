/* The service's groups: made at its start, removed at its end. Those of a slot are in slot.c.
 *
 * Keeps S5 of SECURITY.md. */
#include "cgroup.h"

#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
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

int remove_group(int parent, const char *path, struct fault *fault) {
  for (int tries = 0; tries < REMOVE_TRIES; tries++) {
    if (unlinkat(parent, path, AT_REMOVEDIR) == 0 || errno == ENOENT) return 0;
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
  return result == -1 ? -1 : remove_group(AT_FDCWD, directory, fault);
}

/* What a job used at most is told from this file; older kernels do not have it. */
static int check_peak(const char *group, struct fault *fault) {
  char path[440];
  (void)snprintf(path, sizeof path, "%s/memory.peak", group);
  TRY(access(path, R_OK), "find memory.peak (cgroup v2 needs Linux 5.19 or newer)");
  return 0;
}

/* Without swap: on v1 the second file limits memory and swap together. */
static int limit_jobs(const struct cgroups *cgroups, unsigned controllers, const char *jobs,
                      struct fault *fault) {
  const uint64_t most = cgroups->memory_bytes;
  if ((controllers & MEMORY) == 0 || most == 0) return 0;
  if (cgroups->version == 2) return write_group_number(jobs, "memory.max", most, fault);
  if (write_group_number(jobs, "memory.limit_in_bytes", most, fault) == -1) return -1;
  return write_group_number(jobs, "memory.memsw.limit_in_bytes", most, fault);
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

/* Below these everything is named for each box: a path from the top would be walked as often. */
static int open_parents(struct hierarchy *hierarchy, struct fault *fault) {
  int directory = open(hierarchy->directory, O_PATH | O_DIRECTORY | O_CLOEXEC);
  TRY(directory, "open the service's cgroup");
  hierarchy->boxes = openat(directory, "boxes", O_PATH | O_DIRECTORY | O_CLOEXEC);
  hierarchy->jobs = openat(directory, "jobs", O_PATH | O_DIRECTORY | O_CLOEXEC);
  close(directory);
  return hierarchy->boxes == -1 || hierarchy->jobs == -1 ? fail(fault, "open the cgroups of slots") : 0;
}

static int make_service(const struct cgroups *cgroups, struct hierarchy *hierarchy, struct fault *fault) {
  char service[420];
  const char *directory = hierarchy->directory;
  if (remove_tree(directory, 2, fault) == -1 || make_group(directory, fault) == -1) return -1;
  if (cgroups->version == 2 && enable_controllers(directory, fault) == -1) return -1;
  if (keep_from_swap(cgroups, hierarchy, fault) == -1) return -1;
  if (make_parents(cgroups, hierarchy, fault) == -1 || open_parents(hierarchy, fault) == -1) return -1;
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

int remove_cgroups(const struct cgroups *cgroups, struct fault *fault) {
  for (int i = 0; i < cgroups->count; i++)
    if (remove_tree(cgroups->hierarchies[i].directory, 2, fault) == -1) return -1;
  return leave_places(cgroups, fault);
}
