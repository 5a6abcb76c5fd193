/* The keeper's root: what boxes are made from.
 *
 * Boxes never see it. They mount overlays whose lower directories lie here, so the keeper needs
 * no way to the rest of the host: it pivots into this tree and forgets what was above. Copies
 * are made of the few files of /etc that programs look for; /usr and prepared trees are bound.
 *
 * Keeps S1 and S10 of SECURITY.md.
 */
#include <dirent.h>
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

enum { COPY_DEPTH = 6, COPY_FILE_MOST = 8 * 1024 * 1024 };

const char *const tree_kind_names[TREE_KINDS] = {"everywhere", "named", "root"};

enum tree_kind tree_kind_of(const char *name) {
  int kind = 0;
  while (kind < TREE_KINDS && strcmp(tree_kind_names[kind], name) != 0) kind++;
  return (enum tree_kind)kind;
}

static int copy_file(const char *from, const char *to, int flags, struct fault *fault) {
  int in = open(from, O_RDONLY | O_CLOEXEC | O_NONBLOCK | flags);
  /* Not for the world to read, not there, or a link that is not to be followed. */
  if (in == -1 && (errno == EACCES || errno == ENOENT || errno == ELOOP)) return 0;
  TRY(in, "open %s", from);
  struct stat status;
  int out = -1, failed = fstat(in, &status) == -1 || !S_ISREG(status.st_mode);
  if (!failed && ((status.st_mode & 0004) == 0 || status.st_size > COPY_FILE_MOST)) {
    close(in);
    return 0;
  }
  if (!failed) out = open(to, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0444);
  failed = failed || out == -1;
  char buffer[64 * 1024];
  for (ssize_t got; !failed && (got = read(in, buffer, sizeof buffer)) != 0;)
    failed = got == -1 || write_all(out, buffer, (size_t)got) == -1;
  if (!failed) failed = fchmod(out, status.st_mode & 0555) == -1;
  if (failed) fail(fault, "copy %s", from);
  if (out != -1) close(out);
  close(in);
  return failed ? -1 : 0;
}

static int copy_tree(const char *from, const char *to, int depth, struct fault *fault);

static int copy_entry(const char *from, const char *to, const char *name, int depth,
                      struct fault *fault) {
  char source[512], target[512], text[512];
  if (snprintf(source, sizeof source, "%s/%s", from, name) >= (int)sizeof source ||
      snprintf(target, sizeof target, "%s/%s", to, name) >= (int)sizeof target)
    return FAIL_WITH(fault, ENAMETOOLONG, "copy below %s", from);
  struct stat status;
  TRY(lstat(source, &status), "look at %s", source);
  if (S_ISREG(status.st_mode)) return copy_file(source, target, O_NOFOLLOW, fault);
  if (S_ISDIR(status.st_mode)) return copy_tree(source, target, depth + 1, fault);
  if (!S_ISLNK(status.st_mode)) return 0;
  ssize_t length = readlink(source, text, sizeof text - 1);
  TRY(length, "read link %s", source);
  text[length] = '\0';
  return make_link(target, text, fault);
}

/* Copies what all the world may read; a tree that the host does not have is left out. */
static int copy_tree(const char *from, const char *to, int depth, struct fault *fault) {
  DIR *directory = opendir(from);
  if (directory == NULL && (errno == ENOENT || errno == EACCES)) return 0;
  if (directory == NULL) return fail(fault, "open %s", from);
  int result = depth > COPY_DEPTH ? FAIL_WITH(fault, ELOOP, "copy %s", from)
                                  : make_directory(to, 0755, fault);
  for (struct dirent *entry; result == 0 && (entry = readdir(directory)) != NULL;)
    if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
      result = copy_entry(from, to, entry->d_name, depth, fault);
  closedir(directory);
  return result;
}

