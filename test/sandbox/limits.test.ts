/** What a job may use: memory, processes, processor time. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { begin, inputFile, run, say, useRunner } from "../support/boxes.ts";
import { groupsOf, ownWarden, pythonOnHost } from "../support/host.ts";
import { patient } from "../support/patience.ts";

const runner = useRunner(2);
const MIB = 2 ** 20;

const TAKE =
  "import sys\nheld = bytearray(b'x') * (int(sys.argv[1]) << 20)\nprint('took', len(held) >> 20)";

test("S5: a job of 512 MB that takes 600 MB ends as out_of_memory", async () => {
  const ran = await run(runner(), { code: TAKE, args: ["600"] });
  assert.deepEqual(ran.outcome, { kind: "out_of_memory" });
  const { memoryPeakBytes } = ran.finished.usage;
  assert.ok(memoryPeakBytes > 400 * MIB && memoryPeakBytes <= 512 * MIB, `${memoryPeakBytes}`);
  // The same program under a higher limit, so the limit is what ended it.
  const larger = await say(runner(), { code: TAKE, args: ["600"], memoryMb: 1024 });
  assert.equal(larger, "took 600\n");
});

test("each job gets the limit that it asked for, also behind a larger one on its slot", async () => {
  for (const memoryMb of [256, 64, 128]) {
    for (let slot = 0; slot < runner().slots; slot++) {
      const beyond = { code: TAKE, args: [`${memoryMb + 20}`], memoryMb };
      assert.deepEqual((await run(runner(), beyond)).outcome, { kind: "out_of_memory" });
      await say(runner(), { code: TAKE, args: [`${memoryMb - 30}`], memoryMb });
    }
  }
});

test("S5: files count: 100 MB in /work end a job of 64 MB", async () => {
  for (const place of ["/work", "/dev/shm"]) {
    const code = `
import os
with open("${place}/file", "wb") as file:
    for _ in range(63 if "${place}" == "/dev/shm" else 100): file.write(bytes(1 << 20))
print("written")`;
    const ran = await run(runner(), { code, memoryMb: 64 });
    assert.deepEqual(ran.outcome, { kind: "out_of_memory" }, place);
  }
});

test("S5: memory that children take counts, and the job ends as a whole", async () => {
  const code = `
import os, time
for _ in range(4):
    if os.fork() == 0:
        held = bytearray(b"x") * (40 << 20)
        time.sleep(600)
time.sleep(600)`;
  const ran = await run(runner(), { code, memoryMb: 100 });
  assert.deepEqual(ran.outcome, { kind: "out_of_memory" });
});

test("what was printed before the memory ran out is kept", async () => {
  const ran = await run(runner(), {
    code: `print("before")\n${TAKE}`,
    args: ["200"],
    memoryMb: 64,
  });
  assert.deepEqual(ran.outcome, { kind: "out_of_memory" });
  assert.equal(ran.stdout.toString(), "before\n");
});

test("100 MB of input end a job of 64 MB as out_of_memory", async () => {
  const files = [inputFile("big", new Uint8Array(100 * MIB))];
  const ran = await run(runner(), { code: "print(1)", files, memoryMb: 64 });
  assert.deepEqual(ran.outcome, { kind: "out_of_memory" });
  const fits = await say(runner(), { code: "import os\nprint(os.stat('big').st_size)", files });
  assert.equal(fits, `${100 * MIB}\n`);
});

test("input that does not fit into /work's inodes is told with the step, and harms nobody", async () => {
  const path = (file: number) => Array.from({ length: 24 }, (_, level) => `${file}-${level}`);
  const files = Array.from({ length: 1000 }, (_, file) => inputFile(`${path(file).join("/")}/x`));
  const ran = await run(runner(), { code: "print(1)", files });
  assert.equal(ran.outcome.kind, "sandbox_error");
  await say(runner(), "print(1)");
  await say(runner(), "print(1)");
});

const FORKS = `
import os, signal, time
children = []
try:
    while True:
        child = os.fork()
        if child == 0:
            signal.pause()
        children.append(child)
except OSError as error: print(len(children) + 1, error.strerror)
`;

test("S6: a job has 100 processes at most", async () => {
  assert.equal(await say(runner(), FORKS), "100 Resource temporarily unavailable\n");
});

test("S6: threads count as processes", async () => {
  const code = `
import threading
started, stop = 1, threading.Event()
try:
    while True:
        threading.Thread(target=stop.wait).start()
        started += 1
except RuntimeError: print(started)
stop.set()`;
  assert.equal(await say(runner(), code), "100\n");
});

test("S6: a fork bomb ends with its job; the service and the next jobs are unharmed", async () => {
  const bomb = `
import os, time
print("bomb", flush=True)
while True:
    try: os.fork()
    except OSError: pass`;
  const warden = ownWarden();
  const running = await begin(runner(), { code: bomb, timeoutSeconds: 60 }, "bomb");
  // A job on the other slot goes on as if nothing were.
  assert.equal(await say(runner(), "print(2)"), "2\n");
  const ended = await running.stop();
  assert.deepEqual(ended.outcome, { kind: "cancelled" });
  assert.deepEqual(ownWarden(), warden);
  for (let slot = 0; slot < runner().slots; slot++)
    assert.equal(await say(runner(), FORKS), `100 Resource temporarily unavailable\n`);
});

const SPIN = `
import os, time
end = time.monotonic() + 1
if os.fork() == 0:
    while time.monotonic() < end: pass
    os._exit(0)
while time.monotonic() < end: pass
os.wait()`;

test("S8: two spinning processes get one core together", async () => {
  const ran = await run(runner(), { code: SPIN });
  assert.deepEqual(ran.outcome, { kind: "exited", exitCode: 0 });
  const { cpuMs, wallMs } = ran.finished.usage;
  assert.ok(cpuMs < 1.3 * wallMs, `${cpuMs} ms of ${wallMs} ms`);
  // On a busy machine they might not have got more anyway: the group's quota says so too.
  const warden = ownWarden();
  assert.ok(warden);
  assert.deepEqual([...new Set(quotasOf(warden))], ["100000"]);
});

/** Microseconds of processor time in 100 ms that the jobs of all slots may use. */
function quotasOf(warden: NonNullable<ReturnType<typeof ownWarden>>): string[] {
  const files = ["cpu.cfs_quota_us", "cpu.max"];
  return groupsOf(warden).flatMap((group) =>
    files.flatMap((file) => {
      try {
        return [readFileSync(`${group}/jobs/slot-0/${file}`, "utf8").trim().split(" ")[0] ?? ""];
      } catch {
        return [];
      }
    }),
  );
}

