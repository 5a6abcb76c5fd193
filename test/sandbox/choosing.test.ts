/** Choosing outputs by patterns has a limit of its own, which is work and not time. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { BOX_LIMITS, MANIFEST_LIMITS } from "../../src/core/limits.ts";
import { chooserFor, OutputLimit } from "../../src/sandbox/collect.ts";
import { hold, useRunner } from "../support/boxes.ts";

const runner = useRunner(1);

const NO_INPUT = { files: [], directories: [] };
const ENTRY = {
  path: new Uint8Array(),
  sizeBytes: 0,
  mode: 0o644,
  mtimeSeconds: 0,
  mtimeNanoseconds: 1,
};

/** Of as many paths as a box can hold, how many are looked at until it is too much. */
function lookedAt(globs: readonly string[], pathOf: (index: number) => string, stepsMost?: number) {
  const isOutput = chooserFor(NO_INPUT, globs, { steps: 0 }, stepsMost);
  for (let index = 0; index < BOX_LIMITS.workInodes; index++) {
    try {
      isOutput({ path: pathOf(index), entry: ENTRY });
    } catch (error) {
      assert.ok(error instanceof OutputLimit);
      return index;
    }
  }
  return BOX_LIMITS.workInodes;
}

/** Enough for some paths, and counted soon. */
const FEW_STEPS = 1_000_000;
const COSTLY = Array.from({ length: MANIFEST_LIMITS.globs }, () => `${"*a".repeat(127)}b`);
const LONG = `${`${"a".repeat(250)}/`.repeat(2)}a`;

test("usual patterns are tried on as many files as a box can hold", () => {
  const usual = ["results/", "**/*.png", "**/*.{csv,json}", ...COSTLY.map((_, i) => `out-${i}/*`)];
  const globs = usual.slice(0, MANIFEST_LIMITS.globs);
  const paths = (index: number) => `results/of/the/first/run/table-${index}.csv`;
  assert.equal(lookedAt(globs, paths), BOX_LIMITS.workInodes);
});

test("patterns that cost too much end as output_limit", () => {
  assert.ok(lookedAt(COSTLY, () => LONG) < BOX_LIMITS.workInodes);
});

test("they do after as many files every time, however long each takes", () => {
  const counts = [1, 2, 3].map(() => lookedAt(COSTLY, () => LONG, FEW_STEPS));
  const [first = 0] = counts;
  assert.ok(first > 0 && first < 100, `${first}`);
  assert.deepEqual(counts, [first, first, first]);
});

test("many patterns in one are work too, though each fails at its first character", () => {
  const letters = `{${[..."abcdefghijklmnopqrstuvwxyz"].join(",")}}`;
  const globs = [`${letters}${letters}`];
  // 676 of them.
  assert.ok(lookedAt(globs, () => "0", FEW_STEPS) < FEW_STEPS / (4 * 676));
});

test("S23: choosing is on the bill of whoever sent the patterns, also when it was too much", async () => {
  const code = `
import os
os.makedirs("${"a".repeat(200)}")
for number in range(2000): open(f"${"a".repeat(200)}/${"a".repeat(200)}{number}", "w").close()`;
  const boxCpuMs = async (outputs: readonly string[]) => {
    const { finished, outcome } = await hold(runner(), { code, outputs });
    await finished.outputs.destroy();
    return { outcome: outcome.kind, cpuMs: finished.boxCpuMs ?? 0 };
  };
  const cheap = await boxCpuMs(["none/*"]);
  const costly = await boxCpuMs(COSTLY);
  assert.deepEqual([cheap.outcome, costly.outcome], ["exited", "output_limit"]);
  assert.ok(costly.cpuMs > cheap.cpuMs + 250, `${costly.cpuMs} and ${cheap.cpuMs}`);
});
