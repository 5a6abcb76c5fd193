/* Starting the keeper.
 *
 * Theory of operation. A child, the *builder*, gets a mount namespace, builds there the tree that
 * boxes are made from, makes it the root of that namespace, and clones the keeper from it as a
 * child of the warden: the keeper never sees anything else of the host, and needs no right to
 * walk to where the tree was built or where it came from.
 *
 * Root's builder does this with root's rights. The builder of an ordinary user first gets a user
 * namespace in which it is the user itself (so that it can bind what lies in a private home), and
 * beside it the user's range; in the keeper's namespace, which lies in the builder's, only the
 * range is mapped. So in both cases no process of a box, nor the keeper, can become anybody who
 * owns a file of the host.
 *
 * The exec makes the keeper a process of its own user namespace (without it its memory would
 * belong to ours, and it could not write the maps of its boxes). The binary is a sealed copy in
 * memory: the path of the installed one may not be open to the keeper's ids, and nothing in a
 * box can reach it. */
#include <fcntl.h>
#include <linux/sched.h>
#include <linux/securebits.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "breakable.h"
#include "keeper.h"
#include "warden.h"

/* What a start needs; `mapped` is the pipe on which a child waits for its id maps. */
struct birth {
  const struct range *range;
  const struct plan *plan;
  int binary, listener, channel, mapped, null;
};

/* The builder's last word. */
struct born {
  pid_t keeper;
  struct fault fault;
};

static pid_t clone_with(uint64_t flags, uint64_t exit_signal) {
  struct clone_args args = {.flags = flags, .exit_signal = exit_signal};
  return (pid_t)syscall(SYS_clone3, &args, sizeof args);
}

static _Noreturn void exec_keeper(const struct birth *birth) {
  struct groups_reply reply = {0};
  struct fault *fault = &reply.fault;
  char slots[16], ready;
  const char *arguments[2 + TREES_MOST + 1] = {"keeper", slots};
  char *environment[] = {BREAK_VARIABLE NULL};
  int channel = birth->channel;
  (void)snprintf(slots, sizeof slots, "%u", birth->plan->slots);
  for (int i = 0; i < birth->plan->tree_count; i++)
    arguments[2 + i] = tree_kind_names[birth->plan->trees[i].kind];
  /* 0, 1, 2: nothing to read, and messages that should not come, to the warden's stderr. */
  int fds[] = {birth->null, birth->null, STDERR_FILENO, birth->listener, channel, birth->binary};
  if (read_all(birth->mapped, &ready, 1) != 1) _exit(1);
  bool failed = become_namespace_root(fault) == -1 || keep_descriptors(fds, 6, 5, fault) == -1;
  /* The sixth is close-on-exec: gone once it is executed. */
  if (!failed) {
    (void)syscall(SYS_execveat, 5, "", arguments, environment, AT_EMPTY_PATH);
    fail(fault, "execute the keeper");
    channel = KEEPER_WARDEN;
  }
  (void)write_all(channel, &reply, sizeof reply);
  _exit(1);
}

/* Maps the keeper's ids: 0 is the first of the range, 1 and up what the slots own. `first` is
 * how the builder's namespace calls the first. */
static int write_map(pid_t pid, const char *name, unsigned first, unsigned count,
                     struct fault *fault) {
  char path[48], text[96];
  (void)snprintf(path, sizeof path, "/proc/%d/%s", pid, name);
  (void)snprintf(text, sizeof text, "0 %u 1\n1 %u %u\n", first, first + SLOT_ID_OFFSET,
                 count - SLOT_ID_OFFSET);
  int fd = open(path, O_WRONLY | O_CLOEXEC);
  TRY(fd, "open the keeper's %s", name);
  int failed = write_all(fd, text, strlen(text)) == -1;
  if (failed) fail(fault, "write the keeper's %s", name);
  close(fd);
  return failed ? -1 : 0;
}

/* Tells the warden who the keeper is before the keeper can speak itself. */
static int release_keeper(const struct birth *birth, pid_t keeper, int mapped,
                          struct fault *fault) {
  const struct range *range = birth->range;
  unsigned first = range->privileged ? range->first : 1;
  const struct born born = {.keeper = keeper};
  if (write_map(keeper, "gid_map", first, range->count, fault) == -1) return -1;
  if (write_map(keeper, "uid_map", first, range->count, fault) == -1) return -1;
  TRY(write_all(birth->channel, &born, sizeof born), "tell who the keeper is");
  TRY(write_all(mapped, "1", 1), "release the keeper");
  return 0;
}

/* The kernel counts what boxes have of some things (watchers of files, pending signals, message
 * queues) for the owner of the keeper's namespace, too. Were that root, one box could leave none
 * of them to the daemons of the host. */
static int become_owner(const struct range *range, struct fault *fault) {
  if (!range->privileged) return 0;
  TRY(prctl(PR_SET_SECUREBITS, SECBIT_NO_SETUID_FIXUP, 0, 0, 0), "keep the builder's capabilities");
  TRY(setresuid((uid_t)-1, range->first + OWNER_ID_OFFSET, (uid_t)-1), "become the owner of boxes");
  return 0;
}

