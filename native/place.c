/* Finding the place of the service's groups.
 *
 * Theory of operation. On v1 it is below the own group of each controller's hierarchy, and for
 * root alone: there a process joins a group only by somebody with its own user id, or by root, and
 * those in boxes have ids of their own, so even groups that were handed to an ordinary user are
 * none for boxes. On v2 a group that holds processes cannot give controllers to its children, so the own group serves
 * only when this process (with the command line that started it) is alone there, as in a unit or
 * scope of its own: then both move to a leaf. Otherwise, where systemd runs, it is asked for a
 * scope of our own; where it does not, the nearest group above takes us whose controllers we may
 * give on: for root the top one at the latest, for an ordinary user one that was delegated.
 * Nothing is written to a group of others but which controllers its children have.
 */
#include "place.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

int write_file_at(int directory, const char *path, const char *value, struct fault *fault) {
  int fd = openat(directory, path, O_WRONLY | O_CLOEXEC);
  TRY(fd, "open %s of a cgroup", path);
  int failed = write_all(fd, value, strlen(value)) == -1;
  if (failed) fail(fault, "write %s to %s of a cgroup", value, path);
  close(fd);
  return failed ? -1 : 0;
}

int write_group_file(const char *directory, const char *name, const char *value,
                      struct fault *fault) {
  int parent = open(directory, O_PATH | O_DIRECTORY | O_CLOEXEC);
  TRY(parent, "open a cgroup for its %s", name);
  int result = write_file_at(parent, name, value, fault);
  close(parent);
  return result;
}

int write_group_number(const char *directory, const char *name, uint64_t value,
                        struct fault *fault) {
  char text[32];
  (void)snprintf(text, sizeof text, "%llu", (unsigned long long)value);
  return write_group_file(directory, name, text, fault);
}

static unsigned controller_bit(const char *name) {
  static const char *const names[] = {"memory", "pids", "cpu", "cpuacct"};
  for (unsigned i = 0; i < sizeof names / sizeof names[0]; i++)
    if (strcmp(names[i], name) == 0) return 1u << i;
  return 0;
}

static unsigned controllers_in(char *list, const char *separators) {
  unsigned found = 0;
  char *rest = NULL;
  for (char *name = strtok_r(list, separators, &rest); name != NULL;
       name = strtok_r(NULL, separators, &rest))
    found |= controller_bit(name);
  return found;
}

/* Finds where the hierarchy with all of `controllers` is mounted (0: the v2 hierarchy). */
static int find_mount(unsigned controllers, char *place, size_t size, struct fault *fault) {
  char line[2048], mount[512], type[32], options[512];
  FILE *file = fopen("/proc/self/mountinfo", "re");
  if (file == NULL) return fail(fault, "open /proc/self/mountinfo");
  bool found = false;
  while (!found && fgets(line, sizeof line, file) != NULL) {
    char *rest = strstr(line, " - ");
    if (rest == NULL || sscanf(line, "%*s %*s %*s %*s %511s", mount) != 1 ||
        sscanf(rest, " - %31s %*s %511s", type, options) != 2)
      continue;
    if (controllers == 0 ? strcmp(type, "cgroup2") == 0
                         : strcmp(type, "cgroup") == 0 &&
                               (controllers_in(options, ",\n") & controllers) == controllers)
      found = snprintf(place, size, "%s", mount) < (int)size;
  }
  (void)fclose(file);
  return found ? 0 : FAIL_WITH(fault, ENOENT, "find where the cgroups are mounted");
}

/* Where this process is in one hierarchy; in a container whose view is cut, the mount itself. */
static int own_group(unsigned controllers, const char *path, char *place, size_t size,
                     struct fault *fault) {
  char mount[256];
  if (find_mount(controllers, mount, sizeof mount, fault) == -1) return -1;
  if (strcmp(path, "/") == 0 || strncmp(path, "/..", 3) == 0) path = "";
  if (snprintf(place, size, "%s%s", mount, path) >= (int)size)
    return FAIL_WITH(fault, ENAMETOOLONG, "name the own cgroup");
  if (access(place, F_OK) == -1) (void)snprintf(place, size, "%s", mount);
  return 0;
}

