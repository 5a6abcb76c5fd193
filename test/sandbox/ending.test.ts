/**
 * How forked Pythons end: those of which nobody could see how they are taken apart are not, and
 * nothing is different for anybody.
 */
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import type { Runner } from "../../src/core/runner.ts";
import { openTestRunner, run } from "../support/boxes.ts";
import { ENDINGS } from "./endingPrograms.ts";
import { untilForked } from "./forking.ts";
import { seen } from "./seen.ts";

let forking: Runner;
let plain: Runner;

before(async () => {
  plain = await openTestRunner({ slots: 1, environments: {} });
  forking = await openTestRunner({ slots: 4, environments: {}, mostWaiting: 2 });
  await untilForked(forking);
});
after(async () => {
  await Promise.all([plain.close(), forking.close()]);
});

for (const [left, code] of Object.entries(ENDINGS)) {
  test(`a program ends the same, forked or not, that leaves ${left}`, async () => {
    await untilForked(forking);
    assert.deepEqual(await seen(forking, { code }), await seen(plain, { code }));
  });
}

/**
 * Pages that a fork has to copy, by whom it is waited for: one that ends as a program does which has
 * run `first`, then one that has run `second`.
 */
function pagesOf(first: string, second: string): string {
  const end = (code: string, name: string) =>
    `if going and not os.fork():\n    going = False\n    ${code.replaceAll("\n", "\n    ")}\n` +
    `if going: ${name} = os.wait3(0)[2].ru_minflt\n`;
  return `import os\ngoing = True\n${end(first, "first")}${end(second, "second")}if going: print(first, second)\n`;
}

async function pages(runner: Runner, first: string, second: string): Promise<readonly number[]> {
  const { stdout, stderr } = await run(runner, { code: pagesOf(first, second) });
  assert.equal(stderr.toString(), "");
  return stdout.toString().trim().split(" ").map(Number);
}

/** To be taken apart takes a fork some hundreds of them. */
const SPARED = 100;
const LOUD = "class Loud:\n    def __del__(self): pass\nloud = Loud()";

test("a program that leaves nothing to be seen is not taken apart", async () => {
  const quiet = [
    "pass",
    "x = [[n] for n in range(100)]",
    "class A: pass\na = A()",
    "import json, re, random",
    "import atexit; atexit.register(len, 'x')",
    "import collections; x = collections.namedtuple('X', 'a b')(1, 2)",
  ];
  for (const code of quiet) {
    await untilForked(forking);
    const [first = 0, second = 0] = await pages(forking, code, `${code}\n${LOUD}`);
    assert.ok(
      first > 0 && first + SPARED < second,
      `${code}: ${first} pages, ${second} with __del__`,
    );
  }
});

test("where it was not forked every program is, so the pages tell", async () => {
  const [first = 0, second = 0] = await pages(plain, "pass", LOUD);
  assert.ok(first > 0 && first + SPARED > second, `${first} pages, ${second} with __del__`);
});
