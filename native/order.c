/* Theory of operation. The keeper makes no box itself: it tells a steward or a template for whom, and passes on
 * what the box will hold, in one message; the one who bears answers with the number of the box's first
 * process, a child of the keeper (CLONE_PARENT), or with what failed. One order is under way at a time.
 * Both trust each other: what is checked here is that both were built from the same sources. */
#include "order.h"

#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

union carried {
  struct cmsghdr header;
  char space[CMSG_SPACE(ORDER_DESCRIPTORS_MOST * sizeof(int))];
};

int open_channel(int *ends, struct fault *fault) {
  const struct timeval most = {.tv_sec = BEARER_SECONDS};
  TRY(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends), "make a channel of the keeper's");
  if (setsockopt(ends[0], SOL_SOCKET, SO_RCVTIMEO, &most, sizeof most) == 0) return 0;
  fail(fault, "limit the waiting on a channel of the keeper's");
  close(ends[0]);
  close(ends[1]);
  return -1;
}

int send_order(int to, const struct box_setup *setup, const int *more, int more_count, struct fault *fault) {
  const struct groups *groups = &setup->groups;
  struct order order = {.request = setup->request, .group_count = groups->count,
                        .has_oom = groups->oom_event != -1, .tree_count = setup->tree_count};
  int fds[ORDER_DESCRIPTORS_MOST] = {setup->stream}, count = 1;
  memcpy(order.outer_namespaces, setup->outer_namespaces, sizeof order.outer_namespaces);
  for (int i = 0; i < setup->tree_count; i++) order.tree_kinds[i] = setup->trees[i].kind;
  for (int i = 0; i < groups->count; i++) fds[count++] = groups->job_procs[i];
  if (order.has_oom) {
    fds[count++] = groups->oom_event;
    fds[count++] = groups->oom_control;
  }
  for (int i = 0; i < more_count; i++) fds[count++] = more[i];
  union carried control = {.header = {.cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS,
                                      .cmsg_len = CMSG_LEN((size_t)count * sizeof(int))}};
  memcpy(CMSG_DATA(&control.header), fds, (size_t)count * sizeof(int));
  struct iovec part = {.iov_base = &order, .iov_len = sizeof order};
  const struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1, .msg_control = &control,
                                 .msg_controllen = CMSG_SPACE((size_t)count * sizeof(int))};
  TRY((int)sendmsg(to, &message, MSG_NOSIGNAL), "order a box");
  return 0;
}

pid_t hear_bearer(int from, struct fault *fault) {
  struct bearers_word word = {0};
  const ssize_t got = recv(from, &word, sizeof word, 0);
  if (got != sizeof word) return FAIL_WITH(fault, got == -1 ? errno : EPIPE, "hear who was to bear a box");
  if (word.fault.err == 0 && word.box > 0) return word.box;
  *fault = word.fault;
  return -1;
}

bool take_order(int from, struct order *order, int *fds, int *count) {
  union carried control;
  struct iovec part = {.iov_base = order, .iov_len = sizeof *order};
  struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1, .msg_control = &control,
                           .msg_controllen = sizeof control};
  if (recvmsg(from, &message, MSG_CMSG_CLOEXEC) != sizeof *order) return false;
  const struct cmsghdr *header = CMSG_FIRSTHDR(&message);
  if (header == NULL || header->cmsg_type != SCM_RIGHTS) return false;
  *count = (int)((header->cmsg_len - CMSG_LEN(0)) / sizeof(int));
  memcpy(fds, CMSG_DATA(header), (size_t)*count * sizeof(int));
  return order->group_count >= 1 && order->group_count <= HIERARCHIES_MOST && order->tree_count >= 0 &&
         order->tree_count <= TREES_MOST && *count >= 1 + order->group_count + (order->has_oom ? 2 : 0);
}

const int *read_order(const struct order *order, const int *fds, struct box_setup *setup) {
  const int count = order->group_count;
  setup->stream = *fds++;
  setup->request = order->request;
  setup->tree_count = order->tree_count;
  memcpy(setup->outer_namespaces, order->outer_namespaces, sizeof setup->outer_namespaces);
  setup->groups = (struct groups){.count = count, .oom_event = -1, .oom_control = -1};
  memcpy(setup->groups.job_procs, fds, (size_t)count * sizeof(int));
  fds += count;
  if (!order->has_oom) return fds;
  setup->groups.oom_event = fds[0];
  setup->groups.oom_control = fds[1];
  return fds + 2;
}
