/* Theory of operation. To open a file of a group takes several times as long as to read or write it, and
 * for each box a dozen are. So those of a slot that is used often stay open. An open file goes on to mean
 * the group that it was opened in, even when that was removed and another made by the same name: so
 * before anything is read or written the name is looked up, and the number of what is there compared.
 *
 * Keeps S5 of SECURITY.md. */
#include "leaf.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static const struct {
  const char *name;
  int flags;
} kinds[LEAF_FILES] = {
    [LEAF_ENTRY_V2] = {"cgroup.procs", O_WRONLY},
    /* Who joins has one thread. By `tasks` the kernel leaves alone the lock that keeps all processes from
     * being forked and from ending, which it takes for a process of any other kind, and which costs a
     * grace period of RCU, with all of cgroups held, whenever it was not taken for a while
     * (cgroup_procs_write_start in kernel/cgroup/cgroup.c). v2 has that for the threads of one domain only. */
    [LEAF_ENTRY_V1] = {"tasks", O_WRONLY},
    [LEAF_MEMORY_MAX] = {"memory.max", O_RDWR},
    [LEAF_SWAP_MAX] = {"memory.swap.max", O_RDWR},
    [LEAF_OOM_GROUP] = {"memory.oom.group", O_RDWR},
    [LEAF_CPU_MAX] = {"cpu.max", O_RDWR},
    [LEAF_PIDS_MAX] = {"pids.max", O_RDWR},
    [LEAF_MEMORY_LIMIT] = {"memory.limit_in_bytes", O_RDWR},
    [LEAF_MEMSW_LIMIT] = {"memory.memsw.limit_in_bytes", O_RDWR},
    [LEAF_MEMORY_USAGE] = {"memory.usage_in_bytes", O_RDONLY},
    [LEAF_MEMORY_PEAK] = {"memory.max_usage_in_bytes", O_WRONLY},
    [LEAF_OOM_CONTROL] = {"memory.oom_control", O_RDONLY},
    [LEAF_EVENT_CONTROL] = {"cgroup.event_control", O_WRONLY},
    [LEAF_CPU_PERIOD] = {"cpu.cfs_period_us", O_RDWR},
    [LEAF_CPU_QUOTA] = {"cpu.cfs_quota_us", O_RDWR},
};

const char *leaf_file_name(enum leaf_file file) {
  return kinds[file].name;
}

bool find_leaf(struct leaf *leaf, int parent, const char *name) {
  struct stat status;
  if (fstatat(parent, name, &status, AT_SYMLINK_NOFOLLOW) == -1) return false;
  if (leaf->is_open) return leaf->number == status.st_ino;
  *leaf = (struct leaf){.is_open = true, .parent = parent, .number = status.st_ino};
  (void)snprintf(leaf->name, sizeof leaf->name, "%s", name);
  for (int i = 0; i < LEAF_FILES; i++) leaf->files[i] = -1;
  return true;
}

int open_leaf_file(struct leaf *leaf, enum leaf_file file, struct fault *fault) {
  char path[sizeof leaf->name + 32];
  if (leaf->files[file] != -1) return leaf->files[file];
  (void)snprintf(path, sizeof path, "%s/%s", leaf->name, kinds[file].name);
  leaf->files[file] = openat(leaf->parent, path, kinds[file].flags | O_CLOEXEC);
  TRY(leaf->files[file], "open %s of a cgroup", kinds[file].name);
  return leaf->files[file];
}

void close_leaf(struct leaf *leaf) {
  if (!leaf->is_open) return;
  for (int i = 0; i < LEAF_FILES; i++)
    if (leaf->files[i] != -1) close(leaf->files[i]);
  leaf->is_open = false;
}

bool read_leaf(struct leaf *leaf, enum leaf_file file, char *text, size_t size) {
  struct fault ignored;
  int fd = open_leaf_file(leaf, file, &ignored);
  if (fd == -1) return false;
  const ssize_t got = pread(fd, text, size - 1, 0);
  text[got < 0 ? 0 : got] = '\0';
  if (got == 0) errno = EIO;
  return got > 0;
}

int write_leaf(struct leaf *leaf, enum leaf_file file, const char *value, struct fault *fault) {
  const ssize_t length = (ssize_t)strlen(value);
  int fd = open_leaf_file(leaf, file, fault);
  if (fd == -1) return -1;
  const ssize_t wrote = pwrite(fd, value, (size_t)length, 0);
  if (wrote != length) {
    if (wrote != -1) errno = EIO;
    return fail(fault, "write %s to %s of a cgroup", value, kinds[file].name);
  }
  return 0;
}
