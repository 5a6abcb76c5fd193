/* The keeper: makes boxes.
 *
 * PID 1 of its own user, PID, mount, network, IPC and UTS namespaces, so that all boxes die
 * with it; no id of the host is mapped here but those of the slots. A connection to its socket
 * is a box: it checks who connects, reads one request of fixed size, takes the slot's groups
 * from the warden (passing.c), and has the box borne with that connection (order.c). It holds the connection open until
 * it has waited for the box, so that end of file tells the other side that the box is gone;
 * it reads nothing more from it, and so never sees job data.
 *
 * Keeps S2 and S11 of SECURITY.md.
 */
#include "keeper.h"

#include <fcntl.h>
#include <linux/sched.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#include "hoard.h"
#include "lease.h"
#include "seccomp.h"
#include "template.h"

struct slot {
  pid_t box; /* 0 = free */
  int connection;
  struct lease lease;
};

struct keeper {
  int slot_count, tree_count, signals;
  struct home home; /* held, or an inode number of these would be given to a slot's and look like ours */
  struct slot slots[SLOTS_MOST];
  struct tree trees[TREES_MOST];
  struct filter filter; /* of all processes of a box */
  unsigned long long namespaces[NAMESPACES];
  struct hoard hoard;
  struct template templates[TEMPLATES_MOST];
};

static int bear_warm(struct keeper *keeper, struct box_setup *setup, struct fault *fault) {
  struct slot *slot = &keeper->slots[setup->request.slot];
  TRY(pipe2(setup->mapped, O_CLOEXEC), "make a pipe for the box");
  pid_t pid = bear_box(&keeper->templates[setup->request.warm_from - 1], setup, &slot->lease, fault);
  if (pid != -1) {
    slot->box = pid;
    slot->connection = setup->stream;
  }
  int result = pid == -1 ? -1 : map_ids(pid, setup->request.slot, setup->mapped[1], fault);
  close(setup->mapped[0]);
  close(setup->mapped[1]);
  return result;
}

static int bear_plain(struct keeper *keeper, struct box_setup *setup, struct fault *fault) {
  struct slot *slot = &keeper->slots[setup->request.slot];
  if (start_steward(&slot->lease, &keeper->home, setup, fault) == -1) return -1;
  pid_t pid = ask_steward(&slot->lease.steward, setup, fault);
  if (pid == -1) {
    end_steward(&slot->lease.steward);
    return -1;
  }
  slot->box = pid;
  slot->connection = setup->stream;
  return 0;
}

static int start_box(struct keeper *keeper, int connection, const struct box_request *request,
                     struct fault *fault) {
  struct slot *slot = &keeper->slots[request->slot];
  struct box_setup setup = {.stream = connection, .request = *request, .trees = keeper->trees,
                            .tree_count = keeper->tree_count, .filter = &keeper->filter};
  memcpy(setup.outer_namespaces, keeper->namespaces, sizeof keeper->namespaces);
  if (make_lease(&slot->lease, &keeper->home, &setup, fault) == -1) return -1;
  if (ask_groups(KEEPER_WARDEN, request->slot, &setup.groups, fault) == -1) return -1;
  int result = request->warm_from != 0 ? bear_warm(keeper, &setup, fault) : bear_plain(keeper, &setup, fault);
  close_groups(&setup.groups);
  return result;
}

static int check_request(const struct keeper *keeper, const struct box_request *request,
                         struct fault *fault) {
  const uint64_t most = 1ull << 34;
  if (request->magic != REQUEST_MAGIC) return FAIL_WITH(fault, EPROTO, "read the request");
  if (request->slot >= (uint32_t)keeper->slot_count) return FAIL_WITH(fault, ERANGE, "slot of the request");
  if (request->environment > (uint32_t)keeper->tree_count)
    return FAIL_WITH(fault, ERANGE, "environment of the request");
  if (request->warm_from > TEMPLATES_MOST || (request->warm_from != 0 && request->environment != 0))
    return FAIL_WITH(fault, ERANGE, "template of the request");
  if (request->work_bytes > most || request->tmp_bytes > most || request->shm_bytes > most ||
      request->work_inodes > most || request->tmp_inodes > most || request->work_bytes == 0 ||
      request->tmp_bytes == 0 || request->shm_bytes == 0 || request->work_inodes == 0 ||
      request->tmp_inodes == 0)
    return FAIL_WITH(fault, ERANGE, "sizes of the request");
  if (keeper->slots[request->slot].box != 0) return FAIL_WITH(fault, EBUSY, "the slot has a box");
  return 0;
}

