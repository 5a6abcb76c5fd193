#ifndef SANDRUN_REMAP_H
#define SANDRUN_REMAP_H

#include <limits.h>
#include <sys/prctl.h>

#include "fault.h"

enum { MAPPINGS_MOST = 32 };

struct mapping {
  unsigned long start, end;
  long offset;
  int protection;
};

/* Of the running program: its file, what of it is mapped, and where the kernel says its parts are. */
struct image {
  char program[PATH_MAX]; /* where /proc/self/exe leads */
  struct prctl_mm_map map;
  struct mapping mappings[MAPPINGS_MOST];
  int count;
};

int read_image(struct image *image, struct fault *fault);
/* When the template's view is gone: the path leads to the file that boxes are made from. */
int leave_image(const struct image *image, struct fault *fault);
/* By PID 1 of a box, while it has all rights in its own namespace. */
int take_image(const struct image *image, struct fault *fault);

#endif
