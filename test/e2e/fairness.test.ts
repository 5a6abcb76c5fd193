/** What others can do to a caller, with real boxes: hogs, sleepers, full shelves and slow uploads. */
import assert from "node:assert/strict";
import { once } from "node:events";
import { after, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { AsCaller } from "../support/asCaller.ts";
import { useService } from "./curl.ts";

/** Small, so that a hog uses it up also on a machine that is busy with other things. */
const QUOTA_SECONDS = 3;
const service = useService(
  ...["--trusted-proxy", "127.0.0.0/8", "--slots", "4", "--ram-budget", "1G"],
  ...["--quota-cpu-seconds", `${QUOTA_SECONDS}`],
);
const callers: AsCaller[] = [];
after(() => {
  for (const caller of callers) caller.close();
});

function caller(address: string): AsCaller {
  const one = new AsCaller(service(), address);
  callers.push(one);
  return one;
}

const HOG = "while True: pass";
const SLEEPER = "import time\ntime.sleep(100)";

async function untilRunning(one: AsCaller, ids: readonly string[]): Promise<void> {
  for (const id of ids) while ((await one.status(id)).status === "queued") await sleep(20);
}

/** Each prints that word when it has come so far. */
async function untilSaid(one: AsCaller, word: string, ids: readonly string[]): Promise<void> {
  for (const id of ids) {
    while (!(await one.ask("GET", `/logs/${id}`)).body.includes(word)) await sleep(20);
  }
}

test("S23: a flood of CPU hogs is held to its share, and another caller's jobs run beside it", async () => {
  const [hog, other] = [caller("192.0.2.1"), caller("192.0.2.2")];
  const ids = [];
  for (let i = 0; i < 8; i++) ids.push(await hog.submit(HOG, { timeout: 60 }));
  await untilRunning(hog, ids.slice(0, 2));
  while ((await hog.quota()).cpu_seconds_available > 0) await sleep(50);
  for (let i = 0; i < 10; i++) {
    const { outcome, output } = await other.run("print(6 * 7)");
    assert.deepEqual([outcome, output], [{ kind: "exited", exit_code: 0 }, "42\n"]);
  }
  const states = await Promise.all(ids.map((id) => hog.status(id)));
  assert.deepEqual(
    states.map(({ status }) => status),
    ["running", "running", ...new Array<string>(6).fill("queued")],
    "they run on, and no more of them",
  );
  // From here on both get what the bucket is refilled with, and no more.
  const before = (await hog.quota()).refills_in;
  await sleep(3000);
  const later = (await hog.quota()).refills_in;
  const grown = (later - before) / (60 / QUOTA_SECONDS);
  assert.ok(grown < 0.2, `the debt grew by ${grown} CPU-seconds in three`);
  const held = await hog.status(ids[0] ?? "");
  assert.ok(held.metrics.throttled_seconds > 0);
  for (const id of ids) await hog.destroy(id);
  assert.equal((await hog.quota()).running, 0);
});

test("S23: sleepers in every slot give way to a caller who waits, one for each slot it needs", async () => {
  const holders = [caller("192.0.2.11"), caller("192.0.2.12")];
  const ids: [AsCaller, string][] = [];
  for (const holder of holders)
    for (let i = 0; i < 2; i++) ids.push([holder, await holder.submit(SLEEPER)]);
  for (const [holder, id] of ids) await untilRunning(holder, [id]);
  const waiting = await caller("192.0.2.13").run("print('at last')");
  assert.equal(waiting.output, "at last\n");
  const ends = await Promise.all(ids.map(([holder, id]) => holder.status(id)));
  assert.deepEqual(ends.map(({ outcome }) => outcome?.kind ?? "running").toSorted(), [
    "evicted",
    "running",
    "running",
    "running",
  ]);
  for (const [holder, id] of ids) await holder.destroy(id);
});

test("S23: kept results and slow uploads of others hold up neither a job nor an upload", async () => {
  const keepers = [caller("192.0.2.21"), caller("192.0.2.22"), caller("192.0.2.23")];
  for (const keeper of keepers) {
    for (let i = 0; i < 2; i++) {
      const kept = await keeper.run("open('big', 'wb').write(bytes(3 << 20))");
      assert.deepEqual(kept.outcome, { kind: "exited", exit_code: 0 });
    }
  }
  const uploads = [];
  for (let i = 0; i < 32; i++) {
    const slow = caller(`198.51.100.${i}`);
    for (let j = 0; j < 2; j++) uploads.push(await slow.beginUpload(1 << 20));
  }
  const lost = Promise.race(uploads.map(async (socket) => String((await once(socket, "data"))[0])));
  const other = caller("192.0.2.24");
  const files = { "data.bin": { base64: Buffer.alloc(200_000).toString("base64") } };
  const { outcome, output } = await other.run("import os; print(os.stat('data.bin').st_size)", {
    files,
  });
  assert.deepEqual([outcome, output], [{ kind: "exited", exit_code: 0 }, "200000\n"]);
  assert.match(await lost, /^HTTP\/1\.1 503 [\s\S]*gave way/);
  for (const socket of uploads) socket.destroy();
});

const BURN = "import time\nend = time.process_time() + 0.3\nwhile time.process_time() < end: pass";

/**
 * What was charged since then, if the bucket was never full in between: what is left to refill
 * and what was refilled.
 */
async function chargedSince(beganMs: number, one: AsCaller): Promise<number> {
  const { refills_in: refillsIn } = await one.quota();
  return (refillsIn + (performance.now() - beganMs) / 1000) / (60 / QUOTA_SECONDS);
}

/** What the service itself works for a job. */
const JOB_SECONDS = 0.005;

test("S23: what is charged is what the cgroups used, debt included, within 5 %", async () => {
  const one = caller("192.0.2.31");
  const beganMs = performance.now();
  const used: number[] = [];
  const burn = async () => {
    const { metrics, outcome } = await one.run(BURN, { timeout: 120 });
    assert.deepEqual(outcome, { kind: "exited", exit_code: 0 });
    used.push(metrics.cpu_seconds ?? 0);
  };
  for (let i = 0; i < 6; i++) await Promise.all([burn(), burn()]);
  const sum = used.reduce((all, seconds) => all + seconds, 0);
  assert.ok(sum > QUOTA_SECONDS, "there was a debt");
  const charged = (await chargedSince(beganMs, one)) - used.length * JOB_SECONDS;
  assert.ok(Math.abs(charged - sum) < 0.05 * sum, `charged ${charged} s, used ${sum} s`);
});

test("S23: hanging up takes nothing off the bill", async () => {
  const one = caller("192.0.2.32");
  const beganMs = performance.now();
  const id = await one.submit(HOG);
  await untilRunning(one, [id]);
  // Enough to tell it from the work around a job.
  while ((await chargedSince(beganMs, one)) < 0.3) await sleep(50);
  const before = await chargedSince(beganMs, one);
  await one.destroy(id);
  assert.ok((await chargedSince(beganMs, one)) >= before - 0.01);
});

test("S23: when memory is short, a running job of whoever holds most gives way, and the others go on", async () => {
  const [greedy, modest] = [caller("192.0.2.41"), caller("192.0.2.42")];
  const hold = (mib: number) =>
    `import time\nx = bytearray(${mib} << 20)\nprint("ready", flush=True)\ntime.sleep(100)`;
  const kept = await modest.submit(hold(150));
  const first = await greedy.submit(hold(350));
  // Admitted in this order, they might still start in another.
  await untilSaid(modest, "ready", [kept]);
  await untilSaid(greedy, "ready", [first]);
  // 850 MiB of 1,024 are more than 80 %.
  const second = await greedy.submit(hold(350));
  while ((await greedy.status(first)).outcome === undefined) await sleep(50);
  const ends = [await greedy.status(first), await greedy.status(second), await modest.status(kept)];
  assert.deepEqual(
    ends.map(({ outcome }) => outcome?.kind),
    ["evicted", undefined, undefined],
    "its oldest, and no other",
  );
  await greedy.destroy(second);
  await modest.destroy(kept);
});
