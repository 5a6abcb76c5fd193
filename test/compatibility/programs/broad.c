/* What programs in C use of the system beside memory: threads, processes, files, clocks. */
#define _GNU_SOURCE
#include <aio.h>
#include <complex.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <locale.h>
#include <math.h>
#include <mqueue.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <semaphore.h>
#include <setjmp.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <sys/ipc.h>
#include <sys/mman.h>
#include <sys/msg.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/sem.h>
#include <sys/shm.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/timerfd.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <time.h>
#include <ucontext.h>
#include <unistd.h>
#include <wchar.h>

extern char **environ;
#define MUST(call) ((call) == -1 ? (printf("%s: %s\n", #call, strerror(errno)), exit(1)) : (void)0)

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;
static _Thread_local int own;
static _Atomic int total;
static int turns;

static void *work(void *argument) {
  own = (int)(long)argument;
  for (int i = 0; i < 10000; i++) total++;
  pthread_mutex_lock(&lock);
  turns++;
  pthread_cond_broadcast(&changed);
  while (turns < 20) pthread_cond_wait(&changed, &lock);
  pthread_mutex_unlock(&lock);
  return (void *)(long)own;
}

static void threads(void) {
  pthread_t all[20];
  long sum = 0;
  void *got;
  for (long i = 0; i < 20; i++)
    if (pthread_create(&all[i], NULL, work, (void *)i) != 0) exit(1);
  for (int i = 0; i < 20; i++) pthread_join(all[i], &got), sum += (long)got;
  cpu_set_t set;
  MUST(sched_getaffinity(0, sizeof set, &set));
  pthread_setname_np(pthread_self(), "main");
  pthread_rwlock_t readers = PTHREAD_RWLOCK_INITIALIZER;
  pthread_rwlock_rdlock(&readers);
  printf("threads %ld %d %d\n", sum, total, pthread_rwlock_trywrlock(&readers) == EBUSY);
}

static void processes(void) {
  int ends[2], status;
  MUST(pipe(ends));
  pid_t pid = fork();
  if (pid == 0) _exit(write(ends[1], "child", 5) == 5 ? 11 : 1);
  MUST(waitpid(pid, &status, 0));
  char text[16] = "";
  MUST(read(ends[0], text, sizeof text));
  printf("fork %d %s\n", WEXITSTATUS(status), text);
  char *const arguments[] = {"sh", "-c", "exit 12", NULL};
  if (posix_spawnp(&pid, "sh", NULL, NULL, arguments, environ) != 0) exit(1);
  siginfo_t info;
  MUST(waitid(P_PID, (id_t)pid, &info, WEXITED));
  printf("spawn %d system %d\n", info.si_status, WEXITSTATUS(system("exit 13")));
  pid = vfork();
  if (pid == 0) execlp("true", "true", NULL), _exit(1);
  MUST(waitpid(pid, &status, 0));
  printf("vfork %d\n", status);
  FILE *from = popen("echo popen", "r");
  printf("%s", fgets(text, sizeof text, from));
  printf("pclose %d\n", pclose(from));
}

static volatile sig_atomic_t caught;
static sigjmp_buf back;
static void note(int number) { caught = number; }
static void leave(int number) { siglongjmp(back, number); }

static void signals(void) {
  struct sigaction action = {.sa_handler = note, .sa_flags = SA_RESTART};
  MUST(sigaction(SIGUSR1, &action, NULL));
  raise(SIGUSR1);
  printf("caught %d", caught == SIGUSR1);
  static char stack[1 << 16];
  const stack_t other = {.ss_sp = stack, .ss_size = sizeof stack};
  MUST(sigaltstack(&other, NULL));
  struct sigaction fault = {.sa_handler = leave, .sa_flags = SA_ONSTACK};
  MUST(sigaction(SIGSEGV, &fault, NULL));
  volatile int *nowhere = mmap(NULL, 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (sigsetjmp(back, 1) == 0) *nowhere = 1;
  signal(SIGSEGV, SIG_DFL);
  printf(" fault handled");
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGUSR2);
  sigprocmask(SIG_BLOCK, &set, NULL);
  int fd = signalfd(-1, &set, SFD_NONBLOCK);
  MUST(fd);
  kill(getpid(), SIGUSR2);
  struct signalfd_siginfo told;
  MUST(read(fd, &told, sizeof told));
  printf(" signalfd %d", told.ssi_signo == SIGUSR2);
  timer_t timer;
  struct sigevent event = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGUSR2};
  const struct itimerspec soon = {.it_value = {.tv_nsec = 1000000}};
  MUST(timer_create(CLOCK_MONOTONIC, &event, &timer));
  MUST(timer_settime(timer, 0, &soon, NULL));
  printf(" timer %d\n", sigwaitinfo(&set, NULL) == SIGUSR2);
}

