/* Theory of operation. A good part of what makes a process a box is the same for all boxes of a slot:
 * its user namespace with the maps of its ids, its place in the groups of PID 1s, the empty
 * bounding set. Whoever enters a user namespace has a full one, and to empty it takes forty calls; the
 * maps take two processes that wait for each other. So that is done once, by a child of the keeper
 * that stays, and PID 1 of a box is its fork, in all other namespaces anew.
 *
 * It lives as long as the slot's mounts (lease.c), so it bears a hundred boxes at most; and it ends with a box that
 * left something in its namespaces, or that died before that could be seen, since the kernel counts such things
 * for the user namespace for a while. It holds nothing of a job: it gets a connection and passes it on,
 * unread. No box can see it, as it is outside of their namespaces of processes. Boxes of templates have
 * none: those are forked elsewhere.
 *
 * Keeps S2 and S4 of SECURITY.md. */
#include "steward.h"

#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "lease.h"
#include "order.h"

enum { CONTROL = 3 };

/* The box is the keeper's child, as any other. */
static int bear(const struct box_setup *setup, struct fault *fault) {
  pid_t pid = clone_apart(CLONE_NEWPID | CLONE_NEWNS | CLONE_NEWIPC | CLONE_NEWUTS | CLONE_PARENT, 0);
  if (pid == 0) {
    /* For whoever looks at the host's processes, as that of the steward. */
    if (prctl(PR_SET_NAME, "sandrun-box", 0, 0, 0) == -1) _exit(1);
    live_as_box(setup);
  }
  TRY(pid, "clone the box");
  return pid;
}

void live_as_steward(const struct box_setup *first, int control) {
  struct box_setup setup = *first;
  struct bearers_word word = {0};
  struct order order;
  int fds[ORDER_DESCRIPTORS_MOST], count;
  const bool is_fit = become_slot_root(&setup, &word.fault) == 0;
  /* Connections of boxes are among the others, whose end somebody waits for. */
  if (dup3(control, CONTROL, O_CLOEXEC) == -1 || syscall(SYS_close_range, CONTROL + 1, ~0u, 0) == -1) _exit(1);
  if (prctl(PR_SET_NAME, "sandrun-steward", 0, 0, 0) == -1) _exit(1);
  setup.is_slot_root = true;
  while (take_order(CONTROL, &order, fds, &count)) {
    (void)read_order(&order, fds, &setup);
    if (is_fit) {
      word = (struct bearers_word){0};
      word.box = bear(&setup, &word.fault);
    }
    for (int i = 0; i < count; i++) close(fds[i]);
    if (write_all(CONTROL, &word, sizeof word) == -1) break;
  }
  _exit(0);
}

pid_t ask_steward(const struct steward *steward, const struct box_setup *setup, struct fault *fault) {
  if (send_order(steward->control, setup, NULL, 0, fault) == -1) return -1;
  return hear_bearer(steward->control, fault);
}

void bury_steward(struct steward *steward) {
  close(steward->control);
  *steward = (struct steward){0};
}

void end_steward(struct steward *steward) {
  if (steward->pid == 0) return;
  (void)kill(steward->pid, SIGKILL);
  bury_steward(steward);
}
