/* Asks this machine's kernel what a filter answers, without any of the calls being made. Only for
 * tests; shares no code with the product.
 *
 *   ask-kernel FILTER < cases > answers
 *
 * FILTER is an array of struct sock_filter. Each case is a struct question, each answer an int:
 * ALLOWED, an errno (0: the call succeeds and does nothing), or KILLED plus the signal's number.
 *
 * How: two filters are put on a child. The older one answers every call with the made-up error
 * ALLOWED; the younger one is the filter in question. Of two errors the kernel takes that of the
 * younger filter; where that one allows the call, the older one's error comes out. The child can
 * then do nothing but write to shared memory. At the end it traps, since it cannot even exit.
 */
#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

enum { ALLOWED = 4000, KILLED = 10000, FILTER_MOST = 4096, QUESTIONS_MOST = 1 << 17 };

/* The only call that the older filter lets through has this as its fourth argument. */
#define COOKIE 0x5eccu

struct question {
  int32_t number;
  /* 1: through the 32-bit entry, int 0x80. */
  uint32_t compat;
  uint64_t args[6];
};

struct shared {
  volatile uint32_t at;
  volatile int32_t answers[QUESTIONS_MOST];
};

static struct question questions[QUESTIONS_MOST];
static struct sock_filter code[FILTER_MOST];

static _Noreturn void die(const char *what) {
  perror(what);
  exit(1);
}

static int ask_native(const struct question *question) {
  const uint64_t *args = question->args;
  errno = 0;
  long result = syscall((long)question->number, args[0], args[1], args[2], args[3], args[4], args[5]);
  return result == -1 ? errno : (int)result;
}

static int ask_compat(const struct question *question) {
#ifdef __x86_64__
  int result;
  __asm__ volatile("int $0x80"
                   : "=a"(result)
                   : "a"(question->number), "b"(question->args[0]), "c"(question->args[1]),
                     "d"(question->args[2])
                   : "memory", "r8", "r9", "r10", "r11");
  return -result;
#else
  (void)question;
  return ENOSYS;
#endif
}

static void install(struct sock_filter *filter, size_t length) {
  struct sock_fprog program = {.len = (unsigned short)length, .filter = filter};
  if (syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &program, COOKIE) == -1) die("seccomp");
}

static void install_both(size_t length) {
  struct sock_filter nothing_happens[] = {
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_seccomp, 0, 3),
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, args[3])),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, COOKIE, 0, 1),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | ALLOWED)};
  if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == -1) die("no_new_privs");
  install(nothing_happens, sizeof nothing_happens / sizeof nothing_happens[0]);
  install(code, length);
}

static _Noreturn void answer_from(struct shared *shared, uint32_t count, size_t length) {
  /* No core handler is bothered with our traps. */
  if (prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) == -1) die("dumpable");
  install_both(length);
  while (shared->at < count) {
    const struct question *question = &questions[shared->at];
    shared->answers[shared->at] = question->compat ? ask_compat(question) : ask_native(question);
    shared->at++;
  }
  __builtin_trap();
}

int main(int argc, char **argv) {
  FILE *file = argc == 2 ? fopen(argv[1], "rb") : NULL;
  if (file == NULL) die("usage: ask-kernel FILTER");
  size_t length = fread(code, sizeof code[0], FILTER_MOST, file);
  uint32_t count = (uint32_t)fread(questions, sizeof questions[0], QUESTIONS_MOST, stdin);
  struct shared *shared =
      mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  if (shared == MAP_FAILED) die("mmap");
  while (shared->at < count) {
    pid_t child = fork();
    if (child == -1) die("fork");
    if (child == 0) answer_from(shared, count, length);
    int status;
    if (waitpid(child, &status, 0) != child) die("waitpid");
    if (!WIFSIGNALED(status)) return 1;
    /* Dead before the end: that was its answer. The next child goes on behind it. */
    if (shared->at < count) shared->answers[shared->at++] = KILLED + WTERMSIG(status);
  }
  size_t written = fwrite((const void *)shared->answers, sizeof(int32_t), count, stdout);
  return written == count && fflush(stdout) == 0 ? 0 : 1;
}
