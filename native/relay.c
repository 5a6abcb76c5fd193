/* The relay: PID 1 between the stream and the program's pipes, until the job is dead.
 *
 * One loop, one frame in flight in each direction: what the job prints (printed.c) waits for the
 * peer, what the peer sends (peer.c) for the program, and neither for the other nor the deadline
 * for any of them.
 *
 * The first cause that ends a job wins: its own end, the deadline, a KILL, or running out of
 * memory. Whatever it was, everything in the PID namespace is killed and waited for and the pipes
 * are drained before EXITED is sent.
 *
 * Keeps S11 and S16 of SECURITY.md.
 */
#include "relay.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "clock.h"
#include "terminal.h"

enum { OOM_LOOK_MS = 5, OOM_LOOKS = 200 };

void end_job(struct state *state, enum end_cause cause) {
  if (state->ended) return;
  state->ended = true;
  state->cause = cause;
  state->end_ms = now_ms();
}

void drop(const struct relay *relay, int fd) {
  if (fd != -1 && !relay->is_terminal) close(fd);
}

/* A terminal takes the place of the pipes; the hand, which waits for a byte, may open its end. */
static bool give_terminal(struct state *state) {
  struct relay *relay = state->relay;
  struct fault fault = {0};
  int own_end = open_terminal(&fault);
  int reading = own_end == -1 ? -1 : fcntl(own_end, F_DUPFD_CLOEXEC, 0);
  if (own_end != -1 && reading == -1) fail(&fault, "hold a terminal twice");
  if (reading != -1 && write(relay->input, "t", 1) != 1) {
    fail(&fault, "tell of the terminal");
    reading = -1;
  }
  if (reading == -1) {
    send_fault(relay->stream, &fault);
    return false;
  }
  close(relay->input);
  close(relay->output[0]);
  close(relay->output[1]);
  *relay = (struct relay){.stream = relay->stream, .status = relay->status, .signals = relay->signals,
                          .oom_event = relay->oom_event, .oom_control = relay->oom_control,
                          .input = own_end, .output = {reading, -1}, .program = relay->program,
                          .is_asked = relay->is_asked, .is_terminal = true};
  return true;
}

/* What the hand says on the status pipe; its end means that the program was executed, or that
 * the hand is dead, which waiting for it will tell. */
static bool take_status(struct state *state) {
  struct hand_message message;
  int got = read_all(state->relay->status, &message, sizeof message);
  if (got == 1 && message.kind == HAND_READY)
    return send_frame(state->relay->stream, FRAME_READY, &message.layers, 4, NULL, 0) == 0;
  if (got == 1 && message.kind == HAND_HELD) {
    state->held = true;
    state->relay->program = message.program;
    if (message.layers != 0) queue_frame(state, FRAME_READY, &message.layers, sizeof message.layers);
    queue_frame(state, FRAME_HELD, NULL, 0);
    return flush_out(state, 0);
  }
  if (got == 1 && message.kind == HAND_TERMINAL && !state->relay->is_terminal) return give_terminal(state);
  if (got == 1 && message.kind == HAND_STARTING) {
    state->starting = state->stdin_open = true;
    state->printed_most = message.printed_bytes;
    state->start_ms = now_ms();
    state->deadline_ms = state->start_ms + message.wall_ms;
    return true;
  }
  if (got == 1) {
    send_fault(state->relay->stream, &message.fault);
    return false;
  }
  close(state->relay->status);
  state->relay->status = -1;
  /* A hand that held a program is nobody whose end we would see. */
  if (!state->starting) return !state->held;
  const uint32_t window = CHUNK_MOST;
  state->started = true;
  queue_frame(state, FRAME_STARTED, NULL, 0);
  queue_frame(state, FRAME_STDIN_CREDIT, &window, sizeof window);
  /* Most programs print at once. */
  state->tell_at_ms = now_ms() + REST_MS;
  return true;
}

static void reap(struct state *state) {
  struct signalfd_siginfo info;
  while (read(state->relay->signals, &info, sizeof info) == sizeof info)
    if (info.ssi_signo == SIGUSR1) end_job(state, END_OOM); /* the keeper's word, see hoard.c */
  for (int status; ;) {
    pid_t pid = waitpid(-1, &status, WNOHANG | __WALL);
    state->is_alone = pid == -1 && errno == ECHILD;
    if (pid <= 0) return;
    if (pid != state->relay->program) continue;
    state->status = status;
    state->lost = !state->starting && state->held;
    end_job(state, END_BY_ITSELF);
  }
}

/* A hand that fails says why before it ends, so its end is looked at only after the pipe's. */
static bool looks_for_ends(const struct state *state) {
  return state->relay->status == -1 || (state->held && !state->starting);
}

enum { AT_STREAM, AT_STATUS, AT_SIGNALS, AT_OOM, AT_INPUT, AT_OUT, AT_ERR, AT_COUNT };