/* Node sends its request one turn of its loop after it has connected, which on a busy machine may
 * take seconds; nobody but Node asks for boxes, so nobody else waits meanwhile. */
enum { REQUEST_SECONDS = 10 };

static int receive_timeout(int connection, time_t seconds) {
  struct timeval value = {.tv_sec = seconds};
  return setsockopt(connection, SOL_SOCKET, SO_RCVTIMEO, &value, sizeof value);
}

/* The socket lies in a directory that only the service can enter. As a second lock, whoever has
 * an id of this namespace is one of our own boxes, and refused. */
static int check_peer(int connection, struct fault *fault) {
  struct ucred peer;
  socklen_t size = sizeof peer;
  TRY(getsockopt(connection, SOL_SOCKET, SO_PEERCRED, &peer, &size), "ask who connects");
  if (peer.uid != 65534 || peer.pid != 0) return FAIL_WITH(fault, EPERM, "a process of a box connects");
  return 0;
}

/* The request of a template is the beginning of one for a box. */
static int take_request(struct keeper *keeper, int connection, struct fault *fault) {
  struct box_request request;
  struct template_request head;
  /* One call each: the time is for all of it, not for each byte that drips in. */
  if (receive_timeout(connection, REQUEST_SECONDS) == -1 ||
      recv(connection, &head, sizeof head, MSG_WAITALL) != sizeof head)
    return FAIL_WITH(fault, EPROTO, "read the request");
  if (head.magic == TEMPLATE_MAGIC) return start_template(keeper->templates, head.number, connection, fault);
  memcpy(&request, &head, sizeof head);
  const size_t rest = sizeof request - sizeof head;
  if (recv(connection, (char *)&request + sizeof head, rest, MSG_WAITALL) != (ssize_t)rest ||
      receive_timeout(connection, 0) == -1)
    return FAIL_WITH(fault, EPROTO, "read the request");
  if (check_request(keeper, &request, fault) == -1) return -1;
  return start_box(keeper, connection, &request, fault);
}

static void accept_box(struct keeper *keeper) {
  struct fault fault = {0};
  int connection = accept4(KEEPER_LISTENER, NULL, NULL, SOCK_CLOEXEC);
  if (connection == -1) {
    /* The peer is gone again; or there is no descriptor for it until a box has gone, and it waits
     * where it is: asking on and on would only take the time of those boxes. */
    if (errno == EMFILE || errno == ENFILE || errno == ENOMEM) (void)usleep(10000);
    return;
  }
  int result = check_peer(connection, &fault);
  if (result == 0) result = take_request(keeper, connection, &fault);
  if (result == 0) return;
  send_fault(connection, &fault);
  /* A box that was made all the same holds the slot until it is waited for. */
  for (int i = 0; i < keeper->slot_count; i++)
    if (keeper->slots[i].box != 0 && keeper->slots[i].connection == connection) {
      (void)kill(keeper->slots[i].box, SIGKILL);
      return;
    }
  close(connection);
}

static void reap_boxes(struct keeper *keeper) {
  char ignored[512];
  while (read(keeper->signals, ignored, sizeof ignored) > 0) continue;
  int status;
  for (pid_t pid; (pid = waitpid(-1, &status, WNOHANG)) > 0;)
    for (int i = 0; i < keeper->slot_count; i++)
      if (keeper->slots[i].box == pid) {
        /* The next box is to have a user namespace to which nothing is charged. */
        if (!WIFEXITED(status) || WEXITSTATUS(status) != BOX_LEFT_NOTHING) end_steward(&keeper->slots[i].lease.steward);
        close(keeper->slots[i].connection);
        keeper->slots[i].box = 0;
      } else if (keeper->slots[i].lease.steward.pid == pid) {
        bury_steward(&keeper->slots[i].lease.steward);
      }
}

static bool has_box(const struct keeper *keeper) {
  for (int i = 0; i < keeper->slot_count; i++)
    if (keeper->slots[i].box != 0) return true;
  return false;
}

/* The box ends its job; its first process takes this signal from nobody else. */
static void stop_hoarder(struct keeper *keeper) {
  int slot = find_hoarder(&keeper->hoard, keeper->slot_count);
  if (slot != -1 && keeper->slots[slot].box != 0) (void)kill(keeper->slots[slot].box, SIGUSR1);
}

