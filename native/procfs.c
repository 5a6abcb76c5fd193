/* /proc of a box: its own processes, and stand-ins with its own numbers for the rest.
 *
 * `subset=pid` would be tidier, but ps, free, uptime and os.cpus() need some of the other
 * files. So everything that is not about a process is covered, by default: a name that we do
 * not know is covered by nothing to read, never shown. hidepid=2 hides PID 1.
 *
 * Keeps S2 and S17 of SECURITY.md.
 */
#include <ctype.h>
#include <dirent.h>
#include <fcntl.h>
#include <linux/mount.h>
#include <sched.h>
#include <stdlib.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "breakable.h"
#include "mounts.h"

#define FIXED ".box/fixed"

/* Shown as they are: about the process that looks, or the same on every host of a kind. */
static const char *const shown[] = {"self", "thread-self", "mounts", "net", "version",
                                    "filesystems", NULL};

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

static bool is_shown(const char *name) {
  for (int i = 0; shown[i] != NULL; i++)
    if (strcmp(shown[i], name) == 0) return true;
  return false;
}

/* About a process or shown as it is; every other entry must be covered. */
static bool stays_open(const char *name) {
  return name[0] == '.' || isdigit((unsigned char)name[0]) || is_shown(name);
}

static const struct stand_in_file *stand_in_of(const char *name) {
  for (size_t i = 0; i < sizeof files / sizeof files[0]; i++)
    if (strcmp(files[i].name, name) == 0) return &files[i];
  return NULL;
}

int build_settings(const char *directory, struct fault *fault) {
  static const char *const directories[] = {"", "/sys", "/sys/kernel", "/sys/kernel/random", "/sys/vm",
                                            "/sys/fs", "/sys/net", "/sys/net/core", "/empty"};
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
  (void)snprintf(path, sizeof path, "%s/nothing", directory);
  if (make_file(path, 0444, "", fault) == -1) return -1;
  (void)snprintf(path, sizeof path, "%s/sys/kernel/random/uuid", directory);
  return make_file(path, 0444, "", fault);
}

/* The real one, of this box's own /proc: it makes a new value for each reader. */
static int show_uuid(struct fault *fault) {
  TRY(mount("proc/sys/kernel/random/uuid", FIXED "/sys/kernel/random/uuid", NULL, MS_BIND, NULL),
      "show /proc/sys/kernel/random/uuid");
  return 0;
}

/* Covers one entry: by its stand-in, by an empty file or by an empty directory. */
static int cover_entry(const struct dirent *entry, int *stand_ins, struct fault *fault) {
  const char *name = entry->d_name, *cover = entry->d_type == DT_DIR ? FIXED "/empty" : FIXED "/nothing";
  char place[300], own[300];
  (void)snprintf(place, sizeof place, "proc/%s", name);
  if (entry->d_type != DT_DIR && entry->d_type != DT_REG) return FAIL_WITH(fault, ELOOP, "/%s is no file", place);
  const struct stand_in_file *file = stand_in_of(name);
  if (strcmp(name, "sys") == 0) cover = FIXED "/sys";
  if (file != NULL) {
    (void)snprintf(own, sizeof own, "%s/%s", file->text == NULL ? ".box" : FIXED, name);
    cover = own;
  }
  if (file != NULL && file->text == NULL) {
    if (make_file(own, 0444, "", fault) == -1) return -1;
    stand_ins[file->number] = open(own, O_WRONLY | O_CLOEXEC);
    TRY(stand_ins[file->number], "open the stand-in for /%s", place);
  }
  if (!BROKEN(MASKS)) TRY(mount(cover, place, NULL, MS_BIND | MS_REC, NULL), "cover /%s", place);
  return 0;
}

static int write_setting(const char *path, const char *text, struct fault *fault) {
  int fd = open(path, O_WRONLY | O_CLOEXEC);
  TRY(fd, "open /%s", path);
  int failed = write_all(fd, text, strlen(text)) == -1;
  if (failed) fail(fault, "write /%s", path);
  close(fd);
  return failed ? -1 : 0;
}

/* The kernel has 128 of these instances for one user, and all boxes together count as one: a
 * single job could take them all. */
static int limit_watching(struct fault *fault) {
  if (write_setting("proc/sys/user/max_inotify_instances", "8\n", fault) == -1) return -1;
  return write_setting("proc/sys/user/max_inotify_watches", "8192\n", fault);
}

int cover_proc(int *stand_ins, struct fault *fault) {
  if (limit_watching(fault) == -1) return -1;
  if (show_uuid(fault) == -1) return -1;
  DIR *directory = opendir("proc");
  if (directory == NULL) return fail(fault, "list /proc");
  int result = 0;
  for (struct dirent *entry; result == 0 && (entry = readdir(directory)) != NULL;) {
    if (!stays_open(entry->d_name)) result = cover_entry(entry, stand_ins, fault);
  }
  closedir(directory);
  return result;
}

bool proc_is_covered(void) {
  DIR *directory = opendir("/proc");
  struct stat own, entry_status;
  if (directory == NULL) return false;
  bool covered = fstat(dirfd(directory), &own) == 0;
  for (struct dirent *entry; covered && (entry = readdir(directory)) != NULL;)
    if (!stays_open(entry->d_name))
      covered = fstatat(dirfd(directory), entry->d_name, &entry_status, AT_SYMLINK_NOFOLLOW) == 0 &&
                entry_status.st_dev != own.st_dev;
  closedir(directory);
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
