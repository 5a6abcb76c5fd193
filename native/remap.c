/* The program of a template: it leaves its file, and each box takes the one of its own /usr.
 *
 * Theory of operation. The program's own file (/proc/self/exe) would lie on the template's file system,
 * shared by all of its boxes: with a lock on it one job could hold up another. So what is mapped of it
 * is noted while the template's view stands; when that is gone, each of those pages is mapped anew from the
 * file below, which no box can name, or copied where it was written to, and moved to the place of
 * the old one. Nothing of the file is then in use, so PID 1 of a box may name another: the same path,
 * which there leads to its own overlay.
 *
 * Part of the preloaded library: names that preload.c puts before those of the C library are not used here.
 *
 * Keeps S10 of SECURITY.md. */
#include "remap.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

/* The numbers that proc_pid_stat(5) calls 26 to 28 and 45 to 51. */
static int read_places(struct prctl_mm_map *map, struct fault *fault) {
  char text[1024];
  int fd = open("/proc/self/stat", O_RDONLY | O_CLOEXEC);
  TRY(fd, "open a template's stat");
  ssize_t length = read(fd, text, sizeof text - 1);
  close(fd);
  if (length <= 0) return FAIL_WITH(fault, EIO, "read a template's stat");
  text[length] = '\0';
  char *field = strrchr(text, ')');
  unsigned long long values[52] = {0};
  int number = 2;
  for (field = field == NULL ? NULL : strchr(field, ' '); field != NULL && number < 51; field = strchr(field + 1, ' '))
    values[++number] = strtoull(field + 1, NULL, 10);
  if (number < 51 || values[26] == 0) return FAIL_WITH(fault, EPROTO, "read a template's stat");
  *map = (struct prctl_mm_map){
      .start_code = values[26], .end_code = values[27], .start_stack = values[28],
      .start_data = values[45], .end_data = values[46], .start_brk = values[47],
      .arg_start = values[48], .arg_end = values[49], .env_start = values[50], .env_end = values[51]};
  return 0;
}

static int find_mappings(struct image *image, struct fault *fault) {
  char line[PATH_MAX + 128], flags[8], path[PATH_MAX];
  FILE *maps = fopen("/proc/self/maps", "re");
  if (maps == NULL) return fail(fault, "open a template's maps");
  int count = 0;
  while (fgets(line, sizeof line, maps) != NULL && count <= MAPPINGS_MOST) {
    struct mapping found = {0};
    if (sscanf(line, "%lx-%lx %7s %lx %*s %*s %4095s", &found.start, &found.end, flags, &found.offset, path) != 5)
      continue;
    if (strcmp(path, image->program) != 0) continue;
    found.protection = (flags[0] == 'r' ? PROT_READ : 0) | (flags[1] == 'w' ? PROT_WRITE : 0) |
                       (flags[2] == 'x' ? PROT_EXEC : 0);
    if (count < MAPPINGS_MOST) image->mappings[count] = found;
    count++;
  }
  (void)fclose(maps);
  if (count == 0 || count > MAPPINGS_MOST) return FAIL_WITH(fault, EPROTO, "read a template's maps");
  image->count = count;
  return 0;
}

static int find_program(struct image *image, struct fault *fault) {
  ssize_t length = readlink("/proc/self/exe", image->program, sizeof image->program - 1);
  TRY((int)length, "read a template's program");
  image->program[length] = '\0';
  return 0;
}

int read_image(struct image *image, struct fault *fault) {
  if (read_places(&image->map, fault) == -1 || find_program(image, fault) == -1) return -1;
  unsigned size;
  TRY(prctl(PR_SET_MM, PR_SET_MM_MAP_SIZE, &size, 0, 0), "take another program (CONFIG_CHECKPOINT_RESTORE)");
  if (size != sizeof image->map) return FAIL_WITH(fault, ENOTSUP, "take another program");
  return find_mappings(image, fault);
}

/* The same bytes: of the file that boxes are made from when they are unchanged, else a copy. */
static void *copy_of(const struct mapping *mapping, int file) {
  const size_t length = mapping->end - mapping->start;
  const void *place = (const void *)mapping->start;
  void *copy = mmap(NULL, length, PROT_READ, MAP_PRIVATE, file, mapping->offset);
  if (copy == MAP_FAILED) return copy;
  if ((mapping->protection & PROT_WRITE) == 0 && memcmp(copy, place, length) == 0) return copy;
  (void)munmap(copy, length);
  copy = mmap(NULL, length, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (copy != MAP_FAILED) memcpy(copy, place, length);
  return copy;
}

static int replace(const struct mapping *mapping, int file, struct fault *fault) {
  const size_t length = mapping->end - mapping->start;
  void *copy = copy_of(mapping, file);
  if (copy == MAP_FAILED) return fail(fault, "copy a template's program");
  TRY(mprotect(copy, length, mapping->protection), "protect a template's program");
  if (mremap(copy, length, length, MREMAP_MAYMOVE | MREMAP_FIXED, (void *)mapping->start) == MAP_FAILED)
    return fail(fault, "put a template's program in place");
  return 0;
}

int leave_image(const struct image *image, struct fault *fault) {
  int file = open(image->program, O_RDONLY | O_CLOEXEC), result = 0;
  TRY(file, "open a template's program");
  for (int i = 0; result == 0 && i < image->count; i++) result = replace(&image->mappings[i], file, fault);
  close(file);
  return result;
}

int take_image(const struct image *image, struct fault *fault) {
  struct prctl_mm_map map = image->map;
  int fd = open(image->program, O_RDONLY | O_CLOEXEC);
  TRY(fd, "open %.60s in the box", image->program);
  map.brk = (uintptr_t)sbrk(0);
  map.exe_fd = (unsigned)fd;
  int result = prctl(PR_SET_MM, PR_SET_MM_MAP, &map, sizeof map, 0);
  if (result == -1) fail(fault, "take %.60s of the box", image->program);
  close(fd);
  return result;
}
