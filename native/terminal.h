/* The pseudo-terminal of a job that wants one in place of pipes. */
#ifndef SANDRUN_TERMINAL_H
#define SANDRUN_TERMINAL_H

#include <stdbool.h>
#include <stdint.h>

#include "fault.h"

enum { TERMINAL_SIDE_MOST = 1000, TERMINAL_COLUMNS = 80, TERMINAL_ROWS = 24, TERMINAL_EOF = 4 };

/* PID 1's end, not blocking. It is the first terminal of this box: /dev/pts/0. */
int open_terminal(struct fault *fault);
/* False for a size that no terminal has. The program's foreground group gets SIGWINCH. */
bool resize_terminal(int own_end, uint32_t columns, uint32_t rows);
/* Makes the terminal that PID 1 opened the standard streams of the caller, who leads a session
 * that has none, and so its controlling terminal. */
int take_terminal(struct fault *fault);

#endif
