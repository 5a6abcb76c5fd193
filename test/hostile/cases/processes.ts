/** Other processes: looking into them, signalling them, changing what they may use. */
import { type Case, checked, contained, escaped, says, tell, verdictOf } from "../case.ts";
import { withVictim } from "../host.ts";
import { c, python } from "../programs.ts";

/** A program that gets the pid of a sleeping process of the host; by root its effect is seen there. */
function onVictim(code: string): Case["attack"] {
  return (arena) =>
    withVictim(async (victim) => {
      const ended = await arena.run({ ...python(code), args: [`${victim.pid}`] });
      return checked(
        verdictOf(ended),
        [victim.isWell(), "a process of the host was hit"],
        [!ended.stdout.includes(victim.secret), "its secret was read"],
      );
    });
}

const PARENT_SECRET = `
static char secret[] = "a secret of the parent";
`;

export const PROCESSES: readonly Case[] = [
  {
    id: "processes/ptrace",
    promise: "S2",
    tries: "traces a child of its own, and attaches to its parent and to the first process",
    attack: says(
      c(`
#include <sys/ptrace.h>
int main(void) {
  pid_t child = fork();
  if (child == 0) { pause(); _exit(0); }
  long seized = syscall(SYS_ptrace, PTRACE_SEIZE, child, 0, 0);
  int error = errno;
  kill(child, SIGKILL);
  if (seized == 0) escaped("the child is traced");
  if (syscall(SYS_ptrace, PTRACE_ATTACH, 1, 0, 0) == 0) escaped("the first process is traced");
  if (syscall(SYS_ptrace, PTRACE_TRACEME, 0, 0, 0) == 0) escaped("it is traced by its parent");
  errno = error;
  judge("ptrace", -1);
}`),
    ),
  },
  {
    id: "processes/read-memory",
    promise: "S2",
    tries: "reads the memory of another process by process_vm_readv",
    attack: says(
      c(`${PARENT_SECRET}
int main(void) {
  pid_t parent = getpid();
  if (fork() != 0) { wait(NULL); _exit(0); }
  char buffer[sizeof secret] = "";
  struct iovec own = {buffer, sizeof buffer}, theirs = {secret, sizeof secret};
  judge("process_vm_readv", syscall(SYS_process_vm_readv, parent, &own, 1, &theirs, 1, 0));
}`),
    ),
  },
  {
    id: "processes/write-memory",
    promise: "S2",
    tries: "changes the memory of another process by process_vm_writev",
    attack: says(
      c(`${PARENT_SECRET}
int main(void) {
  pid_t parent = getpid();
  if (fork() == 0) {
    char buffer[] = "changed";
    struct iovec own = {buffer, sizeof buffer}, theirs = {secret, sizeof buffer};
    _exit(syscall(SYS_process_vm_writev, parent, &own, 1, &theirs, 1, 0) == -1 ? errno : 0);
  }
  int status;
  wait(&status);
  if (strcmp(secret, "changed") == 0) escaped("the parent's memory was changed");
  contained("process_vm_writev: %s", strerror(WEXITSTATUS(status)));
}`),
    ),
  },
  {
    id: "processes/descriptors",
    promise: "S2",
    tries: "takes an open file out of another process by pidfd_getfd",
    attack: says(
      c(`
int main(void) {
  pid_t parent = getpid();
  int file = open(".", O_RDONLY | O_DIRECTORY);
  if (fork() != 0) { wait(NULL); _exit(0); }
  int handle = syscall(SYS_pidfd_open, parent, 0);
  judge("pidfd_getfd", syscall(SYS_pidfd_getfd, handle, file, 0));
}`),
    ),
  },
  {
    id: "processes/compare",
    promise: "S2",
    tries: "learns by kcmp where the kernel keeps what two processes share",
    attack: says(
      python(
        `judge([(f"kcmp {kind}", lambda kind=kind: call(312, os.getpid(), os.getppid() or 1, kind, 0, 0) + 1) for kind in range(7)])`,
      ),
    ),
  },
  {
    id: "processes/advise",
    promise: "S2",
    tries: "moves, cools and frees the memory of another process",
    attack: says(
      c(`
int main(void) {
  pid_t parent = getpid();
  static char page[8192];
  if (fork() != 0) { wait(NULL); _exit(0); }
  int handle = syscall(SYS_pidfd_open, parent, 0), status;
  struct iovec theirs = {page, sizeof page};
  void *pages[1] = {page};
  if (syscall(SYS_process_madvise, handle, &theirs, 1, 20 /* MADV_COLD */, 0) >= 0) escaped("process_madvise");
  if (syscall(SYS_move_pages, parent, 1UL, pages, NULL, &status, 0) >= 0) escaped("move_pages");
  judge("migrate_pages", syscall(SYS_migrate_pages, parent, 0, NULL, NULL));
}`),
    ),
  },
  {
    id: "processes/kill",
    promise: "S2",
    tries: "kills a process of the host whose number it knows, by every call that sends signals",
    attack: onVictim(`
import signal
pid = int(sys.argv[1])
def by_handle():
    signal.pidfd_send_signal(os.pidfd_open(pid), signal.SIGKILL)
    return True
def queued(number):
    info = (ctypes.c_int * 32)(9, 0, -1)
    call(number, pid, *([pid] if number == 297 else []), 9, info)
    return True
judge([("stop", lambda: os.kill(pid, signal.SIGSTOP) or True), ("tgkill", lambda: call(234, pid, pid, 9) + 1), ("tkill", lambda: call(200, pid, 9) + 1),
    ("handle", by_handle), ("queue", lambda: queued(129)), ("queue thread", lambda: queued(297)), ("kill", lambda: os.kill(pid, 9) or True),
    ("group", lambda: os.killpg(pid, 9) or True)])`),
  },
  {
    id: "processes/owner-signal",
    promise: "S2",
    tries: "has the kernel send a deadly signal to a process of the host when a pipe fills",
    attack: onVictim(`
import fcntl, signal
pid = int(sys.argv[1])
read, write = os.pipe()
def arm():
    fcntl.fcntl(read, fcntl.F_SETOWN, pid)
    fcntl.fcntl(read, 10, signal.SIGUSR1)
    fcntl.fcntl(read, fcntl.F_SETFL, fcntl.fcntl(read, fcntl.F_GETFL) | fcntl.FASYNC)
    os.write(write, b"x")
    return fcntl.fcntl(read, fcntl.F_GETOWN) == pid
judge([("owner", arm)])`),
  },
  {
    id: "processes/limits",
    promise: "S2",
    tries: "changes limits, priority, processors and I/O class of a process of the host",
    attack: onVictim(`
import resource
pid = int(sys.argv[1])
judge([("limit", lambda: resource.prlimit(pid, resource.RLIMIT_NOFILE, (16, 16)) and True), ("priority", lambda: os.setpriority(os.PRIO_PROCESS, pid, 19) or True),
    ("processors", lambda: os.sched_setaffinity(pid, {0}) or True), ("class", lambda: call(251, 1, pid, 3 << 13) + 1),
    ("scheduler", lambda: os.sched_setscheduler(pid, os.SCHED_IDLE, os.sched_param(0)) or True)])`),
  },
  {
    id: "processes/everything",
    promise: "S2",
    unsafe: "as root it would kill everything on the host",
    tries: "kills every number that a process can have, and everything at once",
    attack: (arena) =>
      withVictim(async (victim) => {
        const job = python(`
import signal
killed = []
for pid in [*range(1, 40000), -1]:
    if pid == os.getpid(): continue
    try: os.kill(pid, signal.SIGKILL); killed.append(pid)
    except OSError: pass
if killed: escaped(f"killed {killed}")
contained("no number is anybody's")`);
        return checked(verdictOf(await arena.run(job)), [victim.isWell(), "the host was hit"]);
      }),
  },
  {
    id: "processes/stop",
    promise: "S2",
    unsafe: "it would stop whatever started it",
    tries: "stops the first process and its own group, so that nobody is left to end it",
    attack: async (arena) => {
      const code = `
import signal
for pid in (1, 0):
    try: os.kill(pid, signal.SIGSTOP)
    except OSError: pass
`;
      const { outcome } = await arena.run(python(code, { timeoutSeconds: 1 }));
      return outcome.kind === "timed_out" ? contained(tell(outcome)) : escaped(tell(outcome));
    },
  },
  {
    id: "processes/robust-list",
    promise: "S2",
    asRoot: true,
    tries: "reads addresses of another program by its list of robust locks",
    attack: onVictim(`
head, size = ctypes.c_void_p(), ctypes.c_size_t()
judge([("robust list", lambda: call(274, int(sys.argv[1]), ctypes.byref(head), ctypes.byref(size)) or head.value)])`),
  },
];
