/** What a job does to the groups of its slot is nothing to the next one there. */
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdirSync, readFileSync, rmdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { isDeepStrictEqual } from "node:util";
import type { Usage } from "../../src/core/job.ts";
import type { Runner } from "../../src/core/runner.ts";
import { type Job, openRunnerFor, run, say } from "../support/boxes.ts";
import { descriptorsOf, groupsOf, ownWarden, until } from "../support/host.ts";

const MIB = 2 ** 20;
const ROUNDS = 3;

const TAKE =
  "import sys\nheld = bytearray(b'x') * (int(sys.argv[1]) << 20)\nprint('took', len(held) >> 20)";
/** More than 100 MB at its most. */
const GROW: Job = {
  interpreter: "sh",
  code: "x=x; for _ in 1 2 3 4 5 6; do x=$x$x$x$x$x$x$x$x$x$x$x$x$x$x$x$x$x$x$x$x; done",
};
const SMALL: Job = { interpreter: "sh", code: ":" };
const KILLED: Job = { interpreter: "sh", code: "kill -9 $$" };

const DENIED = { kind: "out_of_memory" };

/** One slot: what comes next is on the slot of what was before. */
function oneSlot(context: TestContext): Promise<Runner> {
  return openRunnerFor(context, { slots: 1, environments: {} });
}

async function usageOf(runner: Runner, job: Job): Promise<Usage> {
  const { outcome, finished } = await run(runner, job);
  assert.deepEqual(outcome, { kind: "exited", exitCode: 0 });
  return finished.usage;
}

async function peakOf(runner: Runner, job: Job): Promise<number> {
  return (await usageOf(runner, job)).memoryPeakBytes;
}

/** On a slot that nobody has used. */
async function freshPeak(context: TestContext): Promise<number> {
  const runner = await oneSlot(context);
  try {
    return await peakOf(runner, SMALL);
  } finally {
    await runner.close();
  }
}

/** The groups of slot 0's job in all hierarchies, and the one that counts memory. */
function jobGroups(): { readonly all: readonly string[]; readonly memory: string } {
  const warden = ownWarden();
  assert.ok(warden);
  const all = groupsOf(warden)
    .map((group) => join(group, "jobs", "slot-0"))
    .filter((group) => existsSync(group));
  const files = ["memory.max", "memory.limit_in_bytes"];
  const memory = all.find((group) => files.some((file) => existsSync(join(group, file))));
  assert.ok(memory);
  return { all, memory };
}

/**
 * Has the kernel drop what it can of a small job that is gone. On cgroup v1 a group that still has much is not
 * used again, and what is charged ahead for each processor, or still on its way out, would be another each time.
 */
async function settle(): Promise<void> {
  const { memory } = jobGroups();
  const drop = join(memory, "memory.force_empty");
  if (!existsSync(drop)) return;
  await until("little of the job is left", () => {
    writeFileSync(drop, "0");
    return Number(readFileSync(join(memory, "memory.usage_in_bytes"), "utf8")) < 200 * 1024;
  });
}

/** The kernel kills the child alone; that the parent ends with it is the box's doing. */
const CHILD_TAKES = `
import os, signal, sys
if os.fork() == 0: held = bytearray(b"x") * (int(sys.argv[1]) << 20)
else: signal.pause()`;

/** The usual limits, by what they forbid. */
async function assertLimited(runner: Runner): Promise<void> {
  assert.deepEqual((await run(runner, { code: TAKE, args: ["600"] })).outcome, DENIED);
  const forks = `
import os, signal
count = 1
try:
    while True:
        if os.fork() == 0: signal.pause()
        count += 1
except OSError: print(count)`;
  assert.equal(await say(runner, forks), "100\n");
}

test("a small job's usage is its own behind one that took much", async (context) => {
  const fresh = await freshPeak(context);
  const runner = await oneSlot(context);
  for (let round = 0; round < ROUNDS; round++) {
    const large = await usageOf(runner, GROW);
    assert.ok(large.memoryPeakBytes > 100 * MIB, `${large.memoryPeakBytes}`);
    await settle();
    const { memoryPeakBytes, cpuMs } = await usageOf(runner, SMALL);
    assert.ok(memoryPeakBytes <= fresh + MIB, `${memoryPeakBytes}, ${fresh} on a fresh slot`);
    assert.ok(cpuMs < large.cpuMs, `${cpuMs} of ${large.cpuMs}`);
  }
});

