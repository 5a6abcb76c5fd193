/** Processes, files, descriptors, processor time, printed output: more of each than a job may have. */
import { BOX_LIMITS, MIB, TRANSFER_LIMITS } from "../../../src/core/limits.ts";
import {
  type Case,
  checked,
  contained,
  escaped,
  says,
  saysOrEnds,
  tell,
  verdictOf,
} from "../case.ts";
import { c, node, python } from "../programs.ts";

const FORK = `
import signal, time
made = []
def one(stay):
    pid = os.fork()
    if pid == 0:
        if stay: time.sleep(600)
        os._exit(0)
    made.append(pid)
def many(stay):
    try:
        for _ in range(${2 * BOX_LIMITS.processes}): one(stay)
    except OSError as error: return error.strerror
    finally:
        for pid in made: os.kill(pid, signal.SIGKILL)
def told(refusal, what):
    if len(made) > ${BOX_LIMITS.processes}: escaped(f"{len(made)} {what}")
    contained(f"{len(made)} {what}, then: {refusal}")
`;

/** Printed bytes that came out, of 30 MB. */
function floods(code: string): Case["attack"] {
  return async (arena) => {
    const ended = await arena.run(python(code, { timeoutSeconds: 30 }));
    const bytes = ended.stdout.length + ended.stderr.length;
    if (bytes > TRANSFER_LIMITS.printedBytes) return escaped(`${bytes} bytes came out`);
    return contained(`${bytes} bytes came out; ${tell(ended.outcome)}`);
  };
}

