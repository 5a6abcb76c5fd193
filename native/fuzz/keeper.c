/* keeper.c with passing.c: requests from any peer, answers of the warden, and ends of boxes in any order. No
 * slot has two boxes, what was asked for is in range, and no descriptor is lost or closed twice. */
#define _GNU_SOURCE 1
#include <linux/sched.h>
#include <sched.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#include "fuzz.h"

enum { FDS = 4096, FIRST_FD = 100, SIGNALS_FD = 50 };

static struct input input;
static bool is_open[FDS];
static int next_fd, next_pid, alive, newborn;
static bool warden_is_honest;
enum { HOME_FD = 4 };
static bool is_away;

static int new_fd(void) {
  if (take(&input) == 255 || next_fd == FDS) {
    errno = EMFILE;
    return -1;
  }
  is_open[next_fd] = true;
  return next_fd++;
}

static int maybe_fail(void) {
  errno = EPERM;
  return take(&input) == 255 ? -1 : 0;
}

static int fake_close(int fd) {
  MUST(fd >= FIRST_FD && fd < FDS && is_open[fd]);
  is_open[fd] = false;
  return 0;
}

static ssize_t fake_read(int fd, void *to, size_t size) {
  if (fd == SIGNALS_FD) return -1;
  MUST(is_open[fd]);
  return (ssize_t)take_bytes(&input, to, take_share(&input, size));
}

static int fake_pipe(int *ends) {
  ends[0] = new_fd();
  if (ends[0] == -1) return -1;
  ends[1] = new_fd();
  if (ends[1] != -1) return 0;
  fake_close(ends[0]);
  return -1;
}

static int fake_getsockopt(void *value) {
  struct ucred peer = {.pid = take(&input) == 255 ? 7 : 0, .uid = take(&input) == 255 ? 1 : 65534};
  memcpy(value, &peer, sizeof peer);
  return maybe_fail();
}

static int fake_clone(const struct clone_args *args) {
  if (maybe_fail() == -1) return -1;
  if (args != NULL && args->flags == CLONE_NEWPID) return next_pid++;
  if (args != NULL && args->flags == CLONE_NEWUSER) return newborn = next_pid++;
  alive++;
  return next_pid++;
}

/* The way home is open: without it the keeper ends. */
static int fake_setns(int fd) {
  MUST(fd == HOME_FD || is_open[fd]);
  if (fd != HOME_FD && maybe_fail() == -1) return -1;
  is_away = fd != HOME_FD;
  return 0;
}

static int fake_unshare(void) {
  if (maybe_fail() == -1) return -1;
  is_away = true;
  return 0;
}

static ssize_t fake_recvmsg(struct msghdr *message);

#define close(fd) fake_close(fd)
#define read(fd, to, size) fake_read(fd, to, size)
#define write(fd, from, size) \
  (MUST_BE_OPEN(fd), (void)(from), maybe_fail() == -1 ? (ssize_t)-1 : (ssize_t)(size))
#define MUST_BE_OPEN(fd) ((void)((fd) == 4 || is_open[fd] ? 0 : (abort(), 0)))
#define open(...) new_fd()
#define accept4(...) new_fd()
#define pipe2(ends, flags) fake_pipe(ends)
#define getsockopt(fd, level, name, value, size) (MUST_BE_OPEN(fd), (void)(size), fake_getsockopt(value))
#define setsockopt(fd, level, name, value, size) (MUST_BE_OPEN(fd), (void)(value), maybe_fail())
#define setns(fd, kind) fake_setns(fd)
#define unshare(flags) fake_unshare()
#define send(fd, from, size, flags) ((void)(from), maybe_fail() == -1 ? (ssize_t)-1 : (ssize_t)(size))
#define sendmsg(fd, message, flags) (MUST_BE_OPEN(fd), (void)(message), (ssize_t)-1)
#define recvmsg(fd, message, flags) ((void)(fd), fake_recvmsg(message))
#define syscall(number, args, size) fake_clone(args)
#define kill(pid, number) fake_kill(pid)
static int fake_kill(pid_t pid);
#define waitpid(pid, status, flags) fake_waitpid(pid, status)
static pid_t fake_waitpid(pid_t pid, int *status);
#define fork() (maybe_fail() == -1 ? -1 : next_pid++)
#define mount(from, to, type, flags, options) maybe_fail()
#define chdir(path) maybe_fail()
#define fstat(fd, status) (MUST_BE_OPEN(fd), (status)->st_ino = 1, maybe_fail())
#include "../frames.c"
#include "../lease.c"
#include "../keeper.c"
#include "../passing.c"
#undef close

static struct keeper keeper;

