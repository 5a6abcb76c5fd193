import assert from "node:assert/strict";
import { test } from "node:test";
import { Slots } from "../../src/sandbox/slots.ts";

const NEVER = new AbortController().signal;

test("no slot is leased twice, and the first to wait is the first to get one", async () => {
  const slots = new Slots(2);
  const taken = [await slots.lease(NEVER), await slots.lease(NEVER)];
  assert.deepEqual([...taken].sort(), [0, 1]);
  const order: string[] = [];
  const first = slots.lease(NEVER).then((slot) => order.push(`first ${slot}`));
  const second = slots.lease(NEVER).then((slot) => order.push(`second ${slot}`));
  slots.release(1);
  slots.release(0);
  await Promise.all([first, second]);
  assert.deepEqual(order, ["first 1", "second 0"]);
});

test("the slot that rested longest is leased next", async () => {
  const slots = new Slots(3);
  const order = [];
  for (let time = 0; time < 6; time++) {
    const slot = await slots.lease(NEVER);
    order.push(slot);
    slots.release(slot);
  }
  assert.deepEqual(order, [0, 1, 2, 0, 1, 2]);
});

test("one who gives up waiting gets none, and takes none from those behind", async () => {
  const slots = new Slots(1);
  await slots.lease(NEVER);
  const stopper = new AbortController();
  const given = slots.lease(stopper.signal);
  const behind = slots.lease(NEVER);
  stopper.abort("cancelled");
  await assert.rejects(given, (reason) => reason === "cancelled");
  slots.release(0);
  assert.equal(await behind, 0);
  // Given up after it got one: the slot stays its own to release.
  slots.release(0);
  const late = new AbortController();
  assert.equal(await slots.lease(late.signal), 0);
  late.abort("cancelled");
  slots.release(0);
  assert.equal(await slots.lease(NEVER), 0);
});

test("one who has given up before asks for nothing", async () => {
  const slots = new Slots(1);
  await assert.rejects(async () => slots.lease(AbortSignal.abort("evicted")));
  assert.equal(await slots.lease(NEVER), 0);
});