static void waiting(void) {
  int queue = epoll_create1(EPOLL_CLOEXEC), events = eventfd(0, EFD_NONBLOCK);
  int timer = timerfd_create(CLOCK_MONOTONIC, 0), pair[2];
  const struct itimerspec soon = {.it_value = {.tv_nsec = 1000000}};
  MUST(queue);
  MUST(timerfd_settime(timer, 0, &soon, NULL));
  MUST(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, pair));
  int fds[3] = {events, timer, pair[1]};
  for (int i = 0; i < 3; i++) {
    struct epoll_event event = {.events = EPOLLIN, .data.u32 = (unsigned)i};
    MUST(epoll_ctl(queue, EPOLL_CTL_ADD, fds[i], &event));
  }
  eventfd_write(events, 1);
  MUST(send(pair[0], "x", 1, MSG_NOSIGNAL));
  unsigned seen = 0;
  for (struct epoll_event event; seen != 7 && epoll_wait(queue, &event, 1, 10000) == 1;) {
    seen |= 1u << event.data.u32;
    epoll_ctl(queue, EPOLL_CTL_DEL, fds[event.data.u32], NULL);
  }
  printf("epoll %u", seen);
  /* A descriptor passed on over a pair of sockets, as programs of several processes do. */
  char room[CMSG_SPACE(sizeof(int))] = {0}, byte = 'f';
  struct iovec vector = {.iov_base = &byte, .iov_len = 1};
  struct msghdr message = {.msg_iov = &vector, .msg_iovlen = 1, .msg_control = room, .msg_controllen = sizeof room};
  struct cmsghdr *header = CMSG_FIRSTHDR(&message);
  *header = (struct cmsghdr){.cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS, .cmsg_len = CMSG_LEN(sizeof(int))};
  memcpy(CMSG_DATA(header), &events, sizeof(int));
  MUST(recv(pair[1], &byte, 1, 0));
  MUST(sendmsg(pair[0], &message, 0));
  MUST(recvmsg(pair[1], &message, 0));
  printf(" passed %d", *(int *)(void *)CMSG_DATA(CMSG_FIRSTHDR(&message)) > events);
  int watch = inotify_init1(IN_NONBLOCK);
  MUST(inotify_add_watch(watch, ".", IN_CREATE));
  close(open("watched", O_CREAT | O_WRONLY, 0600));
  struct pollfd one = {.fd = watch, .events = POLLIN};
  printf(" inotify %d\n", poll(&one, 1, 10000));
}

