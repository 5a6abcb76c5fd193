/* program.c and procfs.c: whatever comes instead of a job's files and its start. No name climbs,
 * what is written is what was announced, every descriptor is closed, and what is executed are the
 * strings that were sent. */
#include <dirent.h>
#include <fcntl.h>
#include <linux/mount.h>
#include <linux/openat2.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "../terminal.h"
#include "fuzz.h"

enum { WORK_FD = 50, FILE_FD = 60, NO_FD = -1 };

static struct input stream;
static unsigned chunking;
static jmp_buf end;
static int file_fd;
static uint64_t announced, written;
static char said[8];
static size_t said_count;
static bool closed_door, knocked, asked_for_terminal, has_terminal;

static _Noreturn void fake_exit(void) {
  longjmp(end, 1);
}

static void must_stay_below(const char *path) {
  size_t length = strlen(path);
  MUST(length > 0 && length <= 1024 && path[0] != '/');
  for (const char *part = path; part != NULL; part = strchr(part, '/')) {
    part += *part == '/';
    MUST(!(part[0] == '.' && part[1] == '.' && (part[2] == '/' || part[2] == '\0')));
  }
}

/* The lowest bits of the first byte: how much a read gives; the others: what fails. */
static ssize_t fake_read(int fd, void *to, size_t size) {
  if (fd == 0) {
    /* The answer of PID 1, once. */
    MUST(asked_for_terminal && !has_terminal && size == 1);
    has_terminal = true;
    *(char *)to = 't';
    return (chunking & 7) == 5 ? 0 : 1;
  }
  MUST(fd == 3);
  size_t most = (chunking & 7) == 0 ? size : (size_t)1 << (chunking & 7);
  return (ssize_t)take_bytes(&stream, to, size < most ? size : most);
}

static ssize_t fake_write(int fd, const void *from, size_t size);

static int fake_take_terminal(struct fault *fault) {
  MUST(has_terminal);
  return (chunking & 7) == 6 ? FAIL_WITH(fault, EIO, "open the terminal") : 0;
}

static int fake_close(int fd) {
  if (fd == FILE_FD) {
    MUST(file_fd == FILE_FD);
    file_fd = NO_FD;
  }
  return 0;
}

static int fake_open(const char *path) {
  MUST(strcmp(path, ".") == 0);
  return WORK_FD;
}

static int fake_mkdirat(int directory, const char *path) {
  MUST(directory == WORK_FD);
  must_stay_below(path);
  errno = strlen(path) % 2 == 0 ? EEXIST : ENOSPC;
  return strlen(path) % 97 == 13 || strlen(path) % 2 == 0 ? -1 : 0;
}

static long fake_openat2(int directory, const char *path, const struct open_how *how);

static int fake_futimens(int fd) {
  MUST(fd == FILE_FD && file_fd == FILE_FD);
  MUST(written == announced);
  return (chunking & 16) != 0 ? -1 : 0;
}

static int fake_execvp(const char *file, char **arguments);

#define _exit(status) fake_exit()
#define read(fd, to, size) fake_read(fd, to, size)
#define write(fd, from, size) fake_write(fd, from, size)
#define close(fd) fake_close(fd)
#define open(path, flags, ...) fake_open(path)
#define mkdirat(directory, path, mode) fake_mkdirat(directory, path)
/* No HOLD has come when the hand looks whether there is one. */
#define recv(fd, to, size, flags) ((void)(fd), (void)(to), (void)(size), (ssize_t)-1)
#define syscall(number, directory, path, how, size) fake_openat2(directory, path, how)
#define futimens(fd, times) ((void)(times), fake_futimens(fd))
#define chdir(path) 0
#define dup2(from, to) 0
#define setsid() 5
#define sigprocmask(how, set, old) ((void)(set), 0)
#define signal(number, handler) ((void)(number), SIG_DFL)
#define take_terminal(fault) fake_take_terminal(fault)
#define execvp(file, arguments) fake_execvp(file, arguments)
#define sendmsg(fd, message, flags) ((void)(fd), (void)(message), (ssize_t)-1)
#include "../frames.c"
#include "../program.c"

