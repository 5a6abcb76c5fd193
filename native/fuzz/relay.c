/* relay.c with printed.c and peer.c: a peer, a program and a kernel that do anything in any order.
 * What the peer gets is always whole frames of known kinds (talk.h); of what the program prints nothing
 * is lost, doubled or changed but what is counted as dropped; the program reads exactly what was sent to
 * it; a peer that keeps to its credit is never refused; and the loop always comes to an end. */
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "../terminal.h"
#include "fuzz.h"

enum { STREAM = 0, STATUS, SIGNALS, INPUT, OUT, ERR, OOM_EVENT, OOM_CONTROL, TERMINAL, TERMINAL_READ, FDS, HAND = 76, PROGRAM = 77 };

static struct input input;
static bool is_open[FDS];
static int64_t clock_ms;
static int told; /* by the hand: 0 nothing, 1 READY, 2 STARTING, 3 a fault or its end */
static pid_t program; /* the hand, until another process is held */
static bool reaped, alone, killed_all, left; /* left: the kill reached somebody */
static uint64_t printed_most;
static unsigned polls;
static bool has_terminal, was_told; /* of it: the hand waits for a byte */
static uint64_t produced[2];

#include "talk.h"

static ssize_t fake_send(const char *from, size_t size, int flags) {
  unsigned choice = take(&input);
  MUST((flags & MSG_NOSIGNAL) != 0);
  if (choice == 255) {
    errno = EPIPE;
    return -1;
  }
  if (choice == 254 || (choice == 253 && (flags & MSG_DONTWAIT) != 0)) {
    errno = choice == 254 ? EINTR : EAGAIN;
    return -1;
  }
  size_t share = take_share(&input, size);
  hear(from, share);
  return (ssize_t)share;
}

static ssize_t fake_sendmsg(const struct msghdr *message) {
  size_t done = 0;
  for (size_t i = 0; i < message->msg_iovlen; i++) {
    hear(message->msg_iov[i].iov_base, message->msg_iov[i].iov_len);
    done += message->msg_iov[i].iov_len;
  }
  return (ssize_t)done;
}

static ssize_t fake_recv(char *to, size_t size, int flags) {
  unsigned choice = take(&input);
  if (choice == 255 || input.size == 0) return 0;
  if (choice == 254 && (flags & MSG_DONTWAIT) != 0) {
    errno = EAGAIN;
    return -1;
  }
  size_t share = take_share(&input, size);
  if (share <= 8) share = take_bytes(&input, to, share);
  else memset(to, (int)choice, share);
  for (size_t i = 0; i < share; i++) follow(&to[i]);
  return (ssize_t)share;
}

static ssize_t read_status(void *to, size_t size);

static ssize_t fake_read(int fd, char *to, size_t size) {
  MUST(fd >= 0 && fd < FDS && is_open[fd]);
  if (fd == STATUS) return read_status(to, size);
  unsigned choice = take(&input);
  errno = EAGAIN;
  if (fd == SIGNALS) return choice % 2 == 0 ? -1 : 128;
  if (fd == OOM_EVENT) return choice % 2 == 0 ? -1 : (ssize_t)size;
  MUST(fd == (has_terminal ? TERMINAL_READ : OUT) || (fd == ERR && !has_terminal));
  unsigned index = fd == ERR;
  if (choice == 0) return -1;
  if (choice == 255) return 0;
  size_t share = choice < 200 ? choice : (size_t)(choice - 199) * 1200;
  if (share > size) share = size;
  for (size_t i = 0; i < share; i++) to[i] = pattern(produced[index]++, index);
  return (ssize_t)share;
}

static ssize_t fake_write(int fd, const char *from, size_t size) {
  unsigned choice = take(&input);
  MUST(fd == (was_told ? TERMINAL : INPUT) && is_open[fd] && size > 0);
  if (has_terminal && !was_told) {
    MUST(size == 1);
    was_told = choice < 250;
    return was_told ? 1 : -1;
  }
  /* The end of what is typed. */
  if (was_told && size == 4 && memcmp(from, "\4\4\4\4", 4) == 0) return (ssize_t)(choice % 5);
  if (choice >= 254) {
    errno = choice == 255 ? EPIPE : EAGAIN;
    return -1;
  }
  size_t share = take_share(&input, size);
  for (size_t i = 0; i < share; i++) MUST(from[i] == pattern(peer.stdin_written++, 9));
  MUST(peer.stdin_written <= peer.stdin_sent);
  return (ssize_t)share;
}

