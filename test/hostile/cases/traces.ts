/** What tells one host from another or counts who else is there, though nothing can be reached by it. */
import { readFileSync } from "node:fs";
import { uptime } from "node:os";
import { type Case, says, verdictOf } from "../case.ts";
import { python } from "../programs.ts";

const CLOCKS = `
import time
up = float(sys.argv[1])
judge([(name, lambda number=number: time.clock_gettime(number) >= up and f"{time.clock_gettime(number):.0f} s") for name, number in
    (("monotonic", 1), ("raw", 4), ("coarse", 6), ("boot", 7))]
    + [("/proc/uptime", lambda: float(open("/proc/uptime").read().split()[0]) >= up or None)])`;

const OWN_GROUP = `
import re
known = re.compile(r"(/\\.\\.)*(/jobs/slot-[0-9]+)?/?")
places = [line.rstrip().split(":", 2)[2] for line in open("/proc/self/cgroup")]
told = [place for place in places if not known.fullmatch(place)]
if told: escaped(max(told, key=len))
contained("nothing there but " + ", ".join(sorted(set(places))))`;

/**
 * As a program that wants its core: it raises what it may, and a child of it crashes. Whether a
 * handler of the host was started cannot be seen from here, but any limit other than 1 lets it be,
 * 0 among them.
 */
const CRASH = `
import resource, struct
soft, most = resource.getrlimit(resource.RLIMIT_CORE)
if BARE and 0 <= most < 1 << 20: contained("not supported: this host allows no core files")
for wanted in ((most, most), (-1, -1), (1 << 40, 1 << 40)):
    try: resource.setrlimit(resource.RLIMIT_CORE, wanted)
    except (OSError, ValueError): continue
os.chdir("/dev/shm")
before = set(os.listdir("."))
pid = os.fork()
if pid == 0: os.kill(os.getpid(), 11)
status = os.waitpid(pid, 0)[1]
made = [name for name in os.listdir(".") if name not in before and os.path.getsize(name)]
for name in made: os.unlink(name)
if made or os.WCOREDUMP(status): escaped(f"the kernel wrote a core, {made or 'to a handler'}")
if most != 1: escaped(f"a handler would have got it: the limit is {most}")
contained("the crash left nothing, and no handler is started")`;

const COUNT_SOCKETS = `
def others(name): return len(list(open("/proc/self/net/" + name))[1:]) or None
judge([(name, lambda name=name: others(name)) for name in ("unix", "packet", "raw", "tcp", "udp")])`;

export const TRACES: readonly Case[] = [
  {
    id: "traces/clocks",
    promise: "S17",
    tries: "learns from the clocks since when the host runs, and so which host it is",
    attack: async (arena) => verdictOf(await arena.run(python(CLOCKS, { args: [`${uptime()}`] }))),
  },
  {
    id: "traces/group",
    promise: "S17",
    ...(isInTopGroup() ? { unsafe: "processes of this host are in the top group" } : {}),
    tries: "learns from its control group's path where the service's own lies",
    attack: says(python(OWN_GROUP)),
  },
  {
    id: "traces/core",
    promise: "S19",
    mayLack: true,
    tries: "crashes to have its memory written to a file or to the host's core handler",
    attack: says(python(CRASH)),
  },
  {
    id: "traces/sockets",
    promise: "S10",
    tries: "counts in /proc/net the sockets that another job has",
    attack: async (arena) => {
      const code = `
import socket, time
held = [socket.socketpair() for _ in range(20)]
print("ready", flush=True)
time.sleep(600)`;
      const one = await arena.begin(python(code), "ready");
      const other = await arena.run(python(COUNT_SOCKETS));
      await one.stop();
      return verdictOf(other);
    },
  },
];

function isInTopGroup(): boolean {
  return readFileSync("/proc/self/cgroup", "utf8")
    .trimEnd()
    .split("\n")
    .every((line) => line.endsWith(":/"));
}
