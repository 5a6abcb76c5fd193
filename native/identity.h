/* Who a process is, and what it may still do: ids, capabilities, limits, descriptors. */
#ifndef SANDRUN_IDENTITY_H
#define SANDRUN_IDENTITY_H

#include <stdbool.h>
#include <sys/types.h>

#include "fault.h"

enum {
  PROGRAM_UID = 1000, /* the program and the collector, as seen inside a box */
  IDS_PER_SLOT = 16,  /* ids of the host that each slot owns; the first two are used */
  OPEN_FILES = 256,
};

/* Takes uid and gid 0 of the user namespace entered, with no other group. */
int become_namespace_root(struct fault *fault);
/* So that no descendant can ever have a capability again. */
int empty_bounding_set(struct fault *fault);
/* For PID 1 of a box: keeps KILL, SETUID and SETGID. */
int keep_box_capabilities(struct fault *fault);
/* The limit on core files of every process of a box, which the syscall filter lets nobody change. */
int limit_core(struct fault *fault);
/* The other resource limits; inherited, and none can raise them again. */
int limit_resources(struct fault *fault);
/* Whether the calling process has each of them. */
bool resources_are_limited(void);
/* For the program and the collector: uid, no capability. PID 1 gave them the filter. */
int become_program(struct fault *fault);
/* From now on this process, and who is forked of it, waits for a turn of a processor and interrupts nobody's (sched(7)).
 * Who runs all of this by another policy than the usual one has said how it is to be. */
int be_patient(struct fault *fault);
/* The opposite: by the usual policy again, also where all of this is run as batches: the share is the same. */
int take_turns(struct fault *fault);
/* Makes fds[i] descriptor i for all i < count, close-on-exec from `first_private` on, and
 * closes every other descriptor. */
int keep_descriptors(const int *fds, int count, int first_private, struct fault *fault);

#endif
