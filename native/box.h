/* A box: PID 1 of the namespaces of one job, its program, and the collector of its files. */
#ifndef SANDRUN_BOX_H
#define SANDRUN_BOX_H

#include <stdbool.h>
#include <sys/types.h>

#include "frames.h"
#include "identity.h"
#include "mounts.h"

enum { HIERARCHIES_MOST = 4, NAMESPACES = 8 };

/* The descriptors that put a process into a slot's groups; they were opened by the warden. */
struct groups {
  int count;                       /* 1 on cgroup v2, up to 4 on v1 */
  int box_procs[HIERARCHIES_MOST]; /* boxes/slot-N: PID 1 and the collector */
  int job_procs[HIERARCHIES_MOST]; /* jobs/slot-N: the program */
  /* v1 only, else -1: an eventfd that fires when memory is short in the job's group or above it,
   * and the file that says how many of the job were killed for it. */
  int oom_event, oom_control;
};

/* A box whose program was started before it, as a template (preload.c): PID 1 is a fork of the
 * template, and so is the hand, which resumes it. */
struct warm {
  bool (*is_same)(char **arguments, char **environment); /* it was started with these, and is what it takes itself for */
  void (*give_up_signals)(void); /* what the program does about them is for its fork, not for PID 1 */
  int (*take_number)(struct fault *fault);
  int (*take_program)(struct fault *fault);
  void (*resume)(void) __attribute__((noreturn));
};

/* What the keeper hands to a new box. */
struct box_setup {
  int stream;   /* the connection that is this box */
  int mapped[2]; /* a pipe on which the keeper says that the id maps are written */
  bool is_slot_root; /* a fork of the slot's steward, which did what become_slot_root does */
  struct box_request request;
  struct groups groups;
  const struct tree *trees;
  int tree_count;
  const struct filter *filter;
  const struct warm *warm; /* NULL = the program is executed */
  unsigned long long outer_namespaces[NAMESPACES]; /* the keeper's, to compare with */
};

/* What the program's process tells PID 1 before it becomes the program. */
enum hand_kind { HAND_READY = 1, HAND_STARTING, HAND_FAULT, HAND_HELD, HAND_TERMINAL };
struct hand_message {
  uint32_t kind, wall_ms;
  uint64_t printed_bytes;
  uint32_t layers; /* READY, and HELD when it stands for READY, too */
  int32_t program; /* HELD: the process that is held */
  struct fault fault;
};

/* Identifies the namespaces of the calling process by inode, in the order of enum layer
 * (user … cgroup), then time. */
int read_namespaces(unsigned long long *inodes, struct fault *fault);

/* Root of a user namespace, in the groups of PID 1s of the slot, with an empty bounding set. */
int become_slot_root(const struct box_setup *setup, struct fault *fault);

/* How PID 1 ends when no process of the job, and nothing in its namespaces, was there any more. */
enum { BOX_LEFT_NOTHING = 0 };
/* Life of PID 1, from birth to death; never returns. */
void live_as_box(const struct box_setup *setup) __attribute__((noreturn));

/* Descriptors of the process that becomes the program, after keep_descriptors. */
enum hand_descriptor {
  HAND_STDIN, HAND_STDOUT, HAND_STDERR, HAND_STREAM, HAND_STATUS, HAND_STAND_INS,
  HAND_DESCRIPTORS = HAND_STAND_INS + STAND_COUNT,
};
/* Signals as an executed program finds them. */
void restore_signals(void);
/* Takes the job's files from the stream, then becomes the program; never returns. */
void live_as_hand(const struct box_setup *setup) __attribute__((noreturn));
/* Which layers hold for the calling process, a hand: one bit each (enum layer). */
uint32_t verify_layers(const struct box_setup *setup);
extern const char *const layer_names[LAYER_COUNT];

/* What PID 1 watches while a job runs. */
struct relay {
  int stream, status, signals, oom_event, oom_control;
  int input, output[2];
  pid_t program; /* the hand, until another process becomes the program */
  bool is_asked; /* LIST has come already */
  bool is_terminal; /* input and output[0] are one terminal, output[1] is nothing */
};
/* Relays until the program has ended and every process of the job is dead, and sends EXITED.
 * False when the box is to die at once: the peer is gone or a FAULT was sent. */
bool relay_job(struct relay *relay);

/* Answers LIST and FETCH on `stream` until the peer closes it; `is_asked` is a LIST that was read
 * before. Runs with the program's rights. */
int collect(int stream, bool is_asked, struct fault *fault);

#endif
