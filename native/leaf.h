/* A group of one slot, and its files, which stay open from one box to the next. */
#ifndef SANDRUN_LEAF_H
#define SANDRUN_LEAF_H

#include <stdbool.h>
#include <sys/types.h>

#include "fault.h"

enum leaf_file {
  LEAF_ENTRY_V2, LEAF_ENTRY_V1,
  LEAF_MEMORY_MAX, LEAF_SWAP_MAX, LEAF_OOM_GROUP, LEAF_CPU_MAX,
  LEAF_PIDS_MAX,
  LEAF_MEMORY_LIMIT, LEAF_MEMSW_LIMIT, LEAF_MEMORY_USAGE, LEAF_MEMORY_PEAK, LEAF_OOM_CONTROL, LEAF_EVENT_CONTROL,
  LEAF_CPU_PERIOD, LEAF_CPU_QUOTA,
  LEAF_FILES,
};

/* All zero: nothing is open. */
struct leaf {
  bool is_open;
  int parent; /* the directory that it lies in, not ours to close */
  char name[24];
  ino_t number; /* the kernel gives each group one of its own */
  int files[LEAF_FILES];
};

const char *leaf_file_name(enum leaf_file file);

/* False when there is none of that name, or it is another than the one whose files are open. */
bool find_leaf(struct leaf *leaf, int parent, const char *name);
/* Opened when it is first asked for. */
int open_leaf_file(struct leaf *leaf, enum leaf_file file, struct fault *fault);
void close_leaf(struct leaf *leaf);

/* What stands in a file, without the end of the line; false when it could not be read whole. */
bool read_leaf(struct leaf *leaf, enum leaf_file file, char *text, size_t size);
int write_leaf(struct leaf *leaf, enum leaf_file file, const char *value, struct fault *fault);

#endif
