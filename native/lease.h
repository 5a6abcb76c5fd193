/* What a slot has beside its groups and ids, used by its boxes one after the other. */
#ifndef SANDRUN_LEASE_H
#define SANDRUN_LEASE_H

#include <stdint.h>

#include "box.h"
#include "steward.h"

struct lease {
  int network; /* a namespace; -1 = not made yet */
  int mounts;  /* the same; its root is the read-only part of the boxes' file system */
  uint32_t environment;
  unsigned boxes; /* that found these mounts */
  int64_t mounted_ms;
  struct steward steward; /* of these mounts */
};

enum { LEASE_FRESH_MS = 10000 };

/* The keeper's own namespaces, where it is but for the moment of a clone. */
struct home {
  int network, mounts;
};

int open_home(struct home *home, struct fault *fault);
/* Makes of what the slot of the box has what is not there or not fresh, and tells in `setup` what the
 * box must not be found in. */
int make_lease(struct lease *lease, const struct home *home, struct box_setup *setup, struct fault *fault);
/* clone3 with new namespaces. */
pid_t clone_apart(uint64_t flags, uint64_t exit_signal);
/* Gives a user namespace the ids of a slot: 0 and that of programs. Without them the process must not go
 * on: it waits for a byte on the pipe `told`, whose end would have it tell that, and so it is killed. */
int map_ids(pid_t pid, uint32_t slot, int told, struct fault *fault);
/* Unless there is one. The groups of PID 1s in `setup` are those that it joins. */
int start_steward(struct lease *lease, const struct home *home, struct box_setup *setup, struct fault *fault);
/* Drops mounts that are not fresh any more; boxes that live have copies of their own. True when some are left. */
bool keep_fresh(struct lease *lease);

#endif
