/* How a failed step is told upwards: which call, and its errno. Nothing here warns and goes on. */
#ifndef SANDRUN_FAULT_H
#define SANDRUN_FAULT_H

#include <errno.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

struct fault {
  int32_t err;
  char step[124];
};

/* Fills `fault` from errno and the name of the failed step; always returns -1, so that a
 * caller writes `return fail(fault, "mount /usr");`. */
__attribute__((format(printf, 2, 3))) static inline int fail(struct fault *fault,
                                                             const char *format, ...) {
  int saved = errno;
  va_list args;
  va_start(args, format);
  (void)vsnprintf(fault->step, sizeof fault->step, format, args);
  va_end(args);
  fault->err = saved;
  return -1;
}

/* A step that failed without a system call of its own to blame. */
#define FAIL_WITH(fault, error, ...) (errno = (error), fail((fault), __VA_ARGS__))

/* Runs a call that returns -1 on failure; leaves the function with the step's name. */
#define TRY(call, ...)                               \
  do {                                               \
    if ((call) == -1) return fail(fault, __VA_ARGS__); \
  } while (0)

#endif
