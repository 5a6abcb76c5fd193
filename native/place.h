/* Where the service's groups belong, and the small pieces of writing into a group. */
#ifndef SANDRUN_PLACE_H
#define SANDRUN_PLACE_H

#include "cgroup.h"

/* Names the service's group in each hierarchy, all or none. On v2 the group above it can give
 * controllers to it then; this process may have been moved to a leaf for that. */
int find_places(struct cgroups *cgroups, const char *name, struct fault *fault);
/* Undoes the move to a leaf, once the service's groups are gone. */
int leave_places(const struct cgroups *cgroups, struct fault *fault);

int write_group_file(const char *directory, const char *name, const char *value,
                     struct fault *fault);
int write_group_number(const char *directory, const char *name, uint64_t value,
                       struct fault *fault);
int write_file_at(int directory, const char *path, const char *value, struct fault *fault);
int remove_group(int parent, const char *path, struct fault *fault);
int make_group(const char *directory, struct fault *fault);
int enable_controllers(const char *directory, struct fault *fault);

#endif
