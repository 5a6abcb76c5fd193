/* What a job prints, on its way from the program's pipes to the peer.
 *
 * The stream is written without blocking and the pipes are read only while nothing waits to be
 * sent, so a slow peer stops the program at its pipe, as any slow reader would. Printed bytes past
 * the limit are read, counted and dropped: the program goes on. Our time and the peer's is on
 * nobody's bill, so after a dropped or small piece the pipes are left alone for a moment: bytes
 * printed one by one become a thousand frames a second and not a hundred thousand. A small piece is
 * sent behind that moment, or with the end of the job: most jobs are told in one call.
 *
 * Keeps S9 of SECURITY.md.
 */
#include <fcntl.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "clock.h"
#include "relay.h"

/* FRAMES_BEHIND: bytes of the small frames that may follow a piece. */
enum { SMALL_PIECE = 4096, SMALL_TYPED = 1024, DROPS_AT_ONCE = 16, FRAMES_BEHIND = 80 };

bool flush_out(struct state *state, int flags) {
  while (state->out_done < state->out_length) {
    ssize_t sent = send(state->relay->stream, state->out + state->out_done,
                        state->out_length - state->out_done, MSG_NOSIGNAL | flags);
    if (sent == -1 && errno == EINTR) continue;
    if (sent == -1) return errno == EAGAIN;
    state->out_done += (size_t)sent;
  }
  state->out_length = state->out_done = 0;
  state->tell_at_ms = 0;
  state->has_piece = false;
  return true;
}

void queue_frame(struct state *state, uint32_t type, const void *payload, uint32_t size) {
  struct frame_header header = {.type = type, .length = size};
  if (sizeof state->out - state->out_length < sizeof header + size) abort();
  memcpy(state->out + state->out_length, &header, sizeof header);
  if (size > 0) memcpy(state->out + state->out_length + sizeof header, payload, size);
  state->out_length += sizeof header + size;
}

/* Bytes of a piece that have room behind what waits to be sent. */
static size_t room_for_piece(const struct state *state) {
  const size_t used = state->out_length + sizeof(struct frame_header) + 4 + FRAMES_BEHIND;
  const size_t room = used < sizeof state->out ? sizeof state->out - used : 0;
  return room < CHUNK_MOST ? room : CHUNK_MOST;
}

/* Reads one piece from output pipe `index` and puts it behind what waits to be sent.
 * 0 = nothing there now, 1 = a piece, -1 = the pipe's end. */
static int take_printed(struct state *state, uint32_t index) {
  char *frame = state->out + state->out_length;
  char *data = frame + sizeof(struct frame_header) + 4;
  ssize_t got = read(state->relay->output[index], data, room_for_piece(state));
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
  memcpy(frame, &header, sizeof header);
  memcpy(frame + sizeof header, &stream, 4);
  state->out_length += sizeof header + 4 + kept;
  state->has_piece = true;
  state->tell_at_ms = kept < small ? state->rest_until_ms : 0;
  return 1;
}

bool take_pieces(struct state *state, uint32_t index) {
  for (int i = 0; i < DROPS_AT_ONCE && take_printed(state, index) == 1; i++)
    if (state->has_piece) return state->tell_at_ms != 0 || flush_out(state, MSG_DONTWAIT);
  return true;
}

bool drain(struct state *state) {
  for (uint32_t i = 0; i < 2; i++)
    while (state->relay->output[i] != -1) {
      if (room_for_piece(state) < SMALL_PIECE && !flush_out(state, 0)) return false;
      if (take_printed(state, i) == 0) break;
    }
  return true;
}
