/* Which Node serves.
 *
 * Theory of operation. Node's memory keeps copies of what callers sent, which only its end can
 * clear. So a Node that has had jobs and has been idle for a while says so, and a *successor* is
 * started beside it, which gets ready (it tries its boxes out, on a slot that nobody else uses) and
 * waits. Then the current one is told to leave: it does so in a moment in which no request is under
 * way, closing its copy of the listening socket; the warden's copy holds new connections until
 * the successor accepts them, so none is refused or lost. When the current one has work again
 * it says so, and the successor ends; when the successor fails, nothing has changed.
 *
 * Words are single bytes on a socket. From Node: `s` it serves, `i` it is idle, `b` it is busy after
 * all, `r` the successor is ready. To Node: `g`, go: leave, or for a successor, serve. Node is not
 * trusted here: who talks out of turn or asks too often is not listened to any more, so at most one
 * process is started for what Node says in ASK_LEAST_MS, beside the one that serves.
 *
 * A Node that ends without being told to has crashed. It is started again, at once when it had
 * lived for a while, else later each time.
 *
 * A service that *sleeps* (`--sleep`) has no successor. A Node that is idle is told to leave at once,
 * and then there is none, until a connection waits in the listening socket, which is polled only
 * then: it wakes the service. Node is started as a successor is, tries its boxes out, and serves;
 * if it fails, it is started again as one that crashed is, for as long as a connection waits. Nor is
 * a Node that crashed started again before somebody asks. A client cannot make us start one after
 * the other: a Node asks to leave a minute after the last request, and is not listened to before ASK_LEAST_MS.
 *
 * Keeps S21 of SECURITY.md. */
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "warden.h"

enum {
  ASK_LEAST_MS = 30000,
  SUCCESSION_MOST_MS = 120000, /* from the start of a successor until it serves */
  SETTLED_MS = 60000,          /* who lived so long has not failed to start */
  RETRY_FIRST_MS = 1000,
  RETRY_MOST_MS = 60000,
};

void plan_retry(struct retry *retry) {
  int64_t now = now_ms(), wait = RETRY_FIRST_MS;
  if (now - retry->started_ms >= SETTLED_MS) retry->failures = 0;
  for (unsigned i = 1; i < retry->failures && wait < RETRY_MOST_MS; i++) wait *= 2;
  if (retry->failures == 0) wait = 0;
  retry->due_ms = now + (wait < RETRY_MOST_MS ? wait : RETRY_MOST_MS);
  retry->failures++;
}

bool is_due(const struct retry *retry) {
  return retry->due_ms != -1 && retry->due_ms <= now_ms();
}

static void stop_listening(struct node *node) {
  if (node->talk != -1) close(node->talk);
  node->talk = -1;
}

/* What cannot be told shows by the end of the process, or by its silence. */
static void tell_go(const struct node *node) {
  if (node->talk != -1) (void)send(node->talk, "g", 1, MSG_NOSIGNAL | MSG_DONTWAIT);
}

/* One word; 0 when there is none. */
static char hear(struct node *node) {
  char word = 0;
  ssize_t got = recv(node->talk, &word, 1, MSG_DONTWAIT);
  if (got == 1) return word;
  if (got == 0 || (errno != EAGAIN && errno != EINTR)) stop_listening(node);
  return 0;
}

static int start(struct succession *succession, enum start how, struct node *node, struct fault *fault) {
  return start_service(succession->range, succession->plan, succession->service, succession->handover,
                       how, node, fault);
}

static int start_current(struct succession *succession, struct fault *fault) {
  succession->retry.started_ms = now_ms();
  succession->retry.due_ms = -1;
  return start(succession, START_FIRST, &succession->current, fault);
}

int start_first_node(struct succession *succession, struct fault *fault) {
  succession->asked_ms = now_ms();
  return start_current(succession, fault);
}