test("S8: cpu_seconds end a job as cpu_limit; sleeping costs nothing", async () => {
  // Shells: their start costs next to nothing of it.
  const code = "echo 1; while :; do :; done";
  const ran = await run(runner(), { interpreter: "sh", code, cpuSeconds: 1 });
  assert.deepEqual(ran.outcome, { kind: "cpu_limit" });
  assert.equal(ran.stdout.toString(), "1\n");
  assert.ok(ran.finished.usage.cpuMs >= 1000 && ran.finished.usage.cpuMs < patient(2000));
  const slept = await run(runner(), { interpreter: "sh", code: "sleep 1.2", cpuSeconds: 1 });
  assert.deepEqual(slept.outcome, { kind: "exited", exitCode: 0 });
});

test("usage is the job's own: the next one on the slot starts from nothing", async () => {
  const big = await run(runner(), { code: TAKE, args: ["200"] });
  assert.ok(big.finished.usage.memoryPeakBytes > 200 * MIB);
  for (let slot = 0; slot < runner().slots; slot++) {
    const { usage } = (await run(runner(), { interpreter: "sh", code: "true" })).finished;
    assert.ok(
      usage.memoryPeakBytes < 64 * MIB && usage.cpuMs < patient(500),
      JSON.stringify(usage),
    );
  }
});

test("the probe for memory takes what it says on the host", async () => {
  const host = await pythonOnHost(TAKE.replace("int(sys.argv[1])", "600"));
  assert.equal(host.stdout, "took 600\n");
});
