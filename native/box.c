/* PID 1 of a box.
 *
 * Theory of operation. The keeper made this process in fresh namespaces, as nobody in
 * particular. It joins boxes/slot-N, takes uid 0 of its user namespace, builds and enters the
 * box's file system, then gives up every capability but KILL, SETUID and SETGID, empties the
 * bounding set, takes the limits and the syscall filter of all processes of a box (no namespace,
 * socket or mount for whoever might take over PID 1 either). Then it forks the *hand*: the process
 * that will become the program. The hand joins jobs/slot-N and takes the program's uid *before* the
 * first byte of a job is read; it checks each layer, says READY, takes the job's files itself (so that
 * they are charged to the job and written with the program's rights) and executes the program.
 * PID 1 relays, waits, kills what is left and says EXITED; last, when it is asked for the output
 * files, it becomes the collector: with the program's rights and no descriptor but the stream it
 * answers until the peer closes that. Then it exits and the kernel takes everything away.
 *
 * While a program runs, PID 1 reads no job data but stdin; and it executes nothing.
 *
 * Keeps S17 of SECURITY.md.
 */
#include "box.h"

#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/fsuid.h>
#include <sys/prctl.h>
#include <sys/shm.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "breakable.h"
#include "seccomp.h"

struct pipes {
  int program_end[3], own_end[3], status_read, status_write;
};

int read_namespaces(unsigned long long *inodes, struct fault *fault) {
  static const char *const names[NAMESPACES] = {"user", "pid", "mnt", "net", "ipc", "uts", "cgroup", "time"};
  int own = open("/proc/self/ns", O_PATH | O_DIRECTORY | O_CLOEXEC), result = 0;
  TRY(own, "open /proc/self/ns");
  for (int i = 0; i < NAMESPACES && result == 0; i++) {
    /* Read and not followed: the kernel would make a file of it first. */
    char link[64];
    const ssize_t length = readlinkat(own, names[i], link, sizeof link - 1);
    link[length < 0 ? 0 : length] = '\0';
    const char *number = strchr(link, '[');
    if (length == -1) result = fail(fault, "look at /proc/self/ns/%s", names[i]);
    else if (number == NULL) result = FAIL_WITH(fault, EPROTO, "look at /proc/self/ns/%s", names[i]);
    else inodes[i] = strtoull(number + 1, NULL, 10);
  }
  close(own);
  return result;
}

static int join_groups(const int *procs, int count, struct fault *fault) {
  if (BROKEN(LIMITS)) return 0;
  for (int i = 0; i < count; i++)
    TRY(write_all(procs[i], "0", 1), "join a cgroup of the slot");
  return 0;
}

static int offset_line(char *text, size_t size, const char *name, clockid_t clock,
                       struct fault *fault) {
  struct timespec now;
  TRY(clock_gettime(clock, &now), "read the clock %s", name);
  /* Starts at one second: programs do not expect a zero here. */
  (void)snprintf(text, size, "%s %lld 0\n", name, -(long long)now.tv_sec + 1);
  return 0;
}

/* Children get clocks that start now, so that uptime does not tell one host from another. */
static int enter_time_namespace(struct fault *fault) {
  char text[2][64];
  if (BROKEN(TIME)) return 0;
  TRY(unshare(CLONE_NEWTIME), "make a time namespace");
  if (offset_line(text[0], sizeof text[0], "monotonic", CLOCK_MONOTONIC, fault) == -1) return -1;
  if (offset_line(text[1], sizeof text[1], "boottime", CLOCK_BOOTTIME, fault) == -1) return -1;
  int fd = open("/proc/self/timens_offsets", O_WRONLY | O_CLOEXEC);
  TRY(fd, "open the time namespace's offsets");
  int failed = write_all(fd, text[0], strlen(text[0])) == -1 ||
               write_all(fd, text[1], strlen(text[1])) == -1;
  if (failed) fail(fault, "set the time namespace's offsets");
  close(fd);
  return failed ? -1 : 0;
}

