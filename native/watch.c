/* Watching over keeper and Node, from the moment when both have started until the end.
 *
 * Theory of operation. One loop waits for four things: for the keeper, which asks for the groups of
 * a slot before it makes a box there; for words of Node (succession.c); for children that end, which
 * are started again; and for the word to stop, which is a signal, or for a local run the end of
 * standard input. A keeper that ends has taken its boxes with it. A Node that was not told to leave
 * and ends takes the keeper with it, since nobody knows any more what the boxes were for. While the
 * service is asleep the listening socket is watched, too. Told to stop, it asks Node to drain and
 * gives it a minute.
 */
#include <poll.h>
#include <signal.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "keeper.h"
#include "warden.h"

enum { GRACE_MS = 60000, TOO_SOON_MS = 3000 };

int run_keeper(struct warden *warden, struct fault *fault) {
  warden->keeper_retry.started_ms = now_ms();
  warden->keeper_retry.due_ms = -1;
  warden->keeper = start_keeper(&warden->range, &warden->plan, warden->binary, warden->keeper_listener,
                                &warden->channel, fault);
  return warden->keeper == -1 ? -1 : 0;
}

int watch_signals(struct fault *fault) {
  static const int numbers[] = {SIGCHLD, SIGTERM, SIGINT, SIGHUP, SIGQUIT};
  sigset_t set;
  sigemptyset(&set);
  for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++) sigaddset(&set, numbers[i]);
  TRY(sigprocmask(SIG_BLOCK, &set, NULL), "block signals");
  int fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
  TRY(fd, "watch for signals");
  return fd;
}

/* The keeper wants a slot's groups: the one thing it asks for, and a number the one thing it says. */
static bool answer_keeper(struct warden *warden) {
  struct groups_request ask;
  struct fault fault = {0};
  struct groups groups = {.oom_event = -1};
  if (recv(warden->channel, &ask, sizeof ask, MSG_DONTWAIT) != sizeof ask) return false;
  if (ask.slot >= warden->plan.slots) (void)FAIL_WITH(&fault, ERANGE, "groups of an unknown slot");
  else (void)open_slot_groups(&warden->plan.cgroups, ask.slot, &groups, &fault);
  bool sent = send_groups(warden->channel, &groups, &fault);
  close_slot_groups(&warden->plan.cgroups, &groups);
  return sent;
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
  succeed(succession, has_left);
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

/* The listening socket, while a connection is what is to wake the service. Node needs the keeper. */
static int wakened_by(const struct warden *warden) {
  const bool waits = !warden->stopping && warden->keeper != -1 && is_asleep(&warden->succession);
  return waits ? warden->service.listener : -1;
}

int watch_over(struct warden *warden) {
  struct succession *succession = &warden->succession;
  for (;;) {
    struct pollfd events[6] = {{.fd = warden->signals, .events = POLLIN},
                               {.fd = warden->channel, .events = POLLIN},
                               {.fd = warden->serving ? -1 : STDIN_FILENO, .events = POLLIN},
                               {.fd = succession->current.talk, .events = POLLIN},
                               {.fd = succession->next.talk, .events = POLLIN},
                               {.fd = wakened_by(warden), .events = POLLIN}};
    if (warden->stopping && (warden->stop_by_ms <= now_ms() || (warden->serving && succession->current.pid == -1)))
      return 0;
    if (poll(events, 6, time_to_wait(warden)) == -1 && errno != EINTR) return FAILED;
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
    if (events[5].revents != 0 && wakened_by(warden) != -1) wake(succession);
    give_up_next(succession);
    start_what_is_due(warden);
  }
}
