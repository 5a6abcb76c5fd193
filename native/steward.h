/* The steward of a slot: is what all boxes of the slot are, one after the other, and is forked for each. */
#ifndef SANDRUN_STEWARD_H
#define SANDRUN_STEWARD_H

#include "box.h"

struct steward {
  pid_t pid; /* 0 = none */
  int control;
};

/* In a child of the keeper, in the slot's namespaces and a new one of users; never returns. */
void live_as_steward(const struct box_setup *setup, int control) __attribute__((noreturn));
/* A box as clone3 would make it, a child of the caller. */
pid_t ask_steward(const struct steward *steward, const struct box_setup *setup, struct fault *fault);
/* Kills it; the keeper waits for it as for all its children. */
void end_steward(struct steward *steward);
/* One that has been waited for. */
void bury_steward(struct steward *steward);

#endif
