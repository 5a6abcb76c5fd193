/** Who bears the boxes of a slot: no job reaches it, and its end harms nobody. */
import assert from "node:assert/strict";
import { existsSync, readlinkSync } from "node:fs";
import { after, before, test } from "node:test";
import { BOX_LIMITS } from "../../src/core/limits.ts";
import type { RunningJob } from "../../src/core/runner.ts";
import { Box } from "../../src/sandbox/box.ts";
import { type LocalWarden, startLocalWarden } from "../../src/sandbox/warden.ts";
import { begin, openRunnerFor, say, useRunner } from "../support/boxes.ts";
import {
  childrenOf,
  isAlive,
  onHost,
  ownWardens,
  stewardsOf,
  until,
  type WardenOnHost,
} from "../support/host.ts";
import { remainsOf } from "../support/range.ts";

let warden: LocalWarden;
before(async () => {
  warden = await startLocalWarden({ slots: 4, cpus: 1, memoryBytes: 0, trees: [] });
});
after(() => warden.close());
const runner = useRunner(1);

function wardenWith(isIt: (one: WardenOnHost) => boolean): WardenOnHost {
  return ownWardens().find(isIt) ?? assert.fail("the warden can be seen");
}
const ofRunner = () => wardenWith(({ pid }) => pid !== warden.pid);
const ofBoxes = () => wardenWith(({ pid }) => pid === warden.pid);

function oneOf(numbers: readonly number[]): number {
  assert.equal(numbers.length, 1);
  return numbers[0] ?? 0;
}

const build = (slot: number) =>
  Box.build(warden.handover.keeper, { slot, environment: 0, ...BOX_LIMITS });

/** Ends it; returns when the keeper has heard of that. */
async function kill(steward: number): Promise<void> {
  process.kill(steward, "SIGKILL");
  await until("it was waited for", () => !existsSync(`/proc/${steward}`));
}

const WAIT = "import sys\nprint('ready', flush=True)\nprint(sys.stdin.read())\nsys.exit(3)";

test("a steward that is killed is missed by nobody: its box goes on, and the next is made", async () => {
  let running: RunningJob | undefined;
  const onStarted = (job: RunningJob) => {
    running = job;
  };
  const job = await begin(runner(), { code: WAIT, interactive: true, onStarted }, "ready");
  const first = oneOf(stewardsOf(ofRunner()));
  await kill(first);
  await running?.writeStdin(Buffer.from("on"));
  running?.endStdin();
  const { outcome, stdout, finished } = await job.ended;
  await finished.outputs.destroy();
  assert.deepEqual(outcome, { kind: "exited", exitCode: 3 });
  assert.equal(stdout.toString(), "ready\non\n");
  assert.equal(await say(runner(), "print('next')"), "next\n");
  const second = oneOf(stewardsOf(ofRunner()));
  assert.notEqual(second, first);
  await kill(second);
  assert.equal(await say(runner(), "print('next')"), "next\n");
});

test("a steward that does nothing fails one box, with the step, and the slot has another", async () => {
  const beside = await build(1);
  const own = stewardsOf(ofBoxes());
  await (await build(0)).destroy();
  const stopped = oneOf(stewardsOf(ofBoxes()).filter((pid) => !own.includes(pid)));
  process.kill(stopped, "SIGSTOP");
  await assert.rejects(build(0), /hear who was to bear a box/);
  await until("it was ended", () => !existsSync(`/proc/${stopped}`));
  await (await build(0)).destroy();
  await beside.destroy();
});

/** How many control group namespaces there may be below the keeper; it takes the namespace's root to say. */
async function allowGroupNamespaces(count: number): Promise<void> {
  const [keeper] = childrenOf(warden.pid);
  const there = ["-t", `${keeper}`, "-U", "-m", "-S", "0", "-G", "0"];
  const line = `echo ${count} > /proc/sys/user/max_cgroup_namespaces`;
  const { status, stderr } = await onHost("nsenter", [...there, "sh", "-c", line]);
  assert.equal(status, 0, stderr);
}

test("S15: a steward that is not all that its boxes are to be bears none, and says why", async () => {
  await allowGroupNamespaces(0);
  await assert.rejects(build(3), /make a cgroup namespace/);
  await allowGroupNamespaces(1000);
  await (await build(3)).destroy();
});

