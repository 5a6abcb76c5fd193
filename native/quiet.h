/* What of a Python's objects could be seen when it takes them apart at its end. */
#ifndef SANDRUN_QUIET_H
#define SANDRUN_QUIET_H

#include <stdbool.h>

/* Notes how this Python keeps its objects, and those it has; it must hold the lock of the interpreter.
 * False when it keeps them otherwise than is known here. */
bool note_objects(void);
enum { RECORDED_MOST = 256 };
/* In the fork whose end is tried: a letter for each that was noted and does not end quietly, '+' where it is still there.
 * Others were only there in that moment, and others may come to lie in their places. */
const char *mark_objects(void);
void keep_marked(const char *marks);
/* No object came since whose end anybody could see. Changes nothing. */
bool are_objects_quiet(void);

#endif
