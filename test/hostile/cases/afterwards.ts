/** Outliving the job; and what is told of how it ended. */
import { existsSync, readFileSync } from "node:fs";
import { LAYERS } from "../../../src/core/wire.ts";
import { inputFile, type Job } from "../../support/boxes.ts";
import { until } from "../../support/host.ts";
import {
  type Arena,
  type Case,
  checked,
  contained,
  type Ended,
  escaped,
  says,
  tell,
  type Verdict,
  verdictOf,
} from "../case.ts";
import { nonce, pidsWith } from "../host.ts";
import { bash, node, python } from "../programs.ts";

/** After a job ended, no process of the host has its mark among its arguments. */
function leavesNobody(job: (mark: string) => Job): Case["attack"] {
  return async (arena) => {
    const mark = nonce();
    const ended = await arena.run(job(mark));
    return whoIsLeft(arena, mark, ended);
  };
}

/** Looked for several times, since one may be between two of its lives. */
function whoIsLeft(arena: Arena, mark: string, ended: Ended): Verdict {
  const left = new Set(Array.from({ length: 20 }, () => pidsWith("cmdline", mark)).flat());
  if (left.size === 0) return contained(`nobody is left; ${tell(ended.outcome)}`);
  if (!arena.isBox) for (const pid of pidsWith("cmdline", mark)) process.kill(pid, "SIGKILL");
  return escaped(`${left.size} processes live on`);
}

/** It keeps no stream open, which whoever started it might wait for. */
const ALONE = `
def alone():
    for stream in range(3): os.dup2(os.open("/dev/null", os.O_RDWR), stream)
`;

const DAEMON = `${ALONE}
import signal, time
def daemon():
    if os.fork() == 0:
        os.setsid()
        alone()
        for number in range(1, 32):
            try: signal.signal(number, signal.SIG_IGN)
            except (OSError, ValueError): pass
        if os.fork() == 0:
            os.execv(sys.executable, [sys.executable, "-c", "import time; time.sleep(60)", sys.argv[1]])
        os._exit(0)
`;

/** The outcome must be this one, whatever the program says of itself. */
function endsAs(job: Job, expected: (ended: Ended) => boolean): Case["attack"] {
  return async (arena) => {
    const ended = await arena.run(job);
    return expected(ended)
      ? contained(tell(ended.outcome))
      : escaped(`told as ${tell(ended.outcome)}`);
  };
}

function exitedWith(code: number) {
  return ({ outcome }: Ended) => outcome.kind === "exited" && outcome.exitCode === code;
}

