/* Programs of the benchmark that must cost nothing themselves.
 *
 *   probe                     a program that does nothing
 *   probe launch N P FILE …   starts FILE N times, P at once, without a shell; tells what it took
 *   probe boxes N P SOCKET JOB   asks the keeper for N boxes, P at once; JOB is a file with what is
 *                             sent to each: the request, whose slot is set here, and a job
 */
#include <errno.h>
#include <fcntl.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static long long now_ns(clockid_t clock) {
  struct timespec now;
  if (clock_gettime(clock, &now) == -1) abort();
  return (long long)now.tv_sec * 1000000000 + now.tv_nsec;
}

static void start(char **command, posix_spawn_file_actions_t *quiet) {
  char *environment[] = {"PATH=/usr/bin:/bin", "HOME=/tmp", "LANG=C.UTF-8", NULL};
  pid_t pid;
  int failed = posix_spawnp(&pid, command[0], quiet, NULL, command, environment);
  if (failed == 0) return;
  (void)fprintf(stderr, "%s: %s\n", command[0], strerror(failed));
  exit(1);
}

/* What starts is killed by nobody and must end well, or the measurement is of a failure. */
static void await_one(char **command) {
  int status;
  if (wait(&status) == -1) abort();
  if (WIFEXITED(status) && WEXITSTATUS(status) == 0) return;
  (void)fprintf(stderr, "%s did not end well\n", command[0]);
  exit(1);
}

static int launch(int count, int at_once, char **command) {
  posix_spawn_file_actions_t quiet;
  struct rusage used;
  int running = 0;
  if (posix_spawn_file_actions_init(&quiet) != 0) abort();
  if (posix_spawn_file_actions_addopen(&quiet, 1, "/dev/null", O_WRONLY, 0) != 0) abort();
  const long long begun = now_ns(CLOCK_MONOTONIC);
  for (int started = 0; started < count; started++) {
    if (running == at_once) await_one(command);
    else running++;
    start(command, &quiet);
  }
  for (; running > 0; running--) await_one(command);
  const long long took = now_ns(CLOCK_MONOTONIC) - begun;
  if (getrusage(RUSAGE_CHILDREN, &used) == -1) abort();
  const long long cpu_us = (used.ru_utime.tv_sec + used.ru_stime.tv_sec) * 1000000LL +
                           used.ru_utime.tv_usec + used.ru_stime.tv_usec;
  (void)printf("%lld %lld\n", took, cpu_us * 1000);
  return 0;
}

static void must(int holds, const char *what) {
  if (holds) return;
  perror(what);
  exit(1);
}

static void read_exactly(int fd, void *to, size_t size) {
  for (size_t done = 0; done < size;) {
    ssize_t got = read(fd, (char *)to + done, size - done);
    must(got > 0, "read from a box");
    done += (size_t)got;
  }
}

/* From nothing to the keeper's word that the box is gone. */
static void one_box(const struct sockaddr_un *address, const char *job, size_t size) {
  struct { unsigned type, length; } header;
  char payload[128 * 1024];
  int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  must(fd != -1 && connect(fd, (const struct sockaddr *)address, sizeof *address) == 0, "reach the keeper");
  must(write(fd, job, size) == (ssize_t)size, "send a job");
  do {
    read_exactly(fd, &header, sizeof header);
    must(header.length <= sizeof payload && header.type != 73, "understand a box");
    read_exactly(fd, payload, header.length);
  } while (header.type != 68);
  must(shutdown(fd, SHUT_WR) == 0, "end a box");
  while (read(fd, payload, sizeof payload) > 0) continue;
  close(fd);
}

static int make_boxes(int count, int at_once, const char *path, const char *file) {
  static char job[4096];
  struct sockaddr_un address = {.sun_family = AF_UNIX};
  struct rusage used;
  FILE *input = fopen(file, "re");
  must(input != NULL && strlen(path) < sizeof address.sun_path, "open the job");
  strcpy(address.sun_path, path);
  const size_t size = fread(job, 1, sizeof job, input);
  const long long begun = now_ns(CLOCK_MONOTONIC);
  for (int slot = 0; slot < at_once; slot++) {
    if (fork() != 0) continue;
    memcpy(job + 4, &slot, sizeof slot);
    for (int made = slot; made < count; made += at_once) one_box(&address, job, size);
    exit(0);
  }
  for (int status; wait(&status) > 0;) must(status == 0, "make boxes");
  const long long took = now_ns(CLOCK_MONOTONIC) - begun;
  must(getrusage(RUSAGE_CHILDREN, &used) == 0, "tell the time");
  (void)printf("%lld %lld\n", took, ((used.ru_utime.tv_sec + used.ru_stime.tv_sec) * 1000000LL +
                                     used.ru_utime.tv_usec + used.ru_stime.tv_usec) * 1000);
  return 0;
}

int main(int argc, char **argv) {
  if (argc > 4 && strcmp(argv[1], "launch") == 0) return launch(atoi(argv[2]), atoi(argv[3]), argv + 4);
  if (argc == 6 && strcmp(argv[1], "boxes") == 0) return make_boxes(atoi(argv[2]), atoi(argv[3]), argv[4], argv[5]);
  return 0;
}
