#ifndef SANDRUN_SECCOMP_H
#define SANDRUN_SECCOMP_H

#include <linux/filter.h>

#include "fault.h"

enum { FILTER_MOST = 1024 };

struct filter {
  unsigned short length;
  struct sock_filter code[FILTER_MOST];
};

/* Compiles the table of syscalls.h. Done once, by the keeper; boxes inherit the result. */
int compile_filter(struct filter *filter, struct fault *fault);
/* Puts the calling thread and its children under the filter, for good. Needs no_new_privs. */
int install_filter(const struct filter *filter, struct fault *fault);

#endif
