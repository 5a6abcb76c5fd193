import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { Caller } from "../src/core/caller.ts";
import { Refusal, SandboxFault } from "../src/core/errors.ts";
import { Engine, type Job } from "../src/engine.ts";
import { FairQueue } from "../src/queue/fair.ts";
import { Shelf } from "../src/store/shelf.ts";
import { FakeClock } from "./fakes/clock.ts";
import { FakeOutputs, FakeRunner } from "./fakes/runner.ts";
import { someSpec } from "./fakes/spec.ts";

const A: Caller = { key: "a", group: undefined };
const B: Caller = { key: "b", group: undefined };
const NEVER = new AbortController().signal;

const RAM_BYTES = 1e9;

function rig({ slots = 2 } = {}) {
  const clock = new FakeClock();
  const runner = new FakeRunner();
  runner.slots = slots;
  const ends: Job[] = [];
  const faults: unknown[] = [];
  const onFault = (fault: unknown) => faults.push(fault);
  const queue = new FairQueue({
    slots,
    running: 2,
    waiting: 3,
    waitingBytes: 1_000_000,
    bucket: { capacityMs: 10_000, refill: 1 / 6 },
    callersOfGroup: 4,
    totalWaiting: 10,
    totalWaitingBytes: 1_000_000,
  });
  const shelf = new Shelf(
    {
      finishedMs: 60_000,
      leaseMs: 600_000,
      finishedJobs: 100,
      bytes: 1e9,
      keptBoxes: 5,
      allKeptBoxes: 100,
      keptBytes: 1e9,
    },
    clock,
    onFault,
  );
  const onEnded = (job: Job) => ends.push(job);
  const engine = new Engine({
    runner,
    queue,
    shelf,
    clock,
    cores: 4,
    ramBudgetBytes: RAM_BYTES,
    bodyBytes: () => 0,
    onEnded,
    onFault,
  });
  return { clock, runner, engine, shelf, ends, faults };
}

function refusalOf(action: () => unknown): Refusal {
  try {
    action();
  } catch (error) {
    if (error instanceof Refusal) return error;
    throw error;
  }
  return assert.fail("nothing was refused");
}

