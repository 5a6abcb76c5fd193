/** Throttling a job that runs: what it gets then, and that it dies as quickly as any other. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { setImmediate } from "node:timers/promises";
import type { RunningJob } from "../../src/core/runner.ts";
import { hold, useRunner } from "../support/boxes.ts";

const runner = useRunner(1);

/** Tells after each half second how much CPU time it got in it. */
const TELL = `
import time
print("ready", flush=True)
while True:
    end, used = time.monotonic() + 0.5, time.process_time()
    while time.monotonic() < end: pass
    print("part", int((time.process_time() - used) * 1000), flush=True)
`;

/** Starts a job that never ends; `running` is there once it has printed. */
async function beginBusy(code = TELL) {
  let running: RunningJob | undefined;
  const heard: ((text: string) => void)[] = [];
  const onStarted = (started: RunningJob) => {
    running = started;
  };
  const stopper = new AbortController();
  let text = "";
  const onPrinted = (_: unknown, printed: string) => {
    text = printed;
    for (const listener of heard) listener(printed);
  };
  const ended = hold(runner(), { code, onStarted, onPrinted, signal: stopper.signal });
  const until = (enough: (text: string) => boolean) =>
    new Promise<void>((resolve) => {
      const listener = (printed: string) => enough(printed) && resolve();
      heard.push(listener);
      listener(text);
    });
  await until((printed) => printed.includes("ready"));
  assert.ok(running);
  return { running, ended, until, stop: () => stopper.abort("cancelled"), printed: () => text };
}

const partsOf = (text: string) => [...text.matchAll(/part (\d+)/g)].map(([, ms]) => Number(ms));

test("S8: a throttled job gets its part of a core and no more, until that is lifted", async () => {
  const job = await beginBusy();
  await job.until((text) => partsOf(text).length >= 1);
  job.running.throttle(0.1);
  const before = partsOf(job.printed()).length;
  await job.until((text) => partsOf(text).length >= before + 3);
  const throttled = partsOf(job.printed()).slice(before + 1);
  job.running.throttle(undefined);
  await job.until((text) => partsOf(text).length >= before + 6);
  const free = partsOf(job.printed()).slice(before + 4);
  job.stop();
  const { outcome, finished } = await job.ended;
  assert.deepEqual(outcome, { kind: "cancelled" });
  const told = `throttled ${throttled}, free ${free}`;
  assert.ok(Math.max(...throttled) < 150, told);
  assert.ok(Math.max(...free) > 2 * Math.max(...throttled), told);
  assert.equal(job.running.cpuMs() <= finished.usage.cpuMs, true);
});

test("S23: a job that wants a processor is told from one that sleeps, whatever it is called", async () => {
  const name = "open('/proc/self/comm', 'w').write(') R 1')";
  const sleeper = await beginBusy(
    `import time\n${name}\nprint("ready", flush=True)\ntime.sleep(100)`,
  );
  // One that prints is not asleep yet.
  while (sleeper.running.wantsCpu()) await setImmediate();
  let seen = 0;
  for (let look = 0; look < 100; look++) {
    if (sleeper.running.wantsCpu()) seen += 1;
    await setImmediate();
  }
  assert.equal(seen, 0);
  sleeper.stop();
  await sleeper.ended;
  assert.equal(sleeper.running.wantsCpu(), false);
  // One thread of two: the other one, which came first, waits for it.
  const busy = await beginBusy(
    "import threading\ndef burn():\n  while True: pass\nthreading.Thread(target=burn).start()\nprint('ready', flush=True)",
  );
  busy.running.throttle(0.01);
  for (let look = 0; look < 100; look++) {
    assert.equal(busy.running.wantsCpu(), true);
    await setImmediate();
  }
  busy.stop();
  await busy.ended;
});

test("a throttle is never more than the job's own limit", async () => {
  const job = await beginBusy();
  job.running.throttle(50);
  await job.until((text) => partsOf(text).length >= 3);
  job.stop();
  const { finished } = await job.ended;
  assert.ok(finished.usage.cpuMs <= finished.usage.wallMs * 1.3 + 200);
});

/** A hundred processes whose memory takes time to give back. */
const HEAVY = `
import os, signal
blob = bytearray(40_000_000)
for _ in range(90):
    if os.fork() == 0: signal.pause()
print("ready", flush=True)
while True: pass
`;

test("S8: a throttled job dies as quickly as one that is not", async () => {
  const tookMs = async (cpus: number | undefined) => {
    const job = await beginBusy(HEAVY);
    job.running.throttle(cpus);
    const began = performance.now();
    job.stop();
    assert.deepEqual((await job.ended).outcome, { kind: "cancelled" });
    return performance.now() - began;
  };
  const free = await tookMs(undefined);
  const throttled = await tookMs(0.01);
  assert.ok(throttled < 4 * free + 1000, `free ${free} ms, throttled ${throttled} ms`);
});

test("S8: what a throttled program leaves behind dies as quickly as what one leaves that is not", async () => {
  const tookMs = async (cpus: number | undefined) => {
    const job = await beginBusy(HEAVY);
    job.running.throttle(cpus);
    const began = performance.now();
    // Of the program alone: it ends by itself, as far as its box can tell.
    job.running.sendSignal("SIGTERM");
    assert.deepEqual((await job.ended).outcome, { kind: "signalled", signal: "SIGTERM" });
    return performance.now() - began;
  };
  const free = await tookMs(undefined);
  const throttled = await tookMs(0.01);
  assert.ok(throttled < 4 * free + 1000, `free ${free} ms, throttled ${throttled} ms`);
});

test("once a job has ended its throttle reaches nobody, and its slot's next job is free", async () => {
  const job = await beginBusy();
  job.running.throttle(0.01);
  job.stop();
  await job.ended;
  const used = job.running.cpuMs();
  const next = await beginBusy();
  job.running.throttle(0.01);
  await next.until((text) => partsOf(text).length >= 3);
  assert.equal(job.running.cpuMs(), used);
  assert.ok(Math.max(...partsOf(next.printed())) > 150);
  next.stop();
  await next.ended;
});

test("S8: work that a job makes for its box is told: reading files that are all holes, relaying", async () => {
  const idle = await hold(runner(), { code: "print(1)" });
  const code = "for i in range(5): open(f'hole{i}', 'wb').truncate(20 << 20)";
  const holes = await hold(runner(), { code });
  assert.deepEqual(holes.outcome, { kind: "exited", exitCode: 0 });
  await holes.finished.outputs.destroy();
  const told = (one: typeof idle) => one.finished.boxCpuMs ?? 0;
  assert.ok(told(holes) > 5 * told(idle), `${told(idle)} ms, ${told(holes)} ms`);
  assert.ok(told(holes) > holes.finished.usage.cpuMs, "it costs more than the program did");
});

test("S8: what a job used is told when the sandbox failed, too", async () => {
  const { ended, running } = await beginBusy("print('ready', flush=True)\nwhile True: pass");
  // As the engine does all the time: its group may be gone before it could be asked again.
  const atLeastMs = running.cpuMs();
  assert.ok(atLeastMs > 0);
  await runner().close();
  const { outcome, finished } = await ended;
  assert.equal(outcome.kind, "sandbox_error");
  assert.ok(finished.usage.cpuMs >= atLeastMs);
});
