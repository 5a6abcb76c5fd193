/* The two file systems that we build: the keeper's root, once, and each box's own. */
#ifndef SANDRUN_MOUNTS_H
#define SANDRUN_MOUNTS_H

#include <stdbool.h>

#include "fault.h"
#include "frames.h"

enum { TREES_MOST = 32, SLOTS_MOST = 257 };

/* A prepared tree of the host, seen read-only by boxes. */
enum tree_kind {
  TREE_EVERYWHERE, /* the runtime of the service itself, at /opt/node in every box */
  TREE_NAMED,      /* at /env in boxes that ask for it */
  TREE_ROOT,       /* a whole system: its /usr and /etc take the place of the host's */
  TREE_KINDS,
};
extern const char *const tree_kind_names[TREE_KINDS];

struct tree {
  char path[512];
  enum tree_kind kind;
};
/* TREE_KINDS when there is no such kind. */
enum tree_kind tree_kind_of(const char *name);

/* The layers of /usr: what is hidden lies between it and the empty directories that are shown. */
#define HOST_USR "/shown:/hidden:/usr"

/* Where the stand-ins lie that are the same in all boxes: hidden when /work is mounted, last of all. */
#define FIXED "work/fixed"

/* Below the keeper's root: a /proc without a process. */
#define NOBODY "/nobody"

/* Of each mount of /proc (sys/mount.h). */
#define PROC_FLAGS (MS_NOSUID | MS_NODEV | MS_NOEXEC)

/* Stand-ins below /proc that are written when the limits of the job are known. */
enum stand_in { STAND_MEMINFO, STAND_CPUINFO, STAND_STAT, STAND_COUNT };

/* Builds the tree from which boxes are made on `root`, an empty directory of the host, and makes
 * it the working directory: /usr and the prepared trees read-only, a small /etc, the devices of
 * each slot: as root of the host own nodes; in a user namespace, where none can be made, binds
 * of the host's. */
int build_keeper_root(const char *root, const struct tree *trees, int tree_count, int slots,
                      bool may_make_nodes, struct fault *fault);
/* Makes the working directory the root of this mount namespace and drops everything else. */
int enter_root(struct fault *fault);

/* Builds in /box what is the same in all boxes of a slot and environment, the read-only part of their file system, and
 * enters it. */
int build_base(const struct box_request *request, const struct tree *trees, int tree_count, struct fault *fault);
/* Builds the rest, whose root that is, and opens the stand-ins for writing. */
int build_box_root(const struct box_request *request, int *stand_ins, struct fault *fault);

/* Makes `directory` as boxes see it before anything is mounted there, with a small /etc from the one
 * in `etc`. `flags` are of open(2): of a prepared tree no link is followed. */
int build_skeleton(const char *directory, const char *etc, int flags, struct fault *fault);
/* Makes `directory` with the stand-ins that are the same in all boxes. */
int build_settings(const char *directory, struct fault *fault);
/* Leaves in ./proc only what is about the box itself, and mounts stand-ins over the rest that
 * programs need: what lies in FIXED, and files in ./tmp that lose their names. Opens the ones that are written later. */
int cover_proc(int *stand_ins, struct fault *fault);
/* Of the user namespace that this process is root of; it has a /proc already, of whoever. */
int limit_watching(struct fault *fault);
/* Whether nothing else can be found in /proc. */
bool proc_is_covered(void);
/* Writes the numbers that belong to the job. */
int write_stand_ins(const int *stand_ins, uint64_t memory_bytes, unsigned cpus,
                    struct fault *fault);

/* Small pieces that both roots use. */
/* A read-only view of its own of `layers`: at least two with `:` between them, the upper one first. That
 * is never a directory of the host, since statfs asks it: how full the host's disk is is no business
 * of a job. */
int mount_overlay(const char *layers, const char *place, struct fault *fault);
int make_directory(const char *path, unsigned mode, struct fault *fault);
int make_file(const char *path, unsigned mode, const char *text, struct fault *fault);
int make_link(const char *path, const char *target, struct fault *fault);
/* With all that is mounted below it. */
int make_read_only(const char *path, unsigned long more_attributes, struct fault *fault);
int bind_read_only(const char *from, const char *to, unsigned long more_attributes,
                   struct fault *fault);

#endif