describe("Engine", () => {
  it("takes a job from submit to the shelf and forgets it", async () => {
    const { clock, runner, engine, ends } = rig();
    const { job, position } = engine.submit(A, someSpec());
    assert.equal(position, 1);
    assert.match(job.id, /^[0-9a-f-]{36}$/);
    const run = await runner.next();
    assert.equal(job.state, "running");
    run.start();
    run.print("hello\n");
    run.print("oops\n", "stderr");
    clock.advance(250);
    run.end({ outputs: new FakeOutputs({ "a.txt": "x" }) });
    await engine.waitFor(job.id, 1000, NEVER);
    assert.equal(job.state, "completed");
    assert.deepEqual(job.end?.outcome, { kind: "exited", exitCode: 0 });
    assert.equal(job.log.both().toString(), "hello\noops\n");
    assert.equal(job.outputs?.files.length, 1);
    assert.deepEqual(ends, [job]);
    clock.advance(60_000);
    assert.equal(engine.find(job.id), undefined);
    assert.equal(job.log.lengthBytes, 0);
  });

  it("lets jobs wait for a slot and starts first whoever used least", async () => {
    const { runner, engine } = rig({ slots: 1 });
    const first = engine.submit(A, someSpec()).job;
    const second = engine.submit(A, someSpec());
    const third = engine.submit(B, someSpec());
    assert.deepEqual([second.position, third.position], [1, 1]);
    assert.equal(engine.position(second.job.id), 2);
    assert.equal(second.job.state, "queued");
    (await runner.next()).end();
    await engine.waitFor(first.id, 1000, NEVER);
    assert.equal(runner.runs.length, 2);
    assert.equal(third.job.state, "running");
    assert.equal(engine.position(third.job.id), undefined);
    assert.deepEqual(engine.totals(), { running: 1, waiting: 1, slots: 1 });
    assert.equal(engine.quotaOf(A).waiting, 1);
  });

  it("overwrites and lets go of the files once the program starts, of the rest at the end", async () => {
    const { runner, engine } = rig();
    const spec = someSpec("secret");
    const { job } = engine.submit(A, spec);
    const run = await runner.next();
    const bytes = spec.input.files[0]?.bytes;
    assert.equal(run.code, "secret");
    run.start();
    assert.deepEqual(Buffer.from(bytes ?? []), Buffer.alloc(6));
    assert.equal(run.spec.input.files.length, 0);
    assert.equal(Buffer.from(spec.manifest.stdin).toString(), "typed in");
    run.end();
    await engine.waitFor(job.id, 1000, NEVER);
    assert.deepEqual(Buffer.from(spec.manifest.stdin), Buffer.alloc(8));
  });

  it("overwrites the input of a job that is refused, cancelled or never starts", async () => {
    const { runner, engine } = rig({ slots: 1 });
    const isWiped = (spec: ReturnType<typeof someSpec>) =>
      spec.input.files.every(({ bytes }) => bytes.every((byte) => byte === 0));
    engine.submit(A, someSpec());
    const waiting = someSpec("waits");
    const { job } = engine.submit(A, waiting);
    assert.equal(isWiped(waiting), false);
    engine.cancel(job.id);
    assert.equal(isWiped(waiting), true);
    runner.state = { healthy: false, reason: "no cgroup" };
    const refused = someSpec("refused");
    const refusal = refusalOf(() => engine.submit(A, refused));
    assert.equal(refusal.code, "unhealthy");
    assert.equal(refusal.details, "no cgroup");
    assert.equal(isWiped(refused), true);
    (await runner.next()).end({ outcome: { kind: "sandbox_error", step: "mount /usr" } });
  });

  it("leaves nothing behind of a job that the queue refuses", () => {
    const { engine, shelf } = rig({ slots: 1 });
    for (let i = 0; i < 4; i++) engine.submit(A, someSpec());
    assert.equal(refusalOf(() => engine.submit(A, someSpec())).code, "caller_busy");
    assert.equal(shelf.size, 4);
  });

  it("destroys a failed job's outputs at once and keeps its log", async () => {
    const { runner, engine } = rig();
    const { job } = engine.submit(A, someSpec());
    const run = await runner.next();
    const outputs = new FakeOutputs({ "core.dump": "x" }, true);
    run.print("Traceback", "stderr");
    run.end({ outcome: { kind: "exited", exitCode: 1 }, outputs });
    await engine.waitFor(job.id, 1000, NEVER);
    assert.equal(job.state, "failed");
    assert.equal(outputs.destroyed, 1);
    assert.equal(job.outputs, undefined);
    assert.equal(engine.find(job.id)?.log.both().toString(), "Traceback");
  });

  it("says which stream the runner cut", async () => {
    const { runner, engine } = rig();
    const { job } = engine.submit(A, someSpec());
    (await runner.next()).end({ dropped: { stdout: 0, stderr: 7 } });
    await engine.waitFor(job.id, 1000, NEVER);
    assert.equal(job.log.truncated("stdout"), false);
    assert.equal(job.log.truncated("stderr"), true);
  });

  it("cancels a waiting job: one end, no run, the next moves up", async () => {
    const { runner, engine, ends } = rig({ slots: 1 });
    const first = engine.submit(A, someSpec()).job;
    const second = engine.submit(A, someSpec()).job;
    const third = engine.submit(A, someSpec()).job;
    engine.cancel(second.id);
    engine.cancel(second.id);
    assert.deepEqual(second.end?.outcome, { kind: "cancelled" });
    assert.equal(second.state, "failed");
    assert.equal(engine.position(third.id), 1);
    (await runner.next()).end();
    await engine.waitFor(first.id, 1000, NEVER);
    assert.equal(third.state, "running");
    assert.equal(runner.runs.length, 2);
    assert.equal(ends.filter(({ id }) => id === second.id).length, 1);
  });

  it("cancels a running job and takes the end that the runner reports", async () => {
    const { runner, engine } = rig();
    const stopped = engine.submit(A, someSpec()).job;
    const run = await runner.next();
    engine.cancel(stopped.id, "evicted");
    await engine.waitFor(stopped.id, 1000, NEVER);
    assert.equal(run.signal.reason, "evicted");
    assert.deepEqual(stopped.end?.outcome, { kind: "evicted" });
    const quick = engine.submit(A, someSpec()).job;
    (await runner.next()).end();
    engine.cancel(quick.id);
    await engine.waitFor(quick.id, 1000, NEVER);
    assert.deepEqual(quick.end?.outcome, { kind: "exited", exitCode: 0 }, "it came first");
    engine.cancel(quick.id);
    assert.equal(quick.state, "completed");
  });

  it("destroys a waiting, a running and an ended job alike", async () => {
    const { runner, engine, shelf, ends } = rig({ slots: 1 });
    const running = engine.submit(A, someSpec()).job;
    const waiting = engine.submit(A, someSpec()).job;
    await engine.destroy(waiting.id);
    assert.equal(engine.find(waiting.id), undefined);
    const run = await runner.next();
    run.print("secret");
    await engine.destroy(running.id);
    assert.equal(run.signal.aborted, true);
    assert.equal(running.log.lengthBytes, 0);
    const ended = engine.submit(A, someSpec()).job;
    const outputs = new FakeOutputs({ f: "x" });
    (await runner.next()).end({ outputs });
    await engine.waitFor(ended.id, 1000, NEVER);
    await engine.destroy(ended.id);
    await engine.destroy(ended.id);
    assert.equal(outputs.destroyed, 1);
    assert.equal(shelf.size, 0);
    assert.equal(ends.length, 3);
    assert.deepEqual(engine.totals(), { running: 0, waiting: 0, slots: 1 });
  });

  it("hides a job at once when it is destroyed, keeps its slot until the box is gone", async () => {
    const { runner, engine } = rig({ slots: 1 });
    const spec = someSpec();
    const { job } = engine.submit(A, spec);
    const next = engine.submit(A, someSpec()).job;
    const run = await runner.next();
    const dying = Promise.withResolvers<void>();
    const outputs = new FakeOutputs({ f: "x" });
    outputs.destroy = () => dying.promise;
    // The program ended by itself just before.
    run.end({ outputs });
    let destroyed = false;
    const destruction = engine.destroy(job.id).then(() => {
      destroyed = true;
    });
    assert.equal(engine.find(job.id), undefined);
    assert.equal(next.state, "queued");
    await engine.waitFor(job.id, 1000, NEVER);
    await new Promise(setImmediate);
    assert.equal(destroyed, false);
    dying.resolve();
    await destruction;
    assert.equal(next.state, "running");
  });

  it("ends a job as sandbox_error when the runner breaks its promise, and goes on", async () => {
    const { runner, engine, faults } = rig({ slots: 1 });
    const jobs = [1, 2, 3].map(() => engine.submit(A, someSpec()).job);
    (await runner.next()).fail(new SandboxFault("clone3", 11));
    (await runner.next()).fail(new Error("never seen"));
    runner.script = undefined;
    (await runner.next()).end();
    for (const { id } of jobs) await engine.waitFor(id, 1000, NEVER);
    assert.deepEqual(
      jobs.map(({ end }) => end?.outcome),
      [
        { kind: "sandbox_error", step: "clone3" },
        { kind: "sandbox_error", step: "runner" },
        { kind: "exited", exitCode: 0 },
      ],
    );
    assert.equal(faults.length, 2);
  });

  it("survives a runner that throws instead of rejecting", async () => {
    const { runner, engine } = rig();
    runner.run = () => {
      throw new Error("broken");
    };
    const { job } = engine.submit(A, someSpec());
    await engine.waitFor(job.id, 1000, NEVER);
    assert.equal(job.end?.outcome.kind, "sandbox_error");
  });

  it("stops waiting after the time, or when nobody listens any more", async () => {
    const { clock, runner, engine } = rig();
    const { job } = engine.submit(A, someSpec());
    const waited = engine.waitFor(job.id, 5000, NEVER);
    clock.advance(5000);
    await waited;
    assert.equal(job.end, undefined);
    const hangUp = new AbortController();
    const listened = engine.waitFor(job.id, 5000, hangUp.signal);
    hangUp.abort();
    await listened;
    await engine.waitFor(job.id, 5000, hangUp.signal);
    assert.equal(clock.timers, 0);
    await engine.waitFor("unknown", 5000, NEVER);
    (await runner.next()).end();
  });

  it("drains: takes nothing more, cancels who waits, and who runs only when the time is over", async () => {
    const { clock, runner, engine } = rig({ slots: 2 });
    const quick = engine.submit(A, someSpec()).job;
    const slow = engine.submit(A, someSpec()).job;
    const waiting = engine.submit(A, someSpec()).job;
    const quickRun = await runner.next();
    await runner.next();
    const drained = engine.drain(5000);
    assert.deepEqual(waiting.end?.outcome, { kind: "cancelled" });
    assert.throws(
      () => engine.submit(A, someSpec()),
      (error) =>
        error instanceof Refusal && error.status === 503 && error.retryAfterSeconds !== undefined,
    );
    clock.advance(4999);
    quickRun.end();
    await engine.waitFor(quick.id, 1000, NEVER);
    assert.deepEqual(quick.end?.outcome, { kind: "exited", exitCode: 0 });
    assert.equal(slow.state, "running");
    clock.advance(1);
    await drained;
    assert.deepEqual(engine.find(slow.id)?.end?.outcome, { kind: "cancelled" });
    assert.equal(engine.find(quick.id), quick, "what has ended can still be asked for");
    await engine.shutdown();
  });

  it("ends and destroys everything at shutdown and takes nothing more", async () => {
    const { clock, runner, engine, shelf } = rig({ slots: 1 });
    const ended = engine.submit(A, someSpec()).job;
    const outputs = new FakeOutputs({ f: "x" }, true);
    (await runner.next()).end({ outputs });
    await engine.waitFor(ended.id, 1000, NEVER);
    const running = engine.submit(A, someSpec()).job;
    const waiting = engine.submit(A, someSpec()).job;
    await engine.shutdown();
    assert.deepEqual(running.end?.outcome, { kind: "cancelled" });
    assert.deepEqual(waiting.end?.outcome, { kind: "cancelled" });
    assert.equal(outputs.destroyed, 1);
    assert.equal(shelf.size, 0);
    assert.equal(clock.timers, 0);
    assert.equal(refusalOf(() => engine.submit(A, someSpec())).code, "unhealthy");
  });
});
