#include "frames.h"

#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

int read_all(int fd, void *buffer, size_t size) {
  size_t done = 0;
  while (done < size) {
    ssize_t got = read(fd, (char *)buffer + done, size - done);
    if (got == -1 && errno == EINTR) continue;
    if (got == -1) return -1;
    if (got == 0 && done == 0) return 0;
    if (got == 0) {
      errno = EPIPE;
      return -1;
    }
    done += (size_t)got;
  }
  return 1;
}

int write_all(int fd, const void *buffer, size_t size) {
  size_t done = 0;
  while (done < size) {
    ssize_t put = write(fd, (const char *)buffer + done, size - done);
    if (put == -1 && errno == EINTR) continue;
    if (put == -1) return -1;
    done += (size_t)put;
  }
  return 0;
}

int send_frame(int fd, uint32_t type, const void *head, size_t head_size, const void *body,
               size_t body_size) {
  struct frame_header header = {.type = type, .length = (uint32_t)(head_size + body_size)};
  if (head_size + body_size > FRAME_MOST) {
    errno = EMSGSIZE;
    return -1;
  }
  struct iovec parts[3] = {
      {.iov_base = &header, .iov_len = sizeof header},
      {.iov_base = (void *)(uintptr_t)head, .iov_len = head_size},
      {.iov_base = (void *)(uintptr_t)body, .iov_len = body_size},
  };
  struct msghdr message = {.msg_iov = parts, .msg_iovlen = 3};
  while (message.msg_iovlen > 0) {
    ssize_t sent = sendmsg(fd, &message, MSG_NOSIGNAL);
    if (sent == -1 && errno == EINTR) continue;
    if (sent == -1) return -1;
    while (message.msg_iovlen > 0 && (size_t)sent >= message.msg_iov->iov_len) {
      sent -= (ssize_t)message.msg_iov->iov_len;
      message.msg_iov++;
      message.msg_iovlen--;
    }
    if (message.msg_iovlen > 0) {
      message.msg_iov->iov_base = (char *)message.msg_iov->iov_base + sent;
      message.msg_iov->iov_len -= (size_t)sent;
    }
  }
  return 0;
}

int read_frame(int fd, struct frame_header *header, char *payload) {
  int got = read_all(fd, header, sizeof *header);
  if (got != 1) return got;
  if (header->length > FRAME_MOST) {
    errno = EMSGSIZE;
    return -1;
  }
  if (header->length > 0) {
    got = read_all(fd, payload, header->length);
    if (got == 0) errno = EPIPE;
    if (got != 1) return -1;
  }
  payload[header->length] = '\0';
  return 1;
}

void send_fault(int fd, const struct fault *fault) {
  /* Nobody is left to tell when this fails: the closed connection says it then. */
  (void)send_frame(fd, FRAME_FAULT, &fault->err, sizeof fault->err, fault->step,
                   strnlen(fault->step, sizeof fault->step));
}

bool split_strings(char **text, const char *end, char **strings, uint32_t count) {
  for (uint32_t i = 0; i < count; i++) {
    char *stop = memchr(*text, '\0', (size_t)(end - *text));
    if (stop == NULL) return false;
    strings[i] = *text;
    *text = stop + 1;
  }
  strings[count] = NULL;
  return true;
}
