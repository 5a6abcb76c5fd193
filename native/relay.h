/* What the parts of the relay share: the loop (relay.c), what the job prints (printed.c), and what
 * the peer sends to it (peer.c). */
#ifndef SANDRUN_RELAY_H
#define SANDRUN_RELAY_H

#include "box.h"

enum { SMALL_FRAMES = 128, REST_MS = 2 };

struct state {
  struct relay *relay;
  bool held, lost; /* a program waits for its job; it has ended before it had one */
  bool starting, started, ended, stdin_open;
  bool is_alone; /* no other process is left in the box */
  enum end_cause cause;
  int status;
  int64_t start_ms, end_ms, deadline_ms; /* deadline 0 = none yet */
  uint64_t printed, printed_most, dropped[2];
  int64_t rest_until_ms; /* the pipes are not read before */
  int64_t tell_at_ms;    /* what waits to be sent is small, and waits until then for more */
  bool has_piece;        /* something printed waits to be sent */
  size_t out_length, out_done;
  size_t in_length, in_done;
  unsigned oom_looks;  /* how many more times the counter is read after an event */
  uint32_t credit_due; /* told as soon as no frame is half sent */
  /* One piece of what was printed, and the small frames that go before and behind it in the same call. */
  char out[sizeof(struct frame_header) + 4 + CHUNK_MOST + SMALL_FRAMES];
  char in[CHUNK_MOST];
  size_t frame_done; /* bytes of the next frame that have come */
  char frame[sizeof(struct frame_header) + FRAME_MOST];
};

/* The first cause wins. */
void end_job(struct state *state, enum end_cause cause);
/* Closes an end of a pipe. Our ends of a terminal stay open to the end of the job: without them its
 * session is hung up on. */
void drop(const struct relay *relay, int fd);

/* Puts a small frame behind what waits to be sent: each call of the peer's costs more than the bytes. */
void queue_frame(struct state *state, uint32_t type, const void *payload, uint32_t size);
/* Sends what waits; false when the peer is gone. */
bool flush_out(struct state *state, int flags);
/* Takes one piece from output pipe `index` or, when no more may be sent, empties it; no piece waits to
 * be sent. False: the peer is gone. */
bool take_pieces(struct state *state, uint32_t index);
/* The last of what was printed: all writers are dead, so each pipe holds at most its buffer and then
 * ends. */
bool drain(struct state *state);

/* Takes what has come of the next frame and, once it is whole, does what it says. False when the box
 * must die at once. */
bool take_frame(struct state *state);
/* A frame that was begun when the job ended is read to its end: the collector must not begin in its
 * middle. */
bool finish_frame(struct state *state);
/* Gives the program what it will take; the rest stays for the next time. */
void feed_program(struct state *state);
/* Puts the credit that is due into the out buffer, which is empty. */
void queue_credit(struct state *state);

#endif
