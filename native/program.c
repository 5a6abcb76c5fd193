/* The hand: the process that takes a job's files and then becomes its program, or lets one go on
 * that was started before (hold.c).
 *
 * When it starts here it already has the program's uid, cgroup, limits and syscall filter. It
 * goes on only when every layer holds (verify.c), and only then reads job data.
 *
 * Keeps S15 of SECURITY.md.
 */
#include <fcntl.h>
#include <linux/openat2.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "box.h"
#include "terminal.h"
#include "hold.h"

enum { STRINGS_MOST = 1024 };

static char payload[FRAME_MOST + 1];
static char *arguments[STRINGS_MOST + 1], *environment[STRINGS_MOST + 1];
static struct held held;

static _Noreturn void refuse(const struct fault *fault) {
  struct hand_message message = {.kind = HAND_FAULT, .fault = *fault};
  (void)write_all(HAND_STATUS, &message, sizeof message);
  _exit(1);
}

static int open_beneath(int directory, const char *path, uint64_t flags, uint64_t mode) {
  struct open_how how = {.flags = flags | O_CLOEXEC, .mode = mode,
                         .resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_XDEV};
  return (int)syscall(SYS_openat2, directory, path, &how, sizeof how);
}

/* mkdirat has no flag that keeps it below a directory. */
static bool is_below(const char *path) {
  const char *up = strstr(path, "..");
  while (up != NULL && ((up != path && up[-1] != '/') || (up[2] != '/' && up[2] != '\0')))
    up = strstr(up + 1, "..");
  return up == NULL && path[0] != '/' && path[0] != '\0';
}

/* Makes `path` below `work` and every directory above it. */
static int make_directories(int work, char *path, struct fault *fault) {
  if (!is_below(path)) return FAIL_WITH(fault, EINVAL, "the name of a directory of the job");
  for (char *slash = strchr(path, '/');; slash = strchr(slash + 1, '/')) {
    if (slash != NULL) *slash = '\0';
    if (mkdirat(work, path, 0755) == -1 && errno != EEXIST)
      return fail(fault, "make a directory of the job");
    if (slash == NULL) return 0;
    *slash = '/';
  }
}

static int take_content(int file, uint64_t size, struct fault *fault) {
  struct frame_header header;
  for (uint64_t left = size; left > 0; left -= header.length) {
    if (read_frame(HAND_STREAM, &header, payload) != 1) return fail(fault, "read a file of the job");
    if (header.type != FRAME_DATA || header.length > left || header.length == 0)
      return FAIL_WITH(fault, EPROTO, "read a file of the job");
    TRY(write_all(file, payload, header.length), "write a file of the job");
  }
  return 0;
}

/* The file of a held program stays empty until the start. */
static int take_held_content(uint32_t executable, uint32_t mtime, uint64_t size, struct fault *fault) {
  struct frame_header header;
  uint64_t done = 0;
  if (held.has_content || size > sizeof held.content) return FAIL_WITH(fault, EPROTO, "read the file of a held program");
  for (; done < size; done += header.length) {
    if (read_frame(HAND_STREAM, &header, payload) != 1) return fail(fault, "read a file of the job");
    if (header.type != FRAME_DATA || header.length > size - done || header.length == 0)
      return FAIL_WITH(fault, EPROTO, "read a file of the job");
    memcpy(held.content + done, payload, header.length);
  }
  held.has_content = true;
  held.executable = executable != 0;
  held.mtime = mtime;
  held.size = (uint32_t)size;
  return 0;
}

