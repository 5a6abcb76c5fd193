/** Two jobs at once that try to find, watch, block or touch each other. */

import { setTimeout as sleep } from "node:timers/promises";
import type { Outcome } from "../../../src/core/job.ts";
import { patient } from "../../support/patience.ts";
import { type Case, contained, escaped, verdictOf } from "../case.ts";
import { nonce, withBait } from "../host.ts";
import { python } from "../programs.ts";

/** Says that it is ready, then waits to be asked (by its input's end it would not learn of). */
const READY = `
def ready():
    print("ready", flush=True)
def stay():
    import time
    time.sleep(600)
`;

/** The first job sets something up and stays; the second one says whether it found or felt it. */
function pair(first: string, second: string, argument = ""): Case["attack"] {
  return async (arena) => {
    const args = [argument === "" ? nonce() : argument];
    const one = await arena.begin(python(`${READY}${first}\nready()\nstay()`, { args }), "ready");
    const other = await arena.run(python(second, { args }));
    await one.stop();
    return verdictOf(other);
  };
}

/** Without a box an event that is on its way is waited for; in one there must be none. */
const SEEN_MS = { box: 200, bare: 10_000 };

/** The first job watches while the second one does things, and says what it saw. */
function watched(watch: string, deed: string): Case["attack"] {
  return async (arena) => {
    const code = `${READY}${watch}
ready()
import time
while True:
    found = look()
    if found: os.write(1, b"\\n"), escaped(found)
    time.sleep(0.005)`;
    const args = [nonce()];
    const one = await arena.begin(python(code, { args }), "ready");
    await arena.run(python(`${deed}\ncontained("done")`, { args }));
    await Promise.race([
      one.ended,
      sleep(patient(arena.isBox ? SEEN_MS.box : SEEN_MS.bare), undefined, { ref: false }),
    ]);
    const last = await one.stop();
    const [, seen] = /^ESCAPED: (.+)$/m.exec(last.stdout.toString()) ?? [];
    if (seen !== undefined) return escaped(seen);
    // One that died by itself has watched nothing.
    return wasStopped(last.outcome) ? contained("nothing was seen") : verdictOf(last);
  };
}

function wasStopped(outcome: Outcome): boolean {
  return (
    outcome.kind === "cancelled" || (outcome.kind === "signalled" && outcome.signal === "SIGKILL")
  );
}

const USE_EVERYTHING = `
import subprocess
for path in ("/usr/bin/env", "/usr/lib/os-release", "/etc/ld.so.cache", "/dev/null", "/dev/zero", "/dev/urandom", "/usr/bin/python3"):
    try: open(path, "rb").read(1)
    except OSError: pass
subprocess.run(["/usr/bin/env", "true"], stdout=subprocess.DEVNULL)
for place in ("/tmp", "/dev/shm"): open(f"{place}/made-{os.getpid()}", "x").close(); os.unlink(f"{place}/made-{os.getpid()}")
open("/dev/null", "w").write("x")`;

const DEVICES = `"/dev/null", "/dev/zero", "/dev/full", "/dev/random", "/dev/urandom"`;
const WATCHED = `"/usr/bin", "/usr/bin/env", "/usr/lib", "/usr/lib/os-release", "/etc", "/etc/ld.so.cache", "/tmp", "/dev/shm", "/dev", "/dev/pts", "/", "/proc", "/proc/self"`;

const inotify = (paths: string) => `
watch = libc.inotify_init1(0o4000)
names = {}
for path in (${paths}):
    got = libc.inotify_add_watch(watch, path.encode(), 0xfff)
    if got >= 0: names[got] = path
# What it does itself until it is asked is not counted.
try: os.read(watch, 1 << 16)
except BlockingIOError: pass
def look():
    import struct
    try: data = os.read(watch, 1 << 16)
    except BlockingIOError: return None
    return names.get(struct.unpack("i", data[:4])[0], "something")`;

