/* The clock by which waits and deadlines are counted. */
#ifndef SANDRUN_CLOCK_H
#define SANDRUN_CLOCK_H

#include <stdint.h>
#include <stdlib.h>
#include <time.h>

/* Of the monotonic clock: nobody can set it back. */
static inline int64_t now_ms(void) {
  struct timespec now;
  if (clock_gettime(CLOCK_MONOTONIC, &now) == -1) abort();
  return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

#endif
