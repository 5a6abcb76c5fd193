/* The warden.
 *
 * Theory of operation. It takes a range of ids, makes the service's cgroups, builds the tree that
 * boxes are made from, and starts the keeper. Then it waits: for the keeper, which asks for the
 * groups of a slot before it makes a box there; for children that end, which it starts again;
 * and for the word to stop. It is the only part that may be root, so it never reads anything that
 * a caller or a job has touched.
 *
 *   local  a command line's own: plan on standard input, description on standard output, and
 *          the end of standard input is the end of everything
 *   serve  the service: opens the listening socket and the certificate, and runs Node as a uid
 *          of its own
 */
#include "warden.h"

#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "keeper.h"

enum { GRACE_MS = 60000, TOO_SOON_MS = 3000 };

struct warden {
  struct range range;
  struct plan plan;
  struct service service;
  bool serving, stopping;
  int binary, keeper_listener, channel, signals;
  pid_t keeper;
  struct retry keeper_retry;
  struct succession succession;
  int64_t stop_by_ms;
  char handover[8192];
};

int64_t now_ms(void) {
  struct timespec now;
  if (clock_gettime(CLOCK_MONOTONIC, &now) == -1) abort();
  return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

int complain(const struct fault *fault) {
  (void)fprintf(stderr, "sandrun: the sandbox could not be set up: %s%s%s\n", fault->step,
                fault->err == 0 ? "" : ": ", fault->err == 0 ? "" : strerror(fault->err));
  return FAILED;
}

/* Everything that a keeper needs before it can start. */
static int prepare(struct warden *warden, struct fault *fault) {
  struct range *range = &warden->range;
  if (warden->plan.slots * IDS_PER_SLOT > range->count - SLOT_ID_OFFSET)
    return FAIL_WITH(fault, ERANGE, "the range of ids is too small for %u slots", warden->plan.slots);
  warden->plan.cgroups.owner = range->privileged && warden->serving ? range->service_uid : geteuid();
  if (open_cgroups(&warden->plan.cgroups, range->name, fault) == -1) return -1;
  warden->binary = copy_self(fault);
  warden->keeper_listener = warden->binary == -1 ? -1 : open_door(&warden->range, fault);
  return warden->keeper_listener == -1 ? -1 : 0;
}

static int run_keeper(struct warden *warden, struct fault *fault) {
  warden->keeper_retry.started_ms = now_ms();
  warden->keeper_retry.due_ms = -1;
  warden->keeper = start_keeper(&warden->range, &warden->plan, warden->binary, warden->keeper_listener,
                                &warden->channel, fault);
  return warden->keeper == -1 ? -1 : 0;
}

/* The keeper wants a slot's groups: the one thing it asks for, and a number the one thing it says. */
static bool answer_keeper(struct warden *warden) {
  struct groups_request ask;
  struct groups_reply reply = {0};
  struct groups groups = {0};
  union {
    struct cmsghdr header;
    char space[CMSG_SPACE((2 * HIERARCHIES_MOST + 2) * sizeof(int))];
  } control = {0};
  if (recv(warden->channel, &ask, sizeof ask, MSG_DONTWAIT) != sizeof ask) return false;
  struct iovec part = {.iov_base = &reply, .iov_len = sizeof reply};
  struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1};
  if (ask.slot >= warden->plan.slots) (void)FAIL_WITH(&reply.fault, ERANGE, "groups of an unknown slot");
  else if (open_slot_groups(&warden->plan.cgroups, ask.slot, &groups, &reply.fault) == 0) {
    int fds[2 * HIERARCHIES_MOST + 2], count = groups.count;
    memcpy(fds, groups.box_procs, (size_t)count * sizeof(int));
    memcpy(fds + count, groups.job_procs, (size_t)count * sizeof(int));
    reply.count = count;
    reply.has_oom = groups.oom_event != -1;
    int total = 2 * count + (reply.has_oom ? 2 : 0);
    if (reply.has_oom) {
      fds[2 * count] = groups.oom_event;
      fds[2 * count + 1] = groups.oom_control;
    }
    control.header.cmsg_level = SOL_SOCKET;
    control.header.cmsg_type = SCM_RIGHTS;
    control.header.cmsg_len = CMSG_LEN((size_t)total * sizeof(int));
    memcpy(CMSG_DATA(&control.header), fds, (size_t)total * sizeof(int));
    message.msg_control = &control;
    message.msg_controllen = CMSG_SPACE((size_t)total * sizeof(int));
  }
  bool sent = sendmsg(warden->channel, &message, MSG_NOSIGNAL | MSG_DONTWAIT) == sizeof reply;
  close_slot_groups(&groups);
  return sent;
}

