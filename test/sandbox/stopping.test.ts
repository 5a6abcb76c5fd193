/** Stopping a job at every point of its life: it ends as asked, and the slot is free again. */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { StopCause } from "../../src/core/job.ts";
import { begin, hold, inputFile, run, say, useRunner } from "../support/boxes.ts";
import {
  boxProcessesOf,
  jobProcessesOf,
  ownWarden,
  processesInBoxesOf,
  until,
} from "../support/host.ts";

const runner = useRunner(1);
const STAY = "import time\nprint('ready')\ntime.sleep(600)";
const MIB = 2 ** 20;

function warden() {
  const found = ownWarden();
  assert.ok(found);
  return found;
}

/** No process of a box is left, and the one slot takes a job. */
async function assertClean(): Promise<void> {
  // A box that was being made for a job that is stopped is made first.
  await until("no process of a box is left", () => processesInBoxesOf(warden()).length === 0);
  assert.equal(await say(runner(), "print('next')"), "next\n");
  assert.deepEqual(processesInBoxesOf(warden()), []);
}

for (const cause of ["cancelled", "evicted"] as const satisfies readonly StopCause[]) {
  test(`a running job can be ${cause}; its output so far is kept`, async () => {
    const stopper = new AbortController();
    const ran = await run(runner(), {
      code: STAY,
      signal: stopper.signal,
      onPrinted: () => stopper.abort(cause),
    });
    assert.deepEqual(ran.outcome, { kind: cause });
    assert.equal(ran.stdout.toString().trim(), "ready");
    await assertClean();
  });
}

test("a job that waits for a slot can be stopped, and never runs", async () => {
  const first = await begin(runner(), { code: STAY }, "ready");
  const stopper = new AbortController();
  let started = false;
  const onStarted = () => {
    started = true;
  };
  const waiting = hold(runner(), { code: "print(1)", signal: stopper.signal, onStarted });
  const behind = hold(runner(), { code: "print('behind')" });
  stopper.abort("cancelled");
  assert.deepEqual((await waiting).outcome, { kind: "cancelled" });
  await first.stop();
  // The one behind it is not forgotten.
  assert.equal((await behind).stdout.toString(), "behind\n");
  assert.equal(started, false);
  await assertClean();
});

test("a job that was stopped before it came never runs", async () => {
  const signal = AbortSignal.abort("evicted");
  const ran = await run(runner(), { code: "print(1)", signal });
  assert.deepEqual([ran.outcome, ran.stdout.length], [{ kind: "evicted" }, 0]);
  await assertClean();
});

test("a job can be stopped while its files are sent", async () => {
  const files = Array.from({ length: 50 }, (_, index) =>
    inputFile(`${index}`, new Uint8Array(2 * MIB)),
  );
  // Turns of the event loop until the stop: before the box is ready, while files go in, and after.
  for (const turns of [0, 1, 2, 4, 8, 16, 32, 64, 128]) {
    const stopper = new AbortController();
    const ended = run(runner(), { code: STAY, files, signal: stopper.signal });
    for (let turn = 0; turn < turns; turn++) await new Promise(setImmediate);
    stopper.abort("cancelled");
    assert.deepEqual((await ended).outcome, { kind: "cancelled" }, `${turns} turns`);
  }
  await assertClean();
});

test("a job that is stopped while its outputs are collected ends in order", async () => {
  const code =
    "import os\nfor n in range(50): open(str(n), 'wb').write(bytes(2 << 20))\nprint('x')";
  const stopper = new AbortController();
  const stop = () => stopper.abort("cancelled");
  // Nothing tells when collecting begins; the last output of the program comes just before it.
  for (const wait of [setImmediate, (then: () => void) => setTimeout(then, 20)]) {
    const onPrinted = () => void wait(stop);
    const ran = await run(runner(), { code, signal: stopper.signal, onPrinted });
    assert.ok(["exited", "cancelled"].includes(ran.outcome.kind), ran.outcome.kind);
    await assertClean();
  }
});

test("a job that floods and one that sleeps in a stopped state can be stopped", async () => {
  const flood = await begin(runner(), { interpreter: "sh", code: "yes" }, "y");
  assert.deepEqual((await flood.stop()).outcome, { kind: "cancelled" });
  const code = "import os, signal\nprint('ready')\nos.kill(0, signal.SIGSTOP)";
  const stopped = await begin(runner(), { code }, "ready");
  assert.deepEqual((await stopped.stop()).outcome, { kind: "cancelled" });
  await assertClean();
});

test("a job with unread input and a blocked output can be stopped", async () => {
  const code = "import os\nprint('ready')\nwhile True: os.read(0, 1); os.write(2, b'x' * 1000)";
  const job = await begin(runner(), { code, stdin: new Uint8Array(8 * MIB) }, "ready");
  assert.deepEqual((await job.stop()).outcome, { kind: "cancelled" });
  await assertClean();
});

test("S16: the first cause wins: what comes after the end changes nothing", async () => {
  const stopper = new AbortController();
  const ran = await run(runner(), { code: "print(1)", signal: stopper.signal });
  stopper.abort("cancelled");
  assert.deepEqual(ran.outcome, { kind: "exited", exitCode: 0 });
  const twice = new AbortController();
  const job = hold(runner(), {
    code: STAY,
    signal: twice.signal,
    onPrinted: () => {
      twice.abort("evicted");
      twice.abort("cancelled");
    },
  });
  assert.deepEqual((await job).outcome, { kind: "evicted" });
});

test("S16: a box whose first process is killed from outside ends as sandbox_error", async () => {
  const job = await begin(runner(), { code: STAY }, "ready");
  const [first] = boxProcessesOf(warden());
  assert.ok(first);
  process.kill(first, "SIGKILL");
  const ended = await job.ended;
  assert.equal(ended.outcome.kind, "sandbox_error");
  assert.equal(ended.stdout.toString().trim(), "ready");
  await assertClean();
});

test("outputs of a box that was killed cannot be read, and the slot is free", async () => {
  const ended = await hold(runner(), { code: "open('big', 'wb').write(bytes(2 << 20))" });
  assert.equal(ended.finished.outputs.holdsBox, true);
  // It collects, with the program's uid.
  const [first] = jobProcessesOf(warden());
  assert.ok(first);
  process.kill(first, "SIGKILL");
  const [file] = ended.finished.outputs.files;
  assert.ok(file);
  await assert.rejects(async () => {
    for await (const piece of ended.finished.outputs.read(file)) assert.ok(piece);
  });
  await ended.finished.outputs.destroy();
  await assertClean();
});

test("stopping a hundred jobs one after the other leaks no slot and no process", async () => {
  for (let index = 0; index < 100; index++) {
    const stopper = new AbortController();
    const ended = run(runner(), { code: STAY, signal: stopper.signal });
    for (let turn = 0; turn < index % 20; turn++) await new Promise(setImmediate);
    stopper.abort("cancelled");
    assert.deepEqual((await ended).outcome, { kind: "cancelled" });
  }
  await assertClean();
});