/* hold.c: the file of a held program gets its content once, whole, and only at the start. */
int make_door(struct held *own, int work, struct fault *fault) {
  MUST(work == WORK_FD && !own->is_held && file_fd == NO_FD && strchr(own->name, '/') == NULL);
  must_stay_below(own->name);
  if ((chunking & 32) != 0) return FAIL_WITH(fault, EEXIST, "make the file of a held program");
  own->is_held = true;
  return 0;
}
int close_door(const struct held *own, struct fault *fault) {
  (void)fault;
  MUST(own->is_held && !closed_door);
  closed_door = true;
  return 0;
}
pid_t fork_sibling(void) {
  return (chunking & 64) != 0 ? 0 : 9;
}
int await_knock(struct held *own, struct fault *fault) {
  MUST(closed_door && own->program == 9 && !knocked);
  if ((chunking & 128) != 0) return FAIL_WITH(fault, EAGAIN, "wait until a held program opens its file");
  knocked = true;
  return 0;
}
int furnish(const struct held *own, struct fault *fault) {
  MUST(knocked && own->has_content && own->size <= sizeof own->content && said[said_count - 1] == HAND_HELD);
  return (chunking & 8) != 0 ? FAIL_WITH(fault, ETIME, "start a program that was held for too long") : 0;
}
#undef open
#undef syscall
#define syscall(...) (-1L)
#define stat(path, status) ((void)(path), (void)(status), -1)
#define open(path, flags, ...) ((void)(path), -1)
#define mount(from, to, type, flags, data) ((void)(from), -1)
#include "../procfs.c"
#undef read
#undef write
#undef close

int make_directory(const char *path, unsigned mode, struct fault *fault) {
  (void)path, (void)mode, (void)fault;
  return -1;
}
int make_file(const char *path, unsigned mode, const char *text, struct fault *fault) {
  (void)text;
  return make_directory(path, mode, fault);
}
uint32_t verify_layers(const struct box_setup *setup) {
  (void)setup;
  return ALL_LAYERS;
}
/* Before anything of a job is read, so that no work for one is done with the keeper's patience. */
int take_turns(struct fault *fault) {
  (void)fault;
  MUST(said_count == 0);
  return 0;
}
const char *const layer_names[LAYER_COUNT];

static ssize_t fake_write(int fd, const void *from, size_t size) {
  if (fd == HAND_STATUS) {
    struct hand_message message;
    MUST(size == sizeof message && said_count < sizeof said);
    memcpy(&message, from, sizeof message);
    said[said_count++] = (char)message.kind;
    if (message.kind == HAND_TERMINAL) asked_for_terminal = true;
    MUST(memchr(message.fault.step, '\0', sizeof message.fault.step) != NULL);
  } else if (fd >= HAND_STAND_INS && fd < HAND_DESCRIPTORS) {
    static const char *const begins[STAND_COUNT] = {"MemTotal:", "processor\t", "cpu  0"};
    const char *begin = begins[fd - HAND_STAND_INS];
    MUST(size < 8192 && (size == 0 || strncmp(from, begin, strlen(begin)) == 0));
  } else {
    MUST(fd == FILE_FD && file_fd == FILE_FD);
    written += size;
    MUST(written <= announced);
  }
  return (ssize_t)size;
}

static long fake_openat2(int directory, const char *path, const struct open_how *how) {
  const uint64_t resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS;
  const uint64_t flags = O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC;
  MUST(directory == WORK_FD && file_fd == NO_FD && strlen(path) <= PATH_MOST);
  MUST((how->resolve & resolve) == resolve && (how->flags & flags) == flags);
  if (path[0] == '\0' || path[0] == '/' || strlen(path) % 61 == 3) {
    errno = EXDEV;
    return -1;
  }
  memcpy(&announced, payload + 8, 8);
  written = 0;
  return file_fd = FILE_FD;
}

/* Every string lies in the frame, and together they fill it. */
static int fake_execvp(const char *file, char **arguments) {
  struct start_header head;
  const char *at = payload + sizeof head;
  memcpy(&head, payload, sizeof head);
  MUST(file == arguments[0]);
  char **lists[2] = {arguments, environ};
  const uint32_t counts[2] = {head.argc, head.envc};
  for (int list = 0; list < 2; list++) {
    for (uint32_t i = 0; i < counts[list]; i++) {
      MUST(lists[list][i] == at);
      at += strlen(at) + 1;
      MUST(at <= payload + sizeof payload);
    }
    MUST(lists[list][counts[list]] == NULL);
  }
  errno = ENOENT;
  return -1;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  static const struct box_setup setup;
  char **own_environment = environ;
  stream = (struct input){data, size};
  chunking = take(&stream);
  file_fd = NO_FD;
  said_count = 0;
  announced = written = 0;
  closed_door = knocked = asked_for_terminal = has_terminal = false;
  memset(&held, 0, sizeof held);
  memset(payload, 0x55, sizeof payload);
  if (setjmp(end) == 0) live_as_hand(&setup);
  environ = own_environment;
  MUST(said_count >= 1 && said[0] == HAND_READY && file_fd == NO_FD);
  return 0;
}
