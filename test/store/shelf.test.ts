import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { type JobRecord, newRecord } from "../../src/store/record.ts";
import { Shelf, type ShelfLimits } from "../../src/store/shelf.ts";
import { FakeClock } from "../fakes/clock.ts";
import { FakeOutputs } from "../fakes/runner.ts";

const LIMITS: ShelfLimits = {
  finishedMs: 60_000,
  leaseMs: 600_000,
  finishedJobs: 100,
  bytes: 10_000,
  keptBoxes: 2,
  allKeptBoxes: 100,
  keptBytes: 1000,
};

interface Rig {
  readonly clock: FakeClock;
  readonly shelf: Shelf;
  readonly faults: unknown[];
}

function rig(limits: Partial<ShelfLimits> = {}): Rig {
  const clock = new FakeClock();
  const faults: unknown[] = [];
  const shelf = new Shelf({ ...LIMITS, ...limits }, clock, (fault) => faults.push(fault));
  return { clock, shelf, faults };
}

function job(id: string, caller = "a", outputs?: FakeOutputs): JobRecord {
  const record = newRecord(id, { key: caller, group: undefined }, 0);
  record.outputs = outputs;
  record.log.append({ stream: "stdout", bytes: Buffer.from("out:") });
  return record;
}

function endedJob({ shelf }: Rig, id: string, caller = "a", outputs?: FakeOutputs): JobRecord {
  const record = job(id, caller, outputs);
  shelf.add(record);
  shelf.ended(record);
  return record;
}