const DNOTIFY = `
import fcntl, signal
seen = []
signal.signal(signal.SIGIO, lambda *_: seen.append("SIGIO"))
for path in ("/usr/bin", "/usr/lib", "/etc", "/tmp", "/dev/shm", "/dev"):
    try: fcntl.fcntl(os.open(path, os.O_RDONLY), fcntl.F_NOTIFY, fcntl.DN_ACCESS | fcntl.DN_CREATE | fcntl.DN_MODIFY | fcntl.DN_MULTISHOT)
    except OSError: pass
def look(): return ", ".join(seen[:1])`;

const FANOTIFY = `
try: watch = call(300, 2, 0)
except OSError: watch = None
def look():
    if watch is None: return None
    for path in ("/usr", "/"):
        try: call(301, watch, 0x11, 0x20, -100, path.encode())
        except OSError: continue
    os.system("true")
    return "fanotify watches" if len(os.read(watch, 4096)) else None`;

const LOCKED = `"/usr/bin/python3", "/usr/bin/env", "/etc/ld.so.cache", "/usr/lib/os-release", "/usr", "/etc", "/dev", "/", "/proc/version"`;

const lock = (paths: string) => `
import fcntl
held = []
for path in (${paths}):
    try:
        file = os.open(path, os.O_RDONLY)
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        held.append(file)
        # A program of the host that is open for writing cannot be started meanwhile.
        if BARE and not path.startswith("/dev/"): continue
        file = os.open(path, os.O_RDWR)
        fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        held.append(file)
    except OSError: pass`;

const tryLocks = (paths: string) => `
import fcntl
def blocked(path, how, mode):
    file = os.open(path, mode)
    try: how(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError: return True
judge([(path, lambda path=path: blocked(path, fcntl.flock, os.O_RDONLY)) for path in (${paths})]
    + [(f"region of {path}", lambda path=path: blocked(path, fcntl.lockf, os.O_RDWR)) for path in (${paths}) if not BARE or path.startswith("/dev/")])`;

const LEASED = `
import fcntl, signal
paths = [sys.argv[1]] if BARE else ["/usr/bin/env", "/usr/lib/os-release", "/etc/ld.so.cache", "/dev/null"]`;

const LEASE = `${LEASED}
signal.signal(signal.SIGIO, signal.SIG_IGN)
held = []
for path in paths:
    for kind in (fcntl.F_WRLCK, fcntl.F_RDLCK):
        try:
            held.append(os.open(path, os.O_RDONLY))
            fcntl.fcntl(held[-1], fcntl.F_SETLEASE, kind)
            break
        except OSError: pass`;

const TRY_LEASES = `${LEASED}
def held(path, mode):
    try: os.close(os.open(path, mode | os.O_NONBLOCK))
    except BlockingIOError: return True
judge([(f"{path} {mode}", lambda path=path, mode=mode: held(path, mode)) for path in paths for mode in (os.O_RDONLY, os.O_WRONLY)])`;

const MAKE_IPC = `
key = int(sys.argv[1][-6:], 16) | 0x5a000000
def make():
    return libc.shmget(key, 4096, 0o1666), libc.semget(key, 1, 0o1666), libc.msgget(key, 0o1666)
def remove(shm, sem, msg): libc.shmctl(shm, 0, None), libc.semctl(sem, 0, 0), libc.msgctl(msg, 0, None)
`;

