/* The relay: PID 1 between the stream and the program's pipes, until the job is dead.
 *
 * One loop, one frame in flight. The stream is written without blocking and the pipes are read
 * only while nothing waits to be sent, so a slow peer stops the program at its pipe, as any slow
 * reader would, but never the deadline; nor does half a frame. Printed bytes past the limit are
 * read, counted and dropped: the program goes on. Our time and the peer's is on nobody's bill, so
 * after a dropped or small piece the pipes are left alone for a moment: bytes printed one by one
 * become a thousand frames a second and not a hundred thousand. Input is taken in only as fast as
 * the program reads it: the peer sends what STDIN_CREDIT granted, so a command to end the job
 * never waits behind it.
 *
 * The first cause that ends a job wins: its own end, the deadline, a KILL, or running out of
 * memory. Whatever it was, everything in the PID namespace is killed and waited for and the pipes
 * are drained before EXITED is sent.
 *
 * Keeps S9, S11 and S16 of SECURITY.md.
 */
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "box.h"
#include "terminal.h"

enum { OOM_LOOK_MS = 5, OOM_LOOKS = 200, SMALL_PIECE = 4096, SMALL_TYPED = 1024, REST_MS = 2, DROPS_AT_ONCE = 16, SMALL_FRAMES = 64 };

struct state {
  struct relay *relay;
  bool held, lost; /* a program waits for its job; it has ended before it had one */
  bool starting, started, ended, stdin_open;
  enum end_cause cause;
  int status;
  int64_t start_ms, end_ms, deadline_ms; /* deadline 0 = none yet */
  uint64_t printed, printed_most, dropped[2];
  int64_t rest_until_ms; /* the pipes are not read before */
  size_t out_length, out_done;
  size_t in_length, in_done;
  unsigned oom_looks;  /* how many more times the counter is read after an event */
  uint32_t credit_due; /* told as soon as no frame is half sent */
  /* One piece of what was printed, and the small frames that may follow it in the same call. */
  char out[sizeof(struct frame_header) + 4 + CHUNK_MOST + SMALL_FRAMES];
  char in[CHUNK_MOST];
  size_t frame_done; /* bytes of the next frame that have come */
  char frame[sizeof(struct frame_header) + FRAME_MOST];
};

