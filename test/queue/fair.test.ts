import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { Caller } from "../../src/core/caller.ts";
import { Refusal } from "../../src/core/errors.ts";
import { FairQueue } from "../../src/queue/fair.ts";
import type { FairLimits } from "../../src/queue/limits.ts";

const LIMITS: FairLimits = {
  slots: 4,
  running: 2,
  waiting: 3,
  waitingBytes: 100,
  bucket: { capacityMs: 10_000, refill: 1 / 6 },
  callersOfGroup: 4,
  totalWaiting: 8,
  totalWaitingBytes: 250,
};
const ROOMY = { slots: 100, running: 100, waiting: 100, totalWaiting: 1000 };
/** What a job is charged at submit. */
const JOB_MS = 5;
const SPAN_MS = 60_000;

function queueOf(limits: Partial<FairLimits> = {}): FairQueue {
  return new FairQueue({ ...LIMITS, ...limits });
}

const alone = (key: string): Caller => ({ key, group: undefined });
const member = (key: string, group: string): Caller => ({ key, group });

/** The job `a1` is caller a's. */
function submit(queue: FairQueue, id: string, nowMs = 0, inputBytes = 0): readonly string[] {
  return queue.submit({ id, caller: alone(id.charAt(0)), inputBytes }, nowMs);
}