static int bear_keeper(struct birth *birth, struct fault *fault) {
  char root[300];
  int mapped[2];
  (void)snprintf(root, sizeof root, "%s/root", birth->range->directory);
  /* Before the way to the host's devices is gone. */
  birth->null = open("/dev/null", O_RDWR | O_CLOEXEC);
  TRY(birth->null, "open /dev/null");
  TRY(mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL), "make mounts private");
  if (build_keeper_root(root, birth->plan->trees, birth->plan->tree_count, (int)birth->plan->slots,
                        birth->range->privileged, fault) == -1)
    return -1;
  if (enter_root(fault) == -1) return -1;
  TRY(pipe2(mapped, O_CLOEXEC), "make a pipe for the keeper");
  birth->mapped = mapped[0];
  if (become_owner(birth->range, fault) == -1) return -1;
  pid_t keeper = clone_with(CLONE_NEWUSER | CLONE_NEWPID | CLONE_NEWNS | CLONE_NEWNET |
                            CLONE_NEWIPC | CLONE_NEWUTS | CLONE_PARENT, 0);
  TRY(keeper, "clone the keeper");
  if (keeper == 0) {
    close(mapped[1]);
    exec_keeper(birth);
  }
  /* Not released, it finds the pipe closed and ends. */
  return release_keeper(birth, keeper, mapped[1], fault);
}

static _Noreturn void live_as_builder(struct birth *birth) {
  struct born born = {0};
  char ready;
  if (prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) == -1) _exit(1);
  if (read_all(birth->mapped, &ready, 1) != 1) _exit(1);
  if (bear_keeper(birth, &born.fault) == 0) _exit(0);
  (void)write_all(birth->channel, &born, sizeof born);
  _exit(1);
}

/* newuidmap is privileged and checks /etc/subuid: 0 is the user, 1 and up are the range. */
static int run_map_helper(pid_t pid, const char *helper, unsigned own_id, const struct range *range,
                          struct fault *fault) {
  char text[4][16];
  const unsigned values[4] = {(unsigned)pid, own_id, range->first, range->count};
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
  if (WIFEXITED(status) && WEXITSTATUS(status) == 127)
    return FAIL_WITH(fault, ENOENT, "run %s (mend: apt-get install uidmap)", helper);
  return FAIL_WITH(fault, EPERM, "map this user's range of ids with %s", helper);
}

static int release_builder(pid_t builder, const struct birth *birth, int mapped,
                           struct fault *fault) {
  if (!birth->range->privileged) {
    if (run_map_helper(builder, "newgidmap", getegid(), birth->range, fault) == -1) return -1;
    if (run_map_helper(builder, "newuidmap", geteuid(), birth->range, fault) == -1) return -1;
  }
  if (join_service_group(&birth->plan->cgroups, builder, fault) == -1) return -1;
  TRY(write_all(mapped, "1", 1), "release the builder");
  return 0;
}

/* Hears first the builder, then the keeper. Returns the keeper's pid. */
static pid_t await_keeper(int channel, struct fault *fault) {
  struct born born;
  struct groups_reply hello;
  if (recv(channel, &born, sizeof born, 0) != sizeof born)
    return FAIL_WITH(fault, EPIPE, "wait for the builder");
  if (born.fault.err != 0) {
    *fault = born.fault;
    return -1;
  }
  if (recv(channel, &hello, sizeof hello, 0) != sizeof hello)
    (void)FAIL_WITH(&hello.fault, EPIPE, "wait for the keeper");
  if (hello.fault.err == 0) return born.keeper;
  *fault = hello.fault;
  (void)kill(born.keeper, SIGKILL);
  (void)waitpid(born.keeper, NULL, 0);
  return -1;
}

pid_t start_keeper(const struct range *range, const struct plan *plan, int binary, int listener,
                   int *channel, struct fault *fault) {
  int mapped[2], ends[2];
  TRY(pipe2(mapped, O_CLOEXEC), "make a pipe for the builder");
  TRY(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends), "make the keeper's channel");
  struct birth birth = {.range = range, .plan = plan, .binary = binary, .listener = listener,
                        .channel = ends[1], .mapped = mapped[0]};
  const uint64_t own = range->privileged ? 0 : CLONE_NEWUSER;
  pid_t builder = clone_with(CLONE_NEWNS | own, SIGCHLD);
  if (builder == 0) {
    close(mapped[1]);
    close(ends[0]);
    live_as_builder(&birth);
  }
  int result = builder == -1
                   ? fail(fault, "clone the builder (does the host allow user namespaces?)")
                   : release_builder(builder, &birth, mapped[1], fault);
  close(mapped[0]);
  close(mapped[1]);
  close(ends[1]);
  pid_t keeper = result == -1 ? -1 : await_keeper(ends[0], fault);
  if (builder > 0) (void)waitpid(builder, NULL, 0);
  *channel = ends[0];
  if (keeper == -1) close(ends[0]);
  return keeper;
}
