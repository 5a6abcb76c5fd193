/* collect.c: any requests over any tree of files. What is listed are paths that are there, of the
 * right length and number; nothing is opened through a link or left open; content never exceeds
 * what was asked for. */
#include <dirent.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdarg.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "fuzz.h"

enum { STREAM_FD = 0, WORK_FD = 50, FETCH_FD = 51, FIRST_DIRECTORY = 100, LEVELS = 40 };

static struct input stream, tree;

/* The directories that are open, one below the other, and the entry that was read last. */
struct level {
  char name[256];
  unsigned repeats;
  struct dirent entry;
};
static struct level levels[LEVELS];
static int depth;
static bool entered; /* a directory was opened, and its stream not yet */
static mode_t last_mode;
static bool work_open, fetch_open;
static uint64_t content_left;
static uint32_t entries;

/* Entries of one byte choose what they are: an end, a name, a long name, many names. */
static struct dirent *fake_readdir(void) {
  struct level *level = &levels[depth - 1];
  if (level->repeats > 0) {
    level->repeats--;
    return &level->entry;
  }
  unsigned choice = take(&tree);
  if (choice == 0) return NULL;
  char *name = level->entry.d_name;
  memset(name, 0, 256);
  if (choice < 200) {
    take_bytes(&tree, name, choice % 16 + 1);
  } else if (choice < 250) {
    memset(name, 'n', 255);
  } else {
    level->repeats = take(&tree) * (choice == 255 ? 100 : 1);
    name[0] = 'r';
  }
  for (char *at = name; *at != '\0'; at++)
    if (*at == '/') *at = '_';
  if (name[0] == '\0') name[0] = 'x';
  return &level->entry;
}

static int fake_fstatat(int parent, const char *name, struct stat *status, int flags) {
  static const mode_t modes[] = {S_IFREG | 0644, S_IFDIR | 0755, S_IFLNK | 0777, S_IFIFO | 0600,
                                 S_IFSOCK,       S_IFREG,        S_IFDIR,        S_IFREG | 04777};
  MUST(parent == FIRST_DIRECTORY + depth - 1 && flags == AT_SYMLINK_NOFOLLOW);
  MUST(name == levels[depth - 1].entry.d_name);
  memset(status, 0, sizeof *status);
  unsigned choice = take(&tree);
  if (choice == 255) return -1;
  status->st_mode = last_mode = modes[choice % 8];
  status->st_size = (off_t)choice << 40;
  return 0;
}

static int fake_openat(int parent, const char *name, int flags) {
  MUST((flags & O_NOFOLLOW) != 0 && (flags & O_DIRECTORY) != 0 && !entered && depth < LEVELS);
  if (parent == AT_FDCWD) MUST(strcmp(name, "/work") == 0 && depth == 0);
  else MUST(parent == FIRST_DIRECTORY + depth - 1 && S_ISDIR(last_mode));
  if (take(&tree) == 255) return -1;
  entered = true;
  return FIRST_DIRECTORY + depth;
}

static DIR *fake_fdopendir(int fd) {
  MUST(entered && fd == FIRST_DIRECTORY + depth);
  if (take(&tree) == 255) return NULL;
  entered = false;
  levels[depth].repeats = 0;
  if (depth > 0) memcpy(levels[depth].name, levels[depth - 1].entry.d_name, 256);
  depth++;
  return (DIR *)&levels[depth - 1];
}

static int fake_closedir(DIR *directory) {
  MUST(depth > 0 && (void *)directory == (void *)&levels[depth - 1]);
  depth--;
  return 0;
}

static int fake_close(int fd) {
  if (fd == WORK_FD) work_open = false;
  else if (fd == FETCH_FD) fetch_open = false;
  else {
    MUST(entered && fd == FIRST_DIRECTORY + depth);
    entered = false;
  }
  return 0;
}

static long fake_openat2(int directory, const char *path, const struct open_how *how);

static int fake_fstat(struct stat *status) {
  static const mode_t modes[] = {S_IFREG, S_IFREG, S_IFREG, S_IFDIR, S_IFIFO};
  unsigned choice = take(&tree);
  status->st_mode = last_mode = modes[choice % 5];
  return choice == 255 ? -1 : 0;
}

static ssize_t fake_read(int fd, char *to, size_t size) {
  if (fd == STREAM_FD) return (ssize_t)take_bytes(&stream, to, size);
  MUST(fd == FETCH_FD && fetch_open && S_ISREG(last_mode) && size <= content_left);
  unsigned choice = take(&tree);
  if (choice == 0) return 0;
  if (choice == 255) return -1;
  size_t got = choice > 128 || size < choice ? size : choice;
  memset(to, 'c', got);
  return (ssize_t)got;
}

