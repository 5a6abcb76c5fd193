/* What a slot has beside its groups and ids: a network namespace, and the mounts that are the same in
 * all of its boxes.
 *
 * Theory of operation. A network namespace is empty, its owner is the keeper's user namespace, and so
 * not even root of a box can raise its loopback: one serves a slot for good. The read-only part of a
 * box's file system (overlays of the skeleton, of /usr and of the service's own Node, and the slot's
 * devices) lies ready in a mount namespace of the slot, in /box; the keeper enters it, and the
 * box's own is a copy. Nobody can change anything there, and two boxes of a slot never live at the same
 * time, so no watch (inotify) and no lock of one is ever seen by another: those end with their box,
 * which was waited for. What does stay is what the kernel keeps of names that were looked up; and an
 * overlay does not see well what changes below it. So mounts are made anew after so many boxes and
 * after some seconds, and when nobody needs them they go.
 *
 * Keeps S3, S10 and S11 of SECURITY.md. */
#include "lease.h"

#include <fcntl.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "breakable.h"
#include "clock.h"

enum { BOXES_MOST = 100 };

int open_home(struct home *home, struct fault *fault) {
  home->network = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
  TRY(home->network, "hold the keeper's network namespace");
  home->mounts = open("/proc/self/ns/mnt", O_RDONLY | O_CLOEXEC);
  TRY(home->mounts, "hold the keeper's mount namespace");
  return 0;
}

int return_home(const struct home *home, struct fault *fault) {
  TRY(setns(home->network, CLONE_NEWNET), "return to the keeper's network namespace");
  TRY(setns(home->mounts, CLONE_NEWNS), "return to the keeper's mount namespace");
  return 0;
}

static int enter_network(struct lease *lease, struct fault *fault) {
  if (BROKEN(NETWORK)) return 0;
  if (lease->network != -1) {
    TRY(setns(lease->network, CLONE_NEWNET), "enter the slot's network namespace");
    return 0;
  }
  TRY(unshare(CLONE_NEWNET), "make the slot's network namespace");
  lease->network = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
  TRY(lease->network, "hold the slot's network namespace");
  return 0;
}

static int make_mounts(struct lease *lease, const struct box_setup *setup, struct fault *fault) {
  TRY(unshare(CLONE_NEWNS), "make the slot's mount namespace");
  TRY(mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL), "make a slot's mounts private");
  if (build_base(&setup->request, setup->trees, setup->tree_count, fault) == -1) return -1;
  TRY(chdir("/"), "leave the root of a box");
  lease->mounts = open("/proc/self/ns/mnt", O_RDONLY | O_CLOEXEC);
  TRY(lease->mounts, "hold the slot's mount namespace");
  lease->mounted_ms = now_ms();
  lease->boxes = 0;
  return 0;
}

static bool is_stale(const struct lease *lease) {
  return lease->boxes >= BOXES_MOST || now_ms() - lease->mounted_ms >= LEASE_FRESH_MS;
}

/* A job can have a million names looked up, and to forget them takes the kernel a good part of a second:
 * a child's, or nobody would get a box meanwhile. It is the last who holds them. */
static void let_go(int mounts) {
  int gate[2] = {-1, -1};
  pid_t child = pipe2(gate, O_CLOEXEC) == -1 ? -1 : fork();
  if (child == 0) {
    struct fault ignored;
    const int fds[] = {gate[0], mounts};
    char end;
    /* Connections of boxes among them, whose end somebody waits for. */
    if (keep_descriptors(fds, 2, 0, &ignored) == 0) (void)read_all(0, &end, 1);
    _exit(0);
  }
  close(mounts);
  if (gate[0] == -1) return;
  close(gate[0]);
  close(gate[1]);
}

bool keep_fresh(struct lease *lease, const struct home *home) {
  if (lease->mounts == -1) return false;
  if (!is_stale(lease)) return true;
  /* Whoever is in it holds it, too. */
  (void)setns(home->mounts, CLONE_NEWNS);
  let_go(lease->mounts);
  lease->mounts = -1;
  return false;
}

static int enter_mounts(struct lease *lease, const struct home *home, const struct box_setup *setup,
                        struct fault *fault) {
  if (keep_fresh(lease, home)) {
    TRY(setns(lease->mounts, CLONE_NEWNS), "enter the slot's mount namespace");
    return 0;
  }
  TRY(setns(home->mounts, CLONE_NEWNS), "return to the keeper's mount namespace");
  return make_mounts(lease, setup, fault);
}

int enter_lease(struct lease *lease, const struct home *home, struct box_setup *setup, struct fault *fault) {
  struct stat status;
  if (!has_common_base(&setup->request, setup->trees)) {
    TRY(setns(home->mounts, CLONE_NEWNS), "return to the keeper's mount namespace");
    return enter_network(lease, fault);
  }
  if (enter_mounts(lease, home, setup, fault) == -1) return -1;
  lease->boxes++;
  TRY(fstat(lease->mounts, &status), "look at the slot's mount namespace");
  setup->outer_namespaces[LAYER_MOUNT - LAYER_USER] = status.st_ino;
  return enter_network(lease, fault);
}