test("a box is told to be gone while the steward of another slot, made beside it, lives", async () => {
  const first = await build(0);
  const own = stewardsOf(ofBoxes());
  const second = await build(2);
  const younger = oneOf(stewardsOf(ofBoxes()).filter((pid) => !own.includes(pid)));
  await first.destroy();
  assert.ok(isAlive(younger), "it held nothing of the first");
  await second.destroy();
});

const SEEK = `
import ctypes, os, signal
libc = ctypes.CDLL(None, use_errno=True)
print(*sorted(int(name) for name in os.listdir("/proc") if name.isdigit()), os.getpid())
print(any("steward" in open(f"/proc/{name}/comm").read() for name in os.listdir("/proc") if name.isdigit()))
ATTACH, SEIZE, PIDFD_OPEN = 16, 0x4206, 434
reached = []
for pid in [*range(1, 32769), -1]:
    if pid == os.getpid(): continue
    for number in signal.SIGSTOP, signal.SIGKILL:
        try:
            os.kill(pid, number)
            reached.append(pid)
        except OSError: pass
    if pid > 0 and 0 <= min(libc.ptrace(how, pid, None, None) for how in (ATTACH, SEIZE)): reached.append(pid)
    if pid > 1 and libc.syscall(PIDFD_OPEN, pid, 0) >= 0: reached.append(pid)
print(reached)
signal.signal(signal.SIGUSR1, signal.SIG_IGN)
os.kill(0, signal.SIGUSR1)
`;
const SEES =
  "import os, time\nprint(os.readlink('/proc/self/ns/user'))\nprint([name for name in os.listdir('/proc') if name.isdigit()] == [str(os.getpid())])";

/** Repeats it when the lease of the slot ended meanwhile, and another steward bore what came behind that. */
async function withOneSteward<T>(work: (steward: number) => Promise<T>): Promise<T> {
  for (let tries = 0; tries < 5; tries++) {
    await say(runner(), "");
    const steward = oneOf(stewardsOf(ofRunner()));
    const result = await work(steward);
    if (stewardsOf(ofRunner()).includes(steward)) return result;
  }
  return assert.fail("it did not outlive this once");
}

test("S2: no job sees, signals or traces the steward that bore its box", async () => {
  const ps = "ps -eo comm=; kill -9 -1; kill -9 1; true";
  const [sought, listed, user, own] = await withOneSteward(async (steward) => [
    await say(runner(), SEEK),
    await say(runner(), { interpreter: "bash", code: ps }),
    (await say(runner(), SEES)).split("\n")[0],
    readlinkSync(`/proc/${steward}/ns/user`),
  ]);
  assert.match(sought ?? "", /^(\d+) \1\nFalse\n\[\]\n$/);
  assert.doesNotMatch(listed ?? "", /steward|keeper/);
  assert.equal(user, own, "it bore the last, too");
});

