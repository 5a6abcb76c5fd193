/**
 * What holds whatever callers do. The oracle knows nothing of ranks: it keeps each caller's credit
 * as a number that it refills step by step, and looks at everybody.
 */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import type { Caller } from "../../src/core/caller.ts";
import { Refusal } from "../../src/core/errors.ts";
import { FairQueue } from "../../src/queue/fair.ts";
import type { FairLimits } from "../../src/queue/limits.ts";

const REFILL = 1 / 6;
const CAPACITY_MS = 10_000;
const LIMITS: FairLimits = {
  slots: 3,
  running: 2,
  waiting: 4,
  waitingBytes: 1000,
  bucket: { capacityMs: CAPACITY_MS, refill: REFILL },
  callersOfGroup: 4,
  totalWaiting: 15,
  totalWaitingBytes: 4000,
};
const JOB_MS = 5;
/** Of CPU time: what two ways of adding up may differ by. */
const NEAR_MS = 0.01;

interface Known {
  creditMs: number;
  readonly waiting: string[];
  readonly running: Set<string>;
  /** When it began to wait with a full bucket, as far as it did. */
  headSinceMs: number;
  fullSinceMs: number;
}

class Oracle {
  readonly callers = new Map<string, Known>();
  readonly ownerOf = new Map<string, Known>();
  nowMs = 0;

  of(key: string): Known {
    const known = this.callers.get(key) ?? {
      creditMs: CAPACITY_MS,
      waiting: [],
      running: new Set<string>(),
      headSinceMs: 0,
      fullSinceMs: 0,
    };
    this.callers.set(key, known);
    return known;
  }

  pass(ms: number): void {
    for (const known of this.callers.values()) {
      const wasFull = known.creditMs >= CAPACITY_MS;
      const missingMs = (CAPACITY_MS - known.creditMs) / REFILL;
      known.creditMs = Math.min(CAPACITY_MS, known.creditMs + ms * REFILL);
      if (!wasFull && known.creditMs >= CAPACITY_MS) known.fullSinceMs = this.nowMs + missingMs;
    }
    this.nowMs += ms;
  }

  take(known: Known, cpuMs: number): void {
    known.creditMs -= cpuMs;
  }

  get running(): number {
    return [...this.callers.values()].reduce((sum, { running }) => sum + running.size, 0);
  }

  get waiting(): number {
    return [...this.callers.values()].reduce((sum, { waiting }) => sum + waiting.length, 0);
  }

  /** Those who may run now, whoever used least, or waited longest with a full bucket, first. */
  eligible(): Known[] {
    return [...this.callers.values()].filter(
      ({ creditMs, waiting, running }) =>
        creditMs > NEAR_MS && waiting.length > 0 && running.size < LIMITS.running,
    );
  }

  /** It has fewer slots, or as many and has not used more. */
  mayGoBefore(chosen: Known, other: Known): boolean {
    if (chosen.running.size !== other.running.size) return chosen.running.size < other.running.size;
    const used = (known: Known) => Math.max(0, CAPACITY_MS - known.creditMs);
    if (used(chosen) > NEAR_MS || used(other) > NEAR_MS) {
      return used(chosen) <= used(other) + NEAR_MS;
    }
    const since = (known: Known) => Math.max(known.headSinceMs, known.fullSinceMs);
    return since(chosen) <= since(other) + 0.1;
  }
}

const step = fc.oneof(
  { weight: 7, arbitrary: fc.record({ kind: fc.constant("submit" as const), pick: fc.nat() }) },
  { weight: 4, arbitrary: fc.record({ kind: fc.constant("admit" as const), pick: fc.nat() }) },
  { weight: 3, arbitrary: fc.record({ kind: fc.constant("charge" as const), pick: fc.nat() }) },
  { weight: 3, arbitrary: fc.record({ kind: fc.constant("end" as const), pick: fc.nat() }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("withdraw" as const), pick: fc.nat() }) },
  { weight: 3, arbitrary: fc.record({ kind: fc.constant("pass" as const), pick: fc.nat() }) },
);

const CALLERS = 6;
const caller = (pick: number): Caller => ({ key: `c${pick % CALLERS}`, group: undefined });

