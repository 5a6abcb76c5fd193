/* Programs that were started before their job is known, and wait. */
#ifndef SANDRUN_HOLD_H
#define SANDRUN_HOLD_H

#include <stdbool.h>
#include <sys/types.h>

#include "fault.h"
#include "frames.h"

struct held {
  bool is_held, has_content;
  int file; /* the program's own file, which it cannot open yet */
  pid_t program;
  int64_t since_ms; /* when it knocked; 0 = it waits elsewhere, for as long as it has to */
  char name[PATH_MOST + 1]; /* of the file, below /work */
  bool executable;
  uint32_t size, mtime;
  char content[CHUNK_MOST];
};

/* Makes the file `held->name` below `work`, empty. At most once for each hand. */
int make_door(struct held *held, int work, struct fault *fault);
/* Keeps everybody from opening it. */
int close_door(const struct held *held, struct fault *fault);
/* A child of PID 1 and not of the caller: the caller ends before the program goes on. As fork(2). */
pid_t fork_sibling(void);
/* Returns when the program stands before the closed door. */
int await_knock(struct held *held, struct fault *fault);
/* Puts the content in place. The program goes on when the caller has ended. */
int furnish(const struct held *held, struct fault *fault);

#endif
