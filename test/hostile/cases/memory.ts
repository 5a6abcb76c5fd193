/** Memory past the limit, in everything that can hold some. 64 MB are allowed, twice as much is tried. */
import { MIB } from "../../../src/core/limits.ts";
import type { Job } from "../../support/boxes.ts";
import { type Case, checked, contained, says, tell, verdictOf } from "../case.ts";
import { python } from "../programs.ts";

const ALLOWED_MB = 64;

/** Ends for want of memory, or cannot get it; never holds it. */
function takes(code: string, more: Partial<Job> = {}): Case["attack"] {
  const job = python(
    `
TAKE = ${2 * ALLOWED_MB} << 20
def holds(what): escaped(f"holds {TAKE >> 20} MB {what}")
def in_child(work):
    "Runs work in a child that stays; the parent goes on when it is done."
    ready, done = os.pipe()
    if os.fork() == 0:
        call(157, 1, 9, 0, 0, 0) # dies with its parent, where no box sees to that
        try: work()
        except OSError as error: os.write(done, error.strerror.encode()); os._exit(1)
        os.write(done, b"ok")
        import time; time.sleep(600)
    os.close(done)
    said = os.read(ready, 100).decode()
    if said != "ok": contained(said)
${code}`,
    { memoryMb: ALLOWED_MB, outputs: [], ...more },
  );
  return async (arena) => {
    const ended = await arena.run(job);
    if (ended.outcome.kind !== "out_of_memory") return verdictOf(ended);
    const within = ended.peakBytes <= ALLOWED_MB * MIB;
    return checked(contained(tell(ended.outcome)), [within, `${ended.peakBytes} bytes were held`]);
  };
}