/* Milliseconds until something is to be looked at without an event; -1 = never. */
static int time_to_wait(struct keeper *keeper, bool watches) {
  bool some_left = false;
  for (int i = 0; i < keeper->slot_count; i++) some_left |= keep_fresh(&keeper->slots[i].lease);
  return watches ? HOARD_LOOK_MS : some_left ? LEASE_FRESH_MS : -1;
}

enum { AT_TEMPLATES = 3, AT_COUNT = AT_TEMPLATES + 2 * TEMPLATES_MOST };

/* Two for each: its own word, and that whoever asked for it hangs up. */
static void watch_templates(const struct keeper *keeper, struct pollfd *events) {
  for (int i = 0; i < TEMPLATES_MOST; i++) {
    const struct template *template = &keeper->templates[i];
    events[2 * i] = (struct pollfd){.fd = template->pid == 0 ? -1 : template->control, .events = POLLIN};
    events[2 * i + 1] = (struct pollfd){.fd = template->pid == 0 ? -1 : template->connection, .events = POLLIN};
  }
}

static void hear_templates(struct keeper *keeper, const struct pollfd *events) {
  for (int i = 0; i < TEMPLATES_MOST; i++) {
    struct template *template = &keeper->templates[i];
    const bool hung_up = events[2 * i + 1].revents != 0;
    if (hung_up || (events[2 * i].revents != 0 && !hear_template(template))) end_template(template);
  }
}

static int set_up(struct keeper *keeper, int argc, char **argv, struct fault *fault) {
  if (argc < 1 || argc - 1 > TREES_MOST) return FAIL_WITH(fault, EINVAL, "the keeper's arguments");
  keeper->slot_count = atoi(argv[0]);
  if (keeper->slot_count < 1 || keeper->slot_count > SLOTS_MOST)
    return FAIL_WITH(fault, ERANGE, "the keeper's slots");
  for (int i = 0; i < keeper->slot_count; i++) keeper->slots[i].lease = (struct lease){.network = -1, .mounts = -1};
  for (int i = 1; i < argc; i++) keeper->trees[keeper->tree_count++].kind = tree_kind_of(argv[i]);
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGCHLD);
  TRY(sigprocmask(SIG_BLOCK, &set, NULL), "block SIGCHLD");
  keeper->signals = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
  TRY(keeper->signals, "watch for the end of boxes");
  /* A box is some thirty short pieces of work between waits, most of them before its job is there. With all of
   * them breaking into Node's work or each other's, a busy machine makes some boxes in a hundred less. */
  if (be_patient(fault) == -1) return -1;
  TRY(sethostname("sandrun", 7), "set the keeper's host name");
  TRY(mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL), "make mounts private");
  TRY(mount("proc", "/proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL),
      "mount /proc of the keeper (where the host hides parts of /proc, this is refused)");
  if (compile_filter(&keeper->filter, fault) == -1) return -1;
  if (open_home(&keeper->home, fault) == -1) return -1;
  return read_namespaces(keeper->namespaces, fault);
}

void live_as_keeper(int argc, char **argv) {
  static struct keeper keeper;
  struct groups_reply hello = {0};
  /* Taking the ids of this namespace cleared it, so it is asked for here. */
  if (prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) == -1) _exit(1);
  /* For whoever looks at the host's processes: executed from memory it would be called "5". */
  if (prctl(PR_SET_NAME, "sandrun-keeper", 0, 0, 0) == -1) _exit(1);
  int failed = set_up(&keeper, argc, argv, &hello.fault) == -1;
  if (write_all(KEEPER_WARDEN, &hello, sizeof hello) == -1 || failed) _exit(1);
  for (;;) {
    struct pollfd events[AT_COUNT] = {{.fd = KEEPER_LISTENER, .events = POLLIN},
                                      {.fd = KEEPER_WARDEN, .events = 0},
                                      {.fd = keeper.signals, .events = POLLIN}};
    bool watches = has_box(&keeper);
    watch_templates(&keeper, &events[AT_TEMPLATES]);
    if (poll(events, AT_COUNT, time_to_wait(&keeper, watches)) == -1 && errno != EINTR) _exit(1);
    if (events[1].revents != 0) _exit(0); /* the warden is gone */
    if (events[2].revents != 0) reap_boxes(&keeper);
    hear_templates(&keeper, &events[AT_TEMPLATES]);
    if (events[0].revents != 0) accept_box(&keeper);
    if (watches) stop_hoarder(&keeper);
  }
}