/* Reads /proc/self/cgroup into one parent directory for each hierarchy that we need. */
static int find_parents(struct cgroups *cgroups, struct fault *fault) {
  char line[1024], unified[512] = "";
  unsigned found = 0;
  FILE *file = fopen("/proc/self/cgroup", "re");
  if (file == NULL) return fail(fault, "open /proc/self/cgroup");
  int result = 0;
  cgroups->count = 0;
  while (result == 0 && fgets(line, sizeof line, file) != NULL) {
    line[strcspn(line, "\n")] = '\0';
    char *names = strchr(line, ':'), *path = names == NULL ? NULL : strchr(names + 1, ':');
    if (path == NULL) continue;
    *path++ = '\0';
    if (*++names == '\0') (void)snprintf(unified, sizeof unified, "%.511s", path);
    unsigned controllers = controllers_in(names, ",");
    if (controllers == 0 || cgroups->count == HIERARCHIES_MOST) continue;
    struct hierarchy *hierarchy = &cgroups->hierarchies[cgroups->count++];
    hierarchy->controllers = controllers;
    found |= controllers;
    result = own_group(controllers, path, hierarchy->directory, sizeof hierarchy->directory, fault);
  }
  (void)fclose(file);
  if (result == -1) return -1;
  if (found == (MEMORY | PIDS | CPU | CPUACCT)) {
    cgroups->version = 1;
    return 0;
  }
  if (found != 0 || unified[0] == '\0')
    return FAIL_WITH(fault, ENOENT, "find the cgroup controllers memory, pids and cpu");
  cgroups->version = 2;
  cgroups->count = 1;
  cgroups->hierarchies[0].controllers = MEMORY | PIDS | CPU | CPUACCT;
  return own_group(0, unified, cgroups->hierarchies[0].directory,
                   sizeof cgroups->hierarchies[0].directory, fault);
}

int make_group(const char *directory, struct fault *fault) {
  if (mkdir(directory, 0755) == 0 || errno == EEXIST) return 0;
  return fail(fault, "make the cgroup %s", directory);
}

int enable_controllers(const char *directory, struct fault *fault) {
  return write_group_file(directory, "cgroup.subtree_control", "+memory +pids +cpu", fault);
}

/* Whether a v2 group holds nobody but this process and its companion; 0 is a process that we
 * cannot see. */
static bool is_alone(const char *directory, pid_t companion) {
  char path[512];
  int pid, others = 0;
  (void)snprintf(path, sizeof path, "%s/cgroup.procs", directory);
  FILE *file = fopen(path, "re");
  if (file == NULL) return false;
  while (fscanf(file, "%d", &pid) == 1) others += pid == 0 || (pid != getpid() && pid != companion);
  (void)fclose(file);
  return others == 0;
}

/* Moves this process and, when it is there, its companion. */
static int move_both(const char *from, const char *to, pid_t companion, struct fault *fault) {
  if (companion > 0 && !is_alone(from, 0) &&
      write_group_number(to, "cgroup.procs", (uint64_t)companion, fault) == -1)
    return -1;
  return write_group_number(to, "cgroup.procs", (uint64_t)getpid(), fault);
}

int leave_places(const struct cgroups *cgroups, struct fault *fault) {
  char parent[sizeof cgroups->leaf];
  if (cgroups->leaf[0] == '\0') return 0;
  (void)snprintf(parent, sizeof parent, "%s", cgroups->leaf);
  *strrchr(parent, '/') = '\0';
  if (write_group_file(parent, "cgroup.subtree_control", "-memory -pids -cpu", fault) == -1)
    /* Somebody else's groups need the controllers: then the leaf must stay, too. */
    return fault->err == EBUSY ? 0 : -1;
  if (move_both(cgroups->leaf, parent, cgroups->companion, fault) == -1) return -1;
  if (rmdir(cgroups->leaf) == -1 && errno != EBUSY) return fail(fault, "remove the own leaf");
  return 0;
}

static int take_leaf(struct cgroups *cgroups, const char *directory, struct fault *fault) {
  int length = snprintf(cgroups->leaf, sizeof cgroups->leaf, "%s/warden", directory);
  if (length >= (int)sizeof cgroups->leaf)
    return FAIL_WITH(fault, ENAMETOOLONG, "name the leaf of the own cgroup");
  if (make_group(cgroups->leaf, fault) == -1) return -1;
  if (move_both(directory, cgroups->leaf, cgroups->companion, fault) == -1) return -1;
  if (enable_controllers(directory, fault) == 0) return 0;
  struct fault later;
  (void)leave_places(cgroups, &later); /* the first fault is the one to tell */
  return -1;
}

