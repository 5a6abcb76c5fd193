import assert from "node:assert/strict";
import { mock, test } from "node:test";
import { SYSTEM_CLOCK } from "../../src/store/clock.ts";

test("the service's time does not go back when somebody sets the machine's clock", () => {
  const before = SYSTEM_CLOCK.nowMs();
  const wall = mock.method(Date, "now", () => before - 3_600_000);
  assert.ok(Date.now() < before);
  assert.ok(SYSTEM_CLOCK.nowMs() >= before);
  wall.mock.restore();
  assert.ok(
    Math.abs(SYSTEM_CLOCK.nowMs() - Date.now()) < 60_000,
    "it is the same time at the start",
  );
});
