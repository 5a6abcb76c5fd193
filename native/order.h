/* The keeper's word to those who bear boxes for it: stewards and templates. */
#ifndef SANDRUN_ORDER_H
#define SANDRUN_ORDER_H

#include "box.h"

struct order {
  struct box_request request;
  int32_t group_count;
  uint32_t has_oom;
  unsigned long long outer_namespaces[NAMESPACES];
  int32_t tree_count;
  uint32_t tree_kinds[TREES_MOST];
};

/* What lies beside an order: the stream, those to join the job's groups, the two for the want of memory,
 * then as many more as both sides have agreed on. */
enum { ORDER_MORE_MOST = 4 + HIERARCHIES_MOST, ORDER_DESCRIPTORS_MOST = 1 + HIERARCHIES_MOST + 2 + ORDER_MORE_MOST };

/* Whom somebody bore, or why nobody. */
struct bearers_word {
  int32_t box;
  struct fault fault;
};

enum { BEARER_SECONDS = 10 };

/* A channel to one who bears; it answers at once, or the keeper does without it. */
int open_channel(int *ends, struct fault *fault);
int send_order(int to, const struct box_setup *setup, const int *more, int more_count, struct fault *fault);
/* Whom it bore; -1 and the fault that it told. */
pid_t hear_bearer(int from, struct fault *fault);

/* False when the keeper is gone. */
bool take_order(int from, struct order *order, int *fds, int *count);
/* Fills in `setup` what the order says of it; returns where the agreed descriptors begin. */
const int *read_order(const struct order *order, const int *fds, struct box_setup *setup);

#endif
