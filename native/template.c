/* Templates, as the keeper sees them: it starts one, asks it for boxes, and ends it.
 *
 * Theory of operation. Half of what a Python job costs is the start of Python, which is the same for
 * all plain jobs. So one Python is started with exactly the arguments, the environment and the view of
 * the file system that a plain job has, and goes on to where it opens its file. What is preloaded
 * into it (preload.c) stops it there and forks it for each box: the child is PID 1 of a box like
 * any other, built by the same code, and the program is its fork in turn, which finds the job's file
 * where the template found none.
 *
 * A template is a child of the keeper in a mount namespace of its own, with the keeper's rights. It
 * never holds anything of a job: jobs are read by the hand, behind the last fork. What boxes of one
 * template have in common (hash seed, stack canary, places in memory) is told in SECURITY.md; it is
 * replaced after so many boxes (src/sandbox/template.ts).
 *
 * Keeps S11 of SECURITY.md. */
#include "template.h"

#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

enum { STRINGS_MOST = 64 };

/* The library of preload.c, put here by the linker. */
extern const char preload_start[] __asm__("_binary_preload_so_start");
extern const char preload_end[] __asm__("_binary_preload_so_end");

static int write_preload(struct fault *fault) {
  int fd = open("." TEMPLATE_PRELOAD, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0444);
  TRY(fd, "make the library of templates");
  int failed = write_all(fd, preload_start, (size_t)(preload_end - preload_start)) == -1;
  if (failed) fail(fault, "write the library of templates");
  close(fd);
  return failed ? -1 : 0;
}

int build_template_tree(struct fault *fault) {
  static const char *const directories[] = {"template", "template/etc", "etc", "work"};
  static const char *const links[][2] = {{"bin", "usr/bin"}, {"sbin", "usr/sbin"}, {"lib", "usr/lib"},
                                         {"lib64", "usr/lib64"}};
  for (size_t i = 0; i < sizeof directories / sizeof directories[0]; i++)
    if (make_directory(directories[i], 0755, fault) == -1) return -1;
  for (size_t i = 0; i < sizeof links / sizeof links[0]; i++)
    if (make_link(links[i][0], links[i][1], fault) == -1) return -1;
  if (make_file("template/etc/ld.so.preload", 0444, TEMPLATE_PRELOAD "\n", fault) == -1) return -1;
  return write_preload(fault);
}

/* What a program of a plain job sees of the system, at the same places. */
static int show_system(const char *file, struct fault *fault) {
  if (mount_overlay(HOST_USR, "/usr", fault) == -1) return -1;
  if (mount_overlay("/template/etc:/skeleton/etc", "/etc", fault) == -1) return -1;
  TRY(mount("tmpfs", "/work", "tmpfs", MS_NOSUID | MS_NODEV, "mode=755,size=64k,nr_inodes=8"),
      "mount a tmpfs for a template");
  TRY(chdir("/work"), "enter a template's directory");
  return make_file(file, 0644, "", fault);
}

/* Standard streams of the kind that a job has; nothing is ever read from them or written to them. */
static int take_streams(int control, struct fault *fault) {
  int ends[2], fds[4] = {-1, -1, -1, control};
  for (int i = 0; i < 3; i++) {
    TRY(pipe2(ends, O_CLOEXEC), "make a pipe for a template");
    fds[i] = i == 0 ? ends[0] : ends[1];
  }
  /* All of them stay open over the exec; the library takes the channel from its boxes. */
  return keep_descriptors(fds, 4, 4, fault);
}

static int prepare_template(int control, const char *file, struct fault *fault) {
  TRY(unshare(CLONE_NEWNS), "make a mount namespace for a template");
  if (strchr(file, '/') != NULL) return FAIL_WITH(fault, EINVAL, "name a template's file");
  if (show_system(file, fault) == -1) return -1;
  /* As the program of a job, which leads a session of its own. */
  TRY(setsid(), "make a session for a template");
  return take_streams(control, fault);
}

static _Noreturn void become_template(int control, char **arguments, char **environment) {
  struct bearers_word word = {0};
  const char *file = arguments[0];
  for (int i = 0; arguments[i] != NULL; i++) file = arguments[i];
  if (prepare_template(control, file, &word.fault) == 0) {
    control = TEMPLATE_CONTROL;
    restore_signals();
    environ = environment;
    (void)execvp(arguments[0], arguments);
    fail(&word.fault, "execute %.40s as a template", arguments[0]);
  }
  (void)write_all(control, &word, sizeof word);
  _exit(1);
}

/* Reads all of it before anything is refused: what is left unread would take the refusal with it. */
static int read_command(int connection, char **arguments, char **environment, struct fault *fault) {
  static char payload[FRAME_MOST + 1];
  struct frame_header header;
  struct start_header head;
  if (read_frame(connection, &header, payload) != 1 || header.type != FRAME_HOLD || header.length < sizeof head)
    return FAIL_WITH(fault, EPROTO, "read what a template is to run");
  memcpy(&head, payload, sizeof head);
  char *text = payload + sizeof head, *end = payload + header.length;
  if (head.argc == 0 || head.argc > STRINGS_MOST || head.envc > STRINGS_MOST ||
      !split_strings(&text, end, arguments, head.argc) || !split_strings(&text, end, environment, head.envc) ||
      text != end)
    return FAIL_WITH(fault, EPROTO, "read what a template is to run");
  return 0;
}

int start_template(struct template *templates, uint32_t number, int connection, struct fault *fault) {
  char *arguments[STRINGS_MOST + 1], *environment[STRINGS_MOST + 1];
  int ends[2];
  if (read_command(connection, arguments, environment, fault) == -1) return -1;
  if (number >= TEMPLATES_MOST) return FAIL_WITH(fault, ERANGE, "number of a template");
  if (templates[number].pid != 0) return FAIL_WITH(fault, EBUSY, "there is such a template");
  if (open_channel(ends, fault) == -1) return -1;
  pid_t pid = fork();
  if (pid == 0) become_template(ends[1], arguments, environment);
  close(ends[1]);
  if (pid == -1) {
    close(ends[0]);
    return fail(fault, "start a template");
  }
  templates[number] = (struct template){.pid = pid, .control = ends[0], .connection = connection};
  return 0;
}

bool hear_template(struct template *template) {
  struct bearers_word word = {0};
  const ssize_t got = template->is_ready ? 0 : recv(template->control, &word, sizeof word, MSG_DONTWAIT);
  if (!template->is_ready && got != sizeof word) FAIL_WITH(&word.fault, got == -1 ? errno : EPIPE, "hear a template");
  if (word.fault.err != 0) send_fault(template->connection, &word.fault);
  if (template->is_ready || word.fault.err != 0) return false;
  template->is_ready = true;
  return send_frame(template->connection, FRAME_HELD, NULL, 0, NULL, 0) == 0;
}

void end_template(struct template *template) {
  if (template->pid == 0) return;
  (void)kill(template->pid, SIGKILL);
  close(template->control);
  close(template->connection);
  *template = (struct template){0};
}

pid_t bear_box(const struct template *template, const struct box_setup *setup, const struct lease *lease,
               struct fault *fault) {
  int more[ORDER_MORE_MOST] = {setup->mapped[0], setup->mapped[1], lease->network, lease->mounts}, count = 4;
  if (template->pid == 0 || !template->is_ready) return FAIL_WITH(fault, ESRCH, "ask a template that is not there");
  for (int i = 0; i < setup->groups.count; i++) more[count++] = setup->groups.box_procs[i];
  if (send_order(template->control, setup, more, count, fault) == -1) return -1;
  return hear_bearer(template->control, fault);
}
