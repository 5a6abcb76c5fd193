import assert from "node:assert/strict";
import { test } from "node:test";
import { Slots } from "../../src/sandbox/slots.ts";

test("no slot is leased twice, and none that is not ours", () => {
  const slots = new Slots([3, 5]);
  assert.deepEqual([slots.lease(), slots.lease(), slots.lease()], [3, 5, undefined]);
  slots.release(5);
  assert.deepEqual([slots.lease(), slots.lease()], [5, undefined]);
});

test("the slot that rested longest is leased next", () => {
  const slots = new Slots([0, 1, 2]);
  const order = [];
  for (let time = 0; time < 6; time++) {
    const slot = slots.lease();
    assert.ok(slot !== undefined);
    order.push(slot);
    slots.release(slot);
  }
  assert.deepEqual(order, [0, 1, 2, 0, 1, 2]);
});
