/* What the service is to be: read as lines from the side that knows the options (TypeScript),
 * so that there is one option table and the warden parses only this.
 *
 *   slots N | processes N | cpu-percent N | memory BYTES | job-memory BYTES | box-memory BYTES
 *   sleeps 0|1              whether no Node is there while nobody asks for one; 0 when left out
 *   listen tcp HOST PORT | listen unix PATH
 *   open NAME PATH           a file that the service may read (certificate, key)
 *   tree everywhere|named PATH
 *   end
 *
 * An unknown line, a number out of range or a missing `end` is a fault.
 */
#ifndef SANDRUN_PLAN_H
#define SANDRUN_PLAN_H

#include "cgroup.h"

enum { OPENS_MOST = 4 };

struct plan {
  unsigned slots;
  bool sleeps;
  struct cgroups cgroups; /* its limits */
  char listen_kind[8], listen_host[256], listen_port[8];
  int open_count, tree_count;
  struct {
    char name[16], path[512];
  } opens[OPENS_MOST];
  struct tree trees[TREES_MOST];
};

int read_plan(int fd, struct plan *plan, struct fault *fault);

#endif
