/* Which layers hold: found by looking, in the process that is about to become the program.
 *
 * Nothing here trusts the set-up. Each layer is judged by what the kernel says of this very
 * process, with the program's own rights, before a byte of the job is read; what is missing is
 * told by name and nothing runs.
 *
 * Keeps S15 of SECURITY.md.
 */
#include <dirent.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <linux/magic.h>
#include <sched.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "box.h"
#include "breakable.h"

const char *const layer_names[LAYER_COUNT] = {
    "user", "pid", "mount", "network", "ipc", "uts", "cgroup", "time", "root", "tmpfs", "proc", "uid",
    "capabilities", "no_new_privs", "seccomp", "rlimits", "limits"};

/* Every line of a controller that limits us must end in a job's leaf. */
static bool in_job_group(void) {
  char text[4096];
  int fd = open("/proc/self/cgroup", O_RDONLY | O_CLOEXEC);
  if (fd == -1) return false;
  ssize_t length = read(fd, text, sizeof text - 1);
  close(fd);
  if (length <= 0) return false;
  text[length] = '\0';
  int memory = 0, pids = 0, cpu = 0, unified = 0;
  for (char *line = strtok(text, "\n"); line != NULL; line = strtok(NULL, "\n")) {
    if (strstr(line, "/jobs/slot-") == NULL) continue;
    memory |= strstr(line, ":memory:") != NULL;
    pids |= strstr(line, ":pids:") != NULL;
    cpu |= strstr(line, ":cpu:") != NULL || strstr(line, ":cpu,") != NULL;
    unified |= strncmp(line, "0::", 3) == 0;
  }
  return unified || (memory && pids && cpu);
}

static bool no_capability_left(void) {
  struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3, .pid = 0};
  struct __user_cap_data_struct data[2] = {{0}, {0}};
  if (syscall(SYS_capget, &header, data) == -1) return false;
  for (int i = 0; i < 2; i++)
    if (data[i].effective | data[i].permitted | data[i].inheritable) return false;
  for (int capability = 0; capability <= CAP_SETFCAP; capability++)
    if (prctl(PR_CAPBSET_READ, capability, 0, 0, 0) != 0) return false;
  return true;
}

/* With exactly the ceilings that were asked for: without them a job could fill the host's memory
 * with inodes. */
static bool is_tmpfs(const char *path, uint64_t bytes, uint64_t inodes) {
  struct statfs status;
  if (statfs(path, &status) == -1) return false;
  const uint64_t page = (uint64_t)status.f_bsize;
  return status.f_type == TMPFS_MAGIC && status.f_blocks == (bytes + page - 1) / page &&
         status.f_files == inodes && (status.f_flags & ST_NOSUID) != 0 && (status.f_flags & ST_NODEV) != 0;
}

static bool is_read_only(const char *path) {
  struct statvfs status;
  return statvfs(path, &status) == 0 && (status.f_flag & ST_RDONLY) != 0 && (status.f_flag & ST_NOSUID) != 0;
}

/* The keeper's root, were it still there, would be what lies above ours. */
static bool nothing_is_above(void) {
  struct stat root, above;
  return stat("/", &root) == 0 && stat("/..", &above) == 0 && root.st_dev == above.st_dev &&
         root.st_ino == above.st_ino;
}

static bool is_listed_alone(void) {
  DIR *list = opendir("/proc/self/fd");
  if (list == NULL) return false;
  bool clean = true;
  for (struct dirent *entry; (entry = readdir(list)) != NULL;) {
    int number = atoi(entry->d_name);
    if (number >= HAND_DESCRIPTORS && number != dirfd(list)) clean = false;
  }
  closedir(list);
  return clean;
}

/* An open directory of the host would be a way past every mount. Since Linux 6.2 the size of this one is
 * the number of descriptors, and to list them would take longer than all else here. */
static bool nothing_else_is_open(void) {
  struct stat status;
  if (stat("/proc/self/fd", &status) == -1) return false;
  if (status.st_size == 0) return is_listed_alone();
  for (int fd = 0; fd < HAND_DESCRIPTORS; fd++)
    if (fcntl(fd, F_GETFD) == -1) return false;
  return status.st_size == HAND_DESCRIPTORS;
}

static bool root_holds(void) {
  static const char *const places[] = {"/", "/usr", "/etc", "/env", "/opt/node", "/dev"};
  for (size_t i = 0; i < sizeof places / sizeof places[0]; i++)
    if (!is_read_only(places[i])) return false;
  return nothing_is_above() && nothing_else_is_open();
}

static bool proc_holds(void) {
  struct stat hidden;
  return stat("/proc/1", &hidden) == -1 && errno == ENOENT && getpid() != 1 && proc_is_covered();
}

static bool is_program(void) {
  uid_t uids[3];
  gid_t gids[3];
  if (getresuid(&uids[0], &uids[1], &uids[2]) == -1 || getresgid(&gids[0], &gids[1], &gids[2]) == -1) return false;
  for (int i = 0; i < 3; i++)
    if (uids[i] != PROGRAM_UID || gids[i] != PROGRAM_UID) return false;
  return getgroups(0, NULL) == 0;
}

uint32_t verify_layers(const struct box_setup *setup) {
  const struct box_request *request = &setup->request;
  unsigned long long own[NAMESPACES];
  struct fault ignored;
  uint32_t layers = 0;
  if (read_namespaces(own, &ignored) == 0) {
    for (int i = 0; i < NAMESPACES; i++)
      if (own[i] != setup->outer_namespaces[i]) layers |= 1u << (LAYER_USER + i);
  }
  bool held[LAYER_COUNT] = {
      [LAYER_ROOT] = root_holds(),
      [LAYER_TMPFS] = is_tmpfs("/work", request->work_bytes, request->work_inodes) &&
                      is_tmpfs("/tmp", request->tmp_bytes, request->tmp_inodes) &&
                      is_tmpfs("/dev/shm", request->shm_bytes, request->tmp_inodes),
      [LAYER_PROC] = proc_holds(),
      [LAYER_UID] = is_program(),
      [LAYER_CAPABILITIES] = no_capability_left(),
      [LAYER_NO_NEW_PRIVS] = prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 1,
      [LAYER_SECCOMP] = prctl(PR_GET_SECCOMP, 0, 0, 0, 0) == 2 && unshare(0) == -1 && errno == EPERM,
      [LAYER_RLIMITS] = resources_are_limited(),
      [LAYER_LIMITS] = in_job_group(),
  };
  for (int i = LAYER_ROOT; i < LAYER_COUNT; i++)
    if (held[i]) layers |= 1u << i;
  layers |= FORGIVEN_LAYERS;
  return layers;
}
