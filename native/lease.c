/* What a slot has beside its groups and ids: a network namespace, the mounts that are the same in all of
 * its boxes, and a steward that is forked for them.
 *
 * Theory of operation. A network namespace is empty, its owner is the keeper's user namespace, and so
 * not even root of a box can raise its loopback: one serves a slot for good. The read-only part of a
 * box's file system (overlays of the skeleton, of /usr and of the service's own Node, and the slot's
 * devices) lies ready in a mount namespace of the slot, in /box; the keeper enters it, and the
 * box's own is a copy. Nobody can change anything there, and two boxes of a slot never live at the same
 * time, so no watch (inotify) and no lock of one is ever seen by another: those end with their box,
 * which was waited for. What does stay is what the kernel keeps of names that were looked up; and an
 * overlay does not see well what changes below it. So mounts are made anew after so many boxes and
 * after some seconds, and when nobody needs them they go; the steward (steward.c), which stands in them, goes with them.
 *
 * Keeps S3, S10 and S11 of SECURITY.md. */
#include "lease.h"

#include <fcntl.h>
#include <linux/sched.h>
#include <sched.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "breakable.h"
#include "clock.h"
#include "order.h"

enum { BOXES_MOST = 100 };

/* By a process that is PID 1 of the namespace that it shows, and then gone. */
static int show_nobody(struct fault *fault) {
  struct clone_args args = {.flags = CLONE_NEWPID, .exit_signal = SIGCHLD};
  pid_t child = (pid_t)syscall(SYS_clone3, &args, sizeof args);
  if (child == 0) _exit(mount("proc", NOBODY, "proc", PROC_FLAGS, NULL) == -1 ? errno : 0);
  TRY(child, "start who mounts the /proc of nobody");
  int status = 0;
  while (waitpid(child, &status, 0) == -1)
    if (errno != EINTR) return fail(fault, "wait for the /proc of nobody");
  if (!WIFEXITED(status)) return FAIL_WITH(fault, ECHILD, "mount the /proc of nobody");
  if (WEXITSTATUS(status) != 0) return FAIL_WITH(fault, WEXITSTATUS(status), "mount the /proc of nobody");
  return 0;
}

int open_home(struct home *home, struct fault *fault) {
  home->network = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
  TRY(home->network, "hold the keeper's network namespace");
  home->mounts = open("/proc/self/ns/mnt", O_RDONLY | O_CLOEXEC);
  TRY(home->mounts, "hold the keeper's mount namespace");
  return show_nobody(fault);
}

/* Whoever cannot stands where nothing but boxes has business: there is no going on. */
static void return_home(const struct home *home) {
  if (setns(home->network, CLONE_NEWNET) == -1 || setns(home->mounts, CLONE_NEWNS) == -1) _exit(1);
}

static int make_network(struct lease *lease, struct fault *fault) {
  if (lease->network != -1) return 0;
  if (!BROKEN(NETWORK)) TRY(unshare(CLONE_NEWNET), "make the slot's network namespace");
  lease->network = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
  TRY(lease->network, "hold the slot's network namespace");
  return 0;
}

static int build_mounts(const struct box_setup *setup, struct fault *fault) {
  TRY(mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL), "make a slot's mounts private");
  if (build_base(&setup->request, setup->trees, setup->tree_count, fault) == -1) return -1;
  TRY(mount(NOBODY, "proc", NULL, MS_BIND, NULL), "bind the /proc of nobody");
  return enter_root(fault);
}

