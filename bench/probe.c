/* Programs of the benchmark that must cost nothing themselves.
 *
 *   probe                     writes the clock at its first instruction, in nanoseconds
 *   probe launch N P FILE …   starts FILE N times, P at once, without a shell; tells what it took
 *
 * The clock is the one of the day: boxes have monotonic clocks of their own. */
#include <errno.h>
#include <fcntl.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
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

int main(int argc, char **argv) {
  const long long first = now_ns(CLOCK_REALTIME);
  if (argc > 4 && strcmp(argv[1], "launch") == 0) return launch(atoi(argv[2]), atoi(argv[3]), argv + 4);
  char text[32];
  int length = snprintf(text, sizeof text, "%lld\n", first);
  return write(STDOUT_FILENO, text, (size_t)length) == length ? 0 : 1;
}
