#ifndef SANDRUN_KEEPER_H
#define SANDRUN_KEEPER_H

#include "box.h"

/* Descriptors that the warden leaves open for the keeper. */
enum keeper_descriptor { KEEPER_LISTENER = 3, KEEPER_WARDEN = 4 };

/* The keeper asks for a slot's groups, the warden answers with descriptors beside the reply. */
struct groups_request {
  uint32_t slot;
};
struct groups_reply {
  int32_t count;    /* hierarchies; descriptors: count for the box's groups, count for the job's, … */
  uint32_t has_oom; /* … and two for the want of memory when 1 */
  struct fault fault;
};

/* keeper SLOTS [KIND]…, the kinds of the prepared trees in their order; never returns. */
void live_as_keeper(int argc, char **argv) __attribute__((noreturn));

#endif
