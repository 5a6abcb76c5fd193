/* Programs that were started before their job is known, and wait.
 *
 * Theory of operation. An interpreter spends most of its start on itself, before it opens the file
 * that it is to run. So it can be started early, with exactly the arguments, environment, files and
 * limits of the plainest job, and nothing in it or about it differs from any other start: it is
 * held where it opens that file. The file is there, empty, and the hand has a write lease on it
 * (fcntl(2)): the kernel stops whoever opens it, tells the hand by SIGIO that somebody does, and
 * lets them go on when the lease is given up. By then the job's bytes are in the file.
 *
 * The kernel breaks a lease by itself after /proc/sys/fs/lease-break-time, 45 seconds everywhere.
 * So nothing is written into the file before the job starts, a program that was held for long is
 * not let go any more, and this side replaces it long before (src/sandbox/held.ts, which also looks at
 * that setting). One that does go on by itself finds an empty file and ends, which ends the box.
 *
 * The lease goes with the hand's last descriptor, so the hand is dead when the program runs. */
#include "hold.h"

#include <fcntl.h>
#include <linux/openat2.h>
#include <sched.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "clock.h"

enum { HELD_MOST_MS = 42000, KNOCK_SECONDS = 20 };

int make_door(struct held *held, int work, struct fault *fault) {
  const struct open_how how = {.flags = O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, .mode = 0644,
                               .resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_XDEV};
  if (held->is_held) return FAIL_WITH(fault, EPROTO, "hold a second program");
  held->file = (int)syscall(SYS_openat2, work, held->name, &how, sizeof how);
  TRY(held->file, "make the file of a held program");
  held->is_held = true;
  return 0;
}

int close_door(const struct held *held, struct fault *fault) {
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGIO);
  TRY(sigprocmask(SIG_BLOCK, &set, NULL), "block SIGIO");
  TRY(fcntl(held->file, F_SETLEASE, F_WRLCK), "take a lease on the file of a held program");
  return 0;
}

pid_t fork_sibling(void) {
  return (pid_t)syscall(SYS_clone, CLONE_PARENT | SIGCHLD, 0, 0, 0, 0);
}

int await_knock(struct held *held, struct fault *fault) {
  const struct timespec most = {.tv_sec = KNOCK_SECONDS};
  sigset_t set;
  int got;
  sigemptyset(&set);
  sigaddset(&set, SIGIO);
  do got = sigtimedwait(&set, NULL, &most);
  while (got == -1 && errno == EINTR);
  TRY(got, "wait until a held program opens its file");
  held->since_ms = now_ms();
  return 0;
}

/* One that was killed meanwhile must not be taken for a job that ended: it never began. */
static int check_alive(const struct held *held, struct fault *fault) {
  char path[32], text[64];
  (void)snprintf(path, sizeof path, "/proc/%d/stat", held->program);
  int fd = open(path, O_RDONLY | O_CLOEXEC);
  TRY(fd, "find a held program");
  ssize_t length = read(fd, text, sizeof text - 1);
  close(fd);
  text[length < 0 ? 0 : length] = '\0';
  const char *state = strrchr(text, ')');
  if (state == NULL || strlen(state) < 3 || strchr("ZX", state[2]) != NULL)
    return FAIL_WITH(fault, ESRCH, "find a held program alive");
  return 0;
}

int furnish(const struct held *held, struct fault *fault) {
  const struct timespec times[2] = {{.tv_sec = held->mtime}, {.tv_sec = held->mtime}};
  if (held->since_ms != 0 && now_ms() - held->since_ms > HELD_MOST_MS)
    return FAIL_WITH(fault, ETIME, "start a program that was held for too long");
  if (held->since_ms != 0 && check_alive(held, fault) == -1) return -1;
  TRY(write_all(held->file, held->content, held->size), "write a file of the job");
  if (held->executable) TRY(fchmod(held->file, 0755), "make a file of the job executable");
  TRY(futimens(held->file, times), "set a file's time");
  return 0;
}
