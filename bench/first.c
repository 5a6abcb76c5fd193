/* Writes the clock at its first instruction, in nanoseconds. Without a C library, whose start takes a
 * third of a millisecond where asking for the processor's features is slow, and whose size would
 * make the hand-over that of a file of 700 KB. The clock is the one of the day: boxes have monotonic
 * clocks of their own. */
#include <sys/syscall.h>
#include <time.h>

static long call(long number, long first, long second, long third) {
#if defined(__x86_64__)
  long result;
  __asm__ volatile("syscall" : "=a"(result) : "a"(number), "D"(first), "S"(second), "d"(third) : "rcx", "r11", "memory");
  return result;
#elif defined(__aarch64__)
  register long x8 __asm__("x8") = number, x0 __asm__("x0") = first, x1 __asm__("x1") = second, x2 __asm__("x2") = third;
  __asm__ volatile("svc 0" : "+r"(x0) : "r"(x8), "r"(x1), "r"(x2) : "memory");
  return x0;
#else
#error "say how a system call is made here"
#endif
}

#if defined(__x86_64__)
/* Nobody called it, so the stack is not as after a call. */
__attribute__((force_align_arg_pointer))
#endif
void _start(void) {
  struct timespec now = {0};
  (void)call(SYS_clock_gettime, CLOCK_REALTIME, (long)&now, 0);
  char text[24], *start = text + sizeof text;
  *--start = '\n';
  for (long long ns = (long long)now.tv_sec * 1000000000 + now.tv_nsec; ns > 0; ns /= 10) *--start = (char)('0' + ns % 10);
  (void)call(SYS_write, 1, (long)start, text + sizeof text - start);
  (void)call(SYS_exit_group, 0, 0, 0);
}