int become_slot_root(const struct box_setup *setup, struct fault *fault) {
  char ready;
  /* Our copy of the keeper's end, which would keep the pipe from ending. */
  TRY(close(setup->mapped[1]), "close the keeper's end of a pipe");
  if (read_all(setup->mapped[0], &ready, 1) != 1)
    return FAIL_WITH(fault, EPIPE, "wait for the id maps");
  if (join_groups(setup->groups.box_procs, setup->groups.count, fault) == -1) return -1;
  /* After the join, so that the namespace's root is boxes/slot-N. */
  if (!BROKEN(CGROUP)) TRY(unshare(CLONE_NEWCGROUP), "make a cgroup namespace");
  if (become_namespace_root(fault) == -1 || limit_watching(fault) == -1) return -1;
  return empty_bounding_set(fault);
}

static int assemble(const struct box_setup *setup, int *stand_ins, struct fault *fault) {
  if (!setup->is_slot_root && become_slot_root(setup, fault) == -1) return -1;
  /* The change of uid made this process undumpable, and its /proc files unwritable. */
  TRY(prctl(PR_SET_DUMPABLE, 1, 0, 0, 0), "become dumpable for the set-up");
  TRY(sethostname("sandrun", 7), "set the host name");
  if (setup->warm != NULL && setup->warm->take_number(fault) == -1) return -1;
  if (build_box_root(&setup->request, stand_ins, fault) == -1) return -1;
  if (setup->warm != NULL && setup->warm->take_program(fault) == -1) return -1;
  if (enter_time_namespace(fault) == -1) return -1;
  TRY(prctl(PR_SET_DUMPABLE, 0, 0, 0, 0), "become undumpable");
  return keep_box_capabilities(fault);
}

/* Pipes belong to the program's uid, else `echo x >/dev/stderr` is refused. */
static int make_pipes(struct pipes *pipes, struct fault *fault) {
  int ends[2];
  setfsgid(PROGRAM_UID);
  setfsuid(PROGRAM_UID);
  for (int i = 0; i < 3; i++) {
    TRY(pipe2(ends, O_CLOEXEC), "make a pipe for the program");
    pipes->program_end[i] = i == 0 ? ends[0] : ends[1];
    pipes->own_end[i] = i == 0 ? ends[1] : ends[0];
    TRY(fcntl(pipes->own_end[i], F_SETFL, O_NONBLOCK), "make a pipe non-blocking");
  }
  TRY(pipe2(ends, O_CLOEXEC), "make the status pipe");
  pipes->status_read = ends[0];
  pipes->status_write = ends[1];
  setfsuid(0);
  setfsgid(0);
  return 0;
}

static _Noreturn void hand_fault_and_exit(int status, const struct fault *fault) {
  struct hand_message message = {.kind = HAND_FAULT, .fault = *fault};
  (void)write_all(status, &message, sizeof message);
  _exit(1);
}

static pid_t fork_hand(const struct box_setup *setup, const struct pipes *pipes,
                       const int *stand_ins, struct fault *fault) {
  pid_t pid = fork();
  if (pid != 0) return pid;
  int fds[HAND_DESCRIPTORS] = {pipes->program_end[0], pipes->program_end[1], pipes->program_end[2],
                               setup->stream, pipes->status_write};
  memcpy(&fds[HAND_STAND_INS], stand_ins, STAND_COUNT * sizeof stand_ins[0]);
  int status = pipes->status_write;
  if (join_groups(setup->groups.job_procs, setup->groups.count, fault) == -1)
    hand_fault_and_exit(status, fault);
  if (keep_descriptors(fds, HAND_DESCRIPTORS, HAND_STREAM, fault) == -1)
    hand_fault_and_exit(status, fault);
  if (limit_resources(fault) == -1 || become_program(fault) == -1)
    hand_fault_and_exit(HAND_STATUS, fault);
  live_as_hand(setup);
}

