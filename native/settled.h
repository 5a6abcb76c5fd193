/* What beside a Python's objects could show at its end: settings of its collector, names, and its streams. */
#ifndef SANDRUN_SETTLED_H
#define SANDRUN_SETTLED_H

#include <stdbool.h>

/* Notes how they are; it must hold the lock of the interpreter. `generations` is the place of the collector's first ring.
 * False when this Python keeps them otherwise than is known here. */
bool note_settled(const void *generations);
/* The collector is as it was noted, and has nothing that it does not look at. */
bool is_collector_settled(void);
/* The standard streams are those that were noted, and Python's own. */
bool are_streams_settled(void);
/* Of a dictionary in which Python looks for names at its end: nothing of the program's is asked. */
bool has_plain_names(void *dictionary);
bool are_modules_plain(void);

#endif
