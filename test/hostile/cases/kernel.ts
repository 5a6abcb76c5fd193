/** Interfaces of the kernel that ordinary programs have no use for. */
import { type Case, says } from "../case.ts";
import { c, python } from "../programs.ts";

export const KERNEL: readonly Case[] = [
  {
    id: "kernel/bpf",
    promise: "S4",
    asRoot: true,
    mayLack: true,
    tries: "makes a map and loads a program by bpf",
    attack: says(
      python(`
import struct
def bpf(command, body):
    block = ctypes.create_string_buffer(body, 128)
    return call(321, command, block, 128)
judge([("map", lambda: bpf(0, struct.pack("<IIII", 2, 4, 4, 1))), ("program", lambda: bpf(5, struct.pack("<II", 1, 0))), ("next", lambda: bpf(11, b"") + 1)], fine=(errno.EINVAL, errno.EFAULT, errno.ENOENT))`),
    ),
  },
  {
    id: "kernel/perf",
    promise: "S4",
    mayLack: true,
    tries: "measures itself, the processor and all processes by perf_event_open",
    attack: says(
      python(`
import struct
def measure(pid, cpu, kind, config):
    block = ctypes.create_string_buffer(struct.pack("<IIQ", kind, 128, config), 128)
    return call(298, block, pid, cpu, -1, 0)
judge([(f"{pid} {cpu} {kind}", lambda pid=pid, cpu=cpu, kind=kind, config=config: measure(pid, cpu, kind, config)) for pid, cpu in ((0, -1), (-1, 0)) for kind, config in ((1, 0), (1, 2), (0, 0), (2, 0))])`),
    ),
  },
  {
    id: "kernel/keys",
    promise: "S4",
    mayLack: true,
    tries: "leaves a key in a keyring and looks for those of others",
    attack: says(
      python(`
def forget(key):
    try: call(250, 3, key, 0, 0, 0)
    except OSError: pass
    return key
judge([("add_key", lambda: forget(call(248, b"user", b"hostile", b"x", 1, -2))), ("session", lambda: call(250, 0, -3, 1, 0, 0)),
    ("join", lambda: call(250, 1, None, 0, 0, 0)), ("request_key", lambda: call(249, b"user", b"hostile", None, -2))])`),
    ),
  },
  {
    id: "kernel/userfaultfd",
    promise: "S4",
    mayLack: true,
    tries: "halts the kernel in its own page faults by userfaultfd",
    attack: says(
      python(`judge([(f"userfaultfd {flags}", lambda flags=flags: call(323, flags)) for flags in (0, 1, 0x80000, 0x80801)]
    + [("device", lambda: os.open("/dev/userfaultfd", os.O_RDWR))])`),
    ),
  },
  {
    id: "kernel/personality",
    promise: "S4",
    tries: "turns off the random layout of memory and other mitigations by personality",
    attack: says(
      python(`
def change(what):
    before = call(135, 0xffffffff)
    call(135, what)
    return call(135, 0xffffffff) != before
judge([(hex(what), lambda what=what: change(what)) for what in (0x0040000, 0x0400000, 0x0100000, 0x8, 0x0200000, 0x6, 0x4000000)])`),
    ),
  },
  {
    id: "kernel/int80",
    promise: "S4",
    mayLack: true,
    tries: "enters the kernel by the 32-bit gate, where calls have other numbers",
    attack: says(
      c(`
int main(void) {
  pid_t child = fork();
  if (child == 0) {
    long got;
    __asm__ volatile("int $0x80" : "=a"(got) : "a"(20L /* getpid there, writev here */) : "memory", "r8", "r9", "r10", "r11");
    _exit(got == getpid() ? 42 : 7);
  }
  int status;
  waitpid(child, &status, 0);
  if (WIFEXITED(status) && WEXITSTATUS(status) == 42) escaped("the 32-bit call answered");
  if (WIFSIGNALED(status)) contained("killed: %s", strsignal(WTERMSIG(status)));
  contained("not supported: ended with %d", WEXITSTATUS(status));
}`),
    ),
  },
  {
    id: "kernel/compatibility-mode",
    promise: "S4",
    mayLack: true,
    tries: "switches the processor to 32-bit code by a far return, and calls from there",
    attack: says(
      c(`
int main(void) {
  /* mov eax, 20; int 0x80; mov esi, eax; then back: push 0x33; push 0; mov [esp], back; retf */
  unsigned char *low = mmap((void *)0x10000000, 8192, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
  if (low == MAP_FAILED) contained("mmap: %s", strerror(errno));
  pid_t child = fork();
  if (child == 0) {
    static const unsigned char there[] = {0xb8, 20, 0, 0, 0, 0xcd, 0x80, 0x89, 0xc3, 0xb8, 1, 0, 0, 0, 0xcd, 0x80};
    memcpy(low, there, sizeof there); /* getpid, then exit with its low byte */
    uint64_t target[2] = {0x10000000, 0x23};
    __asm__ volatile("mov %0, %%rsp; lretq" : : "r"(target) : "memory");
  }
  int status;
  waitpid(child, &status, 0);
  if (WIFEXITED(status) && WEXITSTATUS(status) == (child & 0xff)) escaped("32-bit code made a call");
  if (WIFSIGNALED(status)) contained("killed: %s", strsignal(WTERMSIG(status)));
  contained("not supported: ended with %d", WEXITSTATUS(status));
}`),
    ),
  },
  {
    id: "kernel/i386-program",
    promise: "S4",
    mayLack: true,
    tries: "executes a 32-bit program, made byte by byte",
    attack: says(
      python(`
import struct, subprocess
code = bytes((0xb8, 1, 0, 0, 0, 0xbb, 42, 0, 0, 0, 0xcd, 0x80)) # exit(42)
head = b"\\x7fELF\\x01\\x01\\x01" + bytes(9) + struct.pack("<HHIIIIIHHHHHH", 2, 3, 1, 0x08048054, 52, 0, 0, 52, 32, 1, 40, 0, 0)
segment = struct.pack("<8I", 1, 0, 0x08048000, 0x08048000, 0x54 + len(code), 0x54 + len(code), 5, 4096)
with open("small", "wb") as file: file.write(head + segment + code)
os.chmod("small", 0o755)
try: ended = subprocess.run(["./small"]).returncode
except OSError as error: contained(f"not supported: {error.strerror}")
if ended == 42: escaped("it ran")
contained(f"it ended with {ended}")`),
    ),
  },
  {
    id: "kernel/x32",
    promise: "S4",
    mayLack: true,
    tries: "makes calls by their x32 numbers, which a filter of plain numbers lets through",
    attack: says(
      python(`
judge([(hex(number), lambda number=number: call(0x40000000 | number) + 1) for number in (39, 110, 102)]
    + [("unshare", lambda: call(0x40000000 | 272, 0x10000000) + 1), ("ptrace", lambda: call(0x40000000 | 521, 0, 0, 0, 0) + 1)])`),
    ),
  },
  {
    id: "kernel/terminal",
    promise: "S4",
    asRoot: true,
    tries: "types into a terminal by TIOCSTI, pastes by TIOCLINUX, changes its line discipline",
    attack: says(
      python(`
import fcntl, pty, termios
try: os.setsid()
except OSError: pass
main, side = pty.openpty()
def ask(request, what):
    fcntl.ioctl(side, request, what)
    return True
try: fcntl.ioctl(side, termios.TIOCSCTTY, 0)
except OSError: pass
judge([("TIOCSTI", lambda: ask(termios.TIOCSTI, b"x")), ("TIOCLINUX", lambda: ask(termios.TIOCLINUX, b"\\3")), ("TIOCSETD", lambda: ask(termios.TIOCSETD, bytes(4))),
    ("high half", lambda: call(16, side, 0x100000000 | termios.TIOCSTI, ctypes.c_char_p(b"x")) + 1)])`),
    ),
  },
  {
    id: "kernel/secret-memory",
    promise: "S5",
    mayLack: true,
    tries: "takes pages that the kernel itself cannot see",
    attack: says(python(`judge([("memfd_secret", lambda: call(447, 0))])`)),
  },
  {
    id: "kernel/vmsplice",
    promise: "S4",
    tries: "gifts its pages to a pipe by vmsplice, and moves them by remap_file_pages and mbind",
    attack: says(
      python(`
import mmap, struct
page = mmap.mmap(-1, 8192)
address = ctypes.addressof(ctypes.c_char.from_buffer(page))
read, write = os.pipe()
vector = ctypes.create_string_buffer(struct.pack("<QQ", address, 4096))
judge([("vmsplice", lambda: call(278, write, vector, 1, 8)), ("remap_file_pages", lambda: call(216, address, 4096, 0, 1, 0) + 1), ("mbind", lambda: call(237, address, 8192, 0, None, 0, 0) + 1)])`),
    ),
  },
];