void start_again(struct succession *succession) {
  struct fault fault = {0};
  if (succession->plan->sleeps) {
    succession->retry.due_ms = -1; /* from now on a connection may */
    return;
  }
  if (start_current(succession, &fault) == 0) return;
  (void)complain(&fault);
  plan_retry(&succession->retry);
}

bool is_asleep(const struct succession *succession) {
  return succession->has_served && succession->plan->sleeps && succession->current.pid == -1 &&
         succession->next.pid == -1 && succession->retry.due_ms == -1;
}

void wake(struct succession *succession) {
  struct fault fault = {0};
  const int64_t now = now_ms();
  succession->retry.started_ms = succession->asked_ms = now;
  if (start(succession, START_WOKEN, &succession->next, &fault) == 0) {
    succession->give_up_ms = now + SUCCESSION_MOST_MS;
    return;
  }
  (void)complain(&fault);
  plan_retry(&succession->retry);
}

void next_ended(struct succession *succession) {
  const bool was_waking = succession->next.pid != -1 && succession->plan->sleeps;
  stop_listening(&succession->next);
  succession->next.pid = -1;
  succession->next_is_ready = succession->told_to_leave = false;
  succession->give_up_ms = -1;
  if (was_waking) plan_retry(&succession->retry);
}

void end_next(struct succession *succession) {
  end_child(succession->next.pid);
  next_ended(succession);
}

void give_up_next(struct succession *succession) {
  if (succession->give_up_ms != -1 && succession->give_up_ms <= now_ms()) end_next(succession);
}

/* False = out of turn. */
static bool begin_succession(struct succession *succession) {
  struct fault fault = {0};
  const int64_t now = now_ms();
  if (succession->next.pid != -1 || now - succession->asked_ms < ASK_LEAST_MS) return false;
  succession->asked_ms = now;
  succession->says_it_is_idle = true;
  if (succession->plan->sleeps) {
    succession->told_to_leave = true;
    tell_go(&succession->current);
    return true;
  }
  /* Without a successor the current one goes on serving, and may ask again. */
  if (start(succession, START_SUCCESSOR, &succession->next, &fault) == -1) (void)complain(&fault);
  else succession->give_up_ms = now + SUCCESSION_MOST_MS;
  return true;
}

static bool take_word(struct succession *succession, char word) {
  switch (word) {
    case 's':
      if (succession->says_it_serves) return false;
      return succession->says_it_serves = succession->has_served = true;
    case 'i':
      return begin_succession(succession);
    case 'b':
      if (!succession->says_it_is_idle) return false;
      succession->says_it_is_idle = false;
      end_next(succession);
      return true;
    default:
      return false;
  }
}

void hear_current(struct succession *succession) {
  const char word = hear(&succession->current);
  if (word != 0 && !take_word(succession, word)) stop_listening(&succession->current);
}

void hear_next(struct succession *succession) {
  const char word = hear(&succession->next);
  if (word == 0) return;
  if (word != 'r' || succession->next_is_ready) {
    end_next(succession);
    return;
  }
  succession->next_is_ready = true;
  if (succession->current.pid == -1) {
    succeed(succession, true);
    return;
  }
  succession->told_to_leave = true;
  tell_go(&succession->current);
}

bool current_ended(struct succession *succession, int status) {
  const bool has_left = succession->told_to_leave && WIFEXITED(status) && WEXITSTATUS(status) == 0;
  stop_listening(&succession->current);
  succession->current.pid = -1;
  succession->says_it_serves = succession->says_it_is_idle = false;
  return has_left;
}

void succeed(struct succession *succession, bool has_left) {
  if (!succession->next_is_ready) {
    end_next(succession);
    if (!has_left) plan_retry(&succession->retry);
    return;
  }
  succession->current = succession->next;
  succession->next = (struct node){.pid = -1, .talk = -1};
  succession->next_is_ready = succession->told_to_leave = false;
  succession->give_up_ms = -1;
  succession->retry.started_ms = now_ms();
  tell_go(&succession->current);
}