static void sharing(void) {
  int fd = shm_open("/broad", O_CREAT | O_RDWR, 0600);
  MUST(fd);
  MUST(ftruncate(fd, 1 << 16));
  sem_t *shared = mmap(NULL, 1 << 16, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  MUST(sem_init(shared, 1, 0));
  if (fork() == 0) _exit(sem_post(shared));
  MUST(sem_wait(shared));
  wait(NULL);
  MUST(shm_unlink("/broad"));
  sem_t *named = sem_open("/named", O_CREAT, 0600, 1);
  printf("posix %d", named != SEM_FAILED && sem_trywait(named) == 0 && sem_unlink("/named") == 0);
  struct mq_attr attributes = {.mq_maxmsg = 4, .mq_msgsize = 16};
  mqd_t mail = mq_open("/mail", O_CREAT | O_RDWR, 0600, &attributes);
  char text[16];
  MUST((int)mail);
  MUST(mq_send(mail, "mail", 5, 1));
  MUST((int)mq_receive(mail, text, sizeof text, NULL));
  printf(" %s %d", text, mq_unlink("/mail"));
  int memory = shmget(IPC_PRIVATE, 4096, 0600), set = semget(IPC_PRIVATE, 1, 0600), letters = msgget(IPC_PRIVATE, 0600);
  MUST(memory);
  MUST(letters);
  strcpy(shmat(memory, NULL, 0), "system v");
  struct sembuf up = {.sem_op = 1};
  MUST(semop(set, &up, 1));
  struct { long type; char text[8]; } letter = {1, "letter"};
  MUST(msgsnd(letters, &letter, sizeof letter.text, 0));
  MUST((int)msgrcv(letters, &letter, sizeof letter.text, 1, 0));
  printf(" %s %s %d\n", (char *)shmat(memory, NULL, 0), letter.text, semctl(set, 0, GETVAL));
  shmctl(memory, IPC_RMID, NULL), semctl(set, 0, IPC_RMID), msgctl(letters, IPC_RMID, NULL);
}

static void memory(void) {
  size_t size = 64 << 20;
  char *block = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  MUST(block == MAP_FAILED ? -1 : 0);
  memset(block, 1, size / 4);
  MUST(madvise(block, size, MADV_DONTNEED));
  block = mremap(block, size, size * 2, MREMAP_MAYMOVE);
  printf("memory %d %d", block != MAP_FAILED, block[5]);
  unsigned char code[] = {0xb8, 42, 0, 0, 0, 0xc3};
  void *run = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  memcpy(run, code, sizeof code);
  MUST(mprotect(run, 4096, PROT_READ | PROT_EXEC));
#ifdef __x86_64__
  printf(" code %d", ((int (*)(void))run)());
#endif
  int fd = memfd_create("x", MFD_CLOEXEC | MFD_ALLOW_SEALING);
  MUST(fd);
  MUST(fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE));
  printf(" sealed %d locked %d\n", write(fd, "x", 1) == -1 && errno == EPERM, mlock(run, 4096));
}

static ucontext_t here, there;
static void coroutine(void) { printf(" coroutine"); }

static void rest(void) {
  setlocale(LC_ALL, "C.UTF-8");
  wchar_t wide[8];
  double _Complex root = csqrt(-4);
  printf("math %.6f %.3f %.1f%+.1fi %zu", tgamma(5.5), fma(2, 3, 4), creal(root), cimag(root), mbstowcs(wide, "äß", 8));
  static char stack[1 << 16];
  MUST(getcontext(&there));
  there.uc_stack.ss_sp = stack, there.uc_stack.ss_size = sizeof stack, there.uc_link = &here;
  makecontext(&there, coroutine, 0);
  MUST(swapcontext(&here, &there));
  struct timespec now, later, pause = {.tv_nsec = 2000000};
  clock_gettime(CLOCK_MONOTONIC, &now);
  clock_nanosleep(CLOCK_MONOTONIC, 0, &pause, NULL);
  clock_gettime(CLOCK_MONOTONIC, &later);
  printf(" slept %d", (later.tv_sec - now.tv_sec) * 1000000000 + later.tv_nsec - now.tv_nsec >= 2000000);
  char name[] = "temporaryXXXXXX"; /* a template of mkostemp(3), which wants six X */
  int fd = mkostemp(name, O_CLOEXEC);
  MUST(fd);
  MUST(pwrite(fd, "asynchronous", 12, 100));
  char text[13] = "";
  struct aiocb request = {.aio_fildes = fd, .aio_buf = text, .aio_nbytes = 12, .aio_offset = 100};
  MUST(aio_read(&request));
  const struct aiocb *const list[] = {&request};
  while (aio_error(&request) == EINPROGRESS) aio_suspend(list, 1, NULL);
  printf(" %s %d", text, renameat2(AT_FDCWD, name, AT_FDCWD, "renamed", RENAME_NOREPLACE));
  struct statx found;
  MUST(statx(AT_FDCWD, "renamed", 0, STATX_SIZE, &found));
  struct rlimit limit;
  MUST(getrlimit(RLIMIT_STACK, &limit));
  printf(" %llu %d %d\n", (unsigned long long)found.stx_size, prctl(PR_SET_NAME, "other"), getpgrp() == getsid(0));
}

int main(void) {
  setvbuf(stdout, NULL, _IOLBF, 0);
  /* Forked children must not print again what is still to be flushed: every line ends before. */
  threads(), processes(), signals(), waiting(), sharing(), memory(), rest();
  puts("done");
}
