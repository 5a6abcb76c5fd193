import assert from "node:assert/strict";
import { test } from "node:test";
import { Slots } from "../../src/sandbox/slots.ts";

test("no slot is leased twice, and none that is not ours", () => {
  const slots = new Slots([3, 5]);
  assert.deepEqual([slots.lease(), slots.lease(), slots.lease()], [3, 5, undefined]);
  slots.release(5);
  assert.deepEqual([slots.lease(), slots.lease()], [5, undefined]);
});

test("the slot that was used last is used next, so that few are", () => {
  const slots = new Slots([0, 1, 2, 3]);
  const first = [slots.lease() ?? -1, slots.lease() ?? -1];
  for (let time = 0; time < 6; time++) {
    const slot = first[time % 2] ?? -1;
    slots.release(slot);
    assert.equal(slots.lease(), slot);
  }
  assert.equal(slots.lease(), 2);
});
