/* The warden: the only part that may be root. Parses nothing from a caller. */
#ifndef SANDRUN_WARDEN_H
#define SANDRUN_WARDEN_H

#include <sys/types.h>

#include "plan.h"

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

/* A child of the warden in new namespaces that runs the keeper. Returns its pid; `channel` is
 * the warden's end of the socket between them. */
pid_t start_keeper(const struct range *range, const struct plan *plan, int binary, int listener,
                   int *channel, struct fault *fault);

/* What the service needs to know; written as lines, see src/sandbox/handover.ts. */
int describe(const struct range *range, const struct plan *plan, char *text, size_t size,
             struct fault *fault);

/* The service: Node as its own uid, with the sockets and files of the plan. */
struct service {
  const char *node, *root; /* program, and directory of the project */
  char **arguments;        /* of the command line, NULL at the end */
  char app[320];           /* where the service sees the project */
  int listener;
};
int mount_app(const struct range *range, struct service *service, struct fault *fault);
/* Runs `serve-plan` unprivileged and reads what it says. 0, -1 = fault, 1 = it ended with
 * `*status` and without a plan. */
int ask_plan(const struct range *range, const struct service *service, struct plan *plan,
             int *status, struct fault *fault);
int open_listener(const struct range *range, const struct plan *plan, struct fault *fault);
pid_t start_service(const struct range *range, const struct plan *plan,
                    const struct service *service, const char *handover, struct fault *fault);

#endif