/* A Java machine looks for its settings in /etc/java-N-openjdk, whatever N is here. */
static int copy_java_settings(const char *from, const char *to, struct fault *fault) {
  DIR *directory = opendir(from);
  if (directory == NULL && (errno == ENOENT || errno == EACCES)) return 0;
  if (directory == NULL) return fail(fault, "open %s", from);
  int result = 0;
  for (struct dirent *entry; result == 0 && (entry = readdir(directory)) != NULL;)
    if (strncmp(entry->d_name, "java-", 5) == 0) result = copy_entry(from, to, entry->d_name, 0, fault);
  closedir(directory);
  return result;
}

/* A small /etc in `to`, from the one in `from`. Of a prepared tree no link is followed: it would
 * lead into the host's own /etc. */
static int build_etc(const char *from, const char *to, int flags, struct fault *fault) {
  static const char *const trees[] = {"alternatives", "ssl/certs", "fonts", "ld.so.conf.d"};
  static const char *const files[] = {"ld.so.cache", "ld.so.conf", "localtime", "mime.types",
                                      "services", "protocols"};
  /* There, so that opening one says "Permission denied"; nobody may read them. */
  static const char *const closed[] = {"passwd", "group"};
  char source[600], target[64];
  (void)snprintf(target, sizeof target, "%s/ssl", to);
  if (make_directory(to, 0755, fault) == -1 || make_directory(target, 0755, fault) == -1) return -1;
  for (size_t i = 0; i < sizeof trees / sizeof trees[0]; i++) {
    (void)snprintf(source, sizeof source, "%s/%s", from, trees[i]);
    (void)snprintf(target, sizeof target, "%s/%s", to, trees[i]);
    if (copy_tree(source, target, 0, fault) == -1) return -1;
  }
  if (copy_java_settings(from, to, fault) == -1) return -1;
  for (size_t i = 0; i < sizeof files / sizeof files[0]; i++) {
    (void)snprintf(source, sizeof source, "%s/%s", from, files[i]);
    (void)snprintf(target, sizeof target, "%s/%s", to, files[i]);
    if (copy_file(source, target, flags, fault) == -1) return -1;
  }
  for (size_t i = 0; i < sizeof closed / sizeof closed[0]; i++) {
    (void)snprintf(target, sizeof target, "%s/%s", to, closed[i]);
    if (make_file(target, 0000, "", fault) == -1) return -1;
  }
  (void)snprintf(target, sizeof target, "%s/hostname", to);
  if (make_file(target, 0444, "sandrun\n", fault) == -1) return -1;
  (void)snprintf(target, sizeof target, "%s/hosts", to);
  return make_file(target, 0444, "127.0.0.1 localhost sandrun\n", fault);
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
    (void)snprintf(to, sizeof to, "etc-%d", i + 1);
    if (build_etc(from, to, O_NOFOLLOW, fault) == -1) return -1;
  }
  return 0;
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
  static const char *const directories[] = {"usr", "empty", "proc", "box", "dev"};
  for (size_t i = 0; i < sizeof directories / sizeof directories[0]; i++)
    if (make_directory(directories[i], 0755, fault) == -1) return -1;
  if (bind_read_only("/usr", "usr", MOUNT_ATTR_NODEV, fault) == -1) return -1;
  if (bind_trees(trees, tree_count, fault) == -1 || build_etc("/etc", "etc", 0, fault) == -1) return -1;
  if (build_settings("settings", fault) == -1 || build_template_tree(fault) == -1) return -1;
  for (int slot = 0; slot < slots; slot++) {
    char directory[32];
    (void)snprintf(directory, sizeof directory, "dev/%d", slot);
    if (build_devices(directory, may_make_nodes, fault) == -1) return -1;
  }
  /* A full /proc must be visible where one is mounted in a user namespace. */
  TRY(mount("/proc", "proc", NULL, MS_BIND | MS_REC, NULL), "bind /proc");
  return 0;
}

int enter_keeper_root(struct fault *fault) {
  TRY((int)syscall(SYS_pivot_root, ".", "."), "pivot to the keeper's root");
  TRY(umount2(".", MNT_DETACH), "drop the host's root");
  TRY(chdir("/"), "enter the new root");
  return 0;
}