static int watch_signals(struct fault *fault) {
  static const int numbers[] = {SIGCHLD, SIGTERM, SIGINT, SIGHUP, SIGQUIT};
  sigset_t set;
  sigemptyset(&set);
  for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++) sigaddset(&set, numbers[i]);
  TRY(sigprocmask(SIG_BLOCK, &set, NULL), "block signals");
  int fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
  TRY(fd, "watch for signals");
  return fd;
}

/* Asks Node to drain; without one there is nothing to wait for. */
static void begin_stop(struct warden *warden) {
  pid_t node = warden->succession.current.pid;
  if (warden->stopping) {
    warden->stop_by_ms = now_ms(); /* asked twice: at once */
    return;
  }
  warden->stopping = true;
  end_next(&warden->succession);
  warden->stop_by_ms = now_ms() + (node > 0 ? GRACE_MS : 0);
  if (node > 0) (void)kill(node, SIGTERM);
}

static void close_channel(struct warden *warden) {
  if (warden->channel != -1) close(warden->channel);
  warden->channel = -1;
}

/* -1 = go on, else the status to end with. */
static int keeper_ended(struct warden *warden) {
  struct fault fault = {0};
  close_channel(warden);
  warden->keeper = -1;
  if (warden->stopping) return -1;
  if (warden->serving) {
    plan_retry(&warden->keeper_retry);
    return -1;
  }
  if (now_ms() - warden->keeper_retry.started_ms < TOO_SOON_MS) {
    (void)FAIL_WITH(&fault, ECHILD, "the keeper died as soon as it had started");
    return complain(&fault);
  }
  return run_keeper(warden, &fault) == -1 ? complain(&fault) : -1;
}

void end_child(pid_t pid) {
  if (pid <= 0) return;
  (void)kill(pid, SIGKILL);
  while (waitpid(pid, NULL, 0) == -1 && errno == EINTR) continue;
}

static int node_ended(struct warden *warden, int status) {
  struct succession *succession = &warden->succession;
  int code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  bool has_left = current_ended(succession, status);
  if (warden->stopping) return code;
  /* One that cannot even start would only be started for ever. */
  if (!succession->has_served) return code == 0 ? FAILED : code;
  if (!has_left && warden->keeper != -1) {
    /* Boxes of the dead one may take a while to die, and a new one takes all slots for free: with
     * the keeper they all go, and are waited for. */
    end_child(warden->keeper);
    (void)keeper_ended(warden);
  }
  succeed(succession);
  return -1;
}

static int reap(struct warden *warden) {
  int result = -1, status;
  for (pid_t pid; result == -1 && (pid = waitpid(-1, &status, WNOHANG)) > 0;) {
    if (pid == warden->keeper) result = keeper_ended(warden);
    else if (pid == warden->succession.current.pid) result = node_ended(warden, status);
    else if (pid == warden->succession.next.pid) next_ended(&warden->succession);
  }
  return result;
}

static int take_signals(struct warden *warden) {
  struct signalfd_siginfo info;
  while (read(warden->signals, &info, sizeof info) == sizeof info)
    if (info.ssi_signo != SIGCHLD) begin_stop(warden);
  return reap(warden);
}

/* What has ended is started again when it is due: first the keeper, whom Node needs. */
static void start_what_is_due(struct warden *warden) {
  struct fault fault = {0};
  if (warden->stopping) return;
  if (is_due(&warden->keeper_retry) && run_keeper(warden, &fault) == -1) {
    (void)complain(&fault);
    plan_retry(&warden->keeper_retry);
  }
  if (is_due(&warden->succession.retry)) start_again(&warden->succession);
}

/* Milliseconds until something must be looked at without an event; -1 = never. */
static int time_to_wait(const struct warden *warden) {
  const int64_t times[] = {warden->stopping ? warden->stop_by_ms : -1,
                           warden->stopping ? -1 : warden->keeper_retry.due_ms,
                           warden->stopping ? -1 : warden->succession.retry.due_ms,
                           warden->succession.give_up_ms};
  int64_t first = -1;
  for (size_t i = 0; i < sizeof times / sizeof times[0]; i++)
    if (times[i] != -1 && (first == -1 || times[i] < first)) first = times[i];
  if (first == -1) return -1;
  int64_t left = first - now_ms();
  return left < 0 ? 0 : (int)left;
}

