/**
 * A program that was started before its job was known is in no way another than one that was
 * started for it: the same programs run both ways, and all that they can tell is compared.
 */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { after, before, test } from "node:test";
import type { Runner } from "../../src/core/runner.ts";
import { hostHolds } from "../../src/sandbox/held.ts";
import { type Job, openRunnerFor, openTestRunner, run } from "../support/boxes.ts";
import { isAlive, ownWardens, processesOf, until } from "../support/host.ts";
import { PROGRAMS } from "./heldPrograms.ts";
import { seen } from "./seen.ts";

let holding: Runner;
let plain: Runner;

before(async () => {
  plain = await openTestRunner({ slots: 1, environments: {} });
  // Forked ones are looked at in template.test.ts.
  holding = await openTestRunner({ slots: 4, environments: {}, mostWaiting: 1, forks: false });
});
after(async () => {
  await Promise.all([plain.close(), holding.close()]);
});

test("this host's kernel holds programs", () => {
  assert.equal(hostHolds(), true);
});

test("a plain job finds its program started, one that sets anything does not", async () => {
  const pid = async (job: Partial<Job>) =>
    (await run(holding, { code: "import os\nprint(os.getpid())", ...job })).stdout.toString();
  // The hand comes first; a program that was not held takes its place.
  assert.equal(await pid({}), "3\n");
  assert.equal(await pid({ mergeStreams: true }), "3\n");
  assert.equal(await pid({ stdin: "text" }), "3\n");
  assert.equal(await pid({ args: ["x"] }), "2\n");
  assert.equal(await pid({ env: { PYTHONHASHSEED: "0" } }), "2\n");
  assert.equal(await pid({ env: { LD_PRELOAD: "x" } }), "2\n");
  assert.equal(await pid({ memoryMb: 64 }), "2\n");
  assert.equal(await pid({ directories: ["d"] }), "2\n");
  assert.equal(await pid({ code: `import os\nprint(os.getpid())\n#${"x".repeat(70_000)}` }), "2\n");
});

for (const [name, job] of PROGRAMS) {
  test(`held or not: ${name}`, async () => {
    const expected = await seen(plain, job);
    assert.deepEqual(await seen(holding, job), expected);
    // Once more: of the second it is sure that it waited.
    assert.deepEqual(await seen(holding, job), expected);
  });
}

test("S5: a held program has its job's memory and no more, and its end is told", async () => {
  const { outcome, finished } = await run(holding, {
    code: "held = bytearray(700 << 20)\nprint(len(held))",
  });
  assert.deepEqual(outcome, { kind: "out_of_memory" });
  assert.ok(finished.usage.memoryPeakBytes > 400 << 20);
});

test("S8: the start of a held program is not on its job's bill, what it does is", async () => {
  const spent = async (runner: Runner, code: string) =>
    (await run(runner, { code })).finished.usage.cpuMs;
  const nothing = "pass";
  await spent(holding, nothing);
  assert.ok((await spent(holding, nothing)) < (await spent(plain, nothing)));
  const burn =
    "import time\nend = time.process_time() + 0.5\nwhile time.process_time() < end: pass";
  assert.ok((await spent(holding, burn)) >= 450);
});

test("S11: a held program that dies is given to nobody", async () => {
  await run(holding, { code: "pass" });
  const waiting = () =>
    ownWardens()
      .flatMap(processesOf)
      .filter((pid) => isHeldPython(pid));
  await until("one waits", () => waiting().length === 1);
  const [victim = 0] = waiting();
  process.kill(victim, "SIGKILL");
  await until("it is dead", () => !isAlive(victim));
  // At once: the pool may not have heard of it, and gives it to this job.
  const ran = await run(holding, { code: "print(input())", stdin: "whole" });
  assert.deepEqual(
    [ran.outcome, ran.stdout.toString()],
    [{ kind: "exited", exitCode: 0 }, "whole\n"],
  );
});

test("S11: nothing is left of boxes that waited when their runner closes", async (context) => {
  const runner = await openRunnerFor(context, { slots: 8, environments: {}, mostWaiting: 2 });
  const before = ownWardens().length;
  await Promise.all(
    ["python3", "node"].map((interpreter) => run(runner, { code: "", interpreter })),
  );
  await runner.close();
  await until("its warden is gone", () => ownWardens().length === before - 1);
});

function isHeldPython(pid: number): boolean {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, "utf8") === "python3\0main.py\0";
  } catch {
    return false;
  }
}