test("a job that kills itself is not out of memory because the one before it was", async (context) => {
  const runner = await oneSlot(context);
  for (let round = 0; round < ROUNDS; round++) {
    const starved = await run(runner, { ...GROW, memoryMb: 64 });
    assert.deepEqual(starved.outcome, DENIED);
    await settle();
    const killed = await run(runner, KILLED);
    assert.deepEqual(killed.outcome, { kind: "signalled", signal: "SIGKILL" });
  }
});

test("S5: the limit is each job's own, whatever the one before it had", async (context) => {
  const runner = await oneSlot(context);
  const taking = (args: readonly string[]): Job => ({ code: TAKE, args });
  for (let round = 0; round < ROUNDS; round++) {
    await say(runner, { ...SMALL, memoryMb: 64 });
    await settle();
    assert.equal(await say(runner, taking(["200"])), "took 200\n");
    await say(runner, SMALL);
    await settle();
    const beyond = { code: CHILD_TAKES, args: ["200"], memoryMb: 64 };
    assert.deepEqual((await run(runner, beyond)).outcome, DENIED);
    await say(runner, { ...SMALL, memoryMb: 2048 });
    await settle();
    assert.deepEqual((await run(runner, taking(["600"]))).outcome, DENIED);
  }
});

/** What stays charged when the job is gone: pages of files, and what the kernel keeps of names, found or not. */
const LITTER = `
import os
for number in range(100_000):
    try: os.stat(f"/usr/share/{number}")
    except FileNotFoundError: pass
read = 0
for directory, _, names in os.walk("/usr/lib"):
    for name in names:
        try:
            with open(os.path.join(directory, name), "rb") as file: read += len(file.read(1 << 20))
        except OSError: pass
    if read > 100 << 20: break
with open("/tmp/full", "wb") as file:
    try:
        while True: file.write(bytes(1 << 20))
    except OSError: pass
print(read >> 20)`;

test("S5: nothing that a job leaves charged is on the next one's account", async (context) => {
  const fresh = await freshPeak(context);
  const runner = await oneSlot(context);
  for (let round = 0; round < 2; round++) {
    await say(runner, LITTER);
    const peak = await peakOf(runner, SMALL);
    assert.ok(peak <= fresh + MIB, `${peak}, ${fresh} on a fresh slot`);
  }
  await say(runner, LITTER);
  assert.equal(await say(runner, { code: TAKE, args: ["50"], memoryMb: 64 }), "took 50\n");
});

/** The files of slot 0's groups that the warden has open. */
function keptFiles(): readonly string[] {
  const all = descriptorsOf(ownWarden()?.pid ?? 0);
  return all.filter((path) => path.includes("/slot-0/")).toSorted();
}

test("what is kept open for a slot's next box is the same behind its first box as behind any other", async (context) => {
  const runner = await oneSlot(context);
  await say(runner, SMALL);
  const first = keptFiles();
  const same = () => isDeepStrictEqual(keptFiles(), first);
  for (let box = 2; box <= 3; box++) {
    await settle();
    await say(runner, SMALL);
    await until(`box ${box} left it so`, same);
  }
  assert.deepEqual((await run(runner, { ...GROW, memoryMb: 64 })).outcome, DENIED);
  await until("so did one whose job was killed", same);
  await say(runner, SMALL);
  await until("so did the next, in a new group", same);
});

test("S5: no box is made while somebody is in the groups of its job", async (context) => {
  const runner = await oneSlot(context);
  await say(runner, SMALL);
  await settle();
  const stranger = spawn("sleep", ["600"], { stdio: "ignore" });
  context.after(() => stranger.kill("SIGKILL"));
  await once(stranger, "spawn");
  writeFileSync(join(jobGroups().memory, "cgroup.procs"), `${stranger.pid}`);
  for (let box = 0; box < 2; box++) {
    const { outcome } = await run(runner, SMALL);
    assert.deepEqual(outcome, { kind: "sandbox_error", step: "remove a cgroup of the service" });
  }
  const ended = once(stranger, "exit");
  stranger.kill("SIGKILL");
  await ended;
  await say(runner, SMALL);
  await assertLimited(runner);
});

test("S5: groups that somebody removes or changes for others are made anew, with all limits", async (context) => {
  const runner = await oneSlot(context);
  for (const remade of [false, true]) {
    await say(runner, SMALL);
    await settle();
    const { all } = jobGroups();
    // The last process may be on its way out.
    for (const group of all) await until("the group is empty", () => removed(group));
    if (remade) for (const group of all) mkdirSync(group);
    await say(runner, SMALL);
    await assertLimited(runner);
  }
});

function removed(group: string): boolean {
  try {
    rmdirSync(group);
    return true;
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "EBUSY") return false;
    throw error;
  }
}
