/* The warden: the only part that may be root. Parses nothing from a caller. */
#ifndef SANDRUN_WARDEN_H
#define SANDRUN_WARDEN_H

#include <sys/types.h>

#include "clock.h"
#include "plan.h"

enum { FAILED = 125 }; /* exit status of a warden that could not do its work */

/* Says on standard error what failed; always returns FAILED. */
int complain(const struct fault *fault);
/* Kills a child and waits for it; nothing to do for -1. */
void end_child(pid_t pid);

enum {
  /* Host ids that no system hands out on its own (systemd's map of ids leaves them free). */
  RESERVED_IDS = 0x70000000,
  IDS_PER_RANGE = 8192,
  RANGES = 64,
  SERVICE_ID_OFFSET = 8, /* the service's own uid within a range: not mapped in any namespace */
  OWNER_ID_OFFSET = 9,   /* nor is this one, which owns the keeper's namespace */
  SLOT_ID_OFFSET = 16,
};

/* A block of ids that this warden alone uses, held by a lock for the whole host. */
struct range {
  int index, lock;
  uid_t first;
  unsigned count;
  uid_t service_uid;
  bool privileged; /* the warden is root of the host */
  char name[32];       /* of the cgroup and the directory */
  char directory[256]; /* for sockets and mount points */
};

int take_range(struct range *range, struct fault *fault);
void release_range(const struct range *range);

/* See ground.c; each returns a descriptor, or 0. */
int copy_self(struct fault *fault);
int make_runtime_directory(const struct range *range, struct fault *fault);
void remove_runtime_directory(const struct range *range);
int open_door(const struct range *range, struct fault *fault);

/* A child of the warden in new namespaces that runs the keeper. Returns its pid; `channel` is
 * the warden's end of the socket between them. */
pid_t start_keeper(const struct range *range, const struct plan *plan, int binary, int listener,
                   int *channel, struct fault *fault);

/* What the service needs to know; written as lines, see src/sandbox/handover.ts. */
int describe(const struct range *range, const struct plan *plan, char *text, size_t size,
             struct fault *fault);

enum { COMMAND_MOST = 16 };

/* The service: Node as its own uid, with the sockets and files of the plan. */
struct service {
  const char *root;                  /* directory of the project */
  const char *command[COMMAND_MOST]; /* Node with its flags and our program, NULL at the end */
  char **arguments;                  /* of the command line, NULL at the end */
  char app[320];                     /* where the service sees the project */
  int listener;
  int certificate; /* memory in which one Node leaves its own certificate to the next */
};

/* One process of Node. */
struct node {
  pid_t pid; /* -1 = none */
  int talk;  /* our end of the talk with it, -1 = it is not listened to */
};

/* When to start again what has ended: the sooner it ended, the later. */
struct retry {
  int64_t started_ms, due_ms; /* due_ms -1 = nothing is to be started */
  unsigned failures;
};
void plan_retry(struct retry *retry);
bool is_due(const struct retry *retry);
int mount_app(const struct range *range, struct service *service, struct fault *fault);
/* Runs `serve-plan` unprivileged and reads what it says. 0, -1 = fault, 1 = it ended with
 * `*status` and without a plan. */
int ask_plan(const struct range *range, const struct service *service, struct plan *plan,
             int *status, struct fault *fault);
int open_listener(const struct range *range, const struct plan *plan, struct fault *fault);
int open_certificate(struct service *service, struct fault *fault);
/* A successor gets ready and waits for a word before it serves; a woken one is waited for as well. */
enum start { START_FIRST, START_SUCCESSOR, START_WOKEN };
int start_service(const struct range *range, const struct plan *plan, const struct service *service,
                  const char *handover, enum start how, struct node *node, struct fault *fault);

/* Which Node serves; see succession.c. */
struct succession {
  const struct range *range;
  const struct plan *plan;
  const struct service *service;
  const char *handover;
  struct node current, next;
  struct retry retry;   /* of the current one, or of the next that is to wake */
  bool has_served;      /* some Node has: one that ends is started again */
  bool says_it_serves;  /* the current one has said so */
  bool says_it_is_idle; /* and this */
  bool next_is_ready, told_to_leave;
  int64_t asked_ms, give_up_ms;
};
int start_first_node(struct succession *succession, struct fault *fault);
void start_again(struct succession *succession);
/* To be called when there is something to read. */
void hear_current(struct succession *succession);
void hear_next(struct succession *succession);
/* No Node is there and none is to be started yet, but for a connection. */
bool is_asleep(const struct succession *succession);
/* A connection waits. */
void wake(struct succession *succession);
/* Ends a successor that has not come to serve by now. */
void give_up_next(struct succession *succession);
void end_next(struct succession *succession);
/* It has been waited for. */
void next_ended(struct succession *succession);
/* The current one has ended. True when it left as it was told to, so that nothing of it is left. */
bool current_ended(struct succession *succession, int status);
/* The successor serves from now on, or, without one, Node is to be started again unless it has left. */
void succeed(struct succession *succession, bool has_left);

struct warden {
  struct range range;
  struct plan plan;
  struct service service;
  bool serving, stopping;
  int binary, keeper_listener, channel, signals;
  pid_t keeper;
  struct retry keeper_retry;
  struct succession succession;
  int64_t stop_by_ms;
  char handover[8192];
};
/* See watch.c. */
int run_keeper(struct warden *warden, struct fault *fault);
/* A descriptor that is readable when a child has ended or a signal says to stop. */
int watch_signals(struct fault *fault);
/* Waits for what may happen until the end; returns the exit status. */
int watch_over(struct warden *warden);

#endif