static int fake_close(int fd) {
  MUST(fd >= 0 && fd < FDS && is_open[fd]);
  is_open[fd] = false;
  return 0;
}

static pid_t fake_waitpid(int *status, int flags) {
  unsigned choice = take(&input) % 4;
  *status = (int)take(&input) << 8;
  errno = ECHILD;
  if (alone) return -1;
  if (choice == 1 && !reaped) {
    reaped = true;
    return program;
  }
  if (choice >= 2) return 78;
  alone = reaped && (flags == 0 || *status != 0);
  return alone || flags == 0 ? -1 : 0;
}

static int fake_kill(pid_t pid, int number) {
  MUST(number >= 1 && number <= 64);
  const bool to_group = number == SIGINT || number == SIGQUIT || number == SIGTSTP || number == SIGWINCH;
  MUST(pid == (to_group ? -program : program) || (pid == -1 && number == SIGKILL));
  MUST(pid == -1 || !reaped);
  if (pid != -1) return 0;
  if (!killed_all) left = take(&input) % 2 == 1;
  killed_all = true;
  return left ? 0 : -1;
}

static int fake_clock(struct timespec *now) {
  *now = (struct timespec){.tv_sec = clock_ms / 1000, .tv_nsec = clock_ms % 1000 * 1000000};
  return 0;
}

static ssize_t fake_pread(char *to, size_t size) {
  if (take(&input) % 2 == 0) return snprintf(to, size, "under_oom 0\noom_kill %u\n", take(&input));
  return (ssize_t)take_bytes(&input, to, size);
}

static int fake_terminal(struct fault *fault) {
  MUST(!has_terminal && told == 1);
  if (take(&input) == 255) return FAIL_WITH(fault, ENOSPC, "make a terminal");
  has_terminal = is_open[TERMINAL] = true;
  return TERMINAL;
}

/* Only the copy of the terminal is made with a number. */
static int fake_fcntl(int fd, int command) {
  if (command != F_DUPFD_CLOEXEC || take(&input) == 255) return -1;
  MUST(fd == TERMINAL && !is_open[TERMINAL_READ]);
  is_open[TERMINAL_READ] = true;
  return TERMINAL_READ;
}

static bool fake_resize(int fd, uint32_t columns) {
  MUST(has_terminal && (fd == TERMINAL_READ || fd == -1));
  return columns % 2 == 0;
}

static int fake_poll(struct pollfd *events, unsigned count, int timeout);

#define poll(events, count, timeout) fake_poll(events, count, timeout)
#define send(fd, from, size, flags) ((void)(fd), fake_send(from, size, flags))
#define sendmsg(fd, message, flags) ((void)(fd), fake_sendmsg(message))
#define recv(fd, to, size, flags) ((void)(fd), fake_recv(to, size, flags))
#define read(fd, to, size) fake_read(fd, (char *)(to), size)
#define write(fd, from, size) fake_write(fd, from, size)
#define pread(fd, to, size, offset) ((void)(fd), fake_pread(to, size))
#define close(fd) fake_close(fd)
#define fcntl(fd, command, value) fake_fcntl(fd, command)
#define waitpid(pid, status, flags) fake_waitpid(status, flags)
#define kill(pid, number) fake_kill(pid, number)
#define clock_gettime(clock, now) fake_clock(now)
#define open_terminal(fault) fake_terminal(fault)
#define resize_terminal(fd, columns, rows) ((void)(rows), fake_resize(fd, columns))
#include "../frames.c"
#include "../relay.c"
#include "../printed.c"
#include "../peer.c"
#undef close

