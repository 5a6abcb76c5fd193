/**
 * The hostile suite: every program in a box, contained. That the same programs escape without one
 * is shown by `npm run test:hostile -- --bare`.
 */
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { CASES } from "./all.ts";
import { openBoxes } from "./boxed.ts";
import type { Arena } from "./case.ts";
import { judge } from "./judge.ts";
import { OPEN } from "./open.ts";

function useArena(open: () => Promise<Arena>): () => Arena {
  let arena: Arena | undefined;
  before(async () => {
    arena = await open();
  });
  after(() => arena?.close());
  return () => {
    assert.ok(arena);
    return arena;
  };
}

describe("in a box", () => {
  const arena = useArena(() => openBoxes());
  for (const hostile of CASES) {
    test(`${hostile.promise}: ${hostile.tries}`, async () => {
      const { isRight, note } = await judge(hostile, arena());
      assert.ok(isRight, note);
    });
  }
});

test("what is known to be open is one of the cases, and told", () => {
  for (const [id, why] of OPEN) {
    assert.ok(
      CASES.some((hostile) => hostile.id === id),
      id,
    );
    assert.ok(why.length > 40);
  }
  assert.ok(CASES.length >= 90);
});
