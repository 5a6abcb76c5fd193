/* The file system of one box.
 *
 * Nothing is shared with a box that lives at the same time: overlays of the skeleton, /usr and prepared
 * trees instead of binds, since on a shared inode one job could watch another (inotify) or block it (flock);
 * fresh tmpfs for what can be written. What is the same in all boxes of a slot is the root of its
 * mounts (lease.c), of which the box has a copy: built in /box of the keeper's root, then pivoted to, and what was above
 * is dropped.
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

int mount_overlay(const char *layers, const char *place, struct fault *fault) {
  char options[128];
  if (BROKEN(ROOT)) return bind_overlay(layers, place, fault);
  (void)snprintf(options, sizeof options, "lowerdir=%s", layers);
  TRY(mount("overlay", place, "overlay", MS_RDONLY | MS_NOSUID | MS_NODEV, options),
      "mount an overlay of %s", layers);
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

static int bind_devices(const struct box_request *request, struct fault *fault) {
  char from[32];
  (void)snprintf(from, sizeof from, "/dev/%u", request->slot);
  TRY(mount(from, "dev", NULL, MS_BIND | MS_REC, NULL), "bind %s", from);
  return 0;
}

static int mount_own_devices(const struct box_request *request, struct fault *fault) {
  /* Without a ceiling one box could take all terminals that the host allows. */
  TRY(mount("devpts", "dev/pts", "devpts", MS_NOSUID | MS_NOEXEC, "newinstance,ptmxmode=0666,mode=600,max=32"),
      "mount /dev/pts");
  /* Where a system has it; and there PID 1 sees whether queues are left (box.c). */
  if (!BROKEN(IPC)) TRY(mount("mqueue", "dev/mqueue", "mqueue", MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL), "mount /dev/mqueue");
  return mount_tmpfs("dev/shm", request->shm_bytes, request->tmp_inodes, 01777, fault);
}

static bool is_whole_system(const struct box_request *request, const struct tree *trees) {
  return request->environment != 0 && trees[request->environment - 1].kind == TREE_ROOT;
}

/* The skeleton that belongs to the system that was asked for. */
static int mount_skeleton(const struct box_request *request, const struct tree *trees, struct fault *fault) {
  char layers[48] = "/empty:/skeleton";
  if (is_whole_system(request, trees))
    (void)snprintf(layers, sizeof layers, "/empty:/skeleton-%u", request->environment);
  if (mount_overlay(layers, "/box", fault) == -1) return -1;
  TRY(chdir("/box"), "enter the box's root");
  return 0;
}

/* The programs of the host, or of the whole tree that was asked for. */
static int mount_system(const struct box_request *request, const struct tree *trees,
                        struct fault *fault) {
  char layers[48];
  if (!is_whole_system(request, trees)) return mount_overlay(HOST_USR, "usr", fault);
  (void)snprintf(layers, sizeof layers, "/empty:/env/%u/usr", request->environment);
  return mount_overlay(layers, "usr", fault);
}

static int mount_trees(const struct tree *trees, int count, struct fault *fault) {
  char layers[32];
  for (int i = 0; i < count; i++) {
    if (trees[i].kind != TREE_EVERYWHERE) continue;
    (void)snprintf(layers, sizeof layers, "/empty:/env/%d", i + 1);
    if (mount_overlay(layers, "opt/node", fault) == -1) return -1;
  }
  return 0;
}

static int mount_environment(const struct box_request *request, const struct tree *trees, struct fault *fault) {
  char layers[32];
  if (request->environment == 0 || trees[request->environment - 1].kind != TREE_NAMED) return 0;
  (void)snprintf(layers, sizeof layers, "/empty:/env/%u", request->environment);
  return mount_overlay(layers, "env", fault);
}

int build_base(const struct box_request *request, const struct tree *trees, int tree_count, struct fault *fault) {
  if (mount_skeleton(request, trees, fault) == -1 || mount_system(request, trees, fault) == -1) return -1;
  if (mount_trees(trees, tree_count, fault) == -1 || mount_environment(request, trees, fault) == -1) return -1;
  return bind_devices(request, fault);
}

int enter_root(struct fault *fault) {
  TRY((int)syscall(SYS_pivot_root, ".", "."), "pivot to the new root");
  TRY(umount2(".", MNT_DETACH), "drop the root before it");
  TRY(chdir("/"), "enter the new root");
  return 0;
}

int build_box_root(const struct box_request *request, int *stand_ins, struct fault *fault) {
  TRY(mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL), "make mounts private");
  TRY(chdir("/"), "enter the box's root");
  if (mount_own_devices(request, fault) == -1) return -1;
  if (mount_tmpfs("tmp", request->tmp_bytes, request->tmp_inodes, 01777, fault) == -1) return -1;
  const char *hidden = "hidepid=2";
  if (BROKEN(PROC)) hidden = NULL;
  TRY(mount("proc", "proc", "proc", PROC_FLAGS, hidden), "mount /proc");
  if (cover_proc(stand_ins, fault) == -1) return -1;
  return mount_tmpfs("work", request->work_bytes, request->work_inodes, 0755, fault);
}