/* The hand says READY, then STARTING, then ends; or it says what failed instead. */
static ssize_t read_status(void *to, size_t size) {
  struct hand_message message = {0};
  unsigned choice = take(&input);
  MUST(size == sizeof message && told < 3);
  if (told == 1 && choice % 8 == 5 && program == HAND) {
    program = PROGRAM;
    message = (struct hand_message){.kind = HAND_HELD, .program = PROGRAM};
    memcpy(to, &message, sizeof message);
    return (ssize_t)size;
  }
  if (told == 1 && choice % 8 == 6 && !has_terminal && program == HAND) {
    message.kind = HAND_TERMINAL;
    memcpy(to, &message, sizeof message);
    return (ssize_t)size;
  }
  told = choice % 8 == 0 ? 3 : told + 1;
  if (told == 3 && choice % 16 < 8) return 0;
  message.kind = told == 3 ? HAND_FAULT : told == 1 ? HAND_READY : HAND_STARTING;
  message.layers = ALL_LAYERS;
  if (told == 2) {
    take_bytes(&input, &message.wall_ms, 2);
    take_bytes(&input, &message.printed_bytes, choice % 5);
    printed_most = message.printed_bytes;
  }
  message.fault.err = EIO;
  memset(message.fault.step, 's', choice % 124);
  memcpy(to, &message, sizeof message);
  return (ssize_t)size;
}

/* Nothing of the program is there before it started. At the end of the bytes the peer hangs up. */
static int fake_poll(struct pollfd *events, unsigned count, int timeout) {
  unsigned mask = take(&input), late = take(&input);
  MUST(count == AT_COUNT && timeout >= 0 && polls++ < 100000);
  clock_ms += late < 128 ? late % 4 : (late - 128) * (late - 128);
  for (unsigned i = 0; i < count; i++) {
    events[i].revents = 0;
    if (events[i].fd == -1) continue;
    MUST(events[i].fd < FDS && is_open[events[i].fd]);
    if (i >= AT_INPUT && told < 2) continue;
    if ((mask >> i & 1) != 0) events[i].revents = (short)(events[i].events & (POLLIN | POLLOUT));
  }
  if (input.size == 0) events[AT_STREAM].revents = POLLHUP;
  if ((mask >> 7) != 0) {
    errno = EINTR;
    return -1;
  }
  return 1;
}

static void check_end(bool whole, const struct relay *relay) {
  MUST(heard.exited == whole || heard.exited);
  if (!whole) return;
  MUST((killed_all || alone) && heard.header_done == 0 && !heard.faulted && heard.ending == left);
  struct exited exited;
  memcpy(&exited, heard.head, sizeof exited);
  MUST(heard.printed[0] + exited.dropped_stdout == produced[0]);
  MUST(heard.printed[1] + exited.dropped_stderr == produced[1]);
  MUST(exited.cause <= END_OOM && (exited.cause != END_BY_ITSELF || reaped));
  if (exited.dropped_stdout + exited.dropped_stderr > 0)
    MUST(heard.printed[0] + heard.printed[1] == printed_most);
  MUST(relay->status == -1 || relay->status == STATUS);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  static struct state state;
  input = (struct input){data, size};
  unsigned choice = take(&input);
  struct relay relay = {.stream = STREAM, .status = STATUS, .signals = SIGNALS, .input = INPUT,
                        .output = {OUT, ERR}, .program = HAND,
                        .oom_event = choice % 2 == 0 ? OOM_EVENT : -1,
                        .oom_control = choice % 2 == 0 ? OOM_CONTROL : -1};
  memset(&state, 0, sizeof state);
  memset(&peer, 0, sizeof peer);
  memset(&heard, 0, sizeof heard);
  for (int i = 0; i < FDS; i++) is_open[i] = i < TERMINAL;
  has_terminal = was_told = false;
  produced[0] = produced[1] = printed_most = 0;
  clock_ms = 1;
  told = 0;
  program = HAND;
  polls = 0;
  reaped = alone = killed_all = left = false;
  state.relay = &relay;
  check_end(relay_with(&state), &relay);
  return 0;
}