/* Waits for what may happen until the end; returns the exit status. */
static int watch_over(struct warden *warden) {
  struct succession *succession = &warden->succession;
  for (;;) {
    struct pollfd events[5] = {{.fd = warden->signals, .events = POLLIN},
                               {.fd = warden->channel, .events = POLLIN},
                               {.fd = warden->serving ? -1 : STDIN_FILENO, .events = POLLIN},
                               {.fd = succession->current.talk, .events = POLLIN},
                               {.fd = succession->next.talk, .events = POLLIN}};
    if (warden->stopping && (warden->stop_by_ms <= now_ms() || (warden->serving && succession->current.pid == -1)))
      return 0;
    if (poll(events, 5, time_to_wait(warden)) == -1 && errno != EINTR) return FAILED;
    /* A dying keeper waits for its boxes; polled on, its closed end would keep us busy. */
    if (events[1].revents != 0 && !answer_keeper(warden)) close_channel(warden);
    /* Before its end is noticed: what it said last still counts. */
    if (events[3].revents != 0) hear_current(succession);
    if (events[4].revents != 0) hear_next(succession);
    if (events[0].revents != 0) {
      int status = take_signals(warden);
      if (status != -1) return status;
    }
    if (events[2].revents != 0) begin_stop(warden);
    give_up_next(succession);
    start_what_is_due(warden);
  }
}

/* Nothing of the service stays on the host after this. */
static int clean_up(struct warden *warden) {
  struct fault fault = {0};
  end_child(warden->succession.next.pid);
  end_child(warden->succession.current.pid);
  end_child(warden->keeper);
  int failed = remove_cgroups(&warden->plan.cgroups, &fault);
  remove_runtime_directory(&warden->range);
  release_range(&warden->range);
  return failed == -1 ? complain(&fault) : 0;
}

static int start_serving(struct warden *warden, struct fault *fault) {
  struct succession *succession = &warden->succession;
  warden->service.listener = open_listener(&warden->range, &warden->plan, fault);
  if (warden->service.listener == -1 || open_certificate(&warden->service, fault) == -1) return -1;
  succession->range = &warden->range;
  succession->plan = &warden->plan;
  succession->service = &warden->service;
  succession->handover = warden->handover;
  return start_first_node(succession, fault);
}

/* Reads the plan from whoever has it. 1 = there is none, and `*status` says how it ended. */
static int obtain_plan(struct warden *warden, int *status, struct fault *fault) {
  if (!warden->serving) return read_plan(STDIN_FILENO, &warden->plan, fault);
  if (warden->range.privileged && mount_app(&warden->range, &warden->service, fault) == -1) return -1;
  return ask_plan(&warden->range, &warden->service, &warden->plan, status, fault);
}

static int start_all(struct warden *warden, int *status, struct fault *fault) {
  if (make_runtime_directory(&warden->range, fault) == -1) return -1;
  if (warden->range.privileged) {
    /* What is mounted for the keeper and for Node is no business of the rest of the host. */
    TRY(unshare(CLONE_NEWNS), "make a mount namespace");
    TRY(mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL), "make mounts private");
  }
  int planned = obtain_plan(warden, status, fault);
  if (planned != 0) return planned;
  warden->signals = watch_signals(fault);
  if (warden->signals == -1 || prepare(warden, fault) == -1 || run_keeper(warden, fault) == -1) return -1;
  if (describe(&warden->range, &warden->plan, warden->handover, sizeof warden->handover, fault) == -1)
    return -1;
  if (warden->serving) return start_serving(warden, fault);
  TRY(write_all(STDOUT_FILENO, warden->handover, strlen(warden->handover)), "say where the keeper is");
  return 0;
}

static int run_warden(struct warden *warden, char **arguments) {
  struct fault fault = {0};
  int status = 0;
  warden->plan.cgroups.companion = warden->serving ? 0 : getppid();
  if (take_scope(arguments, warden->plan.cgroups.companion, &fault) == -1) return complain(&fault);
  warden->keeper = warden->channel = warden->range.lock = -1;
  warden->succession.current = warden->succession.next = (struct node){.pid = -1, .talk = -1};
  warden->succession.give_up_ms = warden->succession.retry.due_ms = warden->keeper_retry.due_ms = -1;
  if (take_range(&warden->range, &fault) == -1) return complain(&fault);
  int started = start_all(warden, &status, &fault);
  if (started == -1) status = complain(&fault);
  if (started == 0) status = watch_over(warden);
  int cleaned = clean_up(warden);
  return status != 0 ? status : cleaned;
}

int main(int argc, char **argv) {
  static struct warden warden;
  if (argc > 1 && strcmp(argv[0], "keeper") == 0) live_as_keeper(argc - 1, argv + 1);
  if (argc == 2 && strcmp(argv[1], "local") == 0) return run_warden(&warden, argv);
  if (argc >= 5 && strcmp(argv[1], "serve") == 0 && strcmp(argv[4], "--") == 0) {
    warden.serving = true;
    warden.service = (struct service){.node = argv[2], .root = argv[3], .arguments = argv + 5};
    return run_warden(&warden, argv);
  }
  (void)fprintf(stderr, "sandrun-native is run by sandrun, not by hand: local | serve NODE ROOT -- OPTIONS\n");
  return FAILED;
}