export const MEMORY: readonly Case[] = [
  {
    id: "memory/anonymous",
    promise: "S5",
    tries: "takes memory of its own",
    attack: takes(`held = bytearray(b"x") * TAKE
holds("of its own")`),
  },
  {
    id: "memory/children",
    promise: "S5",
    tries: "takes memory in ten children, each below the limit",
    attack: takes(`
kept = []
for _ in range(10): in_child(lambda: kept.append(bytearray(b"x") * (TAKE // 10)))
holds("in children")`),
  },
  {
    id: "memory/shared-zero",
    promise: "S5",
    tries: "takes memory by a shared map of /dev/zero",
    attack: takes(`
import mmap
held = mmap.mmap(os.open("/dev/zero", os.O_RDWR), TAKE)
for at in range(0, TAKE, 4096): held[at] = 1
holds("of /dev/zero")`),
  },
  {
    id: "memory/memfd",
    promise: "S5",
    tries: "takes memory in files without a name",
    attack: takes(`
file = os.memfd_create("x")
for _ in range(TAKE >> 20): os.write(file, bytes(1 << 20))
holds("in a memfd")`),
  },
  {
    id: "memory/work",
    promise: "S5",
    tries: "takes memory in files of its working directory, and unlinks them open",
    attack: takes(`
file = os.open("file", os.O_RDWR | os.O_CREAT)
os.unlink("file")
for _ in range(TAKE >> 20): os.write(file, bytes(1 << 20))
holds("in /work")`),
  },
  {
    id: "memory/shm",
    promise: "S5",
    tries: "takes memory in /dev/shm and /tmp together, reserved by fallocate",
    attack: takes(`
for place in ("/dev/shm", "/tmp"):
    file = os.open(f"{place}/hostile-{os.getpid()}", os.O_RDWR | os.O_CREAT | os.O_EXCL)
    os.unlink(f"{place}/hostile-{os.getpid()}")
    try: os.posix_fallocate(file, 0, TAKE // 2 - (1 << 20))
    except OSError as error: contained(error.strerror)
holds("in two places")`),
  },
  {
    id: "memory/segments",
    promise: "S5",
    tries: "takes memory in System V segments that no process has mapped",
    attack: takes(`
libc.shmat.restype = ctypes.c_void_p
def take():
    for _ in range(8):
        made = libc.shmget(0, TAKE // 8, 0o1600)
        if made == -1: raise OSError(ctypes.get_errno(), "no segment")
        at = libc.shmat(made, None, 0)
        if not BARE: ctypes.memset(at, 1, TAKE // 8); libc.shmdt(ctypes.c_void_p(at))
        else: libc.shmctl(made, 0, None); ctypes.memset(at, 1, TAKE // 8)
take()
holds("in segments")`),
  },
  {
    id: "memory/messages",
    promise: "S5",
    tries: "takes the kernel's memory in System V messages that nobody reads",
    attack: takes(`
if BARE:
    try: call(272, 0x8000000)
    except OSError as error: contained(error.strerror)
message = ctypes.create_string_buffer(b"\\1" + bytes(8000))
for _ in range(TAKE // 16000):
    queue = libc.msgget(0, 0o1600)
    if queue == -1: contained(os.strerror(ctypes.get_errno()))
    for _ in range(2): libc.msgsnd(queue, message, 7900, 0o4000)
holds("in messages")`),
  },
  {
    id: "memory/pipes",
    promise: "S5",
    asRoot: true,
    tries: "takes the kernel's memory in full pipes",
    attack: takes(`
import fcntl
def fill():
    kept = []
    for _ in range(100):
        read, write = os.pipe()
        kept += [read, write]
        fcntl.fcntl(write, 1031, 1 << 20)
        os.set_blocking(write, False)
        if os.write(write, bytes(1 << 20)) < 1 << 20: raise OSError(0, "a pipe took less")
in_child(fill)
in_child(fill)
holds("in pipes")`),
  },
  {
    id: "memory/sockets",
    promise: "S5",
    tries: "takes the kernel's memory in pairs of sockets that nobody reads",
    attack: takes(`
import socket
def fill():
    taken = 0
    for _ in range(110):
        pair = socket.socketpair()
        for end in pair:
            end.setblocking(False)
            kept.append(end)
            try:
                while True: taken += end.send(bytes(30000))
            except BlockingIOError: pass
    return taken
kept, total = [], 0
for _ in range(8): in_child(fill)
holds("in sockets")`),
  },
  {
    id: "memory/page-tables",
    promise: "S5",
    tries:
      "takes the kernel's memory in page tables, by reading one byte in every two megabytes of nothing",
    attack: takes(`
import mmap
count = TAKE // 4096
held = mmap.mmap(-1, count << 21, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS | 0x4000, mmap.PROT_READ)
for at in range(count): held[at << 21]
holds("in page tables")`),
  },
  {
    id: "memory/attributes",
    promise: "S5",
    mayLack: true,
    tries: "takes the kernel's memory in extended attributes of many files",
    attack: takes(`
import shutil, tempfile
place = tempfile.mkdtemp(dir="/dev/shm")
try:
    for number in range(TAKE // (60 << 10)):
        path = f"{place}/{number}"
        open(path, "x").close()
        os.setxattr(path, "user.x", bytes(60 << 10))
except OSError as error: contained(error.strerror)
finally: shutil.rmtree(place)
holds("in attributes")`),
  },
  {
    id: "memory/locks",
    promise: "S5",
    tries: "takes the kernel's memory in locks of single bytes, which no group counts",
    attack: takes(
      `
import fcntl
def lock():
    for number in range(30):
        file = os.open(f"/tmp/{os.getpid()}-{number}", os.O_RDWR | os.O_CREAT)
        for at in range(1200, 0, -1): fcntl.lockf(file, fcntl.LOCK_EX, 1, 2 * at)
for _ in range(20): in_child(lock)
escaped("holds 720000 locks, about 130 MB of the host's memory")`,
      { timeoutSeconds: 120 },
    ),
  },
  {
    id: "memory/huge-pages",
    promise: "S5",
    mayLack: true,
    tries: "takes huge pages, which come from a pool of the host",
    attack: says(
      python(`
import mmap
judge([("mmap", lambda: bool(mmap.mmap(-1, 2 << 20, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS | 0x40000))), ("memfd", lambda: os.memfd_create("x", 4)),
    ("segment", lambda: call(29, 0, 2 << 20, 0o5600) + 1)])`),
    ),
  },
  {
    id: "memory/locked",
    promise: "S5",
    asRoot: true,
    tries: "locks its memory into RAM",
    attack: says(
      python(`
import mmap
page = mmap.mmap(-1, 1 << 20)
address = ctypes.addressof(ctypes.c_char.from_buffer(page))
judge([("mlock", lambda: call(149, address, 1 << 20) + 1), ("mlockall", lambda: call(151, 3) + 1), ("mlock2", lambda: call(325, address, 1 << 20, 1) + 1)])`),
    ),
  },
];
