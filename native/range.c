/* Leases of id ranges. Two services, or a command line beside a service, must never share an id
 * of the host or a cgroup's name: each takes the first range whose lock is free. A killed warden's
 * lock goes with it, and the next holder sweeps what it left. */
#include <fcntl.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "warden.h"

/* The directory of locks: root's own, or one that only this user can have made. Not as the
 * environment says: all sandruns of a user must meet at the same locks. */
static int runtime_directory(char *path, size_t size, struct fault *fault) {
  struct stat status;
  (void)snprintf(path, size, "/run/user/%u", geteuid());
  if (geteuid() == 0) (void)snprintf(path, size, "/run/sandrun");
  else if (stat(path, &status) == 0) (void)snprintf(path, size, "/run/user/%u/sandrun", geteuid());
  else (void)snprintf(path, size, "/tmp/sandrun-%u", geteuid());
  if (mkdir(path, 0711) == -1 && errno != EEXIST) return fail(fault, "make %s", path);
  TRY(lstat(path, &status), "look at %s", path);
  if (!S_ISDIR(status.st_mode) || status.st_uid != geteuid() || (status.st_mode & 022) != 0)
    return FAIL_WITH(fault, EPERM, "%s belongs to somebody else", path);
  return 0;
}

/* An administrator may have given our block to users: then we must not take it. */
static int check_block_free(struct fault *fault) {
  static const char *const files[] = {"/etc/subuid", "/etc/subgid"};
  char line[512];
  const unsigned long long last = RESERVED_IDS + (unsigned long long)RANGES * IDS_PER_RANGE;
  for (size_t i = 0; i < 2; i++) {
    FILE *file = fopen(files[i], "re");
    unsigned long long first, count;
    bool taken = false;
    if (file == NULL) continue;
    while (fgets(line, sizeof line, file) != NULL)
      if (sscanf(line, "%*[^:]:%llu:%llu", &first, &count) == 2 && first < last &&
          first + count > RESERVED_IDS)
        taken = true;
    (void)fclose(file);
    if (taken)
      return FAIL_WITH(fault, EEXIST, "%s gives away ids that sandrun reserves (from %d)", files[i],
                       RESERVED_IDS);
  }
  return 0;
}

/* This user's name, or "" for one that only the network knows. From the file itself: name
 * services need shared libraries, and this binary is static. */
static void find_own_name(char *name, size_t size) {
  char line[512], found[256];
  unsigned uid;
  FILE *file = fopen("/etc/passwd", "re");
  name[0] = '\0';
  while (file != NULL && name[0] == '\0' && fgets(line, sizeof line, file) != NULL)
    if (sscanf(line, "%255[^:]:%*[^:]:%u:", found, &uid) == 2 && uid == geteuid())
      (void)snprintf(name, size, "%s", found);
  if (file != NULL) (void)fclose(file);
}

/* The ordinary user's ids: the first range of /etc/subuid, under its name or its number, which
 * /etc/subgid must repeat. */
static int own_block(const char *path, unsigned long long *first, unsigned long long *count,
                     struct fault *fault) {
  char line[512], name[256], user[256], number[16];
  find_own_name(user, sizeof user);
  (void)snprintf(number, sizeof number, "%u", geteuid());
  FILE *file = fopen(path, "re");
  *count = 0;
  while (file != NULL && *count == 0 && fgets(line, sizeof line, file) != NULL)
    if (sscanf(line, "%255[^:]:%llu:%llu", name, first, count) != 3 ||
        (strcmp(name, user) != 0 && strcmp(name, number) != 0))
      *count = 0;
  if (file != NULL) (void)fclose(file);
  if (*count >= 1024) return 0;
  return FAIL_WITH(fault, EPERM,
                   "%s gives this user no ids (mend: usermod --add-subuids 100000-165535 "
                   "--add-subgids 100000-165535 NAME)", path);
}

static int lock_range(struct range *range, const char *directory, struct fault *fault) {
  char path[300];
  (void)snprintf(path, sizeof path, "%.200s/range-%d.lock", directory, range->index);
  int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
  TRY(fd, "open %s", path);
  if (flock(fd, LOCK_EX | LOCK_NB) == 0) {
    range->lock = fd;
    return 1;
  }
  if (errno != EWOULDBLOCK) fail(fault, "lock %s", path);
  else fault->err = 0;
  close(fd);
  return fault->err == 0 ? 0 : -1;
}

int take_range(struct range *range, struct fault *fault) {
  char directory[192];
  unsigned long long first = RESERVED_IDS, count = (unsigned long long)RANGES * IDS_PER_RANGE;
  unsigned ranges = RANGES;
  range->privileged = geteuid() == 0;
  if (runtime_directory(directory, sizeof directory, fault) == -1) return -1;
  range->count = IDS_PER_RANGE;
  if (range->privileged) {
    if (check_block_free(fault) == -1) return -1;
  } else {
    unsigned long long first_gid, gids;
    if (own_block("/etc/subuid", &first, &count, fault) == -1) return -1;
    if (own_block("/etc/subgid", &first_gid, &gids, fault) == -1) return -1;
    if (first_gid != first || gids != count)
      return FAIL_WITH(fault, EINVAL,
                       "use /etc/subuid and /etc/subgid, which differ for this user");
    /* A user has few ids: ranges of at least 1024 of them (63 slots). */
    range->count = count / 8 >= 1024 ? (unsigned)(count / 8) : 1024;
    ranges = (unsigned)(count / range->count);
  }
  for (unsigned i = 0; i < ranges; i++) {
    range->index = (int)i;
    int locked = lock_range(range, directory, fault);
    if (locked == -1) return -1;
    if (locked == 0) continue;
    range->first = (uid_t)(first + i * range->count);
    range->service_uid = range->privileged ? range->first + SERVICE_ID_OFFSET : geteuid();
    (void)snprintf(range->name, sizeof range->name, "sandrun-%u-%u", geteuid(), i);
    (void)snprintf(range->directory, sizeof range->directory, "%s/%u", directory, i);
    return 0;
  }
  return FAIL_WITH(fault, EBUSY, "all %u ranges of ids are in use by other sandruns", ranges);
}

void release_range(const struct range *range) {
  if (range->lock != -1) close(range->lock);
}
