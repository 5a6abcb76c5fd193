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
import { FakeRunner } from "./fakes/runner.ts";
import { settle } from "./fakes/service.ts";
import { someSpec } from "./fakes/spec.ts";

const A: Caller = { key: "a", group: undefined };
const B: Caller = { key: "b", group: undefined };
const USAGE = { memoryPeakBytes: 0, wallMs: 0 };

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
  const shelf = new Shelf({ ...limits, keptBoxes: 5, keptBytes: 1e9 }, clock, onFault);
  const engine = new Engine({ runner, queue, shelf, clock, onFault });
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
      usage: { ...USAGE, cpuMs: 200 },
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
    for (let i = 0; i < 200; i++) engine.chargeRefused(A, 100 * 2 ** 20);
    assert.throws(() => engine.refuseEarly(A), Refusal);
    engine.refuseEarly(B);
  });
});
