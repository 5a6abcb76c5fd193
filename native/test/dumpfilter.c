/* Writes a compiled filter to stdout as it would be given to the kernel: an array of struct
 * sock_filter. Only for tests; see test/native/seccomp.test.ts.
 *
 *   dump-filter program|box      the filter of programs, or that of PID 1 of a box
 */
#include <stdio.h>
#include <string.h>

#include "../seccomp.h"

static struct filter filter;

int main(int argc, char **argv) {
  struct fault fault = {0};
  int (*compile)(struct filter *, struct fault *) = NULL;
  if (argc == 2 && strcmp(argv[1], "program") == 0) compile = compile_filter;
  if (argc == 2 && strcmp(argv[1], "box") == 0) compile = compile_own_filter;
  if (compile == NULL) {
    fputs("usage: dump-filter program|box\n", stderr);
    return 2;
  }
  if (compile(&filter, &fault) == -1) {
    fprintf(stderr, "%s: %s\n", fault.step, strerror(fault.err));
    return 1;
  }
  size_t written = fwrite(filter.code, sizeof filter.code[0], filter.length, stdout);
  return written == filter.length && fflush(stdout) == 0 ? 0 : 1;
}