static int wait_for_events(struct state *state, struct pollfd *events) {
  const struct relay *relay = state->relay;
  const int64_t now = now_ms(), rest = state->rest_until_ms - now, untold = state->tell_at_ms - now;
  bool sending = state->out_length > 0 && untold <= 0;
  /* STARTED comes before what the program prints, and never into a frame that is half sent. */
  bool reading = !sending && !state->has_piece && rest <= 0 && relay->status == -1;
  /* Until the program starts, the stream is the hand's to read; we only notice its end. */
  short stream = (short)((state->starting ? POLLIN : 0) | (sending ? POLLOUT : 0));
  int fds[AT_COUNT] = {relay->stream, relay->status, looks_for_ends(state) ? relay->signals : -1, relay->oom_event,
                       state->in_length > 0 ? relay->input : -1,
                       reading ? relay->output[0] : -1, reading ? relay->output[1] : -1};
  for (int i = 0; i < AT_COUNT; i++) events[i] = (struct pollfd){.fd = fds[i], .events = POLLIN};
  events[AT_STREAM].events = stream;
  events[AT_INPUT].events = POLLOUT;
  int64_t left = state->deadline_ms == 0 ? 1000000 : state->deadline_ms - now;
  if (left < 0) left = 0;
  if (rest > 0 && left > rest) left = rest;
  if (untold > 0 && left > untold) left = untold;
  if (state->oom_looks > 0 && left > OOM_LOOK_MS) left = OOM_LOOK_MS;
  return poll(events, AT_COUNT, left > 1000000 ? 1000000 : (int)left);
}

/* Whether the kernel has killed a process of this job for want of memory. */
static bool lost_one_to_oom(const struct state *state) {
  char text[256];
  ssize_t length = pread(state->relay->oom_control, text, sizeof text - 1, 0);
  if (length <= 0) return false;
  text[length] = '\0';
  const char *count = strstr(text, "oom_kill ");
  return count != NULL && strtoul(count + strlen("oom_kill "), NULL, 10) > 0;
}

/* Memory was short, here or for all boxes together, and the kernel is about to choose a victim:
 * if it is one of ours, a job of which half is dead must not go on. */
static void look_for_oom(struct state *state, bool fired) {
  uint64_t count;
  if (fired && read(state->relay->oom_event, &count, sizeof count) > 0) state->oom_looks = OOM_LOOKS;
  if (state->oom_looks == 0) return;
  state->oom_looks--;
  if (lost_one_to_oom(state)) end_job(state, END_OOM);
}

/* One turn of the loop; false when the box must die at once. */
static bool turn(struct state *state) {
  struct pollfd events[AT_COUNT];
  if (wait_for_events(state, events) == -1) return errno == EINTR;
  if (events[AT_STREAM].revents & (POLLHUP | POLLERR | POLLNVAL)) return false;
  look_for_oom(state, events[AT_OOM].revents != 0);
  if (events[AT_STATUS].revents != 0 && !take_status(state)) return false;
  if (events[AT_SIGNALS].revents != 0 && looks_for_ends(state)) reap(state);
  if (state->lost) return false;
  if ((events[AT_STREAM].revents & POLLOUT) && !flush_out(state, MSG_DONTWAIT)) return false;
  if ((events[AT_STREAM].revents & POLLIN) && !take_frame(state)) return false;
  if (events[AT_INPUT].revents != 0) feed_program(state);
  if (state->credit_due > 0 && state->out_length == 0) queue_credit(state);
  for (uint32_t i = 0; i < 2; i++)
    if (events[AT_OUT + i].revents != 0 && !state->has_piece && !state->ended && !take_pieces(state, i)) return false;
  if (state->deadline_ms != 0 && now_ms() >= state->deadline_ms) end_job(state, END_WALL);
  return true;
}

/* Nothing of the job runs after this: kill(-1) reaches all of the namespace but PID 1, and
 * orphans become our children, so without a child we are alone, which saves the kernel looking at
 * every process of the host. Those that a program leaves behind may be held to a small part of a
 * core, and need more to die: the peer, who can lift that, is told. False: the peer is gone. */
static bool kill_all(struct state *state) {
  if (state->is_alone) return true;
  if (kill(-1, SIGKILL) == 0) {
    queue_frame(state, FRAME_ENDING, NULL, 0);
    if (!flush_out(state, MSG_DONTWAIT)) return false;
  }
  for (;;) {
    int status;
    pid_t pid = waitpid(-1, &status, 0);
    if (pid == -1 && errno == ECHILD) return true;
    if (pid == state->relay->program) state->status = status;
    (void)kill(-1, SIGKILL);
  }
}

/* From the first frame to EXITED; `state` is all zeros but for the relay. */
static bool relay_with(struct state *state) {
  while (!state->ended)
    if (!turn(state)) return false;
  if (!kill_all(state) || !drain(state)) return false;
  struct exited exited = {.status = (uint32_t)state->status, .cause = state->cause,
                          .wall_ms = state->starting ? (uint64_t)(state->end_ms - state->start_ms) : 0,
                          .dropped_stdout = state->dropped[0], .dropped_stderr = state->dropped[1]};
  queue_frame(state, FRAME_EXITED, &exited, sizeof exited);
  if (!flush_out(state, 0)) return false;
  return finish_frame(state);
}

bool relay_job(struct relay *relay) {
  static struct state state;
  state.relay = relay;
  return relay_with(&state);
}
