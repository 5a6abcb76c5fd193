/* Small pieces of building a tree. */
#include <fcntl.h>
#include <linux/mount.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "mounts.h"

int make_directory(const char *path, unsigned mode, struct fault *fault) {
  TRY(mkdir(path, 0700), "make directory %s", path);
  TRY(chmod(path, mode), "set mode of %s", path);
  return 0;
}

int make_file(const char *path, unsigned mode, const char *text, struct fault *fault) {
  int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
  TRY(fd, "make file %s", path);
  int failed = write_all(fd, text, strlen(text)) == -1 || fchmod(fd, mode) == -1;
  if (failed) fail(fault, "write file %s", path);
  close(fd);
  return failed ? -1 : 0;
}

int make_link(const char *path, const char *target, struct fault *fault) {
  TRY(symlink(target, path), "make link %s", path);
  return 0;
}

int make_read_only(const char *path, unsigned long more_attributes, struct fault *fault) {
  struct mount_attr attributes = {.attr_set = MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | more_attributes};
  TRY((int)syscall(SYS_mount_setattr, AT_FDCWD, path, AT_RECURSIVE, &attributes, sizeof attributes),
      "make %s read-only", path);
  return 0;
}

int bind_read_only(const char *from, const char *to, unsigned long more_attributes,
                   struct fault *fault) {
  TRY(mount(from, to, NULL, MS_BIND | MS_REC, NULL), "bind %s", from);
  return make_read_only(to, more_attributes, fault);
}
