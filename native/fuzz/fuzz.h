/* What the fuzz targets share.
 *
 * A target includes the source file that it tests, so that it reaches static functions, after
 * macros have put fakes in the place of the system calls made there. So nothing on the machine is
 * touched, a run takes microseconds, and the bytes from the fuzzer decide what the "system"
 * answers: how much a read gives, what fails, what comes first. Beside the sanitizers each target
 * holds its code against a model of its own with MUST. */
#ifndef SANDRUN_FUZZ_H
#define SANDRUN_FUZZ_H

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MUST(condition)                                                              \
  do {                                                                               \
    if (!(condition)) {                                                              \
      fprintf(stderr, "%s:%d: does not hold: %s\n", __FILE__, __LINE__, #condition); \
      abort();                                                                       \
    }                                                                                \
  } while (0)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* The fuzzer's bytes, taken from the front. */
struct input {
  const uint8_t *data;
  size_t size;
};

/* The next byte; 0 when there is none. */
static inline unsigned take(struct input *input) {
  if (input->size == 0) return 0;
  input->size--;
  return *input->data++;
}

static inline size_t take_bytes(struct input *input, void *to, size_t most) {
  size_t count = most < input->size ? most : input->size;
  if (count > 0) memcpy(to, input->data, count);
  input->data += count;
  input->size -= count;
  return count;
}

/* How much of `wanted` one call of the system moves: all of it for half of the values. */
static inline size_t take_share(struct input *input, size_t wanted) {
  unsigned share = take(input);
  if (share < 128 || wanted == 0) return wanted;
  size_t count = share < 192 ? share - 127 : (size_t)(share - 191) * 1024;
  return count < wanted ? count : wanted;
}

/* Bytes of no meaning that show by themselves where in a stream they belong. */
static inline char pattern(uint64_t at, unsigned stream) {
  return (char)(at * 31 + (at >> 8) * 7 + stream * 101);
}

#endif
