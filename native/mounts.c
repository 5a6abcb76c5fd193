/* The file system of one box.
 *
 * Everything is the box's own: overlays of /usr, /etc and prepared trees instead of binds, since
 * on a shared inode one job could watch another (inotify) or block it (flock); fresh tmpfs for
 * what can be written. Built in /box of the keeper's root, then pivoted to; what was above is
 * dropped before any byte of a job arrives.
 *
 * Keeps S1, S7 and S10 of SECURITY.md.
 */
#include "mounts.h"

#include <fcntl.h>
#include <linux/mount.h>
#include <sched.h>
#include <stdlib.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "breakable.h"
#include "identity.h"

/* The empty layer is there because a read-only overlay needs two, and is the upper one because
 * statfs asks that one: how full the host's disk is is no business of a job. */
int mount_overlay(const char *lower, const char *place, struct fault *fault) {
  char options[128];
  if (BROKEN(ROOT)) return bind_overlay(lower, place, fault);
  (void)snprintf(options, sizeof options, "lowerdir=/empty:%s", lower);
  TRY(mount("overlay", place, "overlay", MS_RDONLY | MS_NOSUID | MS_NODEV, options),
      "mount an overlay of %s", lower);
  return 0;
}

static int mount_tmpfs(const char *place, uint64_t bytes, uint64_t inodes, unsigned mode,
                       struct fault *fault) {
  char options[160];
  if (BROKEN(TMPFS)) return mount_endless_tmpfs(place, mode, fault);
  if (BROKEN(UID)) mode = 01777;
  (void)snprintf(options, sizeof options, "size=%llu,nr_inodes=%llu,mode=%o,uid=%d,gid=%d",
                 (unsigned long long)bytes, (unsigned long long)inodes, mode, PROGRAM_UID,
                 PROGRAM_UID);
  TRY(mount("tmpfs", place, "tmpfs", MS_NOSUID | MS_NODEV, options), "mount a tmpfs on /%s", place);
  return 0;
}

static int build_skeleton(struct fault *fault) {
  static const char *const directories[] = {"usr", "etc", "dev", "proc", "work", "tmp", "env", "opt",
                                            "opt/node", "var", "run", ".box"};
  static const char *const links[][2] = {{"bin", "usr/bin"}, {"sbin", "usr/sbin"},
                                         {"lib", "usr/lib"}, {"lib64", "usr/lib64"},
                                         {"var/tmp", "/tmp"}};
  for (size_t i = 0; i < sizeof directories / sizeof directories[0]; i++)
    if (make_directory(directories[i], 0755, fault) == -1) return -1;
  for (size_t i = 0; i < sizeof links / sizeof links[0]; i++)
    if (make_link(links[i][0], links[i][1], fault) == -1) return -1;
  /* A file system of its own: stand-ins stay open for writing when the root becomes read-only. */
  TRY(mount("tmpfs", ".box", "tmpfs", MS_NOSUID | MS_NODEV | MS_NOEXEC, "mode=755,size=256k,nr_inodes=128"),
      "mount a tmpfs for stand-ins");
  if (make_directory(".box/fixed", 0755, fault) == -1) return -1;
  return mount_overlay("/settings", ".box/fixed", fault);
}

static int mount_devices(const struct box_request *request, struct fault *fault) {
  char from[32];
  (void)snprintf(from, sizeof from, "/dev/%u", request->slot);
  if (bind_read_only(from, "dev", MOUNT_ATTR_NOEXEC, fault) == -1) return -1;
  /* Without a ceiling one box could take all terminals that the host allows. */
  TRY(mount("devpts", "dev/pts", "devpts", MS_NOSUID | MS_NOEXEC, "newinstance,ptmxmode=0666,mode=600,max=32"),
      "mount /dev/pts");
  return mount_tmpfs("dev/shm", request->shm_bytes, request->tmp_inodes, 01777, fault);
}

/* Software that an administrator put on the host by hand, and kernel sources, are not for jobs. */
static int mask_local(struct fault *fault) {
  static const char *const places[] = {"usr/local", "usr/src"};
  for (size_t i = 0; i < sizeof places / sizeof places[0]; i++) {
    struct stat status;
    if (lstat(places[i], &status) == -1 && errno == ENOENT) continue;
    if (bind_read_only(".box/fixed/empty", places[i], MOUNT_ATTR_NODEV, fault) == -1) return -1;
  }
  return 0;
}

/* The programs and settings of the host, or of the whole tree that was asked for. */
static int mount_system(const struct box_request *request, const struct tree *trees,
                        struct fault *fault) {
  char usr[32], etc[32];
  if (request->environment == 0 || trees[request->environment - 1].kind != TREE_ROOT) {
    if (mount_overlay("/usr", "usr", fault) == -1 || mount_overlay("/etc", "etc", fault) == -1) return -1;
    return mask_local(fault);
  }
  (void)snprintf(usr, sizeof usr, "/env/%u/usr", request->environment);
  (void)snprintf(etc, sizeof etc, "/etc-%u", request->environment);
  return mount_overlay(usr, "usr", fault) == -1 ? -1 : mount_overlay(etc, "etc", fault);
}

static int mount_trees(const struct box_request *request, const struct tree *trees, int count,
                       struct fault *fault) {
  char lower[32];
  for (int i = 0; i < count; i++) {
    if (trees[i].kind != TREE_EVERYWHERE) continue;
    (void)snprintf(lower, sizeof lower, "/env/%d", i + 1);
    if (mount_overlay(lower, "opt/node", fault) == -1) return -1;
  }
  if (request->environment == 0 || trees[request->environment - 1].kind != TREE_NAMED) return 0;
  (void)snprintf(lower, sizeof lower, "/env/%u", request->environment);
  return mount_overlay(lower, "env", fault);
}

static int enter_box_root(struct fault *fault) {
  TRY((int)syscall(SYS_pivot_root, ".", "."), "pivot to the box's root");
  TRY(umount2(".", MNT_DETACH), "drop the keeper's root");
  TRY(chdir("/"), "enter the box's root");
  TRY(mount(NULL, "/", NULL, MS_REMOUNT | MS_BIND | MS_RDONLY | MS_NOSUID | MS_NODEV, NULL),
      "make the box's root read-only");
  return 0;
}

int build_box_root(const struct box_request *request, const struct tree *trees, int tree_count,
                   int *stand_ins, struct fault *fault) {
  TRY(mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL), "make mounts private");
  TRY(mount("tmpfs", "/box", "tmpfs", MS_NOSUID | MS_NODEV, "mode=755,size=64k,nr_inodes=64"),
      "mount a tmpfs for the box's root");
  TRY(chdir("/box"), "enter the box's root");
  if (build_skeleton(fault) == -1) return -1;
  if (mount_system(request, trees, fault) == -1 || mount_trees(request, trees, tree_count, fault) == -1) return -1;
  if (mount_devices(request, fault) == -1) return -1;
  const char *hidden = "hidepid=2";
  if (BROKEN(PROC)) hidden = NULL;
  TRY(mount("proc", "proc", "proc", PROC_FLAGS, hidden), "mount /proc");
  if (cover_proc(stand_ins, fault) == -1) return -1;
  TRY(chmod(".box", 0700), "close the box's own directory");
  if (mount_tmpfs("work", request->work_bytes, request->work_inodes, 0755, fault) == -1) return -1;
  if (mount_tmpfs("tmp", request->tmp_bytes, request->tmp_inodes, 01777, fault) == -1) return -1;
  return enter_box_root(fault);
}
