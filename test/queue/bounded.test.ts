import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { Refusal } from "../../src/core/errors.ts";
import { NO_USAGE } from "../../src/core/job.ts";
import { BoundedQueue, type BoundedQueueLimits } from "../../src/queue/bounded.ts";

const LIMITS: BoundedQueueLimits = {
  slots: 4,
  running: 2,
  waiting: 3,
  waitingBytes: 100,
  totalWaiting: 6,
  totalWaitingBytes: 250,
};

function queueOf(limits: Partial<BoundedQueueLimits> = {}): BoundedQueue {
  return new BoundedQueue({ ...LIMITS, ...limits });
}

function admitAll(queue: BoundedQueue): string[] {
  const ids: string[] = [];
  for (let id = queue.admit(0); id !== undefined; id = queue.admit(0)) ids.push(id);
  return ids;
}

function refusalOf(action: () => void): Refusal {
  try {
    action();
  } catch (error) {
    if (error instanceof Refusal) return error;
    throw error;
  }
  return assert.fail("nothing was refused");
}

describe("BoundedQueue", () => {
  it("lets callers take turns and keeps each caller's order", () => {
    const queue = queueOf({ slots: 100, running: 100, waiting: 100, totalWaiting: 100 });
    for (const id of ["a1", "a2", "a3", "b1", "c1", "c2"]) queue.submit(id, id.charAt(0), 0, 0);
    assert.deepEqual(admitAll(queue), ["a1", "b1", "c1", "a2", "c2", "a3"]);
  });

  it("makes a newcomer wait for one job a turn, not for a flood", () => {
    const queue = queueOf({ slots: 1, waiting: 100, totalWaiting: 200 });
    for (let i = 0; i < 50; i++) queue.submit(`a${i}`, "a", 0, 0);
    assert.equal(queue.admit(0), "a0");
    queue.submit("b0", "b", 0, 0);
    queue.ended("a0", NO_USAGE, 5);
    queue.admit(5);
    queue.ended("a1", NO_USAGE, 6);
    assert.equal(queue.admit(6), "b0");
  });

  it("runs no more jobs than there are slots, nor more of one caller than its share", () => {
    const queue = queueOf({ slots: 3 });
    for (const id of ["a1", "a2", "a3", "b1", "b2"]) queue.submit(id, id.charAt(0), 0, 0);
    assert.deepEqual(admitAll(queue), ["a1", "b1", "a2"]);
    queue.ended("b1", NO_USAGE, 0);
    assert.equal(queue.admit(0), "b2", "a has two running already");
    queue.ended("a1", NO_USAGE, 0);
    assert.equal(queue.admit(0), "a3");
  });

  it("refuses a caller's job too many as caller_busy, others not", () => {
    const queue = queueOf();
    for (let i = 0; i < 3; i++) queue.submit(`a${i}`, "a", 0, 0);
    assert.equal(refusalOf(() => queue.submit("a3", "a", 0, 0)).code, "caller_busy");
    queue.submit("b0", "b", 0, 0);
  });

  it("refuses a caller's byte too many, and frees the bytes when a job starts", () => {
    const queue = queueOf();
    queue.submit("a0", "a", 60, 0);
    assert.equal(refusalOf(() => queue.submit("a1", "a", 41, 0)).code, "caller_busy");
    queue.submit("a2", "a", 40, 0);
    queue.admit(0);
    queue.submit("a3", "a", 60, 0);
  });

  it("refuses everybody as queue_full when all places or bytes are taken", () => {
    const queue = queueOf();
    for (let i = 0; i < 6; i++) queue.submit(`j${i}`, `c${i}`, 0, 0);
    assert.equal(refusalOf(() => queue.submit("j6", "c6", 0, 0)).code, "queue_full");
    const heavy = queueOf();
    for (const caller of ["a", "b"]) heavy.submit(caller, caller, 100, 0);
    assert.equal(refusalOf(() => heavy.submit("c", "c", 51, 0)).code, "queue_full");
  });

  it("tells to come back after what recent jobs took, within bounds", () => {
    const queue = queueOf({ slots: 1, running: 1, waiting: 1 });
    const busy = () => refusalOf(() => queue.submit("x", "a", 0, 0)).retryAfterSeconds;
    queue.submit("a0", "a", 0, 0);
    assert.equal(busy(), 1);
    for (let i = 0; i < 60; i++) {
      queue.admit(0);
      queue.ended(`a${i}`, NO_USAGE, 20_000);
      queue.submit(`a${i + 1}`, "a", 0, 0);
    }
    assert.equal(busy(), 20);
    for (let i = 60; i < 160; i++) {
      queue.admit(0);
      queue.ended(`a${i}`, NO_USAGE, 3_600_000);
      queue.submit(`a${i + 1}`, "a", 0, 0);
    }
    assert.equal(busy(), 300);
  });

  it("lets a waiting job go once, a running one not", () => {
    const queue = queueOf();
    queue.submit("a0", "a", 10, 0);
    queue.submit("a1", "a", 10, 0);
    assert.equal(queue.admit(0), "a0");
    assert.equal(queue.withdraw("a0"), false);
    assert.equal(queue.withdraw("a1"), true);
    assert.equal(queue.withdraw("a1"), false);
    assert.equal(queue.withdraw("nobody"), false);
    assert.equal(queue.admit(0), undefined);
    assert.deepEqual(queue.countsOf("a"), { running: 1, waiting: 0 });
  });

  it("ignores the end of a job that does not run", () => {
    const queue = queueOf();
    queue.submit("a0", "a", 0, 0);
    queue.ended("a0", NO_USAGE, 0);
    queue.admit(0);
    queue.ended("a0", NO_USAGE, 0);
    queue.ended("a0", NO_USAGE, 0);
    assert.deepEqual(queue.totals(), { running: 0, waiting: 0 });
  });

  it("gives the position at which a job is really admitted, whoever waits", () => {
    const jobs = fc.array(fc.integer({ min: 0, max: 4 }), { minLength: 1, maxLength: 30 });
    fc.assert(
      fc.property(jobs, (callers) => {
        const roomy = { slots: 100, running: 100, waiting: 100, totalWaiting: 100 };
        const queue = queueOf(roomy);
        for (const [i, caller] of callers.entries()) queue.submit(`j${i}`, `c${caller}`, 0, 0);
        const told = new Map(callers.map((_, i) => [`j${i}`, queue.position(`j${i}`)]));
        for (const [i, id] of admitAll(queue).entries()) assert.equal(told.get(id), i + 1);
      }),
    );
  });

  it("keeps its bounds and loses no job, in whatever order things happen", () => {
    const step = fc.record({
      kind: fc.constantFrom("submit", "admit", "end", "withdraw"),
      caller: fc.integer({ min: 0, max: 3 }),
      pick: fc.nat(),
    });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 120 }), (steps) => {
        const queue = queueOf();
        const waiting = new Set<string>();
        const running = new Set<string>();
        steps.forEach(({ kind, caller, pick }, i) => {
          if (kind === "submit") {
            try {
              queue.submit(`j${i}`, `c${caller}`, pick % 50, 0);
              waiting.add(`j${i}`);
            } catch (error) {
              assert.ok(error instanceof Refusal);
            }
          }
          const id = kind === "admit" ? queue.admit(0) : undefined;
          if (id !== undefined) {
            assert.ok(waiting.delete(id));
            running.add(id);
          }
          const pool = [...(kind === "end" ? running : waiting)];
          const picked = pool[pick % Math.max(1, pool.length)];
          if (kind === "end" && picked !== undefined) {
            queue.ended(picked, NO_USAGE, 0);
            running.delete(picked);
          }
          if (kind === "withdraw" && picked !== undefined) {
            assert.ok(queue.withdraw(picked));
            waiting.delete(picked);
          }
          assert.deepEqual(queue.totals(), { running: running.size, waiting: waiting.size });
          assert.ok(running.size <= LIMITS.slots && waiting.size <= LIMITS.totalWaiting);
        });
      }),
    );
  });
});