static int64_t now_ms(void) {
  struct timespec now;
  if (clock_gettime(CLOCK_MONOTONIC, &now) == -1) abort();
  return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static void end_job(struct state *state, enum end_cause cause) {
  if (state->ended) return;
  state->ended = true;
  state->cause = cause;
  state->end_ms = now_ms();
}

/* Sends what waits; false when the peer is gone. */
static bool flush_out(struct state *state, int flags) {
  while (state->out_done < state->out_length) {
    ssize_t sent = send(state->relay->stream, state->out + state->out_done,
                        state->out_length - state->out_done, MSG_NOSIGNAL | flags);
    if (sent == -1 && errno == EINTR) continue;
    if (sent == -1) return errno == EAGAIN;
    state->out_done += (size_t)sent;
  }
  state->out_length = state->out_done = 0;
  return true;
}

/* Puts a small frame behind what waits to be sent: each call of the peer's costs more than the bytes. */
static void queue_frame(struct state *state, uint32_t type, const void *payload, uint32_t size) {
  struct frame_header header = {.type = type, .length = size};
  if (sizeof state->out - state->out_length < sizeof header + size) abort();
  memcpy(state->out + state->out_length, &header, sizeof header);
  if (size > 0) memcpy(state->out + state->out_length + sizeof header, payload, size);
  state->out_length += sizeof header + size;
}

/* Our ends of a terminal stay open to the end of the job: without them its session is hung up on. */
static void drop(const struct relay *relay, int fd) {
  if (fd != -1 && !relay->is_terminal) close(fd);
}

/* Reads one piece from output pipe `index` and puts it into the out buffer, which is empty.
 * 0 = nothing there now, 1 = a piece, -1 = the pipe's end. */
static int take_printed(struct state *state, uint32_t index) {
  char *data = state->out + sizeof(struct frame_header) + 4;
  ssize_t got = read(state->relay->output[index], data, CHUNK_MOST);
  if (got == -1 && (errno == EAGAIN || errno == EINTR)) return 0;
  if (got <= 0) {
    drop(state->relay, state->relay->output[index]);
    state->relay->output[index] = -1;
    return -1;
  }
  uint64_t room = state->printed_most - state->printed;
  uint64_t kept = (uint64_t)got < room ? (uint64_t)got : room;
  state->printed += kept;
  /* A larger pipe lets the program print on while we rest; where it is refused, it waits. */
  if (kept < (uint64_t)got && state->dropped[index] == 0)
    (void)fcntl(state->relay->output[index], F_SETPIPE_SZ, CHUNK_MOST * DROPS_AT_ONCE);
  state->dropped[index] += (uint64_t)got - kept;
  /* A terminal never gives as much at once as a pipe. */
  const uint64_t small = state->relay->is_terminal ? SMALL_TYPED : SMALL_PIECE;
  if (kept < small) state->rest_until_ms = now_ms() + REST_MS;
  if (kept == 0) return 1;
  struct frame_header header = {.type = FRAME_PRINTED, .length = (uint32_t)(4 + kept)};
  uint32_t stream = index + 1;
  memcpy(state->out, &header, sizeof header);
  memcpy(state->out + sizeof header, &stream, 4);
  state->out_length = sizeof header + 4 + kept;
  return 1;
}

/* Sends one piece from a pipe or, when no more may be sent, empties it. False: the peer is gone. */
static bool take_pieces(struct state *state, uint32_t index) {
  for (int i = 0; i < DROPS_AT_ONCE && take_printed(state, index) == 1; i++)
    if (state->out_length > 0) return flush_out(state, MSG_DONTWAIT);
  return true;
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
    return send_frame(state->relay->stream, FRAME_HELD, NULL, 0, NULL, 0) == 0;
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
  return flush_out(state, MSG_DONTWAIT);
}

/* A terminal has no end: what is typed for one says it. In the middle of a line it takes two, and
 * many programs ask once more. */
static void type_end(const struct relay *relay) {
  static const char end[] = {TERMINAL_EOF, TERMINAL_EOF, TERMINAL_EOF, TERMINAL_EOF};
  (void)!write(relay->input, end, sizeof end);
}

static void close_input(struct state *state) {
  if (state->relay->is_terminal && state->relay->input != -1) type_end(state->relay);
  drop(state->relay, state->relay->input);
  state->relay->input = -1;
}

/* Gives the program what it will take; the rest stays for the next time. */
static void feed_program(struct state *state) {
  if (state->relay->input != -1 && state->in_done < state->in_length) {
    ssize_t put = write(state->relay->input, state->in + state->in_done, state->in_length - state->in_done);
    if (put == -1 && errno != EAGAIN && errno != EINTR) close_input(state);
    if (put > 0) state->in_done += (size_t)put;
  }
  /* A program that reads no more must not stall the peer: its input is dropped. */
  if (state->relay->input == -1) state->in_done = state->in_length;
  if (state->in_done < state->in_length || state->in_length == 0) return;
  state->credit_due += (uint32_t)state->in_length;
  state->in_length = state->in_done = 0;
  if (!state->stdin_open) close_input(state);
}

/* Puts the credit that is due into the out buffer, which is empty. */
static void queue_credit(struct state *state) {
  queue_frame(state, FRAME_STDIN_CREDIT, &state->credit_due, sizeof state->credit_due);
  state->credit_due = 0;
}

static bool protocol_fault(struct state *state, const char *step) {
  struct fault fault = {0};
  (void)FAIL_WITH(&fault, EPROTO, "%s", step);
  if (state->out_length == 0) send_fault(state->relay->stream, &fault);
  return false;
}

/* Takes what has come of the next frame: a peer that stops in its middle must not stop the
 * deadline. 1 = the frame is whole, 0 = not yet, -1 = the peer is gone or sends no frames. */
static int read_some(struct state *state, int flags) {
  struct frame_header header = {0};
  size_t wanted = sizeof header;
  if (state->frame_done >= sizeof header) {
    memcpy(&header, state->frame, sizeof header);
    wanted += header.length;
  }
  ssize_t got = recv(state->relay->stream, state->frame + state->frame_done, wanted - state->frame_done, flags);
  if (got == -1 && (errno == EAGAIN || errno == EINTR)) return 0;
  if (got <= 0) return -1;
  state->frame_done += (size_t)got;
  if (state->frame_done < sizeof header) return 0;
  memcpy(&header, state->frame, sizeof header);
  if (header.length > FRAME_MOST) return -1;
  if (state->frame_done < sizeof header + header.length) return 0;
  state->frame_done = 0;
  return 1;
}

/* Who gets a signal: for those that a terminal sends, all that the program runs in the foreground,
 * or a script would go on behind what it waits for. It leads its session, so it leads this group. */
static pid_t signalled(pid_t program, int number) {
  bool from_terminal = number == SIGINT || number == SIGQUIT || number == SIGTSTP || number == SIGWINCH;
  return from_terminal ? -program : program;
}

static bool take_frame(struct state *state) {
  struct frame_header header;
  const char *payload = state->frame + sizeof header;
  uint32_t number, size[2];
  int got = read_some(state, MSG_DONTWAIT);
  if (got != 1) return got == 0;
  memcpy(&header, state->frame, sizeof header);
  switch (header.type) {
    case FRAME_STDIN:
      if (!state->stdin_open || header.length > CHUNK_MOST - state->in_length)
        return protocol_fault(state, "more input than was granted");
      memcpy(state->in + state->in_length, payload, header.length);
      state->in_length += header.length;
      feed_program(state);
      return true;
    case FRAME_STDIN_END:
      state->stdin_open = false;
      if (state->in_length == 0) close_input(state);
      return true;
    case FRAME_SIGNAL:
      if (header.length != 4) return protocol_fault(state, "read a signal");
      memcpy(&number, payload, 4);
      if (number < 1 || number > 64) return protocol_fault(state, "read a signal");
      /* It may be dead already; waiting for it will tell. Once waited for, its number is another's. */
      if (!state->ended) (void)kill(signalled(state->relay->program, (int)number), (int)number);
      return true;
    case FRAME_RESIZE:
      if (header.length != 8 || !state->relay->is_terminal) return protocol_fault(state, "read a size");
      memcpy(size, payload, 8);
      /* The program's end may be closed by now; then nobody has a terminal of that size. */
      (void)resize_terminal(state->relay->output[0], size[0], size[1]);
      return true;
    case FRAME_LIST: /* early: answered by the collector */
      state->relay->is_asked = true;
      return true;
    case FRAME_KILL:
      end_job(state, END_KILLED);
      return true;
    default:
      return protocol_fault(state, "read a frame while the job runs");
  }
}

static void reap(struct state *state) {
  struct signalfd_siginfo info;
  while (read(state->relay->signals, &info, sizeof info) == sizeof info)
    if (info.ssi_signo == SIGUSR1) end_job(state, END_OOM); /* the keeper's word, see hoard.c */
  for (int status; ;) {
    pid_t pid = waitpid(-1, &status, WNOHANG);
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
  bool sending = state->out_length > 0;
  /* STARTED comes before what the program prints, and never into a frame that is half sent. */
  const int64_t now = now_ms(), rest = state->rest_until_ms - now;
  bool reading = !sending && rest <= 0 && relay->status == -1;
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
    if (events[AT_OUT + i].revents != 0 && state->out_length == 0 && !state->ended && !take_pieces(state, i)) return false;
  if (state->deadline_ms != 0 && now_ms() >= state->deadline_ms) end_job(state, END_WALL);
  return true;
}

/* Nothing of the job runs after this: kill(-1) reaches all of the namespace but PID 1, and
 * orphans become our children. */
static void kill_all(struct state *state) {
  for (;;) {
    (void)kill(-1, SIGKILL);
    int status;
    pid_t pid = waitpid(-1, &status, 0);
    if (pid == -1 && errno == ECHILD) return;
    if (pid == state->relay->program) state->status = status;
  }
}

/* All writers are dead, so each pipe holds at most its buffer and then ends. */
static bool drain(struct state *state) {
  for (uint32_t i = 0; i < 2; i++)
    while (state->relay->output[i] != -1) {
      if (!flush_out(state, 0)) return false;
      if (take_printed(state, i) == 0) break;
    }
  return true;
}

/* From the first frame to EXITED; `state` is all zeros but for the relay. */
static bool relay_with(struct state *state) {
  while (!state->ended)
    if (!turn(state)) return false;
  kill_all(state);
  if (!drain(state)) return false;
  struct exited exited = {.status = (uint32_t)state->status, .cause = state->cause,
                          .wall_ms = state->starting ? (uint64_t)(state->end_ms - state->start_ms) : 0,
                          .dropped_stdout = state->dropped[0], .dropped_stderr = state->dropped[1]};
  queue_frame(state, FRAME_EXITED, &exited, sizeof exited);
  if (!flush_out(state, 0)) return false;
  /* The collector must not begin in the middle of a frame. */
  while (state->frame_done > 0) {
    struct frame_header header;
    int got = read_some(state, 0);
    if (got == -1) return false;
    memcpy(&header, state->frame, sizeof header);
    if (got == 1 && header.type == FRAME_LIST) state->relay->is_asked = true;
  }
  return true;
}

bool relay_job(struct relay *relay) {
  static struct state state;
  state.relay = relay;
  return relay_with(&state);
}
