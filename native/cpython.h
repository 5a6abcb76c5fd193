/* How CPython keeps its objects, from 3.11 to 3.13, where its stable interface does not tell (object.h, pycore_gc.h).
 * Whoever relies on it checks it first. */
#ifndef SANDRUN_CPYTHON_H
#define SANDRUN_CPYTHON_H

#include <stdint.h>

struct type;
struct object {
  intptr_t references;
  struct type *type;
};

/* Before each object that the collector knows, and at the head of each ring of them. */
struct links {
  uintptr_t next, previous;
};
struct generation {
  struct links head;
  int threshold, count;
};
enum { GENERATIONS = 3 };

#endif
