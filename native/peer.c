/* What the peer sends while a job runs: input, signals, and the word to end it.
 *
 * A frame is taken as it comes: a peer that stops in its middle must not stop the deadline. Input is
 * taken in only as fast as the program reads it: the peer sends what STDIN_CREDIT granted, so a
 * command to end the job never waits behind it.
 */
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

#include "relay.h"
#include "terminal.h"

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

void feed_program(struct state *state) {
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

void queue_credit(struct state *state) {
  queue_frame(state, FRAME_STDIN_CREDIT, &state->credit_due, sizeof state->credit_due);
  state->credit_due = 0;
}

static bool protocol_fault(struct state *state, const char *step) {
  struct fault fault = {0};
  (void)FAIL_WITH(&fault, EPROTO, "%s", step);
  if (state->out_done == 0) send_fault(state->relay->stream, &fault);
  return false;
}

/* Takes what has come of the next frame. 1 = the frame is whole, 0 = not yet, -1 = the peer is gone or sends no frames. */
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

bool take_frame(struct state *state) {
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

bool finish_frame(struct state *state) {
  while (state->frame_done > 0) {
    struct frame_header header;
    int got = read_some(state, 0);
    if (got == -1) return false;
    memcpy(&header, state->frame, sizeof header);
    if (got == 1 && header.type == FRAME_LIST) state->relay->is_asked = true;
  }
  return true;
}
