/* The service's control groups: found, made, limited, handed out and removed by the warden.
 *
 *   <own group>/warden               v2, where it is ours alone: the warden
 *   <own group>/<name>/service       keeper, Node
 *   <own group>/<name>/boxes/slot-N  PID 1 and collector of the box on slot N
 *   <own group>/<name>/jobs/slot-N   its program; see slot.c
 * The ceiling of all jobs together stands on `jobs`, where only programs are: when it is reached,
 * the kernel kills whoever looks largest there, files in memory not counted, and that must never
 * be the service or PID 1 of somebody else's box.
 * On v1 and hybrid hosts the same tree stands in each controller's hierarchy.
 */
#ifndef SANDRUN_CGROUP_H
#define SANDRUN_CGROUP_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "box.h"
#include "fault.h"
#include "leaf.h"

enum controller { MEMORY = 1, PIDS = 2, CPU = 4, CPUACCT = 8 };

struct hierarchy {
  unsigned controllers;
  char directory[384]; /* of the service's group */
  int boxes, jobs;     /* directories in it */
};

struct slot_leaves {
  struct leaf box[HIERARCHIES_MOST], job[HIERARCHIES_MOST];
};

/* Of the first slots, which are used before all others (src/sandbox/slots.ts): some twenty each. */
enum { LEAVES_KEPT = 24 };

struct cgroups {
  pid_t companion; /* the command line that started us, which may be in our group; or 0 */
  char leaf[400];  /* v2: where both were moved to, if they were */
  int version, count;
  struct hierarchy hierarchies[HIERARCHIES_MOST];
  uid_t owner;               /* who may write the limits of a job */
  uint64_t memory_bytes;     /* ceiling of all jobs together; 0 = none */
  uint64_t job_memory_bytes; /* until the owner says otherwise */
  uint64_t box_memory_bytes;
  unsigned processes, cpu_percent;
  bool has_slot[SLOTS_MOST]; /* its groups were made; nobody else can change boxes/slot-N */
  struct slot_leaves kept[LEAVES_KEPT], passing; /* open files of the first slots on v1, and those of one other */
};

/* Where systemd runs and the own v2 group cannot be used, starts this program again in a scope of
 * its own (the same process, with the same descriptors). Returns 0 when there is no need, or no
 * systemd to ask. */
int take_scope(char **arguments, pid_t companion, struct fault *fault);
/* Finds where the service's group `name` belongs, makes it there, and removes what an earlier
 * service of that name left. The caller holds the lock of the name. */
int open_cgroups(struct cgroups *cgroups, const char *name, struct fault *fault);
/* Puts a process into the service's own leaf. */
int join_service_group(const struct cgroups *cgroups, pid_t pid, struct fault *fault);
/* A group that is as good as new for a job, and the descriptors of both leaves of the slot. */
int open_slot_groups(struct cgroups *cgroups, unsigned slot, struct groups *groups,
                     struct fault *fault);
/* Once they were passed on. */
void close_slot_groups(struct cgroups *cgroups, const struct groups *groups);
/* Kills what is left in the service's groups but its own leaf, and removes them all. */
int remove_cgroups(const struct cgroups *cgroups, struct fault *fault);

#endif