export const COUNTS: readonly Case[] = [
  {
    id: "counts/processes",
    promise: "S6",
    tries: "starts twice as many processes as it may have",
    attack: says(python(`${FORK}told(many(True), "processes")`)),
  },
  {
    id: "counts/zombies",
    promise: "S6",
    tries: "leaves dead children unasked for, until no number is left",
    attack: says(python(`${FORK}told(many(False), "dead children")`)),
  },
  {
    id: "counts/threads",
    promise: "S6",
    tries: "starts twice as many threads as it may have",
    attack: says(
      c(`
#include <pthread.h>
static void *stay(void *nothing) { pause(); return nothing; }
int main(void) {
  pthread_attr_t small;
  pthread_attr_init(&small);
  pthread_attr_setstacksize(&small, 65536);
  int count = 0, error = 0;
  for (pthread_t thread; count < ${2 * BOX_LIMITS.processes}; count++) if ((error = pthread_create(&thread, &small, stay, NULL)) != 0) break;
  if (count > ${BOX_LIMITS.processes}) escaped("%d threads", count);
  contained("%d threads, then: %s", count, strerror(error));
}`),
    ),
  },
  {
    id: "counts/bomb",
    promise: "S6",
    unsafe: "a bomb without a fuse",
    tries: "doubles itself for ever, and ignores every signal",
    attack: async (arena) => {
      const code = `
import signal
for number in range(1, 32):
    try: signal.signal(number, signal.SIG_IGN)
    except OSError: pass
while True:
    try: os.fork()
    except OSError: pass`;
      const { outcome } = await arena.run(python(code, { timeoutSeconds: 1 }));
      const after = verdictOf(await arena.run(python("contained('the next job runs')")));
      return outcome.kind === "timed_out" ? after : escaped(tell(outcome));
    },
  },
  {
    id: "counts/files",
    promise: "S7",
    tries: "makes more files than each of its places may hold",
    attack: says(
      python(
        `
import shutil
for place, most in ((os.getcwd(), ${BOX_LIMITS.workInodes}), ("/tmp", ${BOX_LIMITS.tmpInodes}), ("/dev/shm", ${BOX_LIMITS.tmpInodes})):
    folder, count = f"{place}/many-{os.getpid()}", 0
    os.mkdir(folder)
    try:
        for count in range(most + 1): os.mknod(f"{folder}/{count}")
    except OSError as error: refusal = error.strerror
    shutil.rmtree(folder)
    if count >= most: escaped(f"{count} files in {place}")
contained(refusal)`,
        { outputs: [] },
      ),
    ),
  },
  {
    id: "counts/bytes",
    promise: "S7",
    tries: "fills each of its places past its size, with memory to spare",
    attack: says(
      python(
        `
places = [("/dev/shm", ${BOX_LIMITS.shmBytes}), ("/tmp", ${BOX_LIMITS.tmpBytes}), (os.getcwd(), ${BOX_LIMITS.workBytes})]
for place, most in places:
    path = f"{place}/large-{os.getpid()}"
    file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL)
    os.unlink(path)
    try:
        os.posix_fallocate(file, 0, most + 4096)
        escaped(f"{most + 4096} bytes in {place}")
    except OSError as error: refusal = error.strerror
    os.close(file)
contained(refusal)`,
        { outputs: [], memoryMb: 1024 },
      ),
    ),
  },
  {
    id: "counts/descriptors",
    promise: "S7",
    tries: "opens more files than it may, also after asking for a higher limit",
    attack: says(
      python(`
import resource
for most in (1 << 20, 65536, 4096, 1024):
    try: resource.setrlimit(resource.RLIMIT_NOFILE, (most, most)); break
    except (OSError, ValueError): pass
opened = []
try:
    while len(opened) < 1000: opened.append(os.dup(1))
except OSError as error: refusal = error.strerror
if len(opened) > ${BOX_LIMITS.openFiles}: escaped(f"{len(opened)} descriptors")
contained(f"{len(opened)} descriptors, then: {refusal}")`),
    ),
  },
  {
    id: "counts/terminals",
    promise: "S7",
    tries: "opens as many pseudo-terminals as it can get",
    attack: says(
      python(`
opened = []
try:
    while len(opened) < 100: opened.append(os.open("/dev/ptmx", os.O_RDWR | os.O_NOCTTY))
except OSError as error: refusal = error.strerror
if len(opened) > 32: escaped(f"{len(opened)} terminals")
contained(f"{len(opened)} terminals, then: {refusal}")`),
    ),
  },
  {
    id: "counts/sparse",
    promise: "S7",
    tries: "leaves files of an exabyte, without a byte in them, to be collected",
    attack: async (arena) => {
      const code =
        "for n in range(3):\n  with open(f's{n}', 'w') as file: file.truncate(1 << (60 if not BARE else 40))";
      const { outcome, files } = await arena.run(python(code));
      const cut = outcome.kind === "output_limit" && files.size === 0;
      return cut ? contained(tell(outcome)) : escaped(`${tell(outcome)}, nobody minded`);
    },
  },
  {
    id: "counts/cpu-threads",
    promise: "S8",
    tries: "spins in four processes, to have more than its share of the processors",
    attack: async (arena) => {
      const code = `
import time
for _ in range(2): os.fork()
end = time.monotonic() + 0.7
while time.monotonic() < end: pass`;
      const { cpuMs, wallMs } = await arena.run(python(code));
      // A period of the kernel's quota may be used up at either end.
      const share = Math.round((cpuMs / wallMs) * 100);
      return cpuMs <= wallMs * 1.1 + 200
        ? contained(`${share} % of one core`)
        : escaped("more than one core");
    },
  },
  {
    id: "counts/cpu-limit",
    promise: "S8",
    tries: "burns its processor time in short-lived children in sessions of their own",
    attack: saysOrEnds(
      python(
        `
import resource, time
spent = 0
while spent < 2.5:
    pid = os.fork()
    if pid == 0:
        os.setsid()
        end = time.process_time() + 0.05
        while time.process_time() < end: pass
        os._exit(0)
    os.waitpid(pid, 0)
    spent = sum(resource.getrusage(resource.RUSAGE_CHILDREN)[:2])
escaped(f"{spent:.1f} s of processor time")`,
        { cpuSeconds: 1 },
      ),
      "cpu_limit",
    ),
  },
  {
    id: "counts/priority",
    promise: "S8",
    asRoot: true,
    tries: "takes a real-time class, a deadline, a higher priority, I/O before all others",
    attack: says(
      python(`
import struct
def deadline():
    block = ctypes.create_string_buffer(struct.pack("<IIQiIQQQ", 48, 6, 0, 0, 0, 10**6, 10**7, 10**7), 48)
    return call(314, 0, block, 0) + 1
judge([("fifo", lambda: os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(1)) or True), ("rr", lambda: os.sched_setscheduler(0, os.SCHED_RR, os.sched_param(1)) or True),
    ("deadline", deadline), ("nice", lambda: os.nice(-1) < 0), ("priority", lambda: os.setpriority(os.PRIO_PROCESS, 0, -20) or True), ("I/O", lambda: call(251, 1, 0, 1 << 13) + 1)])`),
    ),
  },
  {
    id: "counts/flood",
    promise: "S9",
    tries: "prints 30 MB on two streams at once",
    attack: floods(`
other = os.fork()
for _ in range(15): os.write(1 if other else 2, b"x" * (1 << 20))
if other: os.waitpid(other, 0)`),
  },
  {
    id: "counts/endless-line",
    promise: "S9",
    tries: "prints 30 MB without an end of line, byte by byte as it can",
    attack: floods(`
data = b"\\0" * 4093
for _ in range((30 << 20) // 4093): os.write(1, data)`),
  },
  {
    id: "counts/unread",
    promise: "S9",
    tries: "prints for ever and ends for nobody, while another job wants to run",
    attack: async (arena) => {
      const code = `const flood = () => { for (let n = 0; ; n++) require("node:fs").writeSync(1, (n > 300 ? "z" : "y").repeat(65536)); };
try { flood(); } catch { flood(); }`;
      // In a box the 20th megabyte is never seen.
      const flood = await arena.begin(node(code), arena.isBox ? "y" : "z");
      const next = await arena.run(python("contained('the other job ran beside it')"));
      const last = await flood.stop();
      const within = last.stdout.length <= TRANSFER_LIMITS.printedBytes + MIB;
      return checked(verdictOf(next), [within, `${last.stdout.length} bytes were kept`]);
    },
  },
];
