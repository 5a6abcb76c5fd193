/**
 * The hostile suite once more, in boxes that were made before their job was known, as those of a
 * service are: most programs were started by then, or are forked from a template.
 */
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { CASES } from "./all.ts";
import { openBoxes } from "./boxed.ts";
import type { Arena } from "./case.ts";
import { judge } from "./judge.ts";

const WAITING = 8;

describe("in a box that waited", () => {
  let arena: Arena | undefined;
  before(async () => {
    arena = await openBoxes({ mostWaiting: WAITING });
    const isForked = `print("preload.so" in open("/proc/self/maps").read())`;
    for (let tries = 0; tries < 50; tries++) {
      if ((await arena.run({ code: isForked })).stdout.toString() === "True\n") return;
    }
    assert.fail("no box was forked");
  });
  after(() => arena?.close());
  for (const hostile of CASES) {
    test(`${hostile.promise}: ${hostile.tries}`, async () => {
      assert.ok(arena);
      const { isRight, note } = await judge(hostile, arena);
      assert.ok(isRight, note);
    });
  }
});