function admitAll(queue: FairQueue, nowMs = 0): string[] {
  const ids: string[] = [];
  for (let id = queue.admit(nowMs); id !== undefined; id = queue.admit(nowMs)) ids.push(id);
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

/** Runs one job of caller `key` that uses so much. */
function use(queue: FairQueue, key: string, cpuMs: number, nowMs: number): void {
  submit(queue, `${key}use`, nowMs);
  assert.equal(queue.admit(nowMs), `${key}use`);
  queue.charge(`${key}use`, cpuMs - JOB_MS, nowMs);
  queue.ended(`${key}use`, nowMs);
}

describe("FairQueue", () => {
  it("lets whoever used least go first, before anybody runs a second, and each line in its order", () => {
    const queue = queueOf(ROOMY);
    use(queue, "a", 4000, 0);
    use(queue, "b", 2000, 0);
    use(queue, "c", 3000, 0);
    for (const id of ["a1", "a2", "b1", "c1", "d1", "d2"]) submit(queue, id, 1000);
    assert.deepEqual(admitAll(queue, 1000), ["d1", "b1", "c1", "a1", "d2", "a2"]);
  });

  it("lets callers take turns, first whoever brought least", () => {
    const queue = queueOf({ ...ROOMY, slots: 1 });
    for (const id of ["a1", "a2", "b1", "b2", "c1"]) submit(queue, id, 0);
    const order: string[] = [];
    for (let nowMs = 10_000; order.length < 5; nowMs += 10_000) {
      const id = queue.admit(nowMs) ?? assert.fail();
      order.push(id);
      queue.ended(id, nowMs + 5000);
    }
    assert.deepEqual(order, ["c1", "a1", "b1", "a2", "b2"]);
  });

  it("makes waiting jobs wait while the bucket is empty, until just the debt is paid", () => {
    const queue = queueOf(ROOMY);
    use(queue, "a", 12_000, 0);
    submit(queue, "a1", 0);
    assert.equal(queue.admit(0), undefined);
    const debtMs = 12_000 + JOB_MS - 10_000;
    const paidAtMs = debtMs * 6;
    assert.equal(queue.nextAtMs(), paidAtMs + 1);
    assert.equal(queue.admit(paidAtMs), undefined, "an empty bucket is no credit");
    submit(queue, "b1", paidAtMs);
    assert.equal(queue.admit(paidAtMs), "b1", "others do not wait for it");
    assert.equal(queue.admit(paidAtMs + 1), "a1");
  });

  it("charges what was used, for the job's start, and for each MiB that it brought", () => {
    const queue = queueOf({ ...ROOMY, waitingBytes: 2 ** 30, totalWaitingBytes: 2 ** 30 });
    submit(queue, "a1", 0, 50 * 2 ** 20);
    queue.admit(0);
    for (let i = 0; i < 10; i++) queue.charge("a1", 30, 0);
    queue.ended("a1", 0);
    queue.charge("a1", 5000, 0);
    assert.ok(Math.abs(queue.quotaOf(alone("a"), 0).usedMs - 355) < 0.001);
    queue.chargeBytes(alone("b"), 100 * 2 ** 20, 0);
    assert.ok(Math.abs(queue.quotaOf(alone("b"), 0).usedMs - 105) < 0.001);
  });

  it("charges a job that is cancelled while it waits: submitting costs the service, too", () => {
    const queue = queueOf(ROOMY);
    for (let i = 0; i < 100; i++) {
      submit(queue, `a${i}`, 0);
      assert.ok(queue.withdraw(`a${i}`));
    }
    assert.ok(Math.abs(queue.quotaOf(alone("a"), 0).usedMs - 100 * JOB_MS) < 0.001);
  });

  it("tells what is used, what is left, and when it is full again", () => {
    const queue = queueOf(ROOMY);
    use(queue, "a", 4000, 0);
    submit(queue, "a1", 6000);
    const quota = queue.quotaOf(alone("a"), 6000);
    assert.deepEqual(
      { ...quota, usedMs: Math.round(quota.usedMs), refillsInMs: Math.round(quota.refillsInMs) },
      { usedMs: 3005, availableMs: 6995, running: 0, waiting: 1, refillsInMs: 18_030 },
    );
    assert.deepEqual(queue.quotaOf(alone("nobody"), 6000), {
      usedMs: 0,
      availableMs: 10_000,
      running: 0,
      waiting: 0,
      refillsInMs: 0,
    });
  });

  it("runs no more jobs than there are slots, nor more of one caller than its share", () => {
    const queue = queueOf({ slots: 3 });
    for (const id of ["a1", "a2", "a3", "b1", "b2"]) submit(queue, id);
    assert.deepEqual(admitAll(queue), ["b1", "a1", "b2"], "a has brought more");
    queue.ended("b1", 0);
    assert.equal(queue.admit(0), "a2");
    queue.ended("b2", 0);
    assert.equal(queue.admit(0), undefined, "a has two running already");
    assert.deepEqual(queue.totals(), { running: 2, waiting: 1 });
  });

  it("throttles running jobs of an empty bucket to the refill rate, shared among them", () => {
    const queue = queueOf(ROOMY);
    for (const id of ["a1", "a2", "b1"]) submit(queue, id);
    admitAll(queue);
    assert.equal(queue.throttleOf("a1", 0), undefined);
    queue.charge("a1", 10_000, 0);
    assert.equal(queue.throttleOf("a1", 0), 1 / 12);
    assert.equal(queue.throttleOf("a2", 0), 1 / 12);
    assert.equal(queue.throttleOf("b1", 0), undefined);
    queue.ended("a2", 0);
    assert.equal(queue.throttleOf("a1", 0), 1 / 6);
    assert.equal(queue.throttleOf("a1", 1000), undefined, "it has credit again");
    assert.equal(queue.throttleOf("a2", 0), undefined, "it has ended");
  });

  it("is not moved by a clock that goes back: nothing is refilled twice, nobody waits longer", () => {
    const queue = queueOf(ROOMY);
    use(queue, "a", 10_000, 1_000_000);
    submit(queue, "a1", 1_000_000);
    assert.equal(queue.admit(1_030_000), "a1");
    const before = queue.quotaOf(alone("a"), 1_030_000);
    assert.deepEqual(queue.quotaOf(alone("a"), 0), before);
    queue.charge("a1", 100, 0);
    assert.ok(queue.quotaOf(alone("a"), 1_030_000).usedMs - before.usedMs - 100 < 0.001);
  });

  it("forgets a caller whose bucket is full, and no sooner", () => {
    const queue = queueOf(ROOMY);
    use(queue, "a", 1000, 0);
    submit(queue, "b1", 0);
    const fullAtMs = 1000 * 6;
    assert.equal(queue.remembered(fullAtMs - 1), 2);
    assert.equal(queue.remembers("a"), true);
    assert.equal(queue.remembered(fullAtMs), 1, "b waits");
    assert.equal(queue.remembers("a"), false);
    assert.ok(queue.withdraw("b1"));
    assert.equal(queue.remembered(fullAtMs), 0);
  });

  it("keeps nothing of a caller that was refused, and forgets while others come", () => {
    const queue = queueOf({ totalWaiting: 1, slots: 0 });
    submit(queue, "a1");
    for (let i = 0; i < 100; i++) {
      const caller = alone(`stranger ${i}`);
      refusalOf(() => queue.submit({ id: `s${i}`, caller, inputBytes: 0 }, 0));
    }
    assert.ok(queue.remembered(0) <= 1);
    const busy = queueOf({ ...ROOMY, totalWaiting: 1e6 });
    for (let i = 0; i < 10_000; i++) {
      busy.submit({ id: `s${i}`, caller: alone(`s${i}`), inputBytes: 0 }, i * 10);
      busy.withdraw(`s${i}`);
    }
    assert.ok(busy.totals().waiting === 0);
    let known = 0;
    for (let i = 0; i < 10_000; i++) if (busy.remembers(`s${i}`)) known += 1;
    assert.ok(known < 10, `${known} are remembered`);
  });
});

describe("FairQueue, the door", () => {
  it("refuses a caller's job too many as caller_busy, others not", () => {
    const queue = queueOf({ slots: 0 });
    for (let i = 0; i < 3; i++) submit(queue, `a${i}`);
    assert.equal(refusalOf(() => submit(queue, "a3")).code, "caller_busy");
    assert.equal(refusalOf(() => queue.refuseIfBusy(alone("a"), 0)).code, "caller_busy");
    queue.refuseIfBusy(alone("b"), 0);
    submit(queue, "b0");
  });

  it("refuses a caller's byte too many, and frees the bytes when a job starts or leaves", () => {
    const queue = queueOf({ running: 1 });
    submit(queue, "a0", 0, 60);
    assert.equal(refusalOf(() => submit(queue, "a1", 0, 41)).code, "caller_busy");
    queue.admit(0);
    submit(queue, "a2", 0, 60);
    queue.withdraw("a2");
    submit(queue, "a3", 0, 100);
  });

  it("tells to come back when a place is free: recent jobs say when, or the debt", () => {
    const queue = queueOf({ slots: 1, running: 1, waiting: 1 });
    const busy = () => refusalOf(() => submit(queue, "ax", nowMs)).retryAfterSeconds;
    let nowMs = 0;
    submit(queue, "a0");
    assert.equal(busy(), 1);
    for (let i = 0; i < 60; i++) {
      assert.equal(queue.admit(nowMs), `a${i}`);
      nowMs += 20_000;
      queue.ended(`a${i}`, nowMs);
      submit(queue, `a${i + 1}`, nowMs);
    }
    assert.equal(busy(), 20);
    queue.admit(nowMs);
    queue.charge("a60", 18_000, nowMs);
    queue.ended("a60", nowMs);
    submit(queue, "a61", nowMs);
    const seconds = busy() ?? assert.fail("no time was told");
    assert.equal(seconds, Math.ceil(((18_000 + 2 * JOB_MS - 10_000) * 6) / 1000));
    assert.equal(queue.admit(nowMs + (seconds - 1) * 1000), undefined);
    assert.equal(queue.admit(nowMs + seconds * 1000), "a61");
  });

  it("refuses whoever is a whole bucket in debt, until less is owed", () => {
    const queue = queueOf(ROOMY);
    for (let i = 0; i < 190; i++) queue.chargeBytes(alone("a"), 100 * 2 ** 20, 0);
    queue.refuseIfBusy(alone("a"), 0);
    for (let i = 0; i < 10; i++) queue.chargeBytes(alone("a"), 100 * 2 ** 20, 0);
    const refusal = refusalOf(() => queue.refuseIfBusy(alone("a"), 0));
    assert.equal(refusal.code, "caller_busy");
    const seconds = refusal.retryAfterSeconds ?? assert.fail("no time was told");
    refusalOf(() => queue.refuseIfBusy(alone("a"), (seconds - 1) * 1000));
    queue.refuseIfBusy(alone("a"), seconds * 1000);
  });

  it("gives a newcomer the newest place of whoever holds most, and refuses among equals", () => {
    const queue = queueOf({ slots: 0 });
    for (const id of ["a1", "a2", "a3", "b1", "b2", "b3", "c1", "c2"]) submit(queue, id);
    assert.deepEqual(submit(queue, "d1"), ["a3"]);
    assert.deepEqual(submit(queue, "d2"), ["b3"]);
    assert.equal(refusalOf(() => submit(queue, "d3")).code, "queue_full");
    const [gone, ...more] = submit(queue, "e1");
    assert.match(gone ?? "", /^[abcd]2$/);
    assert.deepEqual(more, []);
    for (const id of ["a3", "b3", gone ?? ""]) assert.equal(queue.withdraw(id), false);
    assert.deepEqual(queue.totals(), { running: 0, waiting: 8 });
  });

  it("gives a newcomer the bytes of whoever holds most, never more than are needed", () => {
    const queue = queueOf({ slots: 0, waitingBytes: 200 });
    submit(queue, "a1", 0, 100);
    submit(queue, "a2", 0, 60);
    submit(queue, "a3", 0, 30);
    submit(queue, "b1", 0, 55);
    assert.deepEqual(submit(queue, "c1", 0, 40), ["a3", "a2"]);
    assert.deepEqual(submit(queue, "c2", 0, 5), []);
    const refusal = refusalOf(() => submit(queue, "d1", 0, 120));
    assert.equal(refusal.code, "queue_full", "it would hold more than anybody");
    assert.equal(refusalOf(() => submit(queue, "e1", 0, 251)).code, "caller_busy");
    const wide = queueOf({ waitingBytes: 1000 });
    assert.equal(refusalOf(() => submit(wide, "a1", 0, 251)).code, "too_large");
  });
});

describe("FairQueue, groups", () => {
  it("counts a network full of callers as a few: running, waiting, and turns", () => {
    const queue = queueOf({ ...ROOMY, slots: 50, running: 2, waiting: 5, totalWaiting: 1000 });
    let accepted = 0;
    const refused = new Set<string>();
    for (let i = 0; i < 100; i++) {
      try {
        queue.submit({ id: `g${i}`, caller: member(`m${i}`, "net"), inputBytes: 0 }, i);
        accepted += 1;
      } catch (refusal) {
        assert.ok(refusal instanceof Refusal);
        refused.add(refusal.code);
      }
    }
    assert.deepEqual([accepted, [...refused]], [20, ["caller_busy"]]);
    assert.equal(admitAll(queue, 200).length, 8);
    submit(queue, "a1", 200);
    assert.equal(queue.admit(200), "a1");
  });

  it("gives a network four turns in a round, however many callers stand there", () => {
    const queue = queueOf({ ...ROOMY, slots: 1, waiting: 50 });
    for (let i = 0; i < 60; i++) {
      queue.submit({ id: `g${i}`, caller: member(`m${i}`, "net"), inputBytes: 0 }, 0);
    }
    for (let i = 0; i < 6; i++) submit(queue, `${"abcdef".charAt(i)}1`, 1000);
    for (let i = 0; i < 6; i++) submit(queue, `${"abcdef".charAt(i)}2`, 1000);
    const order: string[] = [];
    for (let nowMs = 10_000; order.length < 20; nowMs += 1000) {
      const id = queue.admit(nowMs) ?? assert.fail();
      order.push(id);
      queue.ended(id, nowMs + 999);
    }
    const inRound = order.slice(4).filter((id) => id.startsWith("g")).length;
    assert.deepEqual(order.slice(0, 4), ["g0", "g1", "g2", "g3"], "they came first");
    assert.ok(inRound <= 8, order.join(" "));
    assert.equal(order.filter((id) => !id.startsWith("g")).length, 12 - Math.max(0, inRound - 4));
  });

  it("fills one bucket for a network of four callers' size, and one for each of its callers", () => {
    const queue = queueOf({ ...ROOMY });
    const run = (key: string, cpuMs: number) => {
      const id = `${key}-job`;
      queue.submit({ id, caller: member(key, "net"), inputBytes: 0 }, 0);
      if (queue.admit(0) !== id) return false;
      queue.charge(id, cpuMs, 0);
      queue.ended(id, 0);
      return true;
    };
    for (const key of ["m1", "m2", "m3", "m4", "m5"]) assert.ok(run(key, 8000), key);
    assert.equal(run("m6", 1), false, "the network has used what four may");
    const { usedMs, availableMs } = queue.quotaOf(member("m7", "net"), 0);
    assert.equal(availableMs, 0);
    assert.ok(usedMs > 10_000);
    submit(queue, "a1", 0);
    assert.equal(queue.admit(0), "a1");
  });

  it("throttles a network's running jobs to the refill of four callers", () => {
    const queue = queueOf({ ...ROOMY, running: 2 });
    for (let i = 0; i < 8; i++)
      queue.submit({ id: `g${i}`, caller: member(`m${i}`, "net"), inputBytes: 0 }, 0);
    assert.equal(admitAll(queue).length, 8);
    for (let i = 0; i < 8; i++) queue.charge(`g${i}`, 5000, 0);
    assert.equal(queue.throttleOf("g0", 0), 4 / 6 / 8);
    queue.charge("g0", 10_000, 0);
    assert.equal(queue.throttleOf("g0", 0), 4 / 6 / 8);
  });

  it("lets the network's own least used go first, and forgets it when it is idle and full", () => {
    const queue = queueOf({ ...ROOMY, slots: 1 });
    const give = (id: string, key: string, nowMs: number) =>
      queue.submit({ id, caller: member(key, "net"), inputBytes: 0 }, nowMs);
    give("hog", "m1", 0);
    queue.admit(0);
    queue.charge("hog", 5000, 0);
    give("hog again", "m1", 1);
    give("modest", "m2", 2);
    queue.ended("hog", 3);
    assert.equal(queue.admit(3), "modest");
    queue.ended("modest", 4);
    assert.equal(queue.admit(4), "hog again");
    queue.ended("hog again", 5);
    assert.equal(queue.remembers("net"), true);
    assert.equal(queue.remembered(60_000), 0);
    assert.equal(queue.remembers("net"), false);
  });
});

describe("FairQueue, patience", () => {
  it("lets a caller whose sleeper gave way come late to its next turn, and forget nothing of it", () => {
    const queue = queueOf({ ...ROOMY, slots: 1 });
    for (const id of ["a1", "a2"]) submit(queue, id, 0);
    queue.admit(0);
    submit(queue, "b1", 10_000);
    queue.gaveWay("a1", 60_000, 15_000);
    queue.ended("a1", 15_000);
    assert.equal(queue.admit(15_000), "b1");
    submit(queue, "c1", 16_000);
    assert.equal(queue.starved(5000, 21_000), 0, "c waits");
    queue.ended("b1", 21_000);
    assert.equal(queue.admit(21_000), "c1", "newcomers go first");
    assert.equal(queue.starved(5000, 29_000), undefined, "a has to be patient");
    assert.ok(queue.withdraw("a2"));
    queue.remembered(30_000);
    submit(queue, "a3", 31_000);
    submit(queue, "d1", 32_000);
    queue.ended("c1", 33_000);
    assert.equal(queue.admit(33_000), "d1", "leaving and coming back does not help");
    queue.ended("d1", 34_000);
    assert.equal(queue.admit(34_000), "a3", "when nobody else waits it runs at once");
  });

  it("tells of a caller with credit that has waited too long for a slot, and what it runs", () => {
    const queue = queueOf({ slots: 2 });
    for (const id of ["a1", "a2"]) submit(queue, id, 0);
    admitAll(queue);
    submit(queue, "b1", 1000);
    assert.equal(queue.starved(5000, 5999), undefined);
    assert.equal(queue.starved(5000, 6000), 0);
    queue.ended("a1", 6000);
    assert.equal(queue.starved(5000, 6000), undefined, "there is a slot");
  });

  it("does not count the time without credit, nor callers at their own limit", () => {
    const queue = queueOf({ slots: 2 });
    use(queue, "b", 11_000, 0);
    for (const id of ["a1", "a2", "a3"]) submit(queue, id, 0);
    admitAll(queue);
    assert.equal(queue.starved(5000, 4000), undefined, "a has what it may have");
    submit(queue, "b1", 0);
    const creditAtMs = (11_000 + JOB_MS - 10_000) * 6;
    assert.equal(queue.starved(5000, creditAtMs + 4999), undefined);
    assert.equal(queue.starved(5000, creditAtMs + 5000), 0);
    assert.ok(creditAtMs < SPAN_MS);
  });
});
