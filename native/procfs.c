/* /proc of a box: its own processes, and stand-ins with its own numbers for what programs need beside them.
 *
 * Theory of operation. `subset=pid` leaves only processes there, but ps, free, uptime and os.cpus()
 * need some of the other files. So /proc is mounted whole, those few get a mount each, their
 * stand-in or what they are, and then it is mounted again with `subset=pid`: from then on the kernel
 * finds no name that is not about a process, whatever it is called, but those that a mount holds.
 * Nothing of the rest has to be covered, known or listed. hidepid=2 hides PID 1.
 *
 * Keeps S2 and S17 of SECURITY.md.
 */
#include <fcntl.h>
#include <linux/mount.h>
#include <sched.h>
#include <stdlib.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "breakable.h"
#include "mounts.h"

/* Shown as they are: about the process that looks, or the same on every host of a kind. */
static const struct {
  const char *name;
  bool is_link;
} shown[] = {{"mounts", true}, {"net", true}, {"version", false}, {"filesystems", false}};

struct stand_in_file {
  const char *name;
  const char *text; /* NULL: written when the job's limits are known */
  int number;
};
static const struct stand_in_file files[] = {
    {"meminfo", NULL, STAND_MEMINFO},
    {"cpuinfo", NULL, STAND_CPUINFO},
    {"stat", NULL, STAND_STAT},
    {"uptime", "1.00 1.00\n", 0},
    {"loadavg", "0.00 0.00 0.00 1/1 1\n", 0},
};

/* What programs look for below /proc/sys, with the values of any Linux machine. */
static const char *const settings[][2] = {
    {"kernel/ostype", "Linux\n"},         {"kernel/hostname", "sandrun\n"},
    {"kernel/pid_max", "32768\n"},        {"kernel/ngroups_max", "65536\n"},
    {"kernel/cap_last_cap", "40\n"},      {"kernel/overflowuid", "65534\n"},
    {"kernel/overflowgid", "65534\n"},    {"kernel/threads-max", "100\n"},
    {"kernel/shmmax", "18446744073692774399\n"}, {"kernel/sem", "32000\t1024000000\t500\t32000\n"},
    {"vm/overcommit_memory", "0\n"},      {"vm/max_map_count", "65530\n"},
    {"vm/mmap_min_addr", "65536\n"},      {"vm/swappiness", "0\n"},
    {"fs/file-max", "256\n"},             {"fs/pipe-max-size", "1048576\n"},
    {"fs/nr_open", "256\n"},              {"net/core/somaxconn", "128\n"},
    {"kernel/random/entropy_avail", "256\n"},
};

int build_settings(const char *directory, struct fault *fault) {
  static const char *const directories[] = {"", "/sys", "/sys/kernel", "/sys/kernel/random", "/sys/vm",
                                            "/sys/fs", "/sys/net", "/sys/net/core"};
  char path[96];
  for (size_t i = 0; i < sizeof directories / sizeof directories[0]; i++) {
    (void)snprintf(path, sizeof path, "%s%s", directory, directories[i]);
    if (make_directory(path, 0755, fault) == -1) return -1;
  }
  for (size_t i = 0; i < sizeof settings / sizeof settings[0]; i++) {
    (void)snprintf(path, sizeof path, "%s/sys/%s", directory, settings[i][0]);
    if (make_file(path, 0444, settings[i][1], fault) == -1) return -1;
  }
  for (size_t i = 0; i < sizeof files / sizeof files[0]; i++) {
    (void)snprintf(path, sizeof path, "%s/%s", directory, files[i].name);
    if (files[i].text != NULL && make_file(path, 0444, files[i].text, fault) == -1) return -1;
  }
  (void)snprintf(path, sizeof path, "%s/sys/kernel/random/uuid", directory);
  return make_file(path, 0444, "", fault);
}

static int take_mount(const char *path, struct fault *fault) {
  int tree = (int)syscall(SYS_open_tree, AT_FDCWD, path, OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_SYMLINK_NOFOLLOW);
  TRY(tree, "take /%s", path);
  return tree;
}

static int put_mount(int tree, const char *place, struct fault *fault) {
  int failed = (int)syscall(SYS_move_mount, tree, "", AT_FDCWD, place, MOVE_MOUNT_F_EMPTY_PATH) == -1;
  if (failed) fail(fault, "put a mount on /%s", place);
  close(tree);
  return failed ? -1 : 0;
}

static int cover(const char *cover, const char *place, struct fault *fault) {
  TRY(mount(cover, place, NULL, MS_BIND, NULL), "cover /%s", place);
  return 0;
}

