/* The keeper's root: what boxes are made from.
 *
 * Boxes never see it. They mount overlays whose lower directories lie here, so the keeper needs
 * no way to the rest of the host: it pivots into this tree and forgets what was above. /usr and
 * prepared trees are bound.
 *
 *   skeleton, skeleton-N   what a box finds before anything is mounted in it (skeleton.c)
 *   usr, env/N             the host's programs; prepared trees
 *   empty, shown, hidden   layers of overlays, see mounts.h
 *   dev/N                  devices of slot N
 *   proc, box              where the keeper's /proc and the root of a box are mounted
 *
 * Keeps S1 and S10 of SECURITY.md.
 */
#include <fcntl.h>
#include <linux/mount.h>
#include <sched.h>
#include <stdlib.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "mounts.h"
#include "template.h"

const char *const tree_kind_names[TREE_KINDS] = {"everywhere", "named", "root"};

enum tree_kind tree_kind_of(const char *name) {
  int kind = 0;
  while (kind < TREE_KINDS && strcmp(tree_kind_names[kind], name) != 0) kind++;
  return (enum tree_kind)kind;
}

struct node {
  const char *name;
  unsigned minor;
};

/* Own nodes for each slot: on shared ones a job could watch others open them (inotify). Where
 * no node can be made (an ordinary user's namespace) the host's are bound. */
static int build_devices(const char *directory, bool may_make_nodes, struct fault *fault) {
  static const struct node nodes[] = {{"null", 3}, {"zero", 5}, {"full", 7}, {"random", 8}, {"urandom", 9}};
  static const char *const links[][2] = {{"fd", "/proc/self/fd"}, {"stdin", "/proc/self/fd/0"},
                                         {"stdout", "/proc/self/fd/1"},
                                         {"stderr", "/proc/self/fd/2"}, {"ptmx", "pts/ptmx"}};
  char path[128], host[32];
  if (make_directory(directory, 0755, fault) == -1) return -1;
  for (size_t i = 0; i < sizeof nodes / sizeof nodes[0]; i++) {
    (void)snprintf(path, sizeof path, "%s/%s", directory, nodes[i].name);
    (void)snprintf(host, sizeof host, "/dev/%s", nodes[i].name);
    if (may_make_nodes) {
      TRY(mknod(path, S_IFCHR | 0666, makedev(1, nodes[i].minor)), "make device %s", path);
      TRY(chmod(path, 0666), "set mode of %s", path);
    } else {
      if (make_file(path, 0666, "", fault) == -1) return -1;
      TRY(mount(host, path, NULL, MS_BIND, NULL), "bind %s", host);
    }
  }
  for (size_t i = 0; i < sizeof links / sizeof links[0]; i++) {
    (void)snprintf(path, sizeof path, "%s/%s", directory, links[i][0]);
    if (make_link(path, links[i][1], fault) == -1) return -1;
  }
  (void)snprintf(path, sizeof path, "%s/pts", directory);
  if (make_directory(path, 0755, fault) == -1) return -1;
  (void)snprintf(path, sizeof path, "%s/mqueue", directory);
  if (make_directory(path, 0755, fault) == -1) return -1;
  (void)snprintf(path, sizeof path, "%s/shm", directory);
  return make_directory(path, 0755, fault);
}

/* The ids of boxes own nothing on the host, so what they are to see must be open to all. */
static int check_readable(const char *path, struct fault *fault) {
  struct stat status;
  TRY(stat(path, &status), "look at %s", path);
  if ((status.st_mode & 0005) == 0005) return 0;
  return FAIL_WITH(fault, EACCES, "show boxes what not all may read (mend: chmod -R o+rX %s)", path);
}

static int bind_trees(const struct tree *trees, int count, struct fault *fault) {
  if (make_directory("env", 0755, fault) == -1) return -1;
  for (int i = 0; i < count; i++) {
    char place[32];
    (void)snprintf(place, sizeof place, "env/%d", i + 1);
    if (make_directory(place, 0755, fault) == -1 || check_readable(trees[i].path, fault) == -1) return -1;
    if (bind_read_only(trees[i].path, place, MOUNT_ATTR_NODEV, fault) == -1) return -1;
    if (trees[i].kind != TREE_ROOT) continue;
    char from[600], to[32];
    (void)snprintf(from, sizeof from, "%s/etc", place);
    (void)snprintf(to, sizeof to, "skeleton-%d", i + 1);
    if (build_skeleton(to, from, O_NOFOLLOW, fault) == -1) return -1;
  }
  return 0;
}

/* Software that an administrator put on the host by hand, and kernel sources, are not for jobs:
 * a layer of whiteouts hides these directories, and one above it shows empty ones. */
static int build_masks(struct fault *fault) {
  static const char *const masked[] = {"local", "src"};
  char path[32];
  for (size_t i = 0; i < sizeof masked / sizeof masked[0]; i++) {
    (void)snprintf(path, sizeof path, "hidden/%s", masked[i]);
    TRY(mknod(path, S_IFCHR, makedev(0, 0)), "make the whiteout %s", path);
    (void)snprintf(path, sizeof path, "shown/%s", masked[i]);
    if (make_directory(path, 0755, fault) == -1) return -1;
  }
  return 0;
}

/* Boxes bind them from here, with the attributes of this mount. */
static int build_all_devices(int slots, bool may_make_nodes, struct fault *fault) {
  TRY(mount("dev", "dev", NULL, MS_BIND, NULL), "bind the devices of boxes");
  for (int slot = 0; slot < slots; slot++) {
    char directory[32];
    (void)snprintf(directory, sizeof directory, "dev/%d", slot);
    if (build_devices(directory, may_make_nodes, fault) == -1) return -1;
  }
  return make_read_only("dev", MOUNT_ATTR_NOEXEC, fault);
}

int build_keeper_root(const char *root, const struct tree *trees, int tree_count, int slots,
                      bool may_make_nodes, struct fault *fault) {
  struct stat status;
  TRY(lstat("/bin", &status), "look at /bin");
  if (!S_ISLNK(status.st_mode))
    return FAIL_WITH(fault, ENOTSUP, "/bin is not a link to /usr/bin (a merged /usr is needed)");
  TRY(mount("sandrun", root, "tmpfs", MS_NOSUID, "mode=755,size=64m,nr_inodes=32768"),
      "mount a tmpfs for the keeper's root");
  TRY(chdir(root), "enter %s", root);
  static const char *const directories[] = {"usr", "empty", "shown", "hidden", "proc", "nobody", "box", "dev"};
  for (size_t i = 0; i < sizeof directories / sizeof directories[0]; i++)
    if (make_directory(directories[i], 0755, fault) == -1) return -1;
  if (bind_read_only("/usr", "usr", MOUNT_ATTR_NODEV, fault) == -1) return -1;
  if (bind_trees(trees, tree_count, fault) == -1 || build_skeleton("skeleton", "/etc", 0, fault) == -1) return -1;
  if (build_template_tree(fault) == -1) return -1;
  if (build_masks(fault) == -1 || build_all_devices(slots, may_make_nodes, fault) == -1) return -1;
  /* A full /proc must be visible where one is mounted in a user namespace. */
  TRY(mount("/proc", "proc", NULL, MS_BIND | MS_REC, NULL), "bind /proc");
  return 0;
}
