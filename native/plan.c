#include "plan.h"

#include <limits.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

enum { PLAN_MOST = 64 * 1024 };

static int number(const char *text, uint64_t least, uint64_t most, uint64_t *value) {
  char *end = NULL;
  errno = 0;
  unsigned long long parsed = strtoull(text, &end, 10);
  /* strtoull would take blanks and a sign, and turn " -1" into a huge number. */
  if (text[0] < '0' || text[0] > '9' || errno != 0 || *end != '\0' || parsed < least || parsed > most) return -1;
  *value = parsed;
  return 0;
}

/* Lines of a name and one number. 1 = taken, 0 = not one of these, -1 = out of range. */
static int take_number(struct plan *plan, const char *name, const char *text) {
  static const struct {
    const char *name;
    uint64_t least, most;
  } known[] = {{"slots", 1, SLOTS_MOST},       {"processes", 1, 32768},  {"cpu-percent", 1, 102400},
               {"memory", 0, ULLONG_MAX},      {"job-memory", 1 << 20, 1ull << 40},
               {"box-memory", 1 << 20, 1ull << 32}, {"sleeps", 0, 1}};
  uint64_t value = 0;
  for (size_t i = 0; i < sizeof known / sizeof known[0]; i++) {
    if (strcmp(known[i].name, name) != 0) continue;
    if (number(text, known[i].least, known[i].most, &value) == -1) return -1;
    if (i == 0) plan->slots = (unsigned)value;
    if (i == 1) plan->cgroups.processes = (unsigned)value;
    if (i == 2) plan->cgroups.cpu_percent = (unsigned)value;
    if (i == 3) plan->cgroups.memory_bytes = value;
    if (i == 4) plan->cgroups.job_memory_bytes = value;
    if (i == 5) plan->cgroups.box_memory_bytes = value;
    if (i == 6) plan->sleeps = value == 1;
    return 1;
  }
  return 0;
}

static bool copy(char *to, size_t size, const char *from) {
  return from != NULL && from[0] != '\0' && snprintf(to, size, "%s", from) < (int)size;
}

static bool take_listen(struct plan *plan, char *rest) {
  char *save = NULL, *kind = strtok_r(rest, " ", &save);
  if (!copy(plan->listen_kind, sizeof plan->listen_kind, kind)) return false;
  if (strcmp(kind, "unix") == 0) return copy(plan->listen_host, sizeof plan->listen_host, save);
  return strcmp(kind, "tcp") == 0 &&
         copy(plan->listen_host, sizeof plan->listen_host, strtok_r(NULL, " ", &save)) &&
         copy(plan->listen_port, sizeof plan->listen_port, strtok_r(NULL, " ", &save));
}

/* A tree with a /usr of its own is a whole system. Looked at here, since the side that wrote the
 * plan may not be allowed into it. */
static enum tree_kind kind_of(const char *name, const char *path) {
  char programs[600];
  struct stat status;
  (void)snprintf(programs, sizeof programs, "%s/usr/bin", path);
  if (strcmp(name, "everywhere") == 0) return TREE_EVERYWHERE;
  if (strcmp(name, "named") != 0) return TREE_KINDS;
  return stat(programs, &status) == 0 && S_ISDIR(status.st_mode) ? TREE_ROOT : TREE_NAMED;
}

static bool take_line(struct plan *plan, char *line) {
  char *rest = strchr(line, ' ');
  if (rest == NULL) return false;
  *rest++ = '\0';
  int taken = take_number(plan, line, rest);
  if (taken != 0) return taken == 1;
  if (strcmp(line, "listen") == 0) return take_listen(plan, rest);
  char *path = strchr(rest, ' ');
  if (path == NULL) return false;
  *path++ = '\0';
  if (path[0] != '/') return false;
  if (strcmp(line, "open") == 0 && plan->open_count < OPENS_MOST) {
    int i = plan->open_count++;
    return copy(plan->opens[i].name, sizeof plan->opens[i].name, rest) &&
           copy(plan->opens[i].path, sizeof plan->opens[i].path, path);
  }
  if (strcmp(line, "tree") == 0 && plan->tree_count < TREES_MOST) {
    struct tree *tree = &plan->trees[plan->tree_count++];
    tree->kind = kind_of(rest, path);
    return tree->kind != TREE_KINDS && copy(tree->path, sizeof tree->path, path);
  }
  return false;
}

int read_plan(int fd, struct plan *plan, struct fault *fault) {
  static char text[PLAN_MOST + 1];
  size_t length = 0;
  /* One byte at a time: what follows `end` on the same descriptor is not ours to take. */
  while (length < PLAN_MOST) {
    if (read_all(fd, text + length, 1) != 1) return FAIL_WITH(fault, EPIPE, "read the plan");
    if (text[length++] != '\n') continue;
    text[length - 1] = '\0';
    if (strlen(text) != length - 1) return FAIL_WITH(fault, EINVAL, "the plan has a NUL in it");
    if (strcmp(text, "end") == 0) {
      if (plan->slots == 0 || plan->cgroups.processes == 0 || plan->cgroups.cpu_percent == 0 ||
          plan->cgroups.job_memory_bytes == 0 || plan->cgroups.box_memory_bytes == 0)
        return FAIL_WITH(fault, EINVAL, "the plan lacks a number");
      return 0;
    }
    if (!take_line(plan, text)) return FAIL_WITH(fault, EINVAL, "the plan's line that begins with %.20s", text);
    length = 0;
  }
  return FAIL_WITH(fault, E2BIG, "read the plan");
}