export const JOBS: readonly Case[] = [
  {
    id: "jobs/find-process",
    promise: "S10",
    tries: "finds another job's process by a word among its arguments",
    attack: pair(
      "",
      `
for pid in filter(str.isdigit, os.listdir("/proc")):
    try:
        if int(pid) != os.getpid() and sys.argv[1].encode() in open(f"/proc/{pid}/cmdline", "rb").read(): escaped(f"it is {pid}")
    except OSError: pass
contained("it is not to be seen")`,
    ),
  },
  {
    id: "jobs/find-files",
    promise: "S10",
    tries: "finds files that another job has just left in the usual places",
    attack: pair(
      `for place in ("/tmp", "/dev/shm", "/var/tmp"): open(f"{place}/{sys.argv[1]}", "w").write("mine")`,
      `
judge([(place, lambda place=place: open(f"{place}/{sys.argv[1]}").read()) for place in ("/tmp", "/dev/shm", "/var/tmp", "/run", "/work")] +
    [("unlink", lambda: [os.unlink(f"{place}/{sys.argv[1]}") for place in ("/tmp", "/dev/shm", "/var/tmp")] and True)])`,
    ),
  },
  {
    id: "jobs/segments",
    promise: "S10",
    tries:
      "finds another job's System V memory, semaphores and queues by their key and by counting",
    attack: async (arena) => {
      const args = [nonce()];
      const first = `${READY}${MAKE_IPC}
made = make()
ready()
sys.stdin.read() if BARE else stay()
import time
time.sleep(1)
remove(*made)`;
      const one = await arena.begin(python(first, { args }), "ready");
      const second = `${MAKE_IPC}
found = [name for name, got in (("shm", libc.shmget(key, 4096, 0)), ("sem", libc.semget(key, 1, 0)), ("msg", libc.msgget(key, 0))) if got >= 0]
for number in range(200):
    if libc.shmat(number, None, 0o10000) not in (-1, 0xffffffff): found.append(f"segment {number}"); break
if found: escaped(", ".join(found))
contained("neither by key nor by number")`;
      const verdict = verdictOf(await arena.run(python(second, { args })));
      await (arena.isBox ? one.stop() : one.ended);
      return verdict;
    },
  },
  {
    id: "jobs/named-ipc",
    promise: "S10",
    tries: "opens another job's POSIX queue and semaphore by their names",
    attack: pair(
      `
from multiprocessing import shared_memory, resource_tracker
libc.mq_open(b"/" + sys.argv[1].encode(), 0o102, 0o666, None)
held = shared_memory.SharedMemory(name=sys.argv[1], create=True, size=4096)`,
      `
from multiprocessing import shared_memory
def queue():
    got = libc.mq_open(b"/" + sys.argv[1].encode(), 0)
    if got == -1: raise OSError(ctypes.get_errno(), "no queue")
    libc.mq_unlink(b"/" + sys.argv[1].encode())
    return True
def memory():
    held = shared_memory.SharedMemory(name=sys.argv[1])
    held.unlink()
    return True
judge([("queue", queue), ("memory", memory)])`,
    ),
  },
  {
    id: "jobs/sockets",
    promise: "S10",
    unsafe: "a plain process can bind, which is another case",
    tries: "reaches another job's sockets by names that pairs got from the kernel",
    attack: pair(
      `
import socket
held = [socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM) for _ in range(50)]
for end, _ in held: end.setsockopt(socket.SOL_SOCKET, 16, 1)
try: held[0][0].send(b"x")
except OSError: pass`,
      `
import socket
end = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)[0]
judge([(f"{number:05x}", lambda number=number: end.sendto(b"x", b"\\0%05x" % number)) for number in range(2000)])`,
    ),
  },
  {
    id: "jobs/terminals",
    promise: "S10",
    asRoot: true,
    tries: "opens another job's pseudo-terminal by its number and writes to it",
    attack: pair(
      "import pty\nheld = pty.openpty()",
      `judge([(f"/dev/pts/{number}", lambda number=number: os.open(f"/dev/pts/{number}", os.O_RDWR | os.O_NOCTTY)) for number in range(40)])`,
    ),
  },
  {
    id: "jobs/inotify",
    promise: "S10",
    tries: "watches by inotify what another job opens, runs and makes, in thirteen places",
    attack: watched(inotify(WATCHED), USE_EVERYTHING),
  },
  {
    id: "jobs/watched-devices",
    promise: "S10",
    tries: "watches by inotify when another job opens a device that both have",
    attack: watched(inotify(DEVICES), USE_EVERYTHING),
  },
  {
    id: "jobs/dnotify",
    promise: "S10",
    tries: "watches directories for another job by the older F_NOTIFY",
    attack: watched(DNOTIFY, USE_EVERYTHING),
  },
  {
    id: "jobs/fanotify",
    promise: "S10",
    asRoot: true,
    tries: "watches whole mounts and file systems by fanotify",
    attack: watched(FANOTIFY, USE_EVERYTHING),
  },
  {
    id: "jobs/locks",
    promise: "S10",
    tries: "blocks another job by locks on programs and directories that both have",
    attack: pair(lock(LOCKED), tryLocks(LOCKED)),
  },
  {
    id: "jobs/locked-devices",
    promise: "S10",
    tries: "blocks another job by locks on devices that both have",
    attack: pair(lock(DEVICES), tryLocks(DEVICES)),
  },
  {
    id: "jobs/leases",
    promise: "S10",
    tries: "holds up another job's opening of a program by a lease",
    // Without a box a lease on a program or on ld.so.cache would halt the host for 45 seconds: there
    // it is a file of its own.
    attack: (arena) => withBait((bait) => pair(LEASE, TRY_LEASES, bait.path)(arena)),
  },
  {
    id: "jobs/same-user",
    promise: "S10",
    asRoot: true,
    tries: "changes the priority of all processes of its user, among them another job's",
    // As root all of the host would get it: without a box it is that one process.
    attack: watched(
      `
def look(): return "its priority was changed" if os.getpriority(os.PRIO_PROCESS, 0) != 0 else None`,
      `
def change():
    if not BARE: return os.setpriority(os.PRIO_USER, 0, 7)
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try: words = open(f"/proc/{pid}/cmdline", "rb").read()
        except OSError: continue
        if sys.argv[1].encode() in words and int(pid) != os.getpid(): os.setpriority(os.PRIO_PROCESS, int(pid), 7)
change()`,
    ),
  },
  {
    id: "jobs/exhaust",
    promise: "S10",
    unsafe: "without a box the limits of its user would be those of whoever runs the suite",
    tries:
      "uses up all processes, terminals, queues, watches and open files that its user may have",
    attack: pair(
      `
import fcntl, time
SMALL = (ctypes.c_long * 8)(0, 1, 1024)
held = []
def all_of(take):
    try:
        while len(held) < 5000: held.append(take())
    except OSError: pass
def queue():
    got = libc.mq_open(b"/%d" % len(held), 0o102, 0o600, SMALL)
    if got == -1: raise OSError()
def watch():
    if libc.inotify_init1(0) == -1: raise OSError()
for take in (queue, watch, lambda: os.open("/dev/ptmx", os.O_RDWR | os.O_NOCTTY), os.pipe): all_of(take)
try:
    while True:
        if os.fork() == 0: time.sleep(600)
except OSError: pass`,
      `
import pty
watch = libc.inotify_init1(0)
if watch == -1: escaped(f"no watch: {os.strerror(ctypes.get_errno())}")
if libc.mq_open(b"/own", 0o102, 0o600, (ctypes.c_long * 8)(0, 1, 1024)) == -1: escaped(f"no queue: {os.strerror(ctypes.get_errno())}")
try: pty.openpty(), os.pipe(), os.fork() or os._exit(0)
except OSError as error: escaped(error.strerror)
contained("the other job has its own")`,
    ),
  },
  {
    id: "jobs/next",
    promise: "S10",
    tries:
      "looks for what the job before it left: files, terminals, names, memory that was not cleared",
    attack: async (arena) => {
      const mark = nonce();
      const leave = `
for place in ("/tmp", "/dev/shm", os.getcwd()): open(f"{place}/{sys.argv[1]}", "w").write(sys.argv[1] * 1000)
held = bytearray(sys.argv[1].encode()) * 100000
contained("left")`;
      await arena.run(python(leave, { args: [mark], outputs: [] }));
      const look = `
word = sys.argv[1].encode()[::-1]
found = [place for place in ("/tmp", "/dev/shm", "/work", "/var/tmp") if os.path.exists(f"{place}/{word.decode()[::-1]}")]
import mmap
fresh = mmap.mmap(-1, 40 << 20)
if fresh.find(word[::-1]) >= 0: found.append("fresh memory")
if found: escaped(", ".join(found))
contained("nothing was left")`;
      const ended = await arena.run(python(look, { args: [mark] }));
      await arena.run(
        python(
          `[os.unlink(f"{place}/{sys.argv[1]}") for place in ("/tmp", "/dev/shm") if os.path.exists(f"{place}/{sys.argv[1]}")]`,
          { args: [mark] },
        ),
      );
      return verdictOf(ended);
    },
  },
];