static int take_file(int work, const char *frame, uint32_t length, struct fault *fault) {
  uint32_t executable, mtime;
  uint64_t size;
  char path[PATH_MOST + 1];
  if (length <= 16 || length - 16 > PATH_MOST) return FAIL_WITH(fault, EPROTO, "read a file's header");
  memcpy(&executable, frame, 4);
  memcpy(&mtime, frame + 4, 4);
  memcpy(&size, frame + 8, 8);
  memcpy(path, frame + 16, length - 16);
  path[length - 16] = '\0';
  if (held.is_held && strcmp(path, held.name) == 0) return take_held_content(executable, mtime, size, fault);
  char *slash = strrchr(path, '/');
  if (slash != NULL) {
    *slash = '\0';
    if (make_directories(work, path, fault) == -1) return -1;
    *slash = '/';
  }
  int file = open_beneath(work, path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, executable ? 0755 : 0644);
  TRY(file, "make a file of the job");
  int result = take_content(file, size, fault);
  const struct timespec times[2] = {{.tv_sec = mtime}, {.tv_sec = mtime}};
  if (result == 0 && futimens(file, times) == -1) result = fail(fault, "set a file's time");
  close(file);
  return result;
}

void restore_signals(void) {
  sigset_t none;
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, NULL);
  for (int number = 1; number < NSIG; number++) signal(number, SIG_DFL);
}

static int read_start(uint32_t length, struct start_header *head, struct fault *fault) {
  if (length < sizeof *head) return FAIL_WITH(fault, EPROTO, "read the start of the job");
  memcpy(head, payload, sizeof *head);
  char *text = payload + sizeof *head, *end = payload + length;
  if (head->argc > STRINGS_MOST || head->envc > STRINGS_MOST ||
      (head->argc == 0) != held.is_held || (held.is_held && !held.has_content) ||
      !split_strings(&text, end, arguments, head->argc) ||
      !split_strings(&text, end, environment, head->envc) || text != end)
    return FAIL_WITH(fault, EPROTO, "read the start of the job");
  return 0;
}

static int show_limits(const struct start_header *head, struct fault *fault) {
  int stand_ins[STAND_COUNT];
  for (int i = 0; i < STAND_COUNT; i++) stand_ins[i] = HAND_STAND_INS + i;
  return write_stand_ins(stand_ins, head->memory_bytes, head->cpus, fault);
}

static int prepare_program(const struct start_header *head, struct fault *fault) {
  if (head->flags & START_MERGE) TRY(dup2(HAND_STDOUT, HAND_STDERR), "merge the streams");
  TRY(setsid(), "make a session");
  if ((head->flags & START_TERMINAL) && take_terminal(fault) == -1) return -1;
  return 0;
}

static int execute_program(struct fault *fault) {
  restore_signals();
  environ = environment;
  execvp(arguments[0], arguments);
  return fail(fault, "execute %.40s", arguments[0]);
}

static int tell_start(const struct start_header *head, struct fault *fault) {
  struct hand_message message = {.kind = HAND_STARTING, .wall_ms = head->wall_ms,
                                 .printed_bytes = head->printed_bytes};
  TRY(write_all(HAND_STATUS, &message, sizeof message), "tell the start of the job");
  return 0;
}

/* PID 1 answers with a byte when it has made one. */
static int ask_for_terminal(struct fault *fault) {
  struct hand_message message = {.kind = HAND_TERMINAL};
  char answer;
  TRY(write_all(HAND_STATUS, &message, sizeof message), "ask for a terminal");
  if (read_all(HAND_STDIN, &answer, 1) != 1) return FAIL_WITH(fault, EPIPE, "wait for a terminal");
  return 0;
}

static int become_job(const struct warm *warm, uint32_t length, struct fault *fault) {
  struct start_header head;
  if (read_start(length, &head, fault) == -1) return -1;
  if (held.is_held) {
    if (furnish(&held, fault) == -1 || tell_start(&head, fault) == -1) return -1;
    if (warm != NULL) warm->resume();
    _exit(0);
  }
  if ((head.flags & START_TERMINAL) && ask_for_terminal(fault) == -1) return -1;
  if (show_limits(&head, fault) == -1 || prepare_program(&head, fault) == -1) return -1;
  if (tell_start(&head, fault) == -1) return -1;
  return execute_program(fault);
}

