import assert from "node:assert/strict";
import { mock, test } from "node:test";
import { setImmediate as turn } from "node:timers/promises";
import { BoxPool, type Leased } from "../../src/sandbox/pool.ts";
import { Slots } from "../../src/sandbox/slots.ts";

const NEVER = new AbortController().signal;

class FakeBox {
  readonly #gone = Promise.withResolvers<void>();
  readonly gone = this.#gone.promise;
  readonly slot: number;
  /** A box whose death takes a while ends when the test says so. */
  isSlow = false;

  constructor(slot: number) {
    this.slot = slot;
  }

  destroy(): Promise<void> {
    if (!this.isSlow) this.#gone.resolve();
    return this.gone;
  }

  die(): void {
    this.#gone.resolve();
  }
}

/** A pool whose boxes are made when the test says so, or at once. */
function makePool(slots: number, mostWaiting: number, byHand = false) {
  const made: { kind: string; box: FakeBox; finish: (fault?: Error) => void }[] = [];
  const time = { ms: 0 };
  const pool = new BoxPool<FakeBox>({
    slots: new Slots(Array.from({ length: slots }, (_, slot) => slot)),
    mostWaiting,
    build: (slot, kind) => {
      const box = new FakeBox(slot);
      const built = Promise.withResolvers<FakeBox>();
      made.push({
        kind,
        box,
        finish: (fault) => (fault === undefined ? built.resolve(box) : built.reject(fault)),
      });
      if (!byHand) built.resolve(box);
      return built.promise;
    },
    freshMs: (kind) => (kind === "short-lived" ? 40_000 : Number.POSITIVE_INFINITY),
    nowMs: () => time.ms,
  });
  return { pool, made, time };
}

async function settle(): Promise<void> {
  for (let turns = 0; turns < 20; turns++) await turn();
}

test("the second job of a kind finds a box that waits, and each box is given once", async () => {
  const { pool } = makePool(8, 4);
  const first = await pool.take("a", NEVER);
  assert.equal(first.hasWaited, false);
  await settle();
  assert.ok(pool.waiting.length > 0);
  const rest = await Promise.all([1, 2, 3].map(() => pool.take("a", NEVER)));
  assert.ok(rest.some(({ hasWaited }) => hasWaited));
  const boxes = [first, ...rest].map(({ box }) => box);
  assert.equal(new Set(boxes).size, boxes.length, "a box was given twice");
  await Promise.all([first, ...rest].map((one) => one.release()));
  await pool.close();
});

test("never more boxes than may wait, and none of a kind that nobody asked for", async () => {
  const { pool, made } = makePool(32, 3);
  const taken = await Promise.all(Array.from({ length: 8 }, () => pool.take("a", NEVER)));
  await settle();
  assert.deepEqual(pool.waiting, ["a", "a", "a"]);
  await Promise.all(taken.map((one) => one.release()));
  await settle();
  assert.equal(pool.waiting.length, 3);
  assert.ok(made.every(({ kind }) => kind === "a"));
  await pool.close();
});

test("kinds share the places, also with one that was asked for by many", async () => {
  const { pool } = makePool(32, 4);
  const many = await Promise.all(Array.from({ length: 8 }, () => pool.take("a", NEVER)));
  await settle();
  assert.deepEqual(pool.waiting, ["a", "a", "a", "a"]);
  const other = await pool.take("b", NEVER);
  await settle();
  assert.deepEqual([...pool.waiting].sort(), ["a", "a", "b", "b"]);
  await Promise.all([...many, other].map((one) => one.release()));
  await pool.close();
});

test("a pool that may hold none holds none, not even what a job no longer wants", async () => {
  const { pool, made } = makePool(2, 0, true);
  const stopper = new AbortController();
  const given = pool.take("a", stopper.signal);
  stopper.abort("cancelled");
  await assert.rejects(given, (reason) => reason === "cancelled");
  made[0]?.finish();
  await settle();
  assert.deepEqual(pool.waiting, []);
  const next = pool.take("a", NEVER);
  await settle();
  made[1]?.finish();
  await (await next).release();
  await settle();
  assert.equal(made.length, 2);
  await pool.close();
});

test("a slot is used again only when its box is gone", async () => {
  const { pool, made } = makePool(1, 0);
  const first = await pool.take("a", NEVER);
  first.box.isSlow = true;
  void first.release();
  const got: Leased<FakeBox>[] = [];
  const taking = pool.take("a", NEVER).then((leased) => got.push(leased));
  await settle();
  assert.equal(got.length, 0);
  assert.equal(made.length, 1);
  first.box.die();
  await taking;
  assert.equal(got[0]?.slot, first.slot);
  await got[0]?.release();
  await pool.close();
});

test("a box that waits gives way to a job of another kind when no slot is free", async () => {
  const { pool } = makePool(2, 2);
  const first = await pool.take("a", NEVER);
  await first.release();
  await settle();
  assert.deepEqual(pool.waiting, ["a", "a"]);
  const other = await pool.take("b", NEVER);
  assert.equal(other.hasWaited, false);
  assert.deepEqual(pool.waiting, ["a"]);
  await other.release();
  await pool.close();
});

test("jobs that wait for a box get one in the order in which they came", async () => {
  const { pool } = makePool(1, 0);
  const order: number[] = [];
  const taken = [1, 2, 3].map(async (number) => {
    const leased = await pool.take("a", NEVER);
    order.push(number);
    await leased.release();
  });
  await Promise.all(taken);
  assert.deepEqual(order, [1, 2, 3]);
  await pool.close();
});

test("a box that dies while it waits is given to nobody, and its slot is used again", async () => {
  const { pool, made } = makePool(1, 1);
  await (await pool.take("a", NEVER)).release();
  await settle();
  const waiting = made.at(-1)?.box;
  waiting?.die();
  await settle();
  const next = await pool.take("a", NEVER);
  assert.notEqual(next.box, waiting);
  await next.release();
  await pool.close();
});

test("a box that cannot be made is told to the job that waits for it, and not tried for ever", async () => {
  const { pool, made } = makePool(4, 2, true);
  const taking = pool.take("a", NEVER);
  made[0]?.finish(new Error("no keeper"));
  await assert.rejects(taking, /no keeper/);
  await settle();
  for (let index = 1; index < made.length; index++) made[index]?.finish(new Error("no keeper"));
  await settle();
  assert.ok(made.length <= 3, `${made.length} boxes were tried`);
  await pool.close();
});

test("all that wait go when nobody came for a while, and old ones are made anew", async () => {
  mock.timers.enable({ apis: ["setInterval"] });
  try {
    const { pool, time } = makePool(8, 8);
    for (const kind of ["plain", "short-lived"]) await (await pool.take(kind, NEVER)).release();
    await settle();
    assert.equal(pool.waiting.length, 4);
    time.ms = 41_000;
    mock.timers.tick(5_000);
    await settle();
    assert.equal(pool.waiting.length, 4, "demand is younger than that");
    time.ms = 51_000;
    mock.timers.tick(5_000);
    await settle();
    assert.deepEqual(pool.waiting, []);
    await pool.close();
  } finally {
    mock.timers.reset();
  }
});

test("a closed pool leaves nothing, also of what was still being made", async () => {
  const { pool, made } = makePool(4, 4);
  await (await pool.take("a", NEVER)).release();
  await pool.take("b", NEVER).then((leased) => leased.release());
  await pool.close();
  assert.deepEqual(pool.waiting, []);
  const alive = await Promise.all(
    made.map(({ box }) => Promise.race([box.gone.then(() => false), turn(true)])),
  );
  assert.ok(alive.every((one) => !one));
});