export const AFTERWARDS: readonly Case[] = [
  {
    id: "afterwards/daemon",
    promise: "S11",
    tries: "leaves a daemon: forked twice, in a session of its own, deaf to signals",
    attack: leavesNobody((mark) => python(`${DAEMON}daemon()\ntime.sleep(0.2)`, { args: [mark] })),
  },
  {
    id: "afterwards/stopped",
    promise: "S11",
    tries: "leaves stopped processes, which take no signal before they go on",
    attack: leavesNobody((mark) =>
      python(
        `${ALONE}
import signal, time
for _ in range(5):
    pid = os.fork()
    if pid == 0: alone(), os.execv(sys.executable, [sys.executable, "-c", "import time; time.sleep(60)", sys.argv[1]])
    time.sleep(0.05)
    os.kill(pid, signal.SIGSTOP)`,
        { args: [mark] },
      ),
    ),
  },
  {
    id: "afterwards/relay-race",
    promise: "S11",
    tries: "hands itself on from child to child, each of which lives for milliseconds",
    attack: leavesNobody((mark) =>
      python(
        `${ALONE}
import time
end = time.monotonic() + (5 if BARE else 60)
if os.fork(): os._exit(0)
os.setsid()
alone()
while time.monotonic() < end:
    time.sleep(0.003)
    if os.fork(): os._exit(0)`,
        { args: [mark] },
      ),
    ),
  },
  {
    id: "afterwards/nohup",
    promise: "S11",
    tries: "leaves shells in the background by nohup, setsid and disown",
    attack: leavesNobody((mark) =>
      bash(
        `
nohup bash -c 'sleep 60; :' "$1" >/dev/null 2>&1 &
setsid bash -c 'sleep 60; :' "$1" >/dev/null 2>&1 &
disown -a
sleep 0.2`,
        { args: [mark] },
      ),
    ),
  },
  {
    id: "afterwards/node",
    promise: "S11",
    tries: "leaves a detached child of Node that is no longer referred to",
    attack: leavesNobody((mark) =>
      node(
        `
const { spawn } = require("node:child_process");
spawn("/usr/bin/python3", ["-c", "import time; time.sleep(60)", process.argv[2]], { detached: true, stdio: "ignore" }).unref();
setTimeout(() => undefined, 200);`,
        { args: [mark] },
      ),
    ),
  },
  {
    id: "afterwards/files",
    promise: "S11",
    tries: "leaves files in every place of the host where files outlive their makers",
    attack: async (arena) => {
      const mark = nonce();
      const code = `
for place in ("/tmp", "/var/tmp", "/dev/shm", "/run", "/var/spool/cron", "/home", "/root", "/etc/cron.d", "/usr/local/bin"):
    try: open(f"{place}/{sys.argv[1]}", "x").close()
    except OSError: pass
contained("it has tried")`;
      const ended = await arena.run(python(code, { args: [mark] }));
      const places =
        "/tmp /var/tmp /dev/shm /run /var/spool/cron /home /root /etc/cron.d /usr/local/bin";
      const left = places.split(" ").filter((place) => existsSync(`${place}/${mark}`));
      if (!arena.isBox) {
        const words = left.map((place) => `${place}/${mark}`);
        await arena.run(bash('rm -f -- "$@"', { args: words }));
      }
      return checked(verdictOf(ended), [left.length === 0, `left in ${left.join(", ")}`]);
    },
  },
  {
    id: "afterwards/names",
    promise: "S11",
    tries: "leaves System V memory and a POSIX queue on the host",
    attack: async (arena) => {
      const code = `
key = int(sys.argv[1], 16)
made = libc.shmget(key, 4096, 0o1666)
contained("made" if made != -1 else "not made")`;
      const key = `5a${nonce().slice(-5)}`;
      const ended = await arena.run(python(code, { args: [key] }));
      const table = readFileSync("/proc/sysvipc/shm", "utf8");
      const isThere = new RegExp(`^ *${Number.parseInt(key, 16)} `, "m").test(table);
      const remove = "libc.shmctl(libc.shmget(int(sys.argv[1], 16), 0, 0), 0, None)";
      if (!arena.isBox) await arena.run(python(remove, { args: [key] }));
      return checked(verdictOf(ended), [!isThere, "the segment is on the host"]);
    },
  },
  {
    id: "afterwards/cancelled",
    promise: "S11",
    tries: "lives on when its caller stops it",
    attack: async (arena) => {
      const mark = nonce();
      const code = `${DAEMON}daemon()\ntime.sleep(0.1)\nprint("ready", flush=True)\ntime.sleep(60)`;
      const job = await arena.begin(python(code, { args: [mark] }), "ready");
      await until("the daemon is there", () => pidsWith("cmdline", mark).length > 0);
      return whoIsLeft(arena, mark, await job.stop());
    },
  },
  {
    id: "afterwards/core",
    promise: "S19",
    tries: "raises its core limit and crashes, so that its memory is dumped or piped to a handler",
    attack: says(
      python(`
import resource, signal
pid = os.fork()
if pid == 0:
    for most in (resource.RLIM_INFINITY, 1 << 30):
        try: resource.setrlimit(resource.RLIMIT_CORE, (most, most))
        except (OSError, ValueError): pass
    os.kill(os.getpid(), signal.SIGSEGV)
status = os.waitpid(pid, 0)[1]
if os.WCOREDUMP(status): escaped("its memory was dumped")
contained(f"ended by signal {os.WTERMSIG(status)}, nothing was dumped")`),
    ),
  },
  {
    id: "ends/layers",
    promise: "S15",
    tries: "runs where a layer is missing: the box that ran it must have had every one",
    attack: async (arena) => {
      const { isolation } = await arena.run(python("contained('it ran')"));
      const missing = LAYERS.filter((layer) => !isolation.includes(layer));
      return missing.length === 0
        ? contained("all layers held")
        : escaped(`ran without ${missing.join(", ")}`);
    },
  },
  {
    id: "ends/forged-frames",
    promise: "S16",
    tries: "prints what its box says at the end of a job that went well, and fails",
    attack: endsAs(
      python(`
import struct
frame = lambda kind, body: struct.pack("<II", kind, len(body)) + body
for stream in range(1, 10):
    for _ in range(3):
        try: os.write(stream, frame(66, b"") + frame(68, struct.pack("<II3Q", 0, 0, 0, 0, 0)) + frame(70, bytes(8)))
        except OSError: pass
os._exit(9 if not BARE else 0)`),
      (ended) => exitedWith(9)(ended) && ended.stdout.length > 100,
    ),
  },
  {
    id: "ends/late-output",
    promise: "S16",
    tries: "ends, but lets a child hold its output open to add to it",
    attack: endsAs(
      python(`
import time
if os.fork() == 0:
    os.setsid()
    time.sleep(1)
    print("late", flush=True)
    os._exit(0)
print("in time", flush=True)
os._exit(3)`),
      (ended) => exitedWith(3)(ended) && ended.stdout.toString() === "in time\n",
    ),
  },
  {
    id: "ends/false-success",
    promise: "S16",
    tries: "loses a child for want of memory and ends as if all were well",
    attack: endsAs(
      python(
        `
if os.fork() == 0:
    held = bytearray(b"x") * (${128} << 20)
    os._exit(0)
os.wait()
os._exit(0)`,
        { memoryMb: 64 },
      ),
      ({ outcome }) => outcome.kind === "out_of_memory",
    ),
  },
  {
    id: "ends/deaf",
    promise: "S16",
    unsafe: "without a box nobody ends it",
    tries:
      "outstays its time, deaf to all signals, with its streams closed and its process stopped",
    attack: endsAs(
      python(
        `
import signal
for number in range(1, 65):
    try: signal.signal(number, signal.SIG_IGN)
    except (OSError, ValueError): pass
signal.pthread_sigmask(signal.SIG_BLOCK, range(1, 65))
for stream in range(3): os.close(stream)
os.kill(os.getpid(), signal.SIGSTOP)
while True: pass`,
        { timeoutSeconds: 1 },
      ),
      ({ outcome }) => outcome.kind === "timed_out",
    ),
  },
  {
    id: "ends/own-kill",
    promise: "S16",
    unsafe: "the kernel tells this of plain processes too",
    tries: "kills itself as the kernel does when memory is short",
    attack: endsAs(
      python("import signal\nos.kill(os.getpid(), signal.SIGKILL)"),
      ({ outcome }) => outcome.kind === "signalled" && outcome.signal === "SIGKILL",
    ),
  },
  {
    id: "ends/changed-input",
    promise: "S16",
    tries: "replaces its own entrypoint while it runs",
    unsafe: "a plain process may do that too, and nothing is told of it",
    attack: endsAs(
      python("open(sys.argv[0], 'w').write('raise SystemExit(1)')", {
        files: [inputFile("other", "x")],
      }),
      (ended) => exitedWith(0)(ended) && ended.files.has("main.py"),
    ),
  },
];