/* Written when the job's limits are known, by the descriptor that is left of it. */
static int make_own(const char *own, int *fd, struct fault *fault) {
  *fd = open(own, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
  TRY(*fd, "make the stand-in %s", own);
  TRY(fchmod(*fd, 0444), "set mode of the stand-in %s", own);
  return 0;
}

static int cover_file(const struct stand_in_file *file, int *stand_ins, struct fault *fault) {
  const bool is_own = file->text == NULL;
  char place[32], from[32];
  (void)snprintf(place, sizeof place, "proc/%s", file->name);
  (void)snprintf(from, sizeof from, "%s/%s", is_own ? "tmp" : FIXED, file->name);
  if (is_own && make_own(from, &stand_ins[file->number], fault) == -1) return -1;
  if (cover(from, place, fault) == -1) return -1;
  if (is_own) TRY(unlink(from), "take the name of /%s", from);
  return 0;
}

/* With the real uuid in it, of this box's own /proc: it makes a new value for each reader. */
static int cover_sys(struct fault *fault) {
  static const char uuid[] = "proc/sys/kernel/random/uuid";
  int tree = take_mount(uuid, fault);
  if (tree == -1) return -1;
  if (cover(FIXED "/sys", "proc/sys", fault) == 0) return put_mount(tree, uuid, fault);
  close(tree);
  return -1;
}

/* By a mount of what it is, or it would not be found any more. Links would be followed by mount(2). */
static int show_entry(const char *name, bool is_link, struct fault *fault) {
  char place[32];
  (void)snprintf(place, sizeof place, "proc/%s", name);
  if (!is_link) return cover(place, place, fault);
  int tree = take_mount(place, fault);
  return tree == -1 ? -1 : put_mount(tree, place, fault);
}

static int write_setting(const char *path, const char *text, struct fault *fault) {
  int fd = open(path, O_WRONLY | O_CLOEXEC);
  TRY(fd, "open %s", path);
  int failed = write_all(fd, text, strlen(text)) == -1;
  if (failed) fail(fault, "write %s", path);
  close(fd);
  return failed ? -1 : 0;
}

/* The kernel has 128 of these instances for one user, and all boxes together count as one: a
 * single job could take them all. */
int limit_watching(struct fault *fault) {
  if (write_setting("/proc/sys/user/max_inotify_instances", "8\n", fault) == -1) return -1;
  return write_setting("/proc/sys/user/max_inotify_watches", "8192\n", fault);
}

int cover_proc(int *stand_ins, struct fault *fault) {
  if (cover_sys(fault) == -1) return -1;
  for (size_t i = 0; i < sizeof files / sizeof files[0]; i++)
    if (cover_file(&files[i], stand_ins, fault) == -1) return -1;
  for (size_t i = 0; i < sizeof shown / sizeof shown[0]; i++)
    if (show_entry(shown[i].name, shown[i].is_link, fault) == -1) return -1;
  /* Drops, too, what has been looked up and is not held. */
  if (!BROKEN(MASKS)) TRY(mount("proc", "proc", "proc", MS_REMOUNT | PROC_FLAGS, "subset=pid"), "close /proc");
  return 0;
}

/* Whether what is there under its name is another file system's. */
static bool is_covered(int proc, dev_t own, const char *name) {
  struct stat status;
  return fstatat(proc, name, &status, AT_SYMLINK_NOFOLLOW) == 0 && status.st_dev != own;
}

static bool covers_hold(int proc) {
  struct stat own;
  bool hold = fstat(proc, &own) == 0 && is_covered(proc, own.st_dev, "sys");
  for (size_t i = 0; i < sizeof files / sizeof files[0]; i++)
    hold = hold && is_covered(proc, own.st_dev, files[i].name);
  return hold;
}

/* Names that every kernel has, and of each kind: a file, a directory, one for root alone. */
static bool others_are_not_there(int proc) {
  static const char *const others[] = {"cmdline", "fs", "kmsg"};
  struct stat status;
  for (size_t i = 0; i < sizeof others / sizeof others[0]; i++)
    if (fstatat(proc, others[i], &status, AT_SYMLINK_NOFOLLOW) != -1 || errno != ENOENT) return false;
  return true;
}

/* What it lists does not differ from box to box: that is looked at when the service starts (selfTest.ts). */
bool proc_is_covered(void) {
  int proc = open("/proc", O_PATH | O_DIRECTORY | O_CLOEXEC);
  if (proc == -1) return false;
  const bool covered = covers_hold(proc) && others_are_not_there(proc);
  close(proc);
  return covered;
}

static int write_stand_in(int fd, const char *text, struct fault *fault) {
  TRY(write_all(fd, text, strlen(text)), "write a stand-in of /proc");
  return 0;
}

int write_stand_ins(const int *stand_ins, uint64_t memory_bytes, unsigned cpus,
                    struct fault *fault) {
  char text[8192];
  unsigned long long kib = memory_bytes / 1024;
  int length = snprintf(text, sizeof text,
                        "MemTotal:       %8llu kB\nMemFree:        %8llu kB\n"
                        "MemAvailable:   %8llu kB\nBuffers:        %8d kB\n"
                        "Cached:         %8d kB\nSwapCached:     %8d kB\n"
                        "Shmem:          %8d kB\nSReclaimable:   %8d kB\n"
                        "SwapTotal:      %8d kB\nSwapFree:       %8d kB\n",
                        kib, kib, kib, 0, 0, 0, 0, 0, 0, 0);
  if (write_stand_in(stand_ins[STAND_MEMINFO], text, fault) == -1) return -1;
  length = 0;
  text[0] = '\0';
  for (unsigned cpu = 0; cpu < cpus && length < (int)sizeof text - 256; cpu++)
    length += snprintf(text + length, sizeof text - (size_t)length,
                       "processor\t: %u\nvendor_id\t: sandrun\nmodel name\t: box\n"
                       "cpu MHz\t\t: 1000.000\ncpu cores\t: %u\n\n", cpu, cpus);
  if (write_stand_in(stand_ins[STAND_CPUINFO], text, fault) == -1) return -1;
  length = snprintf(text, sizeof text, "cpu  0 0 0 1 0 0 0 0 0 0\n");
  for (unsigned cpu = 0; cpu < cpus && length < (int)sizeof text - 256; cpu++)
    length += snprintf(text + length, sizeof text - (size_t)length, "cpu%u 0 0 0 1 0 0 0 0 0 0\n", cpu);
  (void)snprintf(text + length, sizeof text - (size_t)length,
                 "intr 0\nctxt 0\nbtime %lld\nprocesses 1\nprocs_running 1\nprocs_blocked 0\n",
                 (long long)time(NULL));
  return write_stand_in(stand_ins[STAND_STAT], text, fault);
}
