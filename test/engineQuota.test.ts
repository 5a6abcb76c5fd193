/** What the engine does with callers' quotas, around a fake runner. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { Caller } from "../src/core/caller.ts";
import { Refusal, SandboxFault } from "../src/core/errors.ts";
import { SHARING } from "../src/core/limits.ts";
import { Engine } from "../src/engine.ts";
import { FairQueue } from "../src/queue/fair.ts";
import { Shelf } from "../src/store/shelf.ts";
import { FakeClock } from "./fakes/clock.ts";
import { FakeOutputs, FakeRunner } from "./fakes/runner.ts";
import { settle } from "./fakes/service.ts";
import { someSpec } from "./fakes/spec.ts";

const A: Caller = { key: "a", group: undefined };
const B: Caller = { key: "b", group: undefined };
const USAGE = { memoryPeakBytes: 0, wallMs: 0 };

const RAM_BYTES = 1e9;

function rig({ slots = 4, totalWaiting = 100 } = {}) {
  const clock = new FakeClock();
  const runner = new FakeRunner();
  runner.slots = slots;
  const faults: unknown[] = [];
  const onFault = (fault: unknown) => faults.push(fault);
  const queue = new FairQueue({
    slots,
    running: 2,
    waiting: 20,
    waitingBytes: 1e9,
    bucket: { capacityMs: 10_000, refill: 1 / 6 },
    callersOfGroup: 4,
    totalWaiting,
    totalWaitingBytes: 1e9,
  });
  const limits = { finishedMs: 60_000, leaseMs: 1, finishedJobs: 100, bytes: 1e9 };
  const shelf = new Shelf(
    { ...limits, keptBoxes: 5, keptBytes: 1e9, allKeptBoxes: 9 },
    clock,
    onFault,
  );
  const engine = new Engine({
    runner,
    queue,
    shelf,
    clock,
    cores: 4,
    ramBudgetBytes: RAM_BYTES,
    bodyBytes: () => 0,
    onFault,
  });
  const submit = (caller: Caller) => engine.submit(caller, someSpec()).job;
  return { clock, runner, engine, faults, submit };
}

const near = (ms: number, wantedMs: number) =>
  assert.ok(Math.abs(ms - wantedMs) < 0.01, `${ms} instead of ${wantedMs}`);

describe("Engine and quotas", () => {
  it("charges what running jobs use while they run, and at the end just the rest", async () => {
    const { clock, runner, engine, submit } = rig();
    const { id } = submit(A);
    const run = await runner.next();
    run.start();
    run.usedCpuMs = 3000;
    near(engine.quotaOf(A).usedMs, 5);
    clock.advance(SHARING.sampleMs);
    // What the submit cost was refilled before.
    near(engine.quotaOf(A).usedMs, 3000);
    run.usedCpuMs = 3400;
    clock.advance(SHARING.sampleMs);
    near(engine.quotaOf(A).usedMs, 3400 - SHARING.sampleMs / 6);
    run.end({ usage: { ...USAGE, cpuMs: 3500 } });
    await settle();
    near(engine.quotaOf(A).usedMs, 3500 - SHARING.sampleMs / 6);
    assert.equal(engine.find(id)?.state, "completed");
    assert.equal(clock.timers, 1, "the shelf's; nothing is looked at while nothing runs");
  });

  it("charges a job that was cancelled, failed in the sandbox, or never was looked at", async () => {
    const { runner, engine, submit } = rig();
    submit(A);
    (await runner.next()).end({ usage: { ...USAGE, cpuMs: 500 } });
    await settle();
    near(engine.quotaOf(A).usedMs, 505);
    submit(A);
    (await runner.next()).end({
      outcome: { kind: "sandbox_error", step: "x" },
      usage: { ...USAGE, cpuMs: 150 },
      boxCpuMs: 50,
    });
    await settle();
    near(engine.quotaOf(A).usedMs, 710);
    const cancelled = submit(A);
    const run = await runner.next();
    run.usageWhenStopped = { ...USAGE, cpuMs: 90 };
    run.start();
    await engine.destroy(cancelled.id);
    near(engine.quotaOf(A).usedMs, 805);
  });

  it("throttles running jobs of an empty bucket, lets them go again, and tells for how long", async () => {
    const { clock, runner, engine, submit } = rig();
    const first = submit(A);
    submit(A);
    const run = await runner.next();
    const other = await runner.next();
    run.start();
    other.start();
    run.usedCpuMs = 10_500;
    clock.advance(SHARING.sampleMs);
    assert.deepEqual(run.throttles, [1 / 12]);
    assert.deepEqual(other.throttles, [1 / 12]);
    other.end({ usage: { ...USAGE, cpuMs: 0 } });
    await settle();
    clock.advance(SHARING.sampleMs);
    assert.deepEqual(run.throttles, [1 / 12, 1 / 6]);
    assert.equal(engine.find(first.id)?.throttledMs, SHARING.sampleMs);
    clock.advance(6000);
    assert.deepEqual(run.throttles, [1 / 12, 1 / 6, undefined]);
    run.end({ usage: { ...USAGE, cpuMs: 10_500 } });
    await settle();
    const heldMs = engine.find(first.id)?.throttledMs ?? 0;
    // 510 ms of debt, paid back at a sixth of a core; seen at the next look.
    assert.ok(Math.abs(heldMs - 510 * 6) <= SHARING.sampleMs, `${heldMs}`);
    assert.equal(first.end?.outcome.kind, "exited", "it is never killed for it");
  });

  it("lets jobs of an empty bucket wait, others not, and starts them when the debt is paid", async () => {
    const { clock, runner, submit } = rig();
    submit(A);
    (await runner.next()).end({ usage: { ...USAGE, cpuMs: 12_000 } });
    await settle();
    const waiting = submit(A);
    const other = submit(B);
    assert.equal(waiting.state, "queued");
    assert.equal(other.state, "running");
    clock.advance(2010 * 6 - 1);
    assert.equal(waiting.state, "queued");
    clock.advance(2);
    assert.equal(waiting.state, "running");
  });

  it("ends a job that cannot be counted or held as sandbox_error, and tells of the fault", async () => {
    const { clock, runner, faults, submit } = rig();
    const uncounted = submit(A);
    const run = await runner.next();
    run.start();
    run.cpuMs = () => {
      throw new SandboxFault("read cpu.stat of a job");
    };
    clock.advance(SHARING.sampleMs);
    await settle();
    assert.deepEqual(uncounted.end?.outcome, {
      kind: "sandbox_error",
      step: "read cpu.stat of a job",
    });
    const unheld = submit(B);
    const second = await runner.next();
    second.start();
    second.usedCpuMs = 20_000;
    second.throttle = () => {
      throw new SandboxFault("set cpu.max of a job");
    };
    clock.advance(SHARING.sampleMs);
    await settle();
    assert.deepEqual(unheld.end?.outcome, { kind: "sandbox_error", step: "set cpu.max of a job" });
    assert.equal(faults.length, 2);
  });

  it("tells a waiting job that gave way that it was evicted", () => {
    const { engine, submit } = rig({ slots: 0, totalWaiting: 3 });
    const [, , last] = [submit(A), submit(A), submit(A)];
    const newcomer = submit(B);
    assert.deepEqual(last?.end?.outcome, { kind: "evicted" });
    assert.equal(newcomer.state, "queued");
    assert.equal(engine.quotaOf(A).waiting, 2);
  });

  it("refuses a caller in deep debt before anything is read", () => {
    const { engine } = rig();
    for (let i = 0; i < 200; i++) engine.bills.refused(A, 100 * 2 ** 20);
    assert.throws(() => engine.refuseEarly(A), Refusal);
    engine.refuseEarly(B);
  });
});

describe("Engine and sleepers", () => {
  const SECOND = 1000;

  /** Callers who hold all slots, and run already. */
  async function crowded(callers: readonly Caller[]) {
    const parts = rig({ slots: callers.length });
    const jobs = callers.map((caller) => parts.submit(caller));
    const runs = [];
    for (const _ of jobs) {
      const run = await parts.runner.next();
      run.start();
      runs.push(run);
    }
    return { ...parts, jobs, runs };
  }
  const C: Caller = { key: "c", group: undefined };

  it("gives the slot of a sleeper to a caller with credit that has waited 5 s", async () => {
    const { clock, jobs, submit } = await crowded([A, A, B]);
    clock.advance(10 * SECOND);
    const waiting = submit(C);
    clock.advance(4900);
    assert.equal(waiting.state, "queued");
    clock.advance(200);
    await settle();
    assert.equal(waiting.state, "running");
    const ends = jobs.map(({ end }) => end?.outcome.kind);
    assert.deepEqual(ends.toSorted(), ["evicted", undefined, undefined], "just one");
    assert.equal(ends[2], undefined, "of the caller who has held slots for longer");
  });

  it("ends no job that works, however little it gets beside the others or when it is throttled", async () => {
    const { clock, jobs, runs, submit } = await crowded([A, A, B]);
    for (let i = 0; i < 200; i++) {
      for (const run of runs) run.usedCpuMs += 2;
      clock.advance(SHARING.sampleMs);
      if (i === 20) submit(C);
    }
    await settle();
    assert.deepEqual(
      jobs.map(({ end }) => end),
      [undefined, undefined, undefined],
    );
  });

  it("ends no job that wants a processor, when others than its neighbours take all of the machine", async () => {
    const { clock, jobs, runs, submit } = await crowded([A, A, B]);
    const [first, second] = runs;
    assert.ok(first && second);
    first.isHungry = second.isHungry = true;
    const waiting = submit(C);
    clock.advance(20 * SECOND);
    await settle();
    assert.deepEqual(
      jobs.map(({ end }) => end?.outcome.kind),
      [undefined, undefined, "evicted"],
      "another one, whose caller has not held slots for as long",
    );
    assert.equal(waiting.state, "running");
  });

  it("ends a job that worked once and sleeps now", async () => {
    const { clock, jobs, runs, submit } = await crowded([A]);
    const [run] = runs;
    assert.ok(run);
    run.usedCpuMs = 9000;
    clock.advance(SECOND);
    const waiting = submit(B);
    clock.advance(4 * SECOND);
    run.usedCpuMs += 1000;
    clock.advance(4 * SECOND);
    assert.equal(jobs[0]?.state, "running", "it worked four seconds ago");
    clock.advance(2 * SECOND);
    await settle();
    assert.equal(jobs[0]?.end?.outcome.kind, "evicted");
    assert.equal(waiting.state, "running");
  });

  it("lets nobody take a sleeper's slot who runs as many, or has no credit", async () => {
    const { clock, engine, jobs, submit } = await crowded([A, B]);
    submit(A);
    for (let i = 0; i < 110; i++) engine.bills.refused(C, 100 * 2 ** 20);
    const indebted = submit(C);
    clock.advance(8 * SECOND);
    await settle();
    assert.deepEqual(
      jobs.map(({ end }) => end),
      [undefined, undefined],
    );
    clock.advance(60 * SECOND);
    await settle();
    assert.equal(indebted.state, "running", "it has credit again");
  });

  it("asks one sleeper at a time to go, and the next when the first does not die", async () => {
    const { clock, jobs, runs, submit } = await crowded([A, A, B]);
    for (const run of runs) run.isStuck = true;
    submit(C);
    clock.advance(5000 + SHARING.sampleMs);
    assert.equal(runs.filter(({ signal }) => signal.aborted).length, 1);
    clock.advance(SHARING.leavingMs - 200);
    assert.equal(runs.filter(({ signal }) => signal.aborted).length, 1);
    clock.advance(400);
    assert.equal(runs.filter(({ signal }) => signal.aborted).length, 2);
    assert.equal(jobs.length, 3);
  });
});

