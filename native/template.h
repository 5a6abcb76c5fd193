/* Templates: interpreters that were started once, and from which boxes are forked. */
#ifndef SANDRUN_TEMPLATE_H
#define SANDRUN_TEMPLATE_H

#include "box.h"
#include "lease.h"

/* The keeper's word to a template, with descriptors beside it: the stream, both ends of the pipe
 * `mapped`, the slot's network and mount namespaces, then those of the slot's groups. */
struct template_order {
  struct box_request request;
  int32_t group_count;
  uint32_t has_oom;
  unsigned long long outer_namespaces[NAMESPACES];
  int32_t tree_count;
  uint32_t tree_kinds[TREES_MOST];
};
enum { ORDER_FIXED_DESCRIPTORS = 5, ORDER_DESCRIPTORS_MOST = ORDER_FIXED_DESCRIPTORS + 2 * HIERARCHIES_MOST + 2 };

/* A template's word: first, that it stands before its file; then, whom it bore. */
struct template_word {
  int32_t box;
  struct fault fault;
};

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
