/* frames.c: any bytes in pieces of any size are read as frames or refused; whatever send_frame
 * takes comes out of read_frame the same, however little one call moves. */
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include "fuzz.h"

static struct input stream;
static struct input choices;
static char sent[2 * 128 * 1024 + 64];
static size_t sent_size;

static ssize_t fake_read(void *to, size_t size) {
  if (take(&choices) == 255) {
    errno = take(&choices) % 2 == 0 ? EINTR : EIO;
    return -1;
  }
  size_t share = take_share(&choices, size);
  return (ssize_t)take_bytes(&stream, to, share);
}

static ssize_t fake_sendmsg(const struct msghdr *message) {
  if (take(&choices) == 255) {
    errno = EINTR;
    return -1;
  }
  size_t whole = 0;
  for (size_t i = 0; i < message->msg_iovlen; i++) whole += message->msg_iov[i].iov_len;
  size_t share = take_share(&choices, whole), left = share;
  for (size_t i = 0; i < message->msg_iovlen && left > 0; i++) {
    size_t part = message->msg_iov[i].iov_len < left ? message->msg_iov[i].iov_len : left;
    MUST(sent_size + part <= sizeof sent);
    if (part > 0) memcpy(sent + sent_size, message->msg_iov[i].iov_base, part);
    sent_size += part;
    left -= part;
  }
  return (ssize_t)share;
}

#define read(fd, to, size) ((void)(fd), fake_read(to, size))
#define write(fd, from, size) ((void)(fd), (void)(from), (ssize_t)(size))
#define sendmsg(fd, message, flags) ((void)(fd), fake_sendmsg(message))
#include "../frames.c"

static char payload[FRAME_MOST + 1];

static void read_anything(void) {
  struct frame_header header;
  size_t before = stream.size;
  int got;
  while ((got = read_frame(3, &header, payload)) == 1) {
    MUST(header.length <= FRAME_MOST && payload[header.length] == '\0');
    MUST(before - stream.size == sizeof header + header.length);
    before = stream.size;
  }
  MUST(got == 0 || got == -1);
}

/* The first byte of all says how long head and body are. */
static void send_and_read(const uint8_t *data, size_t size) {
  struct frame_header header;
  char body[FRAME_MOST];
  size_t lengths[2] = {size % 97, size};
  if (size > 0 && data[0] > 250) lengths[1] = FRAME_MOST - lengths[0] + (data[0] - 253u);
  if (lengths[1] > sizeof body) lengths[1] = sizeof body;
  for (size_t i = 0; i < lengths[1]; i++) body[i] = pattern(i, 1);
  sent_size = 0;
  if (send_frame(3, 67, data, lengths[0] < size ? lengths[0] : size, body, lengths[1]) == -1) {
    MUST(errno == EMSGSIZE && lengths[0] + lengths[1] > FRAME_MOST && sent_size == 0);
    return;
  }
  size_t head = lengths[0] < size ? lengths[0] : size;
  stream = (struct input){(const uint8_t *)sent, sent_size};
  choices.size = 0;
  MUST(read_frame(3, &header, payload) == 1 && stream.size == 0);
  MUST(header.type == 67 && header.length == head + lengths[1]);
  MUST(memcmp(payload, data, head) == 0 && memcmp(payload + head, body, lengths[1]) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  /* The second half decides how much each call moves. */
  size_t half = size / 2;
  choices = (struct input){data + half, size - half};
  stream = (struct input){data, half};
  read_anything();
  choices = (struct input){data + half, size - half};
  send_and_read(data, size);
  return 0;
}