/** One history of a queue beside the oracle's. */
class History {
  readonly queue = new FairQueue(LIMITS);
  readonly oracle = new Oracle();
  #jobs = 0;

  submit(pick: number): void {
    const { queue, oracle } = this;
    const known = oracle.of(caller(pick).key);
    const id = `j${this.#jobs++}`;
    let gaveWay: readonly string[];
    try {
      gaveWay = queue.submit({ id, caller: caller(pick), inputBytes: 0 }, oracle.nowMs);
    } catch (refusal) {
      assert.ok(refusal instanceof Refusal);
      assert.ok((refusal.retryAfterSeconds ?? 0) >= 1);
      this.#judgeRefusal(refusal, known);
      return;
    }
    for (const gone of gaveWay) this.#giveWay(gone, known);
    if (known.waiting.length === 0) known.headSinceMs = oracle.nowMs;
    known.waiting.push(id);
    oracle.ownerOf.set(id, known);
    oracle.take(known, JOB_MS);
  }

  #judgeRefusal({ code }: Refusal, known: Known): void {
    if (code === "queue_full") {
      assert.ok(this.oracle.waiting >= LIMITS.totalWaiting);
      const most = Math.max(...[...this.oracle.callers.values()].map((one) => one.waiting.length));
      assert.ok(most <= known.waiting.length + 1, "somebody holds more");
    } else assert.ok(known.waiting.length >= LIMITS.waiting || known.creditMs <= -CAPACITY_MS);
  }

  #giveWay(id: string, newcomer: Known): void {
    const loser = this.oracle.ownerOf.get(id) ?? assert.fail();
    assert.equal(loser.waiting.pop(), id, "its newest");
    assert.ok(loser.waiting.length >= newcomer.waiting.length + 1);
  }

  admit(): void {
    const { queue, oracle } = this;
    const eligible = oracle.running < LIMITS.slots ? oracle.eligible() : [];
    const id = queue.admit(oracle.nowMs);
    if (id === undefined) {
      assert.equal(eligible.length, 0, "somebody could have run");
      return;
    }
    const chosen = oracle.ownerOf.get(id) ?? assert.fail();
    assert.ok(chosen.creditMs > -NEAR_MS, "it has credit");
    assert.ok(oracle.running < LIMITS.slots && chosen.running.size < LIMITS.running);
    for (const other of eligible) assert.ok(oracle.mayGoBefore(chosen, other));
    assert.equal(chosen.waiting.shift(), id, "in its caller's order");
    chosen.running.add(id);
    chosen.headSinceMs = oracle.nowMs;
  }

  charge(pick: number): void {
    const running = [...this.oracle.callers.values()].flatMap((one) => [...one.running]);
    const id = running[pick % Math.max(1, running.length)];
    if (id === undefined) return;
    const cpuMs = (pick % 97) * 60;
    this.queue.charge(id, cpuMs, this.oracle.nowMs);
    this.oracle.take(this.oracle.ownerOf.get(id) ?? assert.fail(), cpuMs);
  }

  end(pick: number): void {
    const running = [...this.oracle.callers.values()].flatMap((one) => [...one.running]);
    const id = running[pick % Math.max(1, running.length)];
    if (id === undefined) return;
    this.queue.ended(id, this.oracle.nowMs);
    this.oracle.ownerOf.get(id)?.running.delete(id);
  }

  withdraw(pick: number): void {
    const waiting = [...this.oracle.callers.values()].flatMap((one) => one.waiting);
    const id = waiting[pick % Math.max(1, waiting.length)];
    if (id === undefined) return;
    assert.ok(this.queue.withdraw(id));
    const owner = this.oracle.ownerOf.get(id) ?? assert.fail();
    owner.waiting.splice(owner.waiting.indexOf(id), 1);
  }

  check(): void {
    const { queue, oracle } = this;
    assert.deepEqual(queue.totals(), { running: oracle.running, waiting: oracle.waiting });
    for (const [key, known] of oracle.callers) {
      const quota = queue.quotaOf({ key, group: undefined }, oracle.nowMs);
      assert.equal(quota.running, known.running.size);
      assert.equal(quota.waiting, known.waiting.length);
      const used = CAPACITY_MS - known.creditMs;
      assert.ok(Math.abs(quota.usedMs - used) < NEAR_MS, `charged ${quota.usedMs}, used ${used}`);
      const isThrottled = known.creditMs < -NEAR_MS;
      for (const id of known.running) {
        const cpus = queue.throttleOf(id, oracle.nowMs);
        if (Math.abs(known.creditMs) < NEAR_MS) continue;
        assert.equal(cpus, isThrottled ? REFILL / known.running.size : undefined);
      }
    }
  }
}

