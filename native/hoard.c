/* Byte-range locks: memory of the kernel that it counts for nobody.
 *
 * Theory of operation. SQLite and others need such locks, so they cannot be refused, and no limit
 * of the kernel's bounds them: a job that took them as fast as it could had a gigabyte of the host
 * in seconds, with its own group nearly empty. So the keeper looks: four times a second at how much
 * unreclaimable memory the kernel holds, which costs nothing, and when that has grown, at
 * /proc/locks, which stops all locking on the host while it is read, and so is not read otherwise.
 * The job that holds more locks than any honest one is ended, as for want of memory.
 *
 * Locks that belong to an open file instead of a process show no process there; the filter
 * refuses them (F_OFD_SETLK).
 *
 * Keeps S5 of SECURITY.md.
 */
#include "hoard.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "identity.h"
#include "mounts.h"

enum { GROWTH_KIB = 32 * 1024, LOCKS_MOST = 10000 };

/* 0 when it cannot be told: then nothing has grown, and the next look may tell. */
static int64_t unreclaimable_kib(void) {
  static const char name[] = "\nSUnreclaim:";
  char text[4096];
  int fd = open("/proc/meminfo", O_RDONLY | O_CLOEXEC);
  if (fd == -1) return 0;
  ssize_t length = read(fd, text, sizeof text - 1);
  close(fd);
  text[length < 0 ? 0 : length] = '\0';
  const char *found = strstr(text, name);
  return found == NULL ? 0 : strtoll(found + strlen(name), NULL, 10);
}

/* A program's uid tells its slot, as in the maps that the keeper wrote; -1 = not a program. */
static int slot_of(int pid, int slots) {
  char path[32];
  struct stat status;
  (void)snprintf(path, sizeof path, "/proc/%d", pid);
  if (stat(path, &status) == -1 || status.st_uid == 0) return -1;
  unsigned slot = (status.st_uid - 1) / IDS_PER_SLOT;
  return slot < (unsigned)slots ? (int)slot : -1;
}

static int count_locks(int slots) {
  unsigned counts[SLOTS_MOST] = {0};
  char line[256];
  int hoarder = -1, pid, last_pid = -1, slot = -1;
  FILE *file = fopen("/proc/locks", "re");
  if (file == NULL) return -1;
  while (hoarder == -1 && fgets(line, sizeof line, file) != NULL) {
    if (sscanf(line, "%*d: POSIX %*s %*s %d", &pid) != 1) continue;
    if (pid != last_pid) slot = slot_of(pid, slots);
    last_pid = pid;
    if (slot != -1 && ++counts[slot] > LOCKS_MOST) hoarder = slot;
  }
  (void)fclose(file);
  return hoarder;
}

/* The keeper asks whenever it has done anything, which may be a thousand times a second. */
static bool has_just_looked(struct hoard *hoard) {
  struct timespec now;
  if (clock_gettime(CLOCK_MONOTONIC, &now) == -1) return false;
  const int64_t now_ms = (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
  if (now_ms - hoard->looked_ms < HOARD_LOOK_MS / 2) return true;
  hoard->looked_ms = now_ms;
  return false;
}

int find_hoarder(struct hoard *hoard, int slots) {
  if (has_just_looked(hoard)) return -1;
  int64_t now = unreclaimable_kib();
  if (now == 0) return -1;
  if (hoard->base_kib == 0 || now < hoard->base_kib) hoard->base_kib = now;
  if (now - hoard->base_kib < GROWTH_KIB) return -1;
  hoard->base_kib = now;
  return count_locks(slots);
}