describe("Shelf", () => {
  it("destroys an ended job after its time: box, log and record", () => {
    const r = rig();
    const outputs = new FakeOutputs({ "a.txt": "x" });
    const record = endedJob(r, "one", "a", outputs);
    r.clock.advance(59_999);
    assert.equal(r.shelf.get("one"), record);
    r.clock.advance(1);
    assert.equal(r.shelf.get("one"), undefined);
    assert.equal(outputs.destroyed, 1);
    assert.equal(record.log.lengthBytes, 0);
    assert.equal(r.shelf.size, 0);
    assert.equal(r.shelf.heldBytes, 0);
    assert.equal(r.clock.timers, 0);
  });

  it("answers for no job past its time even if the timer is late", () => {
    const r = rig();
    const record = endedJob(r, "one");
    record.expiresAtMs = r.clock.nowMs();
    assert.equal(r.shelf.get("one"), undefined);
    assert.equal(r.shelf.lease("one"), undefined);
  });

  it("keeps a job that has not ended", () => {
    const r = rig();
    r.shelf.add(job("live"));
    r.clock.advance(10_000_000);
    assert.notEqual(r.shelf.get("live"), undefined);
    assert.equal(r.shelf.lease("live"), undefined, "there is nothing to read yet");
  });

  it("keeps a caller's newest boxes and destroys the oldest, whose log stays", () => {
    const r = rig();
    const boxes = ["1", "2", "3"].map((id) => {
      const outputs = new FakeOutputs({ f: "big" }, true);
      return { outputs, record: endedJob(r, id, "a", outputs) };
    });
    endedJob(r, "other", "b", new FakeOutputs({ f: "big" }, true));
    assert.deepEqual(
      boxes.map(({ outputs }) => outputs.destroyed),
      [1, 0, 0],
    );
    assert.equal(r.shelf.get("1")?.outputs, undefined);
    assert.equal(boxes[0]?.record.log.both().toString(), "out:");
  });

  it("keeps a caller's bytes in bounds by forgetting its own oldest jobs", () => {
    const r = rig();
    endedJob(r, "b", "b", new FakeOutputs({ f: "x".repeat(900) }));
    for (const id of ["1", "2", "3"]) endedJob(r, id, "a", new FakeOutputs({ f: "x".repeat(400) }));
    assert.equal(r.shelf.get("1"), undefined);
    assert.notEqual(r.shelf.get("2"), undefined);
    assert.notEqual(r.shelf.get("b"), undefined);
    assert.equal(r.shelf.heldBytes, 904 + 2 * 404);
  });

  it("takes the service's bytes back from whoever holds most", () => {
    const r = rig({ bytes: 1500 });
    endedJob(r, "small", "b", new FakeOutputs({ f: "x".repeat(100) }));
    for (const id of ["1", "2"]) endedJob(r, id, "a", new FakeOutputs({ f: "x".repeat(400) }));
    endedJob(r, "3", "c", new FakeOutputs({ f: "x".repeat(600) }));
    assert.deepEqual(
      ["small", "1", "2", "3"].map((id) => r.shelf.get(id) !== undefined),
      [true, false, true, true],
    );
  });

  it("takes places back from whoever holds most of them", () => {
    const r = rig({ finishedJobs: 3 });
    endedJob(r, "b1", "b");
    for (const id of ["1", "2", "3"]) endedJob(r, id, "a");
    assert.equal(r.shelf.get("1"), undefined);
    assert.notEqual(r.shelf.get("b1"), undefined);
  });

  it("does not expire a job while it is read, and hides it from newcomers", () => {
    const r = rig();
    const outputs = new FakeOutputs({ f: "x" });
    endedJob(r, "one", "a", outputs);
    const lease = r.shelf.lease("one");
    r.clock.advance(60_000);
    assert.equal(outputs.destroyed, 0);
    assert.equal(r.shelf.get("one"), undefined);
    lease?.end(false);
    assert.equal(outputs.destroyed, 1);
    assert.equal(r.shelf.size, 0);
  });

  it("does not let a reader that never finishes hold a job for ever", () => {
    const r = rig();
    const outputs = new FakeOutputs({ f: "x" });
    endedJob(r, "one", "a", outputs);
    r.shelf.lease("one");
    r.clock.advance(659_999);
    assert.equal(outputs.destroyed, 0);
    r.clock.advance(1);
    assert.equal(outputs.destroyed, 1);
  });

  it("expires later jobs on time beside one that is read", () => {
    const r = rig();
    endedJob(r, "read");
    const lease = r.shelf.lease("read");
    r.clock.advance(1000);
    endedJob(r, "next");
    r.clock.advance(60_000);
    assert.equal(r.shelf.size, 1);
    lease?.end(false);
    assert.equal(r.shelf.size, 0);
  });

  it("destroys a job when its last reader is done, once one of them had it all", () => {
    const r = rig();
    const outputs = new FakeOutputs({ f: "x" });
    endedJob(r, "one", "a", outputs);
    const [first, second] = [r.shelf.lease("one"), r.shelf.lease("one")];
    first?.end(true);
    first?.end(true);
    assert.equal(outputs.destroyed, 0);
    assert.equal(r.shelf.get("one"), undefined);
    assert.equal(r.shelf.lease("one"), undefined);
    second?.end(false);
    assert.equal(outputs.destroyed, 1);
  });

  it("keeps a job whose readers all broke off", () => {
    const r = rig();
    endedJob(r, "one");
    r.shelf.lease("one")?.end(false);
    assert.notEqual(r.shelf.get("one"), undefined);
  });

  it("throws away what comes of a job that was removed while it ran", () => {
    const r = rig();
    const record = job("one");
    r.shelf.add(record);
    void r.shelf.remove("one");
    const outputs = new FakeOutputs({ f: "x" });
    record.outputs = outputs;
    r.shelf.ended(record);
    assert.equal(outputs.destroyed, 1);
    assert.equal(r.shelf.size, 0);
  });

  it("resolves a removal only when the box is gone", async () => {
    const r = rig();
    const gone = Promise.withResolvers<void>();
    const outputs = new FakeOutputs({ f: "x" });
    outputs.destroy = () => gone.promise;
    endedJob(r, "one", "a", outputs);
    let removed = false;
    const removal = r.shelf.remove("one").then(() => {
      removed = true;
    });
    assert.equal(r.shelf.get("one"), undefined);
    await new Promise(setImmediate);
    assert.equal(removed, false);
    gone.resolve();
    await removal;
  });

  it("reports a box that cannot be destroyed and goes on", async () => {
    const r = rig();
    const outputs = new FakeOutputs({ f: "x" });
    outputs.destroy = () => Promise.reject(new Error("stuck"));
    endedJob(r, "one", "a", outputs);
    await r.shelf.remove("one");
    assert.equal(r.faults.length, 1);
    assert.equal(r.shelf.size, 0);
  });

  it("leaves nothing and no timer when it is closed", async () => {
    const r = rig();
    const outputs = new FakeOutputs({ f: "x" });
    endedJob(r, "one", "a", outputs);
    r.shelf.add(job("live"));
    await r.shelf.close();
    assert.equal(outputs.destroyed, 1);
    assert.equal(r.shelf.size, 0);
    assert.equal(r.clock.timers, 0);
  });

  it("keeps a bounded number of boxes of all callers, and drops those of whoever keeps most", () => {
    const own = rig({ allKeptBoxes: 3, keptBoxes: 9 });
    const boxes = ["a", "a", "b", "b"].map(() => new FakeOutputs({ f: "x" }, true));
    const jobs = boxes.map((outputs, i) => endedJob(own, `${i}`, i < 2 ? "a" : "b", outputs));
    assert.deepEqual(
      jobs.map((one) => one.outputs === undefined),
      [true, false, false, false],
    );
    const fifth = endedJob(own, "5", "c", new FakeOutputs({ f: "x" }, true));
    assert.equal(jobs[2]?.outputs, undefined, "b keeps most");
    assert.ok(fifth.outputs);
    assert.equal(own.shelf.get("2")?.id, "2", "status and log stay");
  });

  it("tells what is held here and, of boxes that are kept, all that they hold", () => {
    const own = rig();
    endedJob(own, "1", "a", new FakeOutputs({ f: "12345" }));
    const box = Object.assign(new FakeOutputs({ f: "123" }, true), { boxBytes: () => 1000 });
    endedJob(own, "2", "b", box);
    const dead = Object.assign(new FakeOutputs({ f: "123" }, true), {
      boxBytes: () => {
        throw new Error("the box is gone");
      },
    });
    endedJob(own, "3", "c", dead);
    // Each has printed four bytes.
    assert.equal(own.shelf.heldBytes, 23);
    assert.equal(own.shelf.ownBytes, 17);
    assert.deepEqual(
      [...own.shelf.held()].map(({ id, bytes }) => [id, bytes]),
      [
        ["1", 9],
        ["2", 1000],
        ["3", 7],
      ],
    );
  });
});