static int choose_v2_parent(struct cgroups *cgroups, struct fault *fault) {
  char *directory = cgroups->hierarchies[0].directory, top[256];
  if (find_mount(0, top, sizeof top, fault) == -1) return -1;
  if (enable_controllers(directory, fault) == 0) return 0;
  if (fault->err == EBUSY && is_alone(directory, cgroups->companion))
    return take_leaf(cgroups, directory, fault);
  const int first = fault->err;
  while (strlen(directory) > strlen(top)) {
    *strrchr(directory, '/') = '\0';
    if (enable_controllers(directory, fault) == 0) return 0;
  }
  return geteuid() == 0
             ? FAIL_WITH(fault, first, "give a cgroup the controllers memory, pids and cpu")
             : FAIL_WITH(fault, first, "get a cgroup of one's own (mend: in a login session, start "
                                       "it with systemd-run --user --scope -p Delegate=yes)");
}

int find_places(struct cgroups *cgroups, const char *name, struct fault *fault) {
  struct cgroups found = *cgroups;
  if (find_parents(&found, fault) == -1) return -1;
  if (found.version == 1 && geteuid() != 0)
    return FAIL_WITH(fault, EPERM, "use control groups of version 1, which serve root alone (mend: run it as root)");
  if (found.version == 2 && choose_v2_parent(&found, fault) == -1) return -1;
  for (int i = 0; i < found.count; i++) {
    char *directory = found.hierarchies[i].directory;
    size_t length = strlen(directory), room = sizeof found.hierarchies[i].directory - length;
    if (snprintf(directory + length, room, "/%s", name) >= (int)room)
      return FAIL_WITH(fault, ENAMETOOLONG, "name the service's cgroup");
  }
  /* Only now: what is named here is removed at the end, with all processes in it. */
  *cgroups = found;
  return 0;
}

static bool has_controllers(const char *directory) {
  char path[512], list[256] = "";
  (void)snprintf(path, sizeof path, "%s/cgroup.controllers", directory);
  FILE *file = fopen(path, "re");
  if (file == NULL) return false;
  if (fgets(list, sizeof list, file) == NULL) list[0] = '\0';
  (void)fclose(file);
  return controllers_in(list, " \n") == (MEMORY | PIDS | CPU);
}

/* Whether a v2 group can be ours: writable, with the controllers, and nobody else in it; or it
 * is the top one. */
static bool is_usable(pid_t companion) {
  struct cgroups own = {0};
  struct fault ignored;
  char path[512], top[256];
  if (find_parents(&own, &ignored) == -1 || own.version == 1) return true;
  const char *directory = own.hierarchies[0].directory;
  if (find_mount(0, top, sizeof top, &ignored) == 0 && strcmp(directory, top) == 0) return true;
  (void)snprintf(path, sizeof path, "%s/cgroup.procs", directory);
  return access(path, W_OK) == 0 && has_controllers(directory) && is_alone(directory, companion);
}

int take_scope(char **arguments, pid_t companion, struct fault *fault) {
  enum { ARGUMENTS_MOST = 256 };
  static const char *const runner = "/usr/bin/systemd-run";
  static char self[512], runtime[64], manager[128];
  const char *command[ARGUMENTS_MOST + 16] = {runner};
  const bool is_root = geteuid() == 0;
  int count = 1;
  if (getenv("SANDRUN_SCOPE") != NULL || access("/run/systemd/system", F_OK) == -1) return 0;
  if (is_usable(companion)) return 0;
  (void)snprintf(runtime, sizeof runtime, "/run/user/%u", geteuid());
  (void)snprintf(manager, sizeof manager, "%s/systemd/private", is_root ? "/run" : runtime);
  if (access(manager, F_OK) == -1 || access(runner, X_OK) == -1) return 0;
  ssize_t length = readlink("/proc/self/exe", self, sizeof self - 1);
  TRY(length, "find the own program");
  TRY(setenv("SANDRUN_SCOPE", "1", 1), "prepare for a scope");
  if (!is_root) {
    TRY(setenv("XDG_RUNTIME_DIR", runtime, 0), "name the runtime directory");
    command[count++] = "--user";
  }
  static const char *const options[] = {"--scope", "--quiet", "--collect",
                                        "--property=Delegate=yes", "--", self};
  for (size_t i = 0; i < sizeof options / sizeof options[0]; i++) command[count++] = options[i];
  for (int i = 1; arguments[i] != NULL; i++) {
    if (count >= ARGUMENTS_MOST) return FAIL_WITH(fault, E2BIG, "start in a scope");
    command[count++] = arguments[i];
  }
  (void)execv(runner, (char *const *)(uintptr_t)command);
  return fail(fault, "run %s", runner);
}
