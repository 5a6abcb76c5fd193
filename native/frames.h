/* The protocol between the TypeScript side, the keeper and a box.
 *
 * 1. A connection to the keeper's socket is one box; closing it destroys the box.
 * 2. The first thing sent is one `struct box_request`; the box answers READY or FAULT.
 * 3. From then on both sides send frames: type (u32), length (u32), then `length` bytes; all
 *    numbers are little-endian, and strings are bytes without a terminator unless said.
 * 4. HOLD may come first; DIRECTORY, FILE and DATA fill /work, START starts the program, EXITED tells its end; only
 *    then LIST and FETCH are answered.
 * 5. After a FAULT the box is dead, and nobody reads from the connection any more.
 *
 * to the box   | payload
 * DIRECTORY 1  | path
 * FILE      2  | u32 executable, u32 mtime seconds, u64 size, path; then DATA of `size` in all
 * DATA      3  | bytes
 * START     4  | struct start_header, then argc + envc strings, each with a NUL
 * STDIN     5  | bytes, at most what STDIN_CREDIT granted
 * STDIN_END 6  |
 * SIGNAL    7  | u32 signal, for the program's main process; INT, QUIT, TSTP, WINCH: for its group
 * KILL      8  | ends the job now
 * LIST      9  | lists the regular files below /work, after EXITED when it comes before the end
 * FETCH    10  | u64 most bytes, path
 * HOLD     11  | as START; the program is started and held where it opens the file that its last
 *              | argument names, which must then come as FILE; START goes without strings
 * RESIZE   12  | u32 columns, u32 rows of the job's terminal
 *
 * from the box | payload
 * READY    65  | u32 layers that held (enum layer, one bit each)
 * STARTED  66  | the program was executed
 * PRINTED  67  | u32 1 = stdout, 2 = stderr; bytes
 * EXITED   68  | struct exited
 * ENTRY    69  | u32 mode, u32 mtime nanoseconds, i64 mtime seconds, u64 size, path
 * LISTED   70  | u32 entries sent, u32 1 = there was more than may be listed
 * CONTENT  71  | bytes
 * CONTENT_END 72 | u32 errno, 0 = whole
 * FAULT    73  | i32 errno, step
 * STDIN_CREDIT 74 | u32 bytes that may be sent on top of what was granted
 * HELD     75  | the program waits
 * ENDING   76  | the job has ended, and what is left of it is being killed; EXITED comes when it is dead
 */
#ifndef SANDRUN_FRAMES_H
#define SANDRUN_FRAMES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "fault.h"

enum frame_type {
  FRAME_DIRECTORY = 1, FRAME_FILE, FRAME_DATA, FRAME_START, FRAME_STDIN, FRAME_STDIN_END,
  FRAME_SIGNAL, FRAME_KILL, FRAME_LIST, FRAME_FETCH, FRAME_HOLD, FRAME_RESIZE,
  FRAME_READY = 65, FRAME_STARTED, FRAME_PRINTED, FRAME_EXITED, FRAME_ENTRY, FRAME_LISTED,
  FRAME_CONTENT, FRAME_CONTENT_END, FRAME_FAULT, FRAME_STDIN_CREDIT, FRAME_HELD, FRAME_ENDING,
};

enum {
  FRAME_MOST = 128 * 1024, /* payload bytes of any frame */
  CHUNK_MOST = 64 * 1024,  /* payload bytes of PRINTED and CONTENT; also the stdin window */
  PATH_MOST = 1024,        /* bytes of a path, without the terminator */
  REQUEST_MAGIC = 0x31525153,
  TEMPLATE_MAGIC = 0x31545153,
  TEMPLATES_MOST = 4,
};

struct frame_header {
  uint32_t type, length;
};

struct box_request {
  uint32_t magic, slot;
  uint32_t environment; /* index of a tree of the plan + 1, 0 = none */
  uint32_t warm_from;   /* number of a template + 1, 0 = none */
  uint64_t work_bytes, work_inodes, tmp_bytes, tmp_inodes, shm_bytes;
};

enum start_flags { START_MERGE = 1, START_TERMINAL = 2 };

struct start_header {
  uint32_t flags, wall_ms;
  uint64_t printed_bytes; /* of both streams; the rest is read, counted and dropped */
  uint64_t memory_bytes;  /* what /proc/meminfo says */
  uint32_t cpus;          /* what /proc/cpuinfo and /proc/stat say */
  uint32_t argc, envc, reserved;
};

enum end_cause { END_BY_ITSELF = 0, END_WALL = 1, END_KILLED = 2, END_OOM = 3 };

struct exited {
  uint32_t status; /* as wait(2) gives it */
  uint32_t cause;  /* enum end_cause: the first thing that ended it */
  uint64_t wall_ms, dropped_stdout, dropped_stderr;
};

/* The layers that a box reports; names in src/core/wire.ts, in this order. */
enum layer {
  LAYER_USER, LAYER_PID, LAYER_MOUNT, LAYER_NETWORK, LAYER_IPC, LAYER_UTS, LAYER_CGROUP,
  LAYER_TIME, LAYER_ROOT, LAYER_TMPFS, LAYER_PROC, LAYER_UID, LAYER_CAPABILITIES,
  LAYER_NO_NEW_PRIVS, LAYER_SECCOMP, LAYER_RLIMITS, LAYER_LIMITS, LAYER_COUNT,
};
#define ALL_LAYERS ((1u << LAYER_COUNT) - 1)

/* Asks for a template: its HOLD follows, and HELD or FAULT is the answer. */
struct template_request {
  uint32_t magic, number;
};

/* Reads exactly `size` bytes. 1 = done, 0 = the peer closed before the first byte, -1 = error;
 * a close in the middle is the error EPIPE. */
int read_all(int fd, void *buffer, size_t size);
int write_all(int fd, const void *buffer, size_t size);
/* Sends one whole frame whose payload is `head` followed by `body`. -1 with errno on failure. */
int send_frame(int fd, uint32_t type, const void *head, size_t head_size, const void *body,
               size_t body_size);
/* Reads one whole frame into `payload` of FRAME_MOST + 1 bytes and puts a NUL behind it.
 * Returns as read_all; a length over FRAME_MOST is EMSGSIZE. */
int read_frame(int fd, struct frame_header *header, char *payload);
void send_fault(int fd, const struct fault *fault);
/* Splits `count` strings off `text`, and puts a NULL behind them; false when one does not end before `end`. */
bool split_strings(char **text, const char *end, char **strings, uint32_t count);

#endif
