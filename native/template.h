/* Templates: interpreters that were started once, and from which boxes are forked. */
#ifndef SANDRUN_TEMPLATE_H
#define SANDRUN_TEMPLATE_H

#include "box.h"
#include "lease.h"
#include "order.h"

/* Beside an order to a template lie more: both ends of the pipe `mapped`, the slot's network and mount
 * namespaces, and those to join the groups of PID 1s. What it says first, unasked, has no box: it stands
 * before its file. */

/* The descriptor on which a template talks with the keeper. */
enum { TEMPLATE_CONTROL = 3 };
/* Below the keeper's root; no box sees it. */
#define TEMPLATE_PRELOAD "/template/preload.so"

struct template {
  pid_t pid; /* 0 = none */
  int control, connection;
  bool is_ready;
};

/* What templates need below the keeper's root, which is the working directory. */
int build_template_tree(struct fault *fault);

/* Starts the program that the HOLD frame on `connection` describes, as number `number` of
 * TEMPLATES_MOST. Whether it came to its file is told on the connection: HELD, or FAULT. */
int start_template(struct template *templates, uint32_t number, int connection, struct fault *fault);
/* What the template says unasked: that it is ready. False when it is of no more use. */
bool hear_template(struct template *template);
/* Kills it; the keeper waits for it as for all its children. */
void end_template(struct template *template);
/* A box as clone3 would make it, a child of the caller. */
pid_t bear_box(const struct template *template, const struct box_setup *setup, const struct lease *lease,
               struct fault *fault);

#endif