describe("S23: FairQueue, always", () => {
  it("whoever used least is next, order within a caller, counts, and charged = used", () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 150, size: "max" }), (steps) => {
        const history = new History();
        for (const { kind, pick } of steps) {
          if (kind === "admit") history.admit();
          else if (kind === "pass") history.oracle.pass(pick % 20_000);
          else history[kind](pick);
          history.check();
        }
      }),
      { numRuns: 150 },
    );
  });

  it("nobody with credit starves: once its bucket is full, each other goes before it once", () => {
    const crowd = fc.array(fc.record({ who: fc.nat(30), cpuMs: fc.nat(400), gapMs: fc.nat(30) }), {
      minLength: 150,
      maxLength: 300,
    });
    fc.assert(
      fc.property(crowd, fc.integer({ min: 1, max: 9990 }), (others, usedMs) => {
        const queue = new FairQueue({ ...LIMITS, slots: 1, waiting: 50, totalWaiting: 5000 });
        const wanted: Caller = { key: "wanted", group: undefined };
        queue.submit({ id: "first", caller: wanted, inputBytes: 0 }, 0);
        queue.admit(0);
        queue.charge("first", usedMs, 0);
        queue.ended("first", 0);
        queue.submit({ id: "wanted", caller: wanted, inputBytes: 0 }, 0);
        const fullAtMs = queue.quotaOf(wanted, 0).refillsInMs;
        const passed = new Map<string, number>();
        let nowMs = 0;
        for (let round = 0; ; round++) {
          assert.ok(round < 10_000, "it starves");
          const { who, cpuMs, gapMs } = others[round % others.length] ?? assert.fail();
          // New callers without end among them.
          const key = who < 10 ? `c${who}` : `new ${round}`;
          // They have always more that waits.
          for (const more of ["a", "b", "c"]) {
            const job = {
              id: `j${round}${more}`,
              caller: { key, group: undefined },
              inputBytes: 0,
            };
            try {
              queue.submit(job, nowMs);
            } catch (refusal) {
              assert.ok(refusal instanceof Refusal);
            }
          }
          const id = queue.admit(nowMs);
          if (id === "wanted") return;
          nowMs += gapMs;
          if (id === undefined) continue;
          const number = Number.parseInt(id.slice(1), 10);
          const owner = others[number % others.length] ?? assert.fail();
          const whose = owner.who < 10 ? `c${owner.who}` : `new ${number}`;
          if (nowMs - gapMs > fullAtMs) passed.set(whose, (passed.get(whose) ?? 0) + 1);
          assert.ok((passed.get(whose) ?? 0) <= 1, `${whose} went before it again`);
          queue.charge(id, cpuMs, nowMs);
          queue.ended(id, nowMs);
        }
      }),
      { numRuns: 8 },
    );
  });

  it("tells the position at which a job is admitted when all of a caller's jobs cost nothing more", () => {
    const jobs = fc.array(fc.integer({ min: 0, max: 4 }), {
      minLength: 1,
      maxLength: 30,
      size: "max",
    });
    fc.assert(
      fc.property(jobs, (callers) => {
        const roomy = { running: 100, waiting: 100, totalWaiting: 100 };
        const queue = new FairQueue({ ...LIMITS, ...roomy, slots: 1 });
        for (const [i, pick] of callers.entries())
          queue.submit({ id: `j${i}`, caller: caller(pick), inputBytes: 0 }, i);
        const told = new Map(callers.map((_, i) => [`j${i}`, queue.position(`j${i}`)]));
        // So late that all buckets are full: from here on they take turns.
        for (const [i] of callers.entries()) {
          const nowMs = 100_000 + i * 1000;
          const id = queue.admit(nowMs) ?? assert.fail();
          assert.equal(told.get(id), i + 1);
          queue.ended(id, nowMs);
        }
      }),
    );
  });
});