static ssize_t fake_sendmsg(const struct msghdr *message);

#define read(fd, to, size) fake_read(fd, to, size)
#define write(fd, from, size) ((void)(fd), (void)(from), (ssize_t)(size))
#define sendmsg(fd, message, flags) ((void)(fd), fake_sendmsg(message))
#define open(path, flags) (work_open = true, (void)(path), WORK_FD)
#define openat(parent, name, flags) fake_openat(parent, name, flags)
#define fdopendir(fd) fake_fdopendir(fd)
#define readdir(directory) ((void)(directory), fake_readdir())
#define closedir(directory) fake_closedir(directory)
#define dirfd(directory) (FIRST_DIRECTORY + (int)((struct level *)(void *)(directory)-levels))
#define fstatat(parent, name, status, flags) fake_fstatat(parent, name, status, flags)
#define fstat(fd, status) fake_fstat(status)
#define close(fd) fake_close(fd)
#define syscall(number, directory, path, how, size) fake_openat2(directory, path, how)
#include "../frames.c"
#include "../collect.c"

static long fake_openat2(int directory, const char *path, const struct open_how *how) {
  const uint64_t resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS | RESOLVE_NO_XDEV;
  MUST(directory == WORK_FD && work_open && !fetch_open && strlen(path) <= PATH_MOST);
  MUST(strncmp(path, payload + 8, PATH_MOST) == 0);
  MUST(how->resolve == resolve && (how->flags & (O_NONBLOCK | O_NOFOLLOW)) == (O_NONBLOCK | O_NOFOLLOW));
  MUST((how->flags & O_ACCMODE) == O_RDONLY && (how->flags & O_CREAT) == 0);
  memcpy(&content_left, payload, 8);
  if (take(&tree) == 255) {
    errno = ELOOP;
    return -1;
  }
  fetch_open = true;
  return FETCH_FD;
}

/* The path of an entry is that of the open directories and the last name. */
static void must_be_entry(const char *path, size_t length) {
  size_t at = 0;
  MUST(length <= PATH_MOST && S_ISREG(last_mode) && (last_mode & S_IRUSR) != 0);
  for (int i = 1; i <= depth; i++) {
    const char *name = i < depth ? levels[i].name : levels[depth - 1].entry.d_name;
    size_t size = strlen(name);
    if (i > 1) MUST(at < length && path[at++] == '/');
    MUST(at + size <= length && memcmp(path + at, name, size) == 0);
    at += size;
  }
  MUST(at == length);
}

static ssize_t fake_sendmsg(const struct msghdr *message) {
  const struct iovec *parts = message->msg_iov;
  struct frame_header header;
  MUST(message->msg_iovlen == 3 && parts[0].iov_len == sizeof header);
  memcpy(&header, parts[0].iov_base, sizeof header);
  MUST(header.length == parts[1].iov_len + parts[2].iov_len && header.length <= FRAME_MOST);
  if (header.type == FRAME_ENTRY) {
    MUST(parts[1].iov_len == 24 && ++entries <= ENTRIES_MOST);
    must_be_entry(parts[2].iov_base, parts[2].iov_len);
  } else if (header.type == FRAME_LISTED) {
    uint32_t head[2];
    MUST(header.length == sizeof head && depth == 0 && !entered);
    memcpy(head, parts[1].iov_base, sizeof head);
    MUST(head[0] == entries && head[1] <= 1);
    entries = 0;
  } else if (header.type == FRAME_CONTENT) {
    MUST(header.length > 0 && header.length <= CHUNK_MOST && header.length <= content_left && fetch_open);
    content_left -= header.length;
  } else {
    MUST(header.type == FRAME_CONTENT_END && header.length == 4 && !fetch_open && !work_open);
  }
  return (ssize_t)(sizeof header + header.length);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  /* The first byte says how much of the rest is requests, the remainder is the tree. */
  tree = (struct input){data, size};
  size_t requests = take(&tree) * 8;
  if (requests > tree.size) requests = tree.size;
  stream = (struct input){tree.data, requests};
  tree = (struct input){tree.data + requests, tree.size - requests};
  depth = 0;
  entries = 0;
  entered = work_open = fetch_open = false;
  memset(levels, 0, sizeof levels);
  struct fault fault = {0};
  int result = collect(STREAM_FD, false, &fault);
  MUST((result == -1) == (fault.err != 0) && depth == 0 && !entered && !work_open && !fetch_open);
  return 0;
}
