/** Which template serves when, with starts that are made up. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { setImmediate } from "node:timers/promises";
import { BOXES_OF_TEMPLATE, type Template, Templates } from "../../src/sandbox/template.ts";

/** Templates whose starts wait until they are let go on. */
function faked() {
  let nowMs = 1;
  const starts: { number: number; ready: PromiseWithResolvers<Template> }[] = [];
  const closed: number[] = [];
  const deaths: PromiseWithResolvers<void>[] = [];
  const templates = new Templates({
    firstNumber: 4,
    start: (number) => {
      const ready = Promise.withResolvers<Template>();
      starts.push({ number, ready });
      return ready.promise;
    },
    nowMs: () => nowMs,
  });
  return {
    templates,
    closed,
    numbers: () => starts.map(({ number }) => number),
    letStart: async () => {
      const { number, ready } = starts.at(-1) ?? assert.fail("nothing was started");
      const death = Promise.withResolvers<void>();
      deaths.push(death);
      const close = () => {
        closed.push(number);
        death.resolve();
      };
      ready.resolve({ gone: death.promise, close });
      await setImmediate();
    },
    letFail: async () => {
      starts.at(-1)?.ready.reject(new Error("no"));
      await setImmediate();
    },
    die: async () => {
      deaths.at(-1)?.resolve();
      await setImmediate();
    },
    pass: (ms: number) => {
      nowMs += ms;
    },
    /** Numbers of the templates of so many boxes. */
    fork: (count: number) =>
      Promise.all(Array.from({ length: count }, () => templates.fork(async (number) => number))),
  };
}

test("the first box starts a template, which serves the next", async () => {
  const { fork, letStart, numbers } = faked();
  assert.deepEqual(await fork(2), [undefined, undefined]);
  assert.deepEqual(numbers(), [4]);
  await letStart();
  assert.deepEqual(await fork(2), [4, 4]);
});

test("S11: no template serves more boxes than it may, also while its successor is late", async () => {
  const { fork, letStart, numbers, closed } = faked();
  await fork(1);
  await letStart();
  const served = await fork(BOXES_OF_TEMPLATE + 30);
  assert.equal(served.filter((number) => number === 4).length, BOXES_OF_TEMPLATE);
  assert.deepEqual(numbers(), [4, 5]);
  assert.deepEqual(closed, []);
  await letStart();
  assert.deepEqual(closed, [4]);
  assert.deepEqual(await fork(1), [5]);
});

test("one that is replaced makes what it was asked for first", async () => {
  const { templates, fork, letStart, closed } = faked();
  await fork(1);
  await letStart();
  const late = Promise.withResolvers<void>();
  const forked = templates.fork(async (number) => {
    await late.promise;
    return number;
  });
  await fork(BOXES_OF_TEMPLATE);
  await letStart();
  assert.deepEqual(closed, []);
  late.resolve();
  assert.equal(await forked, 4);
  assert.deepEqual(closed, [4]);
  assert.deepEqual(await fork(1), [5]);
});

test("one that is old is replaced", async () => {
  const { fork, letStart, numbers, pass } = faked();
  await fork(1);
  await letStart();
  pass(600_000);
  assert.deepEqual(await fork(1), [4]);
  await letStart();
  assert.deepEqual(await fork(1), [5]);
  assert.deepEqual(numbers(), [4, 5]);
});

test("one that fails is not tried again for a minute", async () => {
  const { templates, fork, letStart, letFail, numbers, closed, pass } = faked();
  await fork(1);
  await letFail();
  assert.deepEqual(await fork(3), [undefined, undefined, undefined]);
  assert.deepEqual(numbers(), [4]);
  pass(60_001);
  await fork(1);
  await letStart();
  assert.equal(await templates.fork(() => Promise.reject(new Error("no"))), undefined);
  assert.deepEqual(closed, [4]);
  assert.deepEqual(await fork(1), [undefined]);
  assert.deepEqual(numbers(), [4, 4]);
});

test("one that dies is replaced", async () => {
  const { fork, letStart, die, numbers } = faked();
  await fork(1);
  await letStart();
  await die();
  assert.deepEqual(await fork(1), [undefined]);
  assert.deepEqual(numbers(), [4, 4]);
});

test("S11: without a box for a while it ends", async (context) => {
  context.mock.timers.enable({ apis: ["setTimeout"] });
  const { fork, letStart, closed, pass } = faked();
  await fork(1);
  await letStart();
  const later = (ms: number) => {
    pass(ms);
    context.mock.timers.tick(ms);
  };
  later(30_000);
  await fork(1);
  later(30_000);
  assert.deepEqual(closed, []);
  later(30_000);
  assert.deepEqual(closed, [4]);
});

test("S11: closing ends it, and one that still starts", async () => {
  const { templates, fork, letStart, closed } = faked();
  await fork(1);
  await letStart();
  await fork(BOXES_OF_TEMPLATE);
  const isClosed = templates.close();
  assert.deepEqual(closed, [4]);
  await letStart();
  await isClosed;
  assert.deepEqual(closed, [4, 5]);
});