/* An honest warden gives as many descriptors as it says; another one says anything. */
static ssize_t fake_recvmsg(struct msghdr *message) {
  struct groups_reply reply = {0};
  warden_is_honest = take(&input) < 200;
  if (warden_is_honest) {
    reply.count = 1 + (int)(take(&input) % HIERARCHIES_MOST);
    reply.has_oom = take(&input) % 2;
    if (take(&input) > 200) reply.fault.err = EPERM;
  } else {
    take_bytes(&input, &reply, sizeof reply);
  }
  memcpy(message->msg_iov[0].iov_base, &reply, sizeof reply);
  struct cmsghdr *header = message->msg_control;
  size_t wanted = warden_is_honest ? (size_t)(2 * reply.count) + (reply.has_oom ? 2 : 0) : take(&input) % 11;
  if (wanted > 10 || (warden_is_honest && reply.fault.err != 0)) wanted = 0;
  if (wanted == 0) {
    message->msg_controllen = 0;
    return (ssize_t)sizeof reply;
  }
  *header = (struct cmsghdr){.cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS,
                             .cmsg_len = CMSG_LEN(wanted * sizeof(int))};
  message->msg_controllen = CMSG_SPACE(wanted * sizeof(int));
  for (size_t i = 0; i < wanted; i++) {
    MUST(next_fd < FDS);
    is_open[next_fd] = true;
    memcpy(CMSG_DATA(header) + i * sizeof(int), &next_fd, sizeof(int));
    next_fd++;
  }
  return (ssize_t)sizeof reply;
}

/* Only who was not waited for yet is signalled: another process could have its id. */
static int fake_kill(pid_t pid) {
  if (pid > 0 && pid == newborn) return 0;
  for (int i = 0; i < keeper.slot_count; i++)
    if (pid > 0 && keeper.slots[i].box == pid) return 0;
  MUST(false);
  return -1;
}

/* Some box that lives ends; or somebody does who was waited for, well or not. */
static pid_t fake_waitpid(pid_t pid, int *status) {
  unsigned choice = take(&input);
  if (pid > 0) {
    *status = (int)(choice << 8);
    return pid;
  }
  *status = (int)(choice << 8);
  if (choice % 2 == 0) return 0;
  for (int i = 0; i < keeper.slot_count; i++)
    if (keeper.slots[i].box != 0 && (choice >> 1) % 4 == (unsigned)i % 4) return keeper.slots[i].box;
  for (int i = 0; i < keeper.slot_count; i++)
    if (keeper.slots[i].lease.steward.pid != 0 && (choice >> 3) % 4 == 0) return keeper.slots[i].lease.steward.pid;
  return 0;
}

#include "neighbours.h"

/* Each slot with a box holds its connection, some hold their namespaces; nothing else stays open. */
static void check_descriptors(void) {
  int held = 0, open_now = 0;
  for (int i = 0; i < keeper.slot_count; i++) {
    const struct slot *slot = &keeper.slots[i];
    if (slot->box != 0) MUST(is_open[slot->connection]);
    const struct lease *lease = &slot->lease;
    if (lease->network != -1) MUST(is_open[lease->network]);
    /* It has the slot's mounts, so without them it would be somebody else's. */
    if (lease->steward.pid != 0) MUST(is_open[lease->steward.control] && lease->mounts != -1);
    if (lease->mounts != -1) MUST(is_open[lease->mounts] && lease->boxes <= 100);
    held += (slot->box != 0) + (lease->network != -1) + (lease->mounts != -1) + (lease->steward.pid != 0);
  }
  for (int i = 0; i < TEMPLATES_MOST; i++) {
    if (keeper.templates[i].pid == 0) continue;
    MUST(is_open[keeper.templates[i].connection]);
    held++;
  }
  for (int fd = FIRST_FD; fd < next_fd; fd++) open_now += is_open[fd];
  MUST(open_now == held);
}

static void check_any_request(void) {
  struct box_request request = {0};
  struct fault fault = {0};
  take_bytes(&input, &request, sizeof request);
  if (check_request(&keeper, &request, &fault) == -1) {
    MUST(fault.err != 0);
    return;
  }
  MUST(request.warm_from <= TEMPLATES_MOST && (request.warm_from == 0 || request.environment == 0));
  MUST(request.slot < 3 && request.environment <= 2 && keeper.slots[request.slot].box == 0);
  MUST(request.work_bytes >= 1 && request.work_bytes <= 1ull << 34 && request.shm_bytes <= 1ull << 34);
}

static void hear_any_template(void) {
  struct pollfd events[2 * TEMPLATES_MOST] = {0};
  for (int i = 0; i < 2 * TEMPLATES_MOST; i++)
    events[i].revents = keeper.templates[i / 2].pid != 0 && take(&input) % 2 == 0 ? POLLIN : 0;
  hear_templates(&keeper, events);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  input = (struct input){data, size};
  memset(&keeper, 0, sizeof keeper);
  memset(is_open, 0, sizeof is_open);
  keeper.slot_count = 3;
  keeper.tree_count = 2;
  keeper.signals = SIGNALS_FD;
  keeper.home = (struct home){.network = HOME_FD, .mounts = HOME_FD};
  keeper.trees[1].kind = TREE_ROOT;
  for (int i = 0; i < 3; i++) keeper.slots[i].lease = (struct lease){.network = -1, .mounts = -1};
  next_fd = FIRST_FD;
  next_pid = 1000;
  alive = 0;
  newborn = 0;
  is_away = false;
  for (int step = 0; step < 100 && input.size > 0; step++) {
    unsigned choice = take(&input);
    warden_is_honest = true;
    if (choice % 5 == 0) reap_boxes(&keeper);
    else if (choice % 5 == 1) check_any_request();
    else if (choice % 5 == 2) stop_hoarder(&keeper);
    else if (choice % 25 == 3) hear_any_template();
    else accept_box(&keeper);
    /* A warden that lies is not ours to clean up after: it is trusted, only never to corrupt. */
    if (!warden_is_honest) return 0;
    check_descriptors();
    MUST(!is_away);
  }
  return 0;
}
