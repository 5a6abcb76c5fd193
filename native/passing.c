/* Groups of a slot on their way from the warden to the keeper.
 *
 * Theory of operation. The keeper has no id that could open a group, so the warden opens those of a
 * slot for each box and passes the descriptors on; what the keeper says is the number of a slot and
 * nothing else. Beside the reply lie the descriptors, all or none: first those to join the groups of
 * PID 1, one for each hierarchy, then those of the job in the same order, then the two for the want of
 * memory where the reply says so. A reply with a fault carries none. Both sides stand here, since the
 * order is theirs alone. The keeper trusts the warden, and still takes nothing that does not fit.
 */
#include "passing.h"

#include <sys/socket.h>
#include <unistd.h>

enum { DESCRIPTORS_MOST = 2 * HIERARCHIES_MOST + 2 };

union carried {
  struct cmsghdr header;
  char space[CMSG_SPACE(DESCRIPTORS_MOST * sizeof(int))];
};

bool send_groups(int keeper, const struct groups *groups, const struct fault *fault) {
  struct groups_reply reply = {.fault = *fault};
  union carried control = {0};
  struct iovec part = {.iov_base = &reply, .iov_len = sizeof reply};
  struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1};
  if (fault->err == 0) {
    int fds[DESCRIPTORS_MOST], count = groups->count;
    memcpy(fds, groups->box_procs, (size_t)count * sizeof(int));
    memcpy(fds + count, groups->job_procs, (size_t)count * sizeof(int));
    reply.count = count;
    reply.has_oom = groups->oom_event != -1;
    int total = 2 * count + (reply.has_oom ? 2 : 0);
    if (reply.has_oom) {
      fds[2 * count] = groups->oom_event;
      fds[2 * count + 1] = groups->oom_control;
    }
    control.header.cmsg_level = SOL_SOCKET;
    control.header.cmsg_type = SCM_RIGHTS;
    control.header.cmsg_len = CMSG_LEN((size_t)total * sizeof(int));
    memcpy(CMSG_DATA(&control.header), fds, (size_t)total * sizeof(int));
    message.msg_control = &control;
    message.msg_controllen = CMSG_SPACE((size_t)total * sizeof(int));
  }
  return sendmsg(keeper, &message, MSG_NOSIGNAL | MSG_DONTWAIT) == sizeof reply;
}

static int receive_groups(int warden, struct groups *groups, struct fault *fault) {
  union carried control;
  struct groups_reply reply;
  struct iovec part = {.iov_base = &reply, .iov_len = sizeof reply};
  struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1, .msg_control = &control,
                           .msg_controllen = sizeof control};
  ssize_t got = recvmsg(warden, &message, MSG_CMSG_CLOEXEC);
  if (got != sizeof reply) return FAIL_WITH(fault, got == -1 ? errno : EPIPE, "ask the warden for a slot's groups");
  if (reply.fault.err != 0) {
    *fault = reply.fault;
    return -1;
  }
  struct cmsghdr *header = CMSG_FIRSTHDR(&message);
  int count = reply.count, fds[DESCRIPTORS_MOST];
  if (count < 1 || count > HIERARCHIES_MOST) return FAIL_WITH(fault, EPROTO, "take a slot's groups");
  int wanted = 2 * count + (reply.has_oom ? 2 : 0);
  if (header == NULL || header->cmsg_type != SCM_RIGHTS || header->cmsg_len != CMSG_LEN((size_t)wanted * sizeof(int)))
    return FAIL_WITH(fault, EPROTO, "take a slot's groups");
  memcpy(fds, CMSG_DATA(header), (size_t)wanted * sizeof(int));
  *groups = (struct groups){.count = count, .oom_event = reply.has_oom ? fds[2 * count] : -1,
                            .oom_control = reply.has_oom ? fds[2 * count + 1] : -1};
  for (int i = 0; i < count; i++) {
    groups->box_procs[i] = fds[i];
    groups->job_procs[i] = fds[count + i];
  }
  return 0;
}

int ask_groups(int warden, uint32_t slot, struct groups *groups, struct fault *fault) {
  const struct groups_request ask = {.slot = slot};
  TRY((int)send(warden, &ask, sizeof ask, MSG_NOSIGNAL), "ask the warden for a slot's groups");
  return receive_groups(warden, groups, fault);
}

void close_groups(const struct groups *groups) {
  for (int i = 0; i < groups->count; i++) {
    close(groups->box_procs[i]);
    close(groups->job_procs[i]);
  }
  if (groups->oom_event != -1) close(groups->oom_event);
  if (groups->oom_control != -1) close(groups->oom_control);
}
