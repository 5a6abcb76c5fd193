/* plan.c: any text is refused, or gives a plan whose every number and name is in range. */
#include <sys/stat.h>
#include <unistd.h>

#include "fuzz.h"

static struct input stream;

static ssize_t fake_read(void *to, size_t size) {
  return (ssize_t)take_bytes(&stream, to, size);
}

/* Whether a tree has a /usr/bin shows by the length of its name. */
static int fake_stat(const char *path, struct stat *status) {
  memset(status, 0, sizeof *status);
  status->st_mode = strlen(path) % 3 == 0 ? S_IFREG : S_IFDIR;
  return strlen(path) % 2 == 0 ? 0 : -1;
}

#define read(fd, to, size) ((void)(fd), fake_read(to, size))
#define stat(path, status) fake_stat(path, status)
#include "../frames.c"
#include "../plan.c"
#undef stat

const char *const tree_kind_names[TREE_KINDS] = {"everywhere", "named", "root"};

#define MUST_BE_TEXT(field) MUST((field)[0] != '\0' && memchr((field), '\0', sizeof(field)) != NULL)

/* Of an accepted plan every line with one number has digits, and nothing but digits, behind its
 * name; what strtoull takes beside is not what was meant. */
static void check_numbers(const char *text, size_t size) {
  static const char *const names[] = {"slots ", "processes ", "cpu-percent ", "memory ",
                                      "job-memory ", "box-memory ", "sleeps "};
  for (size_t at = 0; at < size;) {
    const char *line = text + at, *stop = memchr(line, '\n', size - at);
    MUST(stop != NULL);
    size_t length = (size_t)(stop - line);
    MUST(memchr(line, '\0', length) == NULL);
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
      size_t name = strlen(names[i]);
      if (length < name || memcmp(line, names[i], name) != 0) continue;
      MUST(length > name);
      for (size_t digit = name; digit < length; digit++) MUST(line[digit] >= '0' && line[digit] <= '9');
    }
    at += length + 1;
  }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  static struct plan plan;
  struct fault fault = {0};
  memset(&plan, 0, sizeof plan);
  stream = (struct input){data, size};
  if (read_plan(3, &plan, &fault) == -1) {
    MUST(fault.err != 0 && memchr(fault.step, '\0', sizeof fault.step) != NULL);
    return 0;
  }
  check_numbers((const char *)data, size - stream.size);
  MUST(plan.slots >= 1 && plan.slots <= SLOTS_MOST);
  MUST(plan.cgroups.processes >= 1 && plan.cgroups.processes <= 32768);
  MUST(plan.cgroups.cpu_percent >= 1 && plan.cgroups.cpu_percent <= 102400);
  MUST(plan.open_count <= OPENS_MOST && plan.tree_count <= TREES_MOST);
  for (int i = 0; i < plan.open_count; i++) {
    MUST_BE_TEXT(plan.opens[i].name);
    MUST_BE_TEXT(plan.opens[i].path);
  }
  for (int i = 0; i < plan.tree_count; i++) {
    MUST(plan.trees[i].path[0] == '/' && plan.trees[i].kind < TREE_KINDS);
    MUST_BE_TEXT(plan.trees[i].path);
  }
  if (plan.listen_kind[0] != '\0') {
    MUST(strcmp(plan.listen_kind, "unix") == 0 || strcmp(plan.listen_kind, "tcp") == 0);
    MUST_BE_TEXT(plan.listen_host);
    if (plan.listen_kind[0] == 't') MUST_BE_TEXT(plan.listen_port);
  }
  return 0;
}
