/* What is preloaded into an interpreter to make a template of it (template.c).
 *
 * Theory of operation. The interpreter starts as always. When it opens the file that its last
 * argument names, it comes here instead, and stays: here it gives up its view of the system, tells the
 * keeper that it is ready, and bears a box for each order. The child is PID 1 of the box and runs the
 * same code as one that the keeper makes itself; the hand is its fork, and when the job is there the
 * hand goes back to where the interpreter was stopped, and opens the file. Nothing of the interpreter or its
 * program is changed, so there is nothing to tell apart; Python's end is looked at, see ending.c.
 *
 * The program's own file is left, and each box takes the one of its own /usr: see remap.c.
 *
 * It runs with the keeper's rights until the box gives them up, as in every box. An interpreter that
 * has more than one thread by now is refused: the others would be missing in each fork.
 *
 * Keeps S10 and S11 of SECURITY.md. */
#include <dirent.h>
#include <dlfcn.h>
#include <fcntl.h>
#include <linux/sched.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "ending.h"
#include "remap.h"
#include "seccomp.h"
#include "template.h"

#define EXPORTED __attribute__((visibility("default")))

static struct {
  char **arguments, **environment;
  pid_t number;
  char file[PATH_MOST + 1], absolute[PATH_MOST + sizeof "/work/"];
  struct image image;
  struct filter filter;
  struct tree trees[TREES_MOST];
  bool has_served;
  int signals[NSIG], signal_count; /* those that it does something about: few, and sixty calls for each box to look */
  int home; /* the mount namespace of a template that bears none */
  jmp_buf door;
} own;

static int (*next_open)(const char *, int, ...);
static FILE *(*next_fopen)(const char *, const char *);

__attribute__((constructor)) static void remember(int argc, char **argv, char **envp) {
  next_open = (int (*)(const char *, int, ...))dlsym(RTLD_NEXT, "open64");
  next_fopen = (FILE * (*)(const char *, const char *)) dlsym(RTLD_NEXT, "fopen64");
  if (next_open == NULL || next_fopen == NULL) abort();
  find_next_sigaction();
  own.arguments = argv;
  own.environment = envp;
  own.number = getpid();
  (void)snprintf(own.file, sizeof own.file, "%s", argc > 0 ? argv[argc - 1] : "");
  (void)snprintf(own.absolute, sizeof own.absolute, "/work/%s", own.file);
}

static bool are_same(char **some, char **other) {
  int i = 0;
  while (some[i] != NULL && other[i] != NULL && strcmp(some[i], other[i]) == 0) i++;
  return some[i] == NULL && other[i] == NULL;
}

static bool is_same(char **arguments, char **environment) {
  return getpid() == own.number && are_same(arguments, own.arguments) && are_same(environment, own.environment);
}

/* A shell remembers its process number: the hand, the next to be forked, gets the template's. */
static int take_number(struct fault *fault) {
  char text[16];
  (void)snprintf(text, sizeof text, "%d", own.number - 1);
  int fd = next_open("/proc/sys/kernel/ns_last_pid", O_WRONLY | O_CLOEXEC);
  TRY(fd, "open ns_last_pid");
  int failed = write_all(fd, text, strlen(text)) == -1;
  if (failed) fail(fault, "take the template's process number");
  close(fd);
  return failed ? -1 : 0;
}

static int check_alone(struct fault *fault) {
  DIR *tasks = opendir("/proc/self/task");
  if (tasks == NULL) return fail(fault, "count a template's threads");
  int count = 0;
  for (struct dirent *entry; (entry = readdir(tasks)) != NULL;) count += entry->d_name[0] != '.';
  closedir(tasks);
  return count == 1 ? 0 : FAIL_WITH(fault, EBUSY, "make a template of a program with threads");
}

/* What boxes are made from lies below what the interpreter was shown. */
static int leave_system(struct fault *fault) {
  static const char *const places[] = {"/usr", "/etc", "/work"};
  TRY(chdir("/"), "leave a template's directory");
  for (size_t i = 0; i < sizeof places / sizeof places[0]; i++)
    TRY(umount2(places[i], MNT_DETACH), "drop a template's %s", places[i]);
  return 0;
}

static void note_signals(void) {
  struct sigaction now;
  for (int number = 1; number < NSIG; number++)
    if (sigaction(number, NULL, &now) == 0 && now.sa_handler != SIG_DFL) own.signals[own.signal_count++] = number;
}

