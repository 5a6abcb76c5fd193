/* What the keeper stands on, and Node beside it: the runtime directory with the keeper's door, and
 * the program that the keeper is executed from. */
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "frames.h"
#include "warden.h"

/* A sealed copy of this program, for the keeper. */
int copy_self(struct fault *fault) {
  int in = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
  TRY(in, "open the own program");
  int out = memfd_create("sandrun", MFD_CLOEXEC | MFD_ALLOW_SEALING);
  struct stat status;
  int failed = out == -1 || fstat(in, &status) == -1;
  char buffer[65536];
  for (ssize_t got; !failed && (got = read(in, buffer, sizeof buffer)) != 0;)
    failed = got == -1 || write_all(out, buffer, (size_t)got) == -1;
  if (!failed) failed = fcntl(out, F_ADD_SEALS, F_SEAL_WRITE | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) == -1;
  close(in);
  if (failed) return fail(fault, "copy the own program");
  return out;
}

int make_runtime_directory(const struct range *range, struct fault *fault) {
  static const char *const parts[] = {"root", "app", "door"};
  char path[300];
  if (mkdir(range->directory, 0711) == -1 && errno != EEXIST) return fail(fault, "make %s", range->directory);
  for (size_t i = 0; i < 3; i++) {
    (void)snprintf(path, sizeof path, "%s/%s", range->directory, parts[i]);
    if (mkdir(path, 0700) == -1 && errno != EEXIST) return fail(fault, "make %s", path);
  }
  /* Only the service may knock at the keeper's door. */
  uid_t owner = range->privileged ? range->service_uid : geteuid();
  TRY(chown(path, owner, (gid_t)-1), "give the keeper's door to the service");
  return 0;
}

void remove_runtime_directory(const struct range *range) {
  static const char *const parts[] = {"door/keeper", "door", "app", "root", ""};
  char path[300];
  for (size_t i = 0; i < 5; i++) {
    (void)snprintf(path, sizeof path, "%s/%s", range->directory, parts[i]);
    /* What cannot be removed now is used again by the next holder of the range. */
    (void)umount2(path, MNT_DETACH);
    (void)(i == 0 ? unlink(path) : rmdir(path));
  }
}

/* The keeper's door. It outlives keepers, so that a new one answers at the same place. */
int open_door(const struct range *range, struct fault *fault) {
  struct sockaddr_un address = {.sun_family = AF_UNIX};
  if (snprintf(address.sun_path, sizeof address.sun_path, "%s/door/keeper", range->directory) >=
      (int)sizeof address.sun_path)
    return FAIL_WITH(fault, ENAMETOOLONG, "name the keeper's socket");
  (void)unlink(address.sun_path);
  int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  TRY(fd, "make the keeper's socket");
  TRY(bind(fd, (struct sockaddr *)&address, sizeof address), "bind the keeper's socket");
  TRY(chmod(address.sun_path, 0600), "close the keeper's socket to others");
  if (range->privileged)
    TRY(chown(address.sun_path, range->service_uid, (gid_t)-1), "give the keeper's socket away");
  TRY(listen(fd, 512), "listen on the keeper's socket");
  return fd;
}