describe("Engine and memory", () => {
  const MIB = 2 ** 20;

  async function running(parts: ReturnType<typeof rig>, caller: Caller, bytes: number) {
    const job = parts.submit(caller);
    const run = await parts.runner.next();
    run.start();
    run.heldBytes = bytes;
    return { job, run };
  }

  async function finished(parts: ReturnType<typeof rig>, caller: Caller, bytes: number) {
    const job = parts.submit(caller);
    const run = await parts.runner.next();
    run.end({ outputs: new FakeOutputs({ f: Buffer.alloc(bytes) }) });
    await settle();
    return job;
  }

  it("above 80 % takes from whoever holds most: the oldest that has ended, then one that runs", async () => {
    const parts = rig();
    const { clock, engine } = parts;
    const small = await finished(parts, B, 10 * MIB);
    const first = await finished(parts, A, 100 * MIB);
    const second = await finished(parts, A, 100 * MIB);
    const large = await running(parts, A, 300 * MIB);
    const modest = await running(parts, B, 200 * MIB);
    clock.advance(SHARING.sampleMs);
    assert.ok(engine.find(first.id), "710 of 953 MiB are less than 80 %");
    modest.run.heldBytes = 270 * MIB;
    clock.advance(SHARING.sampleMs);
    assert.equal(engine.find(first.id), undefined);
    assert.ok(engine.find(second.id) && engine.find(small.id));
    large.run.heldBytes = 390 * MIB;
    modest.run.heldBytes = 330 * MIB;
    clock.advance(SHARING.sampleMs);
    assert.equal(engine.find(second.id), undefined);
    assert.equal(large.job.state, "running");
    large.run.heldBytes = 480 * MIB;
    clock.advance(SHARING.sampleMs);
    await settle();
    assert.deepEqual(large.job.end?.outcome, { kind: "evicted" });
    clock.advance(5000);
    await settle();
    assert.equal(modest.job.end, undefined);
    assert.ok(engine.find(small.id));
  });

  it("takes no running job from a caller who is alone", async () => {
    const parts = rig();
    const one = await running(parts, A, 500 * MIB);
    const two = await running(parts, A, 450 * MIB);
    parts.clock.advance(5000);
    await settle();
    assert.deepEqual([one.job.end, two.job.end], [undefined, undefined]);
  });

  it("makes room for an upload before it is read, of ended jobs alone, or refuses it", async () => {
    const parts = rig();
    const { engine } = parts;
    const ended = await finished(parts, A, 300 * MIB);
    engine.reserve(400 * MIB);
    assert.ok(engine.find(ended.id));
    engine.reserve(600 * MIB);
    assert.equal(engine.find(ended.id), undefined);
    const { run, job } = await running(parts, A, 700 * MIB);
    await running(parts, B, 1);
    assert.throws(() => engine.reserve(100 * MIB), Refusal);
    assert.equal(run.signal.aborted, true, "who holds most has to go for it");
    await settle();
    assert.equal(job.end?.outcome.kind, "evicted");
    engine.reserve(100 * MIB);
  });
});

describe("Engine and work beside jobs", () => {
  it("charges what is packed and sent, and makes whoever owes a bucket wait for the next piece", async () => {
    const { clock, engine } = rig();
    async function* pieces() {
      for (let i = 0; i < 3; i++) yield Buffer.alloc(500 * 2 ** 20);
    }
    const got: number[] = [];
    const reading = (async () => {
      for await (const { length } of engine.bills.spending(A, pieces(), "packed")) got.push(length);
    })();
    await settle();
    // 500 MiB are 10 s, as much as the bucket holds; the third piece is a bucket too much.
    assert.equal(got.length, 2);
    near(engine.quotaOf(A).usedMs, 30_000);
    clock.advance(59_000);
    await settle();
    assert.equal(got.length, 2);
    await engine.bills.spend(B, 1000, "told");
    clock.advance(1000);
    await reading;
    assert.equal(got.length, 3);
  });
});
