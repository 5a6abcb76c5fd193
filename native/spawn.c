/* Starting the keeper: a clone in new namespaces, its id maps, and the exec that makes it a
 * process of its own user namespace (without the exec its memory would belong to ours, and it
 * could not write the maps of its boxes). The binary is a sealed copy in memory: the path of the
 * installed one may not be open to the keeper's ids, and nothing in a box can reach it. */
#include <fcntl.h>
#include <linux/sched.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "keeper.h"
#include "warden.h"

static _Noreturn void exec_keeper(const struct range *range, const struct plan *plan, int binary,
                                  int listener, int channel, int mapped) {
  struct groups_reply reply = {0};
  struct fault *fault = &reply.fault;
  char slots[16], root[300], ready;
  const char *arguments[4 + 2 * TREES_MOST + 1] = {"keeper", root, slots,
                                                   range->privileged ? "host-root" : "own-root"};
  char *environment[] = {NULL};
  int count = 4;
  (void)snprintf(slots, sizeof slots, "%u", plan->slots);
  (void)snprintf(root, sizeof root, "%s/root", range->directory);
  for (int i = 0; i < plan->tree_count; i++) {
    arguments[count++] = tree_kind_names[plan->trees[i].kind];
    arguments[count++] = plan->trees[i].path;
  }
  /* 0, 1, 2: nothing to read, and messages that should not come, to the warden's stderr. */
  int null = open("/dev/null", O_RDWR | O_CLOEXEC);
  int fds[] = {null, null, STDERR_FILENO, listener, channel, binary};
  if (read_all(mapped, &ready, 1) != 1) _exit(1);
  bool failed = null == -1 || become_namespace_root(fault) == -1 ||
                keep_descriptors(fds, 6, 5, fault) == -1;
  /* The sixth is close-on-exec: gone once it is executed. */
  if (!failed) {
    (void)syscall(SYS_execveat, 5, "", arguments, environment, AT_EMPTY_PATH);
    fail(fault, "execute the keeper");
    channel = KEEPER_WARDEN;
  }
  (void)write_all(channel, &reply, sizeof reply);
  _exit(1);
}

static int write_map(pid_t pid, const char *name, const struct range *range, struct fault *fault) {
  char path[48], text[96];
  (void)snprintf(path, sizeof path, "/proc/%d/%s", pid, name);
  (void)snprintf(text, sizeof text, "0 %u 1\n1 %u %u\n", range->first, range->first + SLOT_ID_OFFSET,
                 range->count - SLOT_ID_OFFSET);
  int fd = open(path, O_WRONLY | O_CLOEXEC);
  TRY(fd, "open the keeper's %s", name);
  int failed = write_all(fd, text, strlen(text)) == -1;
  if (failed) fail(fault, "write the keeper's %s", name);
  close(fd);
  return failed ? -1 : 0;
}

/* As an ordinary user: newuidmap is privileged and checks /etc/subuid. */
static int run_map_helper(pid_t pid, const char *helper, const struct range *range,
                          struct fault *fault) {
  char text[4][16];
  const unsigned values[4] = {(unsigned)pid, range->first, range->first + SLOT_ID_OFFSET,
                              range->count - SLOT_ID_OFFSET};
  for (int i = 0; i < 4; i++) (void)snprintf(text[i], sizeof text[i], "%u", values[i]);
  pid_t child = fork();
  TRY(child, "start %s", helper);
  if (child == 0) {
    execlp(helper, helper, text[0], "0", text[1], "1", "1", text[2], text[3], (char *)NULL);
    _exit(127);
  }
  int status = 0;
  while (waitpid(child, &status, 0) == -1 && errno == EINTR) continue;
  if (WIFEXITED(status) && WEXITSTATUS(status) == 0) return 0;
  return FAIL_WITH(fault, EPERM, "run %s (mend: apt-get install uidmap, and a range in /etc/subuid)", helper);
}

static int map_ids(pid_t pid, const struct range *range, struct fault *fault) {
  if (!range->privileged) {
    if (run_map_helper(pid, "newgidmap", range, fault) == -1) return -1;
    return run_map_helper(pid, "newuidmap", range, fault);
  }
  if (write_map(pid, "gid_map", range, fault) == -1) return -1;
  return write_map(pid, "uid_map", range, fault);
}

pid_t start_keeper(const struct range *range, const struct plan *plan, int binary, int listener,
                   int *channel, struct fault *fault) {
  int mapped[2], ends[2];
  TRY(pipe2(mapped, O_CLOEXEC), "make a pipe for the keeper");
  TRY(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends), "make the keeper's channel");
  struct clone_args args = {.flags = CLONE_NEWUSER | CLONE_NEWPID | CLONE_NEWNS | CLONE_NEWNET |
                                     CLONE_NEWIPC | CLONE_NEWUTS,
                            .exit_signal = SIGCHLD};
  pid_t pid = (pid_t)syscall(SYS_clone3, &args, sizeof args);
  if (pid == 0) {
    close(mapped[1]);
    exec_keeper(range, plan, binary, listener, ends[1], mapped[0]);
  }
  int result = pid == -1 ? fail(fault, "clone the keeper (does the host allow user namespaces?)")
                         : map_ids(pid, range, fault);
  if (result == 0) result = join_service_group(&plan->cgroups, pid, fault);
  if (result == 0 && write_all(mapped[1], "1", 1) == -1) result = fail(fault, "release the keeper");
  close(mapped[0]);
  close(mapped[1]);
  close(ends[1]);
  *channel = ends[0];
  struct groups_reply hello;
  if (result == 0 && recv(ends[0], &hello, sizeof hello, 0) != sizeof hello)
    result = FAIL_WITH(fault, EPIPE, "wait for the keeper");
  if (result == 0 && hello.fault.err != 0) {
    *fault = hello.fault;
    result = -1;
  }
  if (result == 0) return pid;
  if (pid > 0) {
    (void)kill(pid, SIGKILL);
    (void)waitpid(pid, NULL, 0);
  }
  close(ends[0]);
  return -1;
}
