/* The warden.
 *
 * Theory of operation. It takes a range of ids, makes the service's cgroups, builds the tree that
 * boxes are made from, starts the keeper, for the service Node too, and watches over them (watch.c)
 * until it is to stop. Then all that it made goes. It is the only part that may be root, so it never
 * reads anything that a caller or a job has touched.
 *
 *   local  a command line's own: plan on standard input, description on standard output, and
 *          the end of standard input is the end of everything
 *   serve  the service: opens the listening socket and the certificate, and runs Node as a uid
 *          of its own
 */
#include "warden.h"

#include <sched.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "keeper.h"

int complain(const struct fault *fault) {
  (void)fprintf(stderr, "sandrun: the sandbox could not be set up: %s%s%s\n", fault->step,
                fault->err == 0 ? "" : ": ", fault->err == 0 ? "" : strerror(fault->err));
  return FAILED;
}

void end_child(pid_t pid) {
  if (pid <= 0) return;
  (void)kill(pid, SIGKILL);
  while (waitpid(pid, NULL, 0) == -1 && errno == EINTR) continue;
}

/* Everything that a keeper needs before it can start. */
static int prepare(struct warden *warden, struct fault *fault) {
  struct range *range = &warden->range;
  if (warden->plan.slots * IDS_PER_SLOT > range->count - SLOT_ID_OFFSET)
    return FAIL_WITH(fault, ERANGE, "the range of ids is too small for %u slots", warden->plan.slots);
  warden->plan.cgroups.owner = range->privileged && warden->serving ? range->service_uid : geteuid();
  if (open_cgroups(&warden->plan.cgroups, range->name, fault) == -1) return -1;
  warden->binary = copy_self(fault);
  warden->keeper_listener = warden->binary == -1 ? -1 : open_door(&warden->range, fault);
  return warden->keeper_listener == -1 ? -1 : 0;
}

/* Nothing of the service stays on the host after this. */
static int clean_up(struct warden *warden) {
  struct fault fault = {0};
  end_child(warden->succession.next.pid);
  end_child(warden->succession.current.pid);
  end_child(warden->keeper);
  int failed = remove_cgroups(&warden->plan.cgroups, &fault);
  remove_runtime_directory(&warden->range);
  release_range(&warden->range);
  return failed == -1 ? complain(&fault) : 0;
}

static int start_serving(struct warden *warden, struct fault *fault) {
  struct succession *succession = &warden->succession;
  warden->service.listener = open_listener(&warden->range, &warden->plan, fault);
  if (warden->service.listener == -1 || open_certificate(&warden->service, fault) == -1) return -1;
  succession->range = &warden->range;
  succession->plan = &warden->plan;
  succession->service = &warden->service;
  succession->handover = warden->handover;
  return start_first_node(succession, fault);
}

/* Reads the plan from whoever has it. 1 = there is none, and `*status` says how it ended. */
static int obtain_plan(struct warden *warden, int *status, struct fault *fault) {
  if (!warden->serving) return read_plan(STDIN_FILENO, &warden->plan, fault);
  if (warden->range.privileged && mount_app(&warden->range, &warden->service, fault) == -1) return -1;
  return ask_plan(&warden->range, &warden->service, &warden->plan, status, fault);
}

static int start_all(struct warden *warden, int *status, struct fault *fault) {
  if (make_runtime_directory(&warden->range, fault) == -1) return -1;
  if (warden->range.privileged) {
    /* What is mounted for the keeper and for Node is no business of the rest of the host. */
    TRY(unshare(CLONE_NEWNS), "make a mount namespace");
    TRY(mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL), "make mounts private");
  }
  int planned = obtain_plan(warden, status, fault);
  if (planned != 0) return planned;
  warden->signals = watch_signals(fault);
  if (warden->signals == -1 || prepare(warden, fault) == -1 || run_keeper(warden, fault) == -1) return -1;
  if (describe(&warden->range, &warden->plan, warden->handover, sizeof warden->handover, fault) == -1)
    return -1;
  if (warden->serving) return start_serving(warden, fault);
  TRY(write_all(STDOUT_FILENO, warden->handover, strlen(warden->handover)), "say where the keeper is");
  return 0;
}

/* Keeper and warden hold some descriptors for every slot, together more than the thousand that a login or
 * a unit usually has; up to the second limit anybody may. */
static int take_descriptors(struct fault *fault) {
  struct rlimit files;
  TRY(getrlimit(RLIMIT_NOFILE, &files), "ask how many files may be open");
  files.rlim_cur = files.rlim_max;
  TRY(setrlimit(RLIMIT_NOFILE, &files), "have as many files open as may be");
  return 0;
}

static int run_warden(struct warden *warden, char **arguments) {
  struct fault fault = {0};
  int status = 0;
  if (take_descriptors(&fault) == -1) return complain(&fault);
  /* Started from memory, it would be called by the number of a descriptor. */
  if (prctl(PR_SET_NAME, "sandrun-native", 0, 0, 0) == -1) {
    (void)fail(&fault, "take the name of a warden");
    return complain(&fault);
  }
  warden->plan.cgroups.companion = warden->serving ? 0 : getppid();
  if (take_scope(arguments, warden->plan.cgroups.companion, &fault) == -1) return complain(&fault);
  warden->keeper = warden->channel = warden->range.lock = -1;
  warden->succession.current = warden->succession.next = (struct node){.pid = -1, .talk = -1};
  warden->succession.give_up_ms = warden->succession.retry.due_ms = warden->keeper_retry.due_ms = -1;
  if (take_range(&warden->range, &fault) == -1) return complain(&fault);
  int started = start_all(warden, &status, &fault);
  if (started == -1) status = complain(&fault);
  if (started == 0) status = watch_over(warden);
  int cleaned = clean_up(warden);
  return status != 0 ? status : cleaned;
}

/* ROOT COMMAND... -- OPTIONS. The command is told by whoever starts us, since it depends on how
 * this program was built. */
static bool take_command(struct service *service, char **words) {
  int count = 0;
  for (service->root = *words++; words[count] != NULL && strcmp(words[count], "--") != 0; count++) {
    if (count == COMMAND_MOST - 1) return false;
    service->command[count] = words[count];
  }
  if (count == 0 || words[count] == NULL) return false;
  service->arguments = words + count + 1;
  return true;
}

int main(int argc, char **argv) {
  static struct warden warden;
  if (argc > 1 && strcmp(argv[0], "keeper") == 0) live_as_keeper(argc - 1, argv + 1);
  if (argc == 2 && strcmp(argv[1], "local") == 0) return run_warden(&warden, argv);
  if (argc > 2 && strcmp(argv[1], "serve") == 0 && take_command(&warden.service, argv + 2)) {
    warden.serving = true;
    return run_warden(&warden, argv);
  }
  (void)fprintf(stderr, "sandrun-native is run by sandrun, not by hand: local | serve ROOT COMMAND... -- OPTIONS\n");
  return FAILED;
}
