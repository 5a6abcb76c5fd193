#ifndef SANDRUN_PASSING_H
#define SANDRUN_PASSING_H

#include <stdbool.h>

#include "box.h"

/* The keeper asks for a slot's groups, the warden answers with descriptors beside the reply. What the
 * keeper says first of all is a reply, too: the fault that it could not start for, or none. */
struct groups_request {
  uint32_t slot;
};
struct groups_reply {
  int32_t count;    /* hierarchies; descriptors: count for the box's groups, count for the job's, … */
  uint32_t has_oom; /* … and two for the want of memory when 1 */
  struct fault fault;
};

/* The keeper's side. */
int ask_groups(int warden, uint32_t slot, struct groups *groups, struct fault *fault);
void close_groups(const struct groups *groups);

/* The warden's side: what cannot be given is a fault in the reply. False when the keeper does not hear it. */
bool send_groups(int keeper, const struct groups *groups, const struct fault *fault);

#endif