/* Starts the program, and waits until it stands before its file. */
static int hold_program(const struct start_header *head, struct fault *fault) {
  if (close_door(&held, fault) == -1) return -1;
  held.program = fork_sibling();
  TRY(held.program, "start a program to be held");
  if (held.program == 0) {
    if (prepare_program(head, fault) == 0) (void)execute_program(fault);
    refuse(fault);
  }
  return await_knock(&held, fault);
}

/* The program stands there already: it is this process. */
static int be_program(const struct warm *warm, const struct start_header *head, struct fault *fault) {
  if (!warm->is_same(arguments, environment))
    return FAIL_WITH(fault, EINVAL, "hold another program than the template's");
  held.program = getpid();
  return prepare_program(head, fault);
}

/* Whether HOLD is the first frame and has come: then READY waits for HELD, since each call of the
 * peer's costs more than the bytes. */
static bool is_to_hold(void) {
  struct frame_header first;
  return recv(HAND_STREAM, &first, sizeof first, MSG_PEEK | MSG_DONTWAIT) == sizeof first && first.type == FRAME_HOLD;
}

/* `untold`: layers of which PID 1 was not told yet. */
static int hold_job(const struct warm *warm, uint32_t untold, int work, uint32_t length, struct fault *fault) {
  struct start_header head;
  if (read_start(length, &head, fault) == -1) return -1;
  /* PID 1 makes a terminal for a job, and there is none yet. */
  if (head.flags & START_TERMINAL) return FAIL_WITH(fault, EINVAL, "hold a program at a terminal");
  const char *name = arguments[head.argc - 1];
  if (strlen(name) > PATH_MOST || strchr(name, '/') != NULL || !is_below(name))
    return FAIL_WITH(fault, EINVAL, "the name of the file of a held program");
  memcpy(held.name, name, strlen(name) + 1);
  if (show_limits(&head, fault) == -1 || make_door(&held, work, fault) == -1) return -1;
  if ((warm == NULL ? hold_program(&head, fault) : be_program(warm, &head, fault)) == -1) return -1;
  struct hand_message message = {.kind = HAND_HELD, .layers = untold, .program = held.program};
  TRY(write_all(HAND_STATUS, &message, sizeof message), "tell of a held program");
  return 0;
}

void live_as_hand(const struct box_setup *setup) {
  struct fault fault = {0};
  struct hand_message ready = {.kind = HAND_READY, .layers = verify_layers(setup)};
  for (int i = 0; i < LAYER_COUNT; i++)
    if ((ready.layers & 1u << i) == 0) {
      (void)FAIL_WITH(&fault, EPERM, "the layer %s does not hold", layer_names[i]);
      refuse(&fault);
    }
  if (take_turns(&fault) == -1) refuse(&fault);
  const uint32_t untold = is_to_hold() ? ready.layers : 0;
  if (untold == 0 && write_all(HAND_STATUS, &ready, sizeof ready) == -1) _exit(1);
  if (chdir("/work") == -1) {
    fail(&fault, "enter /work");
    refuse(&fault);
  }
  int work = open(".", O_PATH | O_DIRECTORY | O_CLOEXEC);
  if (work == -1) {
    fail(&fault, "open /work");
    refuse(&fault);
  }
  for (struct frame_header header; read_frame(HAND_STREAM, &header, payload) == 1;) {
    int result;
    if (header.type == FRAME_DIRECTORY && header.length > 0 && header.length <= PATH_MOST)
      result = make_directories(work, payload, &fault);
    else if (header.type == FRAME_FILE)
      result = take_file(work, payload, header.length, &fault);
    else if (header.type == FRAME_HOLD && !held.is_held)
      result = hold_job(setup->warm, untold, work, header.length, &fault);
    else if (header.type == FRAME_START)
      result = become_job(setup->warm, header.length, &fault);
    else
      result = FAIL_WITH(&fault, EPROTO, "read a frame before the start");
    if (result == -1) refuse(&fault);
  }
  _exit(1);
}
