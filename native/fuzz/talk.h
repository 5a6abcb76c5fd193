/* What the relay and its peer tell each other, as an own reader sees it; a part of relay.c, whose
 * program, printed_most and killed_all it looks at.
 *
 * Theory of operation. Every byte that the relay sends comes through `hear`, in whatever pieces, and is
 * taken apart by a second reader of frames that shares nothing with the product's: each frame has a known
 * kind, its length, and its place in the order. What was printed is checked byte by byte, since the
 * n-th byte of a stream has one value. Every byte that the relay receives goes through `follow`, which
 * writes such a pattern into what is sent to the program, and notes when the peer is at fault itself. */
#ifndef SANDRUN_FUZZ_TALK_H
#define SANDRUN_FUZZ_TALK_H

/* Frames to the relay, as an own reader sees them. */
static struct {
  char header[8];
  uint32_t header_done, type, left;
  uint64_t stdin_sent, stdin_written; /* bytes of STDIN frames; of those, what the program took */
  bool stdin_ended, over_credit;
} peer;

/* Frames from the relay, likewise. */
static struct {
  char header[8], head[32];
  uint32_t header_done, type, length, done;
  uint64_t granted, printed[2];
  bool started, ending, exited, faulted;
} heard;

static void end_of_heard(void);

static void hear(const char *bytes, size_t size) {
  for (size_t i = 0; i < size; i++) {
    if (heard.header_done < 8) {
      heard.header[heard.header_done++] = bytes[i];
      if (heard.header_done < 8) continue;
      memcpy(&heard.type, heard.header, 4);
      memcpy(&heard.length, heard.header + 4, 4);
      heard.done = 0;
      MUST(!heard.exited && !heard.faulted && heard.length <= 128 * 1024);
      MUST(heard.type >= 65 && heard.type <= 76);
    } else {
      if (heard.done < sizeof heard.head) heard.head[heard.done] = bytes[i];
      if (heard.type == 67 && heard.done >= 4) {
        unsigned index = (unsigned)heard.head[0] - 1;
        MUST(index < 2 && bytes[i] == pattern(heard.printed[index]++, index));
      }
      heard.done++;
    }
    if (heard.done == heard.length) end_of_heard();
  }
}

static void end_of_heard(void) {
  uint32_t number;
  memcpy(&number, heard.head, 4);
  heard.header_done = 0;
  switch (heard.type) {
    case 65: MUST(heard.length == 4 && !heard.started); break;
    case 66:
      MUST(heard.length == 0 && !heard.started && heard.printed[0] + heard.printed[1] == 0);
      heard.started = true;
      break;
    case 67:
      MUST(heard.length > 4 && heard.length <= 4 + 64 * 1024);
      MUST(heard.printed[0] + heard.printed[1] <= printed_most);
      break;
    case 68: MUST(heard.length == 32); heard.exited = true; break;
    case 73:
      MUST(heard.length >= 4 && heard.length <= 128);
      heard.faulted = true;
      if (memcmp(heard.head + 4, "more input", 10) == 0) MUST(peer.over_credit || peer.stdin_ended);
      break;
    case 74: MUST(heard.length == 4); heard.granted += number; break;
    case 75: MUST(heard.length == 0 && !heard.started && program == PROGRAM && told == 1); break;
    case 76:
      MUST(heard.length == 0 && killed_all && !heard.ending);
      heard.ending = true;
      break;
    default: MUST(false);
  }
}

/* Follows the frames that the relay is given, to know what the program must read. */
static void follow(char *byte) {
  if (peer.header_done < 8) {
    peer.header[peer.header_done++] = *byte;
    if (peer.header_done < 8) return;
    memcpy(&peer.type, peer.header, 4);
    memcpy(&peer.left, peer.header + 4, 4);
    if (peer.type == 5 && peer.stdin_sent + peer.left > heard.granted) peer.over_credit = true;
    if (peer.type == 6) peer.stdin_ended = true;
  } else {
    if (peer.type == 5) *byte = pattern(peer.stdin_sent++, 9);
    peer.left--;
  }
  if (peer.left == 0) peer.header_done = 0;
}

#endif
