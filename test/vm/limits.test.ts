/** Limits and accounting of a job on cgroup v2, judged by what they do and by the kernel's counters. */
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { MIB } from "../../src/core/limits.ts";
import type { Runner } from "../../src/core/runner.ts";
import { openLocalRunner } from "../../src/main.ts";
import { run } from "../support/boxes.ts";
import { fieldOf, isThere, ownGroup, textOf } from "./groups.ts";

let runner: Runner;
let service: string;
let job: string;

before(async () => {
  runner = await openLocalRunner({ environments: {} });
  service = ownGroup();
  job = `${service}/jobs/slot-0`;
});

after(async () => {
  await runner.close();
  assert.equal(isThere(service), false, "nothing of the service stays");
});

const TAKE = `
import os, time
if os.fork() == 0:
    time.sleep(600)
held = []
while True:
    held.append(bytearray(b"x") * (1 << 20))
`;

test("a job over its memory ends out_of_memory, with all its processes", async () => {
  const { outcome, finished } = await run(runner, { code: TAKE, memoryMb: 64 });
  assert.deepEqual(outcome, { kind: "out_of_memory" });
  assert.equal(fieldOf(job, "memory.events", "oom_group_kill"), 1);
  assert.ok(fieldOf(job, "memory.events", "oom_kill") >= 2, "the child that slept died too");
  assert.equal(textOf(job, "cgroup.procs"), "");
  assert.ok(finished.usage.memoryPeakBytes <= 64 * MIB);
  assert.ok(finished.usage.memoryPeakBytes >= 60 * MIB);
});

test("files in RAM count as the job's memory", async () => {
  const code = 'open("big", "wb").write(bytes(100 << 20))';
  const small = await run(runner, { code, memoryMb: 64, outputs: [] });
  assert.deepEqual(small.outcome, { kind: "out_of_memory" });
  const large = await run(runner, { code, memoryMb: 512, outputs: [] });
  assert.deepEqual(large.outcome, { kind: "exited", exitCode: 0 });
});

test("memory is never swapped, and a job is killed as one", async () => {
  await run(runner, { code: "" });
  assert.equal(textOf(job, "memory.swap.max"), "0");
  assert.equal(textOf(service, "memory.swap.max"), "0");
  assert.equal(textOf(job, "memory.oom.group"), "1");
});

const BOMB = `
import errno, os, time
made = 0
try:
    while True:
        if os.fork() == 0:
            time.sleep(600)
        made += 1
except OSError as error:
    print(made, errno.errorcode[error.errno])
    os._exit(0)
`;

test("a fork bomb stays within its processes, and leaves none", async () => {
  const { outcome, stdout } = await run(runner, { code: BOMB });
  assert.deepEqual(outcome, { kind: "exited", exitCode: 0 });
  assert.equal(stdout.toString(), "99 EAGAIN\n");
  assert.ok(fieldOf(job, "pids.events", "max") >= 1);
  assert.equal(textOf(job, "cgroup.procs"), "");
});

const BURN = `
import os, time
children = [os.fork() for _ in range(1)]
end = time.monotonic() + 2
while time.monotonic() < end:
    pass
`;

test("two busy processes get one core together", async () => {
  const { outcome, finished } = await run(runner, { code: BURN });
  assert.deepEqual(outcome, { kind: "exited", exitCode: 0 });
  assert.equal(textOf(job, "cpu.max"), "100000 100000");
  const { cpuMs, wallMs } = finished.usage;
  // A period's burst more than one core is the kernel's grain.
  assert.ok(cpuMs <= wallMs * 1.1 + 200, `${cpuMs} ms of CPU in ${wallMs} ms`);
  assert.ok(fieldOf(job, "cpu.stat", "nr_periods") > 0);
});

test("a job over its CPU time ends as cpu_limit", async () => {
  const { outcome, finished } = await run(runner, { code: "while True: pass", cpuSeconds: 1 });
  assert.deepEqual(outcome, { kind: "cpu_limit" });
  assert.ok(finished.usage.cpuMs >= 1000);
});

const USE = `
import time
held = bytearray(b"x") * (50 << 20)
end = time.process_time() + 2
while time.process_time() < end:
    pass
print(time.process_time() * 1000)
`;

test("usage tells what the job took, and nothing of the one before", async () => {
  const { stdout, finished } = await run(runner, { code: USE });
  const { cpuMs, memoryPeakBytes } = finished.usage;
  assert.ok(cpuMs >= Number(stdout), `${cpuMs} ms told, ${stdout} ms used`);
  assert.ok(memoryPeakBytes >= 50 * MIB && memoryPeakBytes < 80 * MIB, `${memoryPeakBytes} bytes`);
  const next = await run(runner, { code: "" });
  assert.ok(next.finished.usage.memoryPeakBytes < 50 * MIB);
  assert.ok(next.finished.usage.cpuMs < cpuMs);
});
