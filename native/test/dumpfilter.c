/* Writes a compiled filter to stdout as it would be given to the kernel: an array of struct
 * sock_filter. Only for tests; see test/native/seccomp.test.ts.
 */
#include <stdio.h>
#include <string.h>

#include "../seccomp.h"

static struct filter filter;

int main(void) {
  struct fault fault = {0};
  if (compile_filter(&filter, &fault) == -1) {
    fprintf(stderr, "%s: %s\n", fault.step, strerror(fault.err));
    return 1;
  }
  size_t written = fwrite(filter.code, sizeof filter.code[0], filter.length, stdout);
  return written == filter.length && fflush(stdout) == 0 ? 0 : 1;
}
