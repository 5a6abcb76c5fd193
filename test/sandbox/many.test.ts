/** Fifty jobs at once: each gets its own answer, and nothing of them stays. */
import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { BOX_LIMITS } from "../../src/core/limits.ts";
import { LAYERS } from "../../src/core/wire.ts";
import { Box } from "../../src/sandbox/box.ts";
import { nativeProgram } from "../../src/sandbox/place.ts";
import { startLocalWarden } from "../../src/sandbox/warden.ts";
import { begin, type Job, openRunnerFor, type Ran, run } from "../support/boxes.ts";
import {
  boxProcessesOf,
  jobProcessesOf,
  mounts,
  ownWarden,
  processesInBoxesOf,
} from "../support/host.ts";
import { remainsOf } from "../support/range.ts";

const JOBS = 50;
const CODE = `
import os, sys
number = int(sys.stdin.read())
assert os.listdir("/work") == ["main.py"] and os.listdir("/tmp") == []
open("own", "w").write(sys.argv[1])
print("ready", flush=True)
if os.environ["STAY"]:
    import time
    time.sleep(600)
assert open("own").read() == sys.argv[1]
print(number * number)
print(os.environ["NUMBER"], file=sys.stderr)
sys.exit(number % 5)
`;

function job(number: number, stay = ""): Job {
  return {
    code: CODE,
    args: [`own ${number}`],
    stdin: `${number}`,
    env: { NUMBER: `${number}`, STAY: stay },
    memoryMb: 64,
  };
}

function check(ran: Ran, number: number): void {
  const told = `${number}: ${JSON.stringify(ran.outcome)} ${ran.stderr}`;
  assert.deepEqual(ran.outcome, { kind: "exited", exitCode: number % 5 }, told);
  assert.equal(ran.stdout.toString(), `ready\n${number * number}\n`);
  assert.equal(ran.stderr.toString(), `${number}\n`);
  const own = number % 5 === 0 ? `own ${number}` : undefined;
  assert.equal(ran.files.get("own")?.toString(), own);
}

test("S11: fifty jobs at once end right, more behind them too, and nothing stays on the host", async (context) => {
  const before = mounts();
  const runner = await openRunnerFor(context, { slots: JOBS, environments: {} });
  const warden = ownWarden();
  assert.ok(warden);
  const numbers = Array.from({ length: JOBS }, (_, number) => number);
  const held = await Promise.all(numbers.map((one) => begin(runner, job(one, "yes"), "ready")));
  assert.equal(jobProcessesOf(warden).length, JOBS, "all of them at once");
  assert.equal(boxProcessesOf(warden).length, JOBS);
  const stopped = await Promise.all(held.map((one) => one.stop()));
  for (const { outcome } of stopped) assert.deepEqual(outcome, { kind: "cancelled" });
  const all = [...numbers, ...numbers, ...numbers];
  const ran = await Promise.all(all.map((one) => run(runner, job(one))));
  ran.forEach((one, index) => {
    check(one, all[index] ?? 0);
  });
  assert.deepEqual(processesInBoxesOf(warden), []);
  assert.deepEqual(mounts(), before);
  const remains = await remainsOf(context, warden);
  await runner.close();
  assert.deepEqual(await remains(), []);
  assert.deepEqual(mounts(), before);
});

test("a box is made beside so many that their descriptors alone are more than a box may have", async () => {
  const slots = BOX_LIMITS.openFiles;
  const warden = await startLocalWarden({ slots, cpus: 1, memoryBytes: 0, trees: [] });
  const boxes: Box[] = [];
  let slot = 0;
  const make = async () => {
    while (slot < slots / 2 + 8) {
      const request = { slot: slot++, environment: 0, ...BOX_LIMITS };
      boxes.push(await Box.build(warden.handover.keeper, request));
    }
  };
  try {
    await Promise.all([make(), make(), make(), make()]);
    assert.ok(boxes.every(({ isolation }) => isolation.length === LAYERS.length));
  } finally {
    await Promise.all(boxes.map((box) => box.destroy()));
    await warden.close();
  }
});

test("slots have the descriptors that they need where a login gives few", async (context) => {
  const directory = mkdtempSync(join(tmpdir(), "sandrun-few-"));
  context.after(() => rmSync(directory, { recursive: true }));
  const program = join(directory, "few");
  const native = process.env["SANDRUN_TEST_NATIVE"] ?? nativeProgram();
  writeFileSync(program, `#!/bin/sh\nulimit -Sn 256\nexec ${native} "$@"\n`, { mode: 0o755 });
  const slots = 72;
  const plan = { slots, cpus: 1, memoryBytes: 0, trees: [] };
  const warden = await startLocalWarden(plan, false, program);
  const boxes: Box[] = [];
  try {
    for (let slot = 0; slot < slots; slot++) {
      const request = { slot, environment: 0, ...BOX_LIMITS };
      boxes.push(await Box.build(warden.handover.keeper, request));
    }
  } finally {
    await Promise.all(boxes.map((box) => box.destroy()));
    await warden.close();
  }
});