/** What a job can take of things that are counted or named for a user or a namespace; it leaves all of it taken. */
const TAKE = `
import ctypes, os, signal, socket, time
libc = ctypes.CDLL(None, use_errno=True)
def refused(name, what):
    try: print(name, "refused" if what() == -1 else "DONE")
    except OSError: print(name, "refused")
print(os.readlink("/proc/self/ns/user"), os.readlink("/proc/self/ns/cgroup"))
print(os.uname().nodename, open("/proc/self/cgroup").read().count("slot-"))
KEY, CREATE, EXCLUSIVE = 0x5a5d0c02, 0o1000, 0o2000
for name, make in (("shm", lambda how: libc.shmget(KEY, 1 << 20, how)), ("sem", lambda how: libc.semget(KEY, 9, how)),
    ("msg", lambda how: libc.msgget(KEY, how))):
    print(name, make(0o666) >= 0, make(0o666 | CREATE | EXCLUSIVE) >= 0)
ready, told = os.pipe()
if os.fork() == 0:
    os.setsid()
    os.makedirs("/tmp/watched")
    for number in range(1100): os.mkdir(f"/tmp/watched/{number}")
    instances = watches = 0
    while (fd := libc.inotify_init()) >= 0:
        instances += 1
        for number in range(1100): watches += libc.inotify_add_watch(fd, b"/tmp/watched/%d" % number, 0xfff) >= 0
    signal.pthread_sigmask(signal.SIG_BLOCK, [40])
    value = ctypes.c_void_p(1)
    queued = 0
    while libc.sigqueue(os.getpid(), 40, value) == 0: queued += 1
    os.write(told, f"{instances} {watches} {queued}".encode())
    time.sleep(600)
print("counted", os.read(ready, 100).decode())
keyctl = lambda *words: libc.syscall(250, *words)
refused("add_key", lambda: libc.syscall(248, b"user", b"left", b"x", 1, -4))
refused("request_key", lambda: libc.syscall(249, b"user", b"left", None, -4))
for number in 0, 1, 2, 6, 14: refused(f"keyctl {number}", lambda: keyctl(number, -4, 1, 0, 0))
names = ["max_user_namespaces", "max_inotify_instances", "max_ipc_namespaces"]
for path in [f"/proc/sys/user/{name}" for name in names] + ["/proc/sys/kernel/ns_last_pid", "/proc/sys/kernel/hostname",
    "/proc/self/uid_map", "/proc/self/setgroups", "/proc/self/timens_offsets"]:
    refused(path, lambda: os.write(os.open(path, os.O_WRONLY), b"1"))
refused("sethostname", lambda: socket.sethostname("left"))
for name in "user", "cgroup", "mnt", "ipc", "uts", "pid", "net", "time":
    refused(f"setns {name}", lambda: libc.setns(os.open(f"/proc/self/ns/{name}", os.O_RDONLY), 0))
for flag in 0x10000000, 0x02000000, 0x08000000, 0x04000000: refused(f"unshare {flag:x}", lambda: libc.unshare(flag))
# Left, it would end the steward, and there would be no next one of it.
libc.shmctl(libc.shmget(KEY, 0, 0o666), 0, None)
`;

test("S11: what a job took of what is its user's or namespaces' is there for the next of its steward", async () => {
  const [first, second] = await withOneSteward(async () => [
    await say(runner(), TAKE),
    await say(runner(), TAKE),
  ]);
  assert.match(first ?? "", /^shm False True\nsem False True\nmsg False True\n/m);
  assert.match(first ?? "", /^counted 8 8192 256$/m);
  assert.doesNotMatch(first ?? "", /DONE/);
  assert.equal(second, first);
});

/** What the kernel takes back some time after the end of the namespace that it was in. */
const LINGERS = `
import ctypes, os
libc = ctypes.CDLL(None, use_errno=True)
libc.shmget.argtypes = [ctypes.c_int, ctypes.c_size_t, ctypes.c_int]
class Queue(ctypes.Structure): _fields_ = [(name, ctypes.c_long) for name in ("flags", "most", "size", "now")] + [("_", ctypes.c_long * 4)]
queue = lambda name: libc.mq_open(name, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o666, ctypes.byref(Queue(0, 10, 1024, 0)))
print(sum(queue(b"/left%d" % number) >= 0 for number in range(9)))
print(sum(libc.shmctl(libc.shmget(0, 4096, 0o1600), 11, None) == 0 for number in range(20)))
`;

test("S10: queues and locked memory of a job are not on the bill of the next", async () => {
  const first = await say(runner(), LINGERS);
  for (let turn = 0; turn < 60; turn++) assert.equal(await say(runner(), LINGERS), first);
});

test("S10: two slots have two stewards and two user namespaces; S11: those end with the lease", async (context) => {
  const others = ownWardens().map(({ pid }) => pid);
  const two = await openRunnerFor(context, { slots: 2, environments: {} });
  const own = wardenWith(({ pid }) => !others.includes(pid));
  const job = { code: `${SEES}\nprint("ready", flush=True)\ntime.sleep(600)` };
  const jobs = [await begin(two, job, "ready"), await begin(two, job, "ready")];
  const theirs = stewardsOf(own).map((pid) => readlinkSync(`/proc/${pid}/ns/user`));
  const users = jobs.map(({ said }) => said.split("\n")[0] ?? "");
  assert.equal(new Set(users).size, 2);
  assert.deepEqual(users.toSorted(), theirs.toSorted());
  for (const { said } of jobs) assert.match(said, /^True$/m);
  await Promise.all(jobs.map((one) => one.stop()));
  await until("no steward is left", () => stewardsOf(own).length === 0);
  assert.equal(await say(two, "print('again')"), "again\n");
  assert.equal(stewardsOf(own).length, 1);
  const remains = await remainsOf(context, own);
  await two.close();
  assert.deepEqual(await remains(), []);
});
