/* The skeleton of a box: what is there before anything is mounted in it.
 *
 * Directories and links, the small /etc, and the stand-ins of /proc that are the same in all boxes.
 * Built once for the host and once for each prepared system; each box sees it by an overlay of its
 * own. Of /etc copies are made of the few files that programs look for.
 *
 * Keeps S1 of SECURITY.md.
 */
#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "mounts.h"

enum { COPY_DEPTH = 6, COPY_FILE_MOST = 8 * 1024 * 1024 };

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

int build_skeleton(const char *directory, const char *etc, int flags, struct fault *fault) {
  static const char *const directories[] = {"", "/usr", "/dev", "/proc", "/work", "/tmp", "/env", "/opt",
                                            "/opt/node", "/var", "/run"};
  static const char *const links[][2] = {{"bin", "usr/bin"}, {"sbin", "usr/sbin"},
                                         {"lib", "usr/lib"}, {"lib64", "usr/lib64"},
                                         {"var/tmp", "/tmp"}};
  char path[64];
  for (size_t i = 0; i < sizeof directories / sizeof directories[0]; i++) {
    (void)snprintf(path, sizeof path, "%s%s", directory, directories[i]);
    if (make_directory(path, 0755, fault) == -1) return -1;
  }
  for (size_t i = 0; i < sizeof links / sizeof links[0]; i++) {
    (void)snprintf(path, sizeof path, "%s/%s", directory, links[i][0]);
    if (make_link(path, links[i][1], fault) == -1) return -1;
  }
  (void)snprintf(path, sizeof path, "%s/" FIXED, directory);
  if (build_settings(path, fault) == -1) return -1;
  (void)snprintf(path, sizeof path, "%s/etc", directory);
  return build_etc(etc, path, flags, fault);
}