static void give_up_signals(void) {
  sigset_t none;
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, NULL);
  for (int i = 0; i < own.signal_count; i++) signal(own.signals[i], SIG_DFL);
}

static int get_ready(struct fault *fault) {
  if (check_alone(fault) == -1 || read_image(&own.image, fault) == -1) return -1;
  note_signals();
  own.home = next_open("/proc/self/ns/mnt", O_RDONLY | O_CLOEXEC);
  TRY(own.home, "hold a template's mount namespace");
  if (leave_system(fault) == -1 || leave_image(&own.image, fault) == -1) return -1;
  return compile_filter(&own.filter, fault);
}

static int take_program(struct fault *fault) {
  return take_image(&own.image, fault);
}

/* Back to where the interpreter was stopped, with nothing open but its streams. */
static _Noreturn void resume(void) {
  if (prctl(PR_SET_DUMPABLE, 1, 0, 0, 0) == -1 || syscall(SYS_close_range, 3, ~0u, 0) == -1) _exit(1);
  longjmp(own.door, 1);
}

static const struct warm warm = {.is_same = is_same, .give_up_signals = give_up_signals, .take_number = take_number, .take_program = take_program, .resume = resume};

static _Noreturn void live_in_box(struct box_setup *setup, const struct order *order) {
  for (int i = 0; i < order->tree_count; i++) own.trees[i].kind = (enum tree_kind)order->tree_kinds[i];
  setup->trees = own.trees;
  setup->filter = &own.filter;
  setup->warm = &warm;
  live_as_box(setup);
}

/* The box is the keeper's child, as any other. */
static int bear(const struct order *order, const int *fds, int count, struct fault *fault) {
  struct box_setup setup = {0};
  struct clone_args args = {
      .flags = CLONE_NEWUSER | CLONE_NEWPID | CLONE_NEWNS | CLONE_NEWIPC | CLONE_NEWUTS | CLONE_PARENT};
  const int *more = read_order(order, fds, &setup);
  if (fds + count != more + 4 + setup.groups.count) return FAIL_WITH(fault, EPROTO, "take an order");
  memcpy(setup.mapped, more, sizeof setup.mapped);
  memcpy(setup.groups.box_procs, more + 4, (size_t)setup.groups.count * sizeof(int));
  TRY(setns(more[2], CLONE_NEWNET), "enter the slot's network namespace");
  TRY(setns(more[3], CLONE_NEWNS), "enter the slot's mount namespace");
  pid_t pid = (pid_t)syscall(SYS_clone3, &args, sizeof args);
  if (pid == 0) live_in_box(&setup, order);
  TRY(pid, "clone the box");
  /* The slot's are the keeper's to give up, see lease.c. */
  TRY(setns(own.home, CLONE_NEWNS), "leave the slot's mount namespace");
  return pid;
}

static void serve(void) {
  static struct order order;
  struct bearers_word word = {0};
  int fds[ORDER_DESCRIPTORS_MOST], count;
  if (!learn_ending(__builtin_frame_address(0))) longjmp(own.door, 1);
  int failed = get_ready(&word.fault);
  if (write_all(TEMPLATE_CONTROL, &word, sizeof word) == -1 || failed == -1) _exit(1);
  while (take_order(TEMPLATE_CONTROL, &order, fds, &count)) {
    word = (struct bearers_word){0};
    word.box = bear(&order, fds, count, &word.fault);
    for (int i = 0; i < count; i++) close(fds[i]);
    if (write_all(TEMPLATE_CONTROL, &word, sizeof word) == -1) break;
  }
  _exit(0);
}

static bool is_own_file(const char *path) {
  if (path == NULL || own.file[0] == '\0') return false;
  return strcmp(path, own.file) == 0 || strcmp(path, own.absolute) == 0;
}

/* Returns in the program of a job, and in the fork whose end is tried; nowhere else once it has served. */
static void stop_at(const char *path) {
  if (own.has_served || !is_own_file(path)) return;
  own.has_served = true;
  if (setjmp(own.door) == 0) serve();
}

EXPORTED int open64(const char *path, int flags, ...) {
  va_list more;
  va_start(more, flags);
  const mode_t mode = (flags & (O_CREAT | O_TMPFILE)) != 0 ? va_arg(more, mode_t) : 0;
  va_end(more);
  stop_at(path);
  return next_open(path, flags, mode);
}

EXPORTED FILE *fopen64(const char *path, const char *mode) {
  stop_at(path);
  return is_own_file(path) ? open_program(path, mode, next_fopen) : next_fopen(path, mode);
}