/* Nothing is left to wait for or to kill, so this process takes the program's rights itself. */
static void become_collector(int stream, bool is_asked) {
  struct fault fault = {0};
  char asked;
  /* Most peers have seen enough and hang up. */
  if (!is_asked && recv(stream, &asked, 1, MSG_PEEK) != 1) return;
  if (keep_descriptors(&stream, 1, 0, &fault) == -1) {
    send_fault(stream, &fault);
    return;
  }
  const bool ready = become_program(&fault) == 0;
  if (!ready || collect(0, is_asked, &fault) == -1) send_fault(0, &fault);
}

/* The end of children, and the keeper's word that the job must end. */
static int watch_signals(struct fault *fault) {
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGCHLD);
  sigaddset(&set, SIGUSR1);
  TRY(sigprocmask(SIG_BLOCK, &set, NULL), "block signals");
  int fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
  TRY(fd, "watch for signals");
  return fd;
}

static int be_nobody(const struct warm *warm, struct fault *fault) {
  warm->give_up_signals();
  TRY(prctl(PR_SET_NAME, "sandrun-box", 0, 0, 0), "take the name of a box");
  return 0;
}

static int start(const struct box_setup *setup, struct relay *relay, struct fault *fault) {
  int stand_ins[STAND_COUNT] = {-1, -1, -1};
  struct pipes pipes = {0};
  if (assemble(setup, stand_ins, fault) == -1 || make_pipes(&pipes, fault) == -1) return -1;
  if (limit_core(fault) == -1 || install_filter(setup->filter, fault) == -1) return -1;
  relay->program = fork_hand(setup, &pipes, stand_ins, fault);
  TRY(relay->program, "start the program's process");
  if (setup->warm != NULL && be_nobody(setup->warm, fault) == -1) return -1;
  relay->signals = watch_signals(fault);
  if (relay->signals == -1) return -1;
  /* Everything else goes: descriptors of the slot, and the program's ends of the pipes, whose
   * end of file tells that no process of the job is left. */
  const bool watched = setup->groups.oom_event != -1;
  int fds[8] = {setup->stream, pipes.status_read, relay->signals, pipes.own_end[0],
                pipes.own_end[1], pipes.own_end[2], setup->groups.oom_event, setup->groups.oom_control};
  if (keep_descriptors(fds, watched ? 8 : 6, 0, fault) == -1) return -1;
  *relay = (struct relay){.stream = 0, .status = 1, .signals = 2, .input = 3, .output = {4, 5},
                          .oom_event = watched ? 6 : -1, .oom_control = watched ? 7 : -1,
                          .program = relay->program};
  /* Who waits for a job must not stand behind those that burn processors. */
  if (take_turns(fault) == -1) return -1;
  /* Only now: the keeper's descriptors, of all its boxes, counted until they were closed. */
  return limit_resources(fault);
}

/* The directory of queues says by its size how many there are. */
static off_t size_of_queues(void) {
  struct stat status;
  return stat("/dev/mqueue", &status) == -1 ? -1 : status.st_size;
}

/* What is left in an IPC namespace the kernel frees some time after its end, and counts until then for the
 * ids of the user namespace: queues and locked memory would be on the next job's bill. */
static bool leaves_something(off_t without_queues) {
  struct shm_info segments = {0};
  if (without_queues == -1 || size_of_queues() != without_queues) return true;
  return shmctl(0, SHM_INFO, (struct shmid_ds *)&segments) == -1 || segments.used_ids != 0;
}

void live_as_box(const struct box_setup *setup) {
  struct fault fault = {0};
  /* Where it is until the descriptors are put in order; a fault after that must find it, too. */
  struct relay relay = {.stream = setup->stream};
  if (start(setup, &relay, &fault) == -1) {
    send_fault(relay.stream, &fault);
    _exit(1);
  }
  const off_t without_queues = size_of_queues();
  const bool is_over = relay_job(&relay);
  if (is_over) become_collector(relay.stream, relay.is_asked);
  _exit(is_over && !leaves_something(without_queues) ? BOX_LEFT_NOTHING : 1);
}