static int make_mounts(struct lease *lease, const struct box_setup *setup, struct fault *fault) {
  TRY(unshare(CLONE_NEWNS), "make the slot's mount namespace");
  /* While there is a /proc with this process in it. */
  int mounts = open("/proc/self/ns/mnt", O_RDONLY | O_CLOEXEC);
  TRY(mounts, "hold the slot's mount namespace");
  if (build_mounts(setup, fault) == -1) {
    close(mounts);
    return -1;
  }
  lease->mounts = mounts;
  lease->environment = setup->request.environment;
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

bool keep_fresh(struct lease *lease) {
  if (lease->mounts == -1) return false;
  if (!is_stale(lease)) return true;
  end_steward(&lease->steward);
  let_go(lease->mounts);
  lease->mounts = -1;
  return false;
}

int make_lease(struct lease *lease, const struct home *home, struct box_setup *setup, struct fault *fault) {
  struct stat status;
  if (lease->environment != setup->request.environment) lease->boxes = BOXES_MOST;
  if (!keep_fresh(lease) || lease->network == -1) {
    int result = make_network(lease, fault);
    if (result == 0 && lease->mounts == -1) result = make_mounts(lease, setup, fault);
    return_home(home);
    if (result == -1) return -1;
  }
  lease->boxes++;
  TRY(fstat(lease->mounts, &status), "look at the slot's mount namespace");
  setup->outer_namespaces[LAYER_MOUNT - LAYER_USER] = status.st_ino;
  return 0;
}

static int enter_lease(const struct lease *lease, struct fault *fault) {
  TRY(setns(lease->network, CLONE_NEWNET), "enter the slot's network namespace");
  TRY(setns(lease->mounts, CLONE_NEWNS), "enter the slot's mount namespace");
  return 0;
}

pid_t clone_apart(uint64_t flags, uint64_t exit_signal) {
  struct clone_args args = {.flags = flags, .exit_signal = exit_signal};
  args.flags &= ~BROKEN_NAMESPACES;
  return (pid_t)syscall(SYS_clone3, &args, sizeof args);
}

static pid_t clone_in_lease(const struct lease *lease, const struct home *home, uint64_t flags, struct fault *fault) {
  pid_t pid = enter_lease(lease, fault);
  if (pid == 0) {
    pid = clone_apart(flags, SIGCHLD);
    if (pid == 0) return 0;
    if (pid == -1) fail(fault, "clone a slot's steward");
  }
  return_home(home);
  return pid;
}

static int write_map(pid_t pid, const char *name, uint32_t slot, struct fault *fault) {
  char path[48], text[96];
  unsigned first = 1 + slot * IDS_PER_SLOT;
  (void)snprintf(path, sizeof path, "/proc/%d/%s", pid, name);
  (void)snprintf(text, sizeof text, "0 %u 1\n%u %u 1\n", first, PROGRAM_UID, first + 1);
  int fd = open(path, O_WRONLY | O_CLOEXEC);
  TRY(fd, "open the box's %s", name);
  int failed = write_all(fd, text, strlen(text)) == -1;
  if (failed) fail(fault, "write the box's %s", name);
  close(fd);
  return failed ? -1 : 0;
}

int map_ids(pid_t pid, uint32_t slot, int told, struct fault *fault) {
  int result = write_map(pid, "gid_map", slot, fault);
  if (result == 0) result = write_map(pid, "uid_map", slot, fault);
  if (result == 0 && write_all(told, "1", 1) == -1) result = fail(fault, "release who waits for its ids");
  if (result == -1) (void)kill(pid, SIGKILL);
  return result;
}

int start_steward(struct lease *lease, const struct home *home, struct box_setup *setup, struct fault *fault) {
  int ends[2];
  if (lease->steward.pid != 0) return 0;
  if (open_channel(ends, fault) == -1) return -1;
  if (pipe2(setup->mapped, O_CLOEXEC) == -1) {
    close(ends[0]);
    close(ends[1]);
    return fail(fault, "make a pipe for a steward");
  }
  pid_t pid = clone_in_lease(lease, home, CLONE_NEWUSER, fault);
  if (pid == 0) live_as_steward(setup, ends[1]);
  close(ends[1]);
  int result = pid == -1 ? -1 : map_ids(pid, setup->request.slot, setup->mapped[1], fault);
  close(setup->mapped[0]);
  close(setup->mapped[1]);
  if (result == -1) close(ends[0]);
  else lease->steward = (struct steward){.pid = pid, .control = ends[0]};
  return result;
}
