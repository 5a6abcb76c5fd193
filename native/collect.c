/* The collector: lists and reads what a job left below /work, with the job's own rights.
 *
 * Every process of the job is dead, so nothing changes under us; but every name, link, size and
 * mode was chosen by it. Nothing is opened through a link or off /work, only regular files are
 * opened, without blocking, and depth, entries and bytes have ceilings. What the program could
 * not read, the collector cannot.
 *
 * Keeps S13 of SECURITY.md.
 */
#include <dirent.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdbool.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "box.h"

enum { DEPTH_MOST = 32, ENTRIES_MOST = 20000, SEEN_MOST = 200000 };

struct walk {
  int stream, depth;
  uint32_t sent, seen;
  bool cut;
  size_t lengths[DEPTH_MOST + 1]; /* of the path at each depth */
  DIR *directories[DEPTH_MOST];
  char path[PATH_MOST + 1];
};

static char payload[FRAME_MOST + 1];

static int open_below(const char *path, uint64_t flags) {
  int work = open("/work", O_PATH | O_DIRECTORY | O_CLOEXEC);
  if (work == -1) return -1;
  struct open_how how = {.flags = flags | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK,
                         .resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS |
                                    RESOLVE_NO_XDEV};
  int fd = (int)syscall(SYS_openat2, work, path, &how, sizeof how);
  int saved = errno;
  close(work);
  errno = saved;
  return fd;
}

static int send_entry(struct walk *walk, const struct stat *status) {
  struct {
    uint32_t mode, nanoseconds;
    int64_t seconds;
    uint64_t size;
  } head = {.mode = status->st_mode & 0777, .nanoseconds = (uint32_t)status->st_mtim.tv_nsec,
            .seconds = status->st_mtim.tv_sec, .size = (uint64_t)status->st_size};
  walk->sent++;
  return send_frame(walk->stream, FRAME_ENTRY, &head, sizeof head, walk->path, strlen(walk->path));
}

static void enter(struct walk *walk, int parent, const char *name) {
  int fd = openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
  DIR *directory = fd == -1 ? NULL : fdopendir(fd);
  if (directory == NULL) {
    if (fd != -1) close(fd);
    return; /* not readable for the program either */
  }
  walk->lengths[walk->depth + 1] = strlen(walk->path);
  walk->directories[walk->depth++] = directory;
}

static int visit(struct walk *walk, const char *name) {
  size_t base = walk->lengths[walk->depth], length = strlen(name);
  int parent = dirfd(walk->directories[walk->depth - 1]);
  struct stat status;
  walk->cut = walk->cut || ++walk->seen > SEEN_MOST;
  /* What lies deeper or is named longer than any answer could carry is no output. */
  if (walk->cut || base + 1 + length > PATH_MOST) return 0;
  (void)snprintf(walk->path + base, sizeof walk->path - base, "%s%s", base == 0 ? "" : "/", name);
  if (fstatat(parent, name, &status, AT_SYMLINK_NOFOLLOW) == -1) return 0;
  if (S_ISDIR(status.st_mode) && walk->depth < DEPTH_MOST) enter(walk, parent, name);
  if (!S_ISREG(status.st_mode) || (status.st_mode & S_IRUSR) == 0) return 0;
  if (walk->sent < ENTRIES_MOST) return send_entry(walk, &status);
  walk->cut = true;
  return 0;
}

static int list_files(int stream) {
  static struct walk walk;
  memset(&walk, 0, sizeof walk);
  walk.stream = stream;
  enter(&walk, AT_FDCWD, "/work");
  while (walk.depth > 0) {
    struct dirent *entry = readdir(walk.directories[walk.depth - 1]);
    if (entry == NULL) {
      closedir(walk.directories[--walk.depth]);
      walk.path[walk.lengths[walk.depth]] = '\0';
      continue;
    }
    if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0) continue;
    if (visit(&walk, entry->d_name) == -1) return -1;
  }
  uint32_t head[2] = {walk.sent, walk.cut ? 1 : 0};
  return send_frame(stream, FRAME_LISTED, head, sizeof head, NULL, 0);
}

/* Sends the bytes of one file; what goes wrong with the file itself is told as its errno. */
static int send_content(int stream, const char *path, uint64_t most) {
  uint32_t error = 0;
  struct stat status;
  int fd = open_below(path, O_RDONLY);
  if (fd == -1) error = (uint32_t)errno;
  else if (fstat(fd, &status) == -1) error = (uint32_t)errno;
  else if (!S_ISREG(status.st_mode)) error = EINVAL;
  for (uint64_t left = most; error == 0 && left > 0;) {
    ssize_t got = read(fd, payload, left < CHUNK_MOST ? (size_t)left : CHUNK_MOST);
    if (got == -1) error = (uint32_t)errno;
    if (got <= 0) break;
    left -= (uint64_t)got;
    if (send_frame(stream, FRAME_CONTENT, payload, (size_t)got, NULL, 0) == -1) return -1;
  }
  if (fd != -1) close(fd);
  return send_frame(stream, FRAME_CONTENT_END, &error, sizeof error, NULL, 0);
}

int collect(int stream, bool is_asked, struct fault *fault) {
  struct frame_header header;
  uint64_t most;
  char path[PATH_MOST + 1];
  int got;
  if (is_asked && list_files(stream) == -1) return 0;
  while ((got = read_frame(stream, &header, payload)) == 1) {
    if (header.type == FRAME_LIST) {
      if (list_files(stream) == -1) return 0;
    } else if (header.type == FRAME_FETCH && header.length > 8 && header.length - 8 <= PATH_MOST) {
      memcpy(&most, payload, 8);
      memcpy(path, payload + 8, header.length - 7);
      if (send_content(stream, path, most) == -1) return 0;
    } else if (header.type != FRAME_STDIN && header.type != FRAME_STDIN_END &&
               header.type != FRAME_SIGNAL && header.type != FRAME_RESIZE && header.type != FRAME_KILL) {
      /* Those five may have crossed the job's end on the way; anything else is a fault. */
      return FAIL_WITH(fault, EPROTO, "serve the outputs");
    }
  }
  return got == 0 ? 0 : fail(fault, "read what is asked of the outputs");
}
