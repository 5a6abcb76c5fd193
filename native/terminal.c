/* The pseudo-terminal of a job.
 *
 * Theory of operation. The box's own devpts is empty until a job asks for a terminal: the hand
 * tells PID 1, which opens /dev/ptmx and answers with a byte on the hand's standard input; then
 * the hand, which leads a new session, opens /dev/pts/0 and so gets it as controlling terminal.
 * No descriptor has to be passed. PID 1 holds the other end as it holds pipes: what it reads
 * there counts as stdout and has the same limits. Typing into it for others (TIOCSTI) stays
 * refused by the filter. */
#include "terminal.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/fsuid.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "identity.h"

bool resize_terminal(int own_end, uint32_t columns, uint32_t rows) {
  if (columns < 1 || columns > TERMINAL_SIDE_MOST || rows < 1 || rows > TERMINAL_SIDE_MOST) return false;
  const struct winsize size = {.ws_col = (unsigned short)columns, .ws_row = (unsigned short)rows};
  return ioctl(own_end, TIOCSWINSZ, &size) == 0;
}

static int set_up(int own_end, struct fault *fault) {
  const int locked = 0;
  unsigned number = 0;
  TRY(ioctl(own_end, TIOCSPTLCK, &locked), "unlock the terminal");
  TRY(ioctl(own_end, TIOCGPTN, &number), "ask for the terminal's number");
  if (number != 0) return FAIL_WITH(fault, EBUSY, "make the first terminal");
  if (!resize_terminal(own_end, TERMINAL_COLUMNS, TERMINAL_ROWS)) return fail(fault, "set the terminal's size");
  return 0;
}

int open_terminal(struct fault *fault) {
  /* The program's end belongs to whoever opens ours, and it is the program who must open it. */
  setfsgid(PROGRAM_UID);
  setfsuid(PROGRAM_UID);
  int own_end = open("/dev/ptmx", O_RDWR | O_NOCTTY | O_NONBLOCK | O_CLOEXEC);
  int failed = own_end == -1 ? fail(fault, "make a terminal") : set_up(own_end, fault);
  setfsuid(0);
  setfsgid(0);
  if (failed == 0) return own_end;
  if (own_end != -1) close(own_end);
  return -1;
}

int take_terminal(struct fault *fault) {
  int terminal = open("/dev/pts/0", O_RDWR);
  TRY(terminal, "open the terminal");
  for (int stream = STDIN_FILENO; stream <= STDERR_FILENO; stream++)
    TRY(dup2(terminal, stream), "make the terminal a standard stream");
  TRY(close(terminal), "close the terminal");
  return 0;
}
