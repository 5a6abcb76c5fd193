/** Warden and keeper: what happens when one dies, and that nothing of them stays on the host. */
import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdirSync, readdirSync, statSync } from "node:fs";
import { createConnection } from "node:net";
import { type TestContext, test } from "node:test";
import { fileURLToPath } from "node:url";
import { FrameParser } from "../../src/core/frameParser.ts";
import { BOX_LIMITS } from "../../src/core/limits.ts";
import type { Runner } from "../../src/core/runner.ts";
import { type BoxRequest, decodeFault, encodeRequest, FRAME } from "../../src/core/wire.ts";
import { type Plan, planText, startLocalWarden } from "../../src/sandbox/warden.ts";
import { begin, openRunnerFor, run, say } from "../support/boxes.ts";
import {
  childrenOf,
  groupsOf,
  isAlive,
  mounts,
  ownWarden,
  ownWardens,
  processesInBoxesOf,
  processesOf,
  until,
  type WardenOnHost,
} from "../support/host.ts";
import { remainsOf } from "../support/range.ts";

const STAY = "import time\nprint('ready')\ntime.sleep(600)";
/** A keeper that dies sooner after its start is not started again (native/watch.c). */
const KEEPER_SETTLES_MS = 3000;

/** A runner with a warden of its own, and that warden as the host sees it. */
async function open(
  context: TestContext,
  slots: number,
): Promise<{ runner: Runner; warden: WardenOnHost }> {
  const before = ownWardens().map(({ pid }) => pid);
  const runner = await openRunnerFor(context, { slots, environments: {} });
  const warden = ownWardens().find(({ pid }) => !before.includes(pid));
  assert.ok(warden, "the new warden can be seen");
  return { runner, warden };
}

function keeperOf(warden: WardenOnHost): number {
  const [keeper] = childrenOf(warden.pid);
  assert.ok(keeper, "the warden has a keeper");
  return keeper;
}

/** It may have ended by itself meanwhile. */
function kill(pid: number): void {
  try {
    process.kill(pid, "SIGKILL");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ESRCH") throw error;
  }
}

test("S11: a closed runner leaves nothing: no process, no mount, no group, no directory", async (context) => {
  const before = mounts();
  const { runner, warden } = await open(context, 3);
  const running = await begin(runner, { code: STAY }, "ready");
  assert.ok(processesOf(warden).length >= 3 && groupsOf(warden).length > 0);
  assert.ok(existsSync(warden.directory));
  assert.deepEqual(mounts(), before, "what is mounted for boxes is not seen by the host");
  const remains = await remainsOf(context, warden);
  await runner.close();
  assert.equal((await running.ended).outcome.kind, "sandbox_error");
  assert.deepEqual(await remains(), []);
  assert.deepEqual(mounts(), before);
});

test("wardens beside each other share no ids, and the end of one harms no other", async (context) => {
  const [one, other] = await Promise.all([
    openRunnerFor(context, { slots: 2, environments: {} }),
    openRunnerFor(context, { slots: 2, environments: {} }),
  ]);
  const ranges = ownWardens().map(({ range }) => range);
  assert.deepEqual([ranges.length, new Set(ranges).size], [2, 2]);
  const running = await begin(other, { code: STAY }, "ready");
  await run(one, { code: "import os\nos.kill(-1, 9)" });
  await one.close();
  assert.equal(await say(other, "print('on')"), "on\n");
  assert.deepEqual((await running.stop()).outcome, { kind: "cancelled" });
  await other.close();
});

test("the keeper's door is open to the service alone", async (context) => {
  const { runner, warden } = await open(context, 1);
  for (const place of ["door", "door/keeper", "root"]) {
    assert.equal(statSync(`${warden.directory}/${place}`).mode & 0o077, 0, place);
  }
  await runner.close();
});

const REQUEST: BoxRequest = { slot: 0, environment: 0, ...BOX_LIMITS };

/** What the keeper answers to these bytes: the step of its FAULT. */
async function answerTo(warden: WardenOnHost, bytes: Uint8Array): Promise<string> {
  const socket = createConnection({ path: `${warden.directory}/door/keeper`, allowHalfOpen: true });
  await once(socket, "connect");
  socket.end(bytes);
  const parser = new FrameParser();
  let answer = "nothing";
  for await (const chunk of socket) {
    for (const frame of parser.push(chunk)) {
      answer = frame.type === FRAME.fault ? decodeFault(frame.payload).step : `${frame.type}`;
    }
  }
  return answer;
}

test("the keeper refuses what is no request, and goes on", async (context) => {
  const { runner, warden } = await open(context, 1);
  const junk = encodeRequest(REQUEST).fill(0xff);
  assert.equal(await answerTo(warden, junk), "read the request");
  assert.equal(await answerTo(warden, junk.subarray(0, 20)), "read the request");
  assert.equal(await answerTo(warden, new Uint8Array(0)), "read the request");
  const answers: readonly (readonly [Partial<BoxRequest>, string])[] = [
    [{ slot: 1 }, "slot of the request"],
    [{ slot: 0xffffffff }, "slot of the request"],
    [{ environment: 99 }, "environment of the request"],
    [{ workBytes: 2 ** 40 }, "sizes of the request"],
    [{ tmpInodes: 0 }, "sizes of the request"],
  ];
  for (const [wrong, answer] of answers) {
    assert.equal(await answerTo(warden, encodeRequest({ ...REQUEST, ...wrong })), answer);
  }
  const running = await begin(runner, { code: STAY }, "ready");
  assert.equal(await answerTo(warden, encodeRequest(REQUEST)), "the slot has a box");
  assert.deepEqual((await running.stop()).outcome, { kind: "cancelled" });
  assert.equal(await say(runner, "print(1)"), "1\n");
  await runner.close();
});

test("boxes that cannot be built leave no connection behind, and the slot is free again", async (context) => {
  const { runner, warden } = await open(context, 1);
  const holder = createConnection({ path: `${warden.directory}/door/keeper` });
  holder.write(encodeRequest(REQUEST));
  await once(holder, "data");
  const before = readdirSync("/proc/self/fd").length;
  for (let time = 0; time < 20; time++) {
    const { outcome } = await run(runner, { code: "print(1)" });
    assert.deepEqual(outcome, { kind: "sandbox_error", step: "the slot has a box" });
  }
  assert.equal(readdirSync("/proc/self/fd").length, before);
  holder.destroy();
  await until("the held box ends", () => processesInBoxesOf(warden).length === 0);
  assert.equal(await say(runner, "print(1)"), "1\n");
  await runner.close();
});

test("a keeper that dies right after its start ends its warden; jobs end as sandbox_error", async (context) => {
  const { runner, warden } = await open(context, 2);
  const running = await begin(runner, { code: STAY }, "ready");
  const waiting = Promise.all([run(runner, { code: STAY }), run(runner, { code: STAY })]);
  // Where all of this took long, the first one had settled; what is started in its place has not.
  const remains = await remainsOf(context, warden);
  await until("the warden ends", () => {
    for (const keeper of childrenOf(warden.pid)) kill(keeper);
    return !isAlive(warden.pid);
  });
  assert.deepEqual(await remains(), []);
  assert.equal((await running.ended).outcome.kind, "sandbox_error");
  for (const { outcome } of await waiting) assert.equal(outcome.kind, "sandbox_error");
  assert.equal((await run(runner, { code: "print(1)" })).outcome.kind, "sandbox_error");
  await runner.close();
});

test("a keeper that dies later takes its boxes with it and is started again", async (context) => {
  const { runner, warden } = await open(context, 2);
  const settled = new Promise((resolve) => setTimeout(resolve, KEEPER_SETTLES_MS + 200));
  const jobs = [
    await begin(runner, { code: STAY }, "ready"),
    await begin(runner, { code: STAY }, "ready"),
  ];
  await settled;
  const first = keeperOf(warden);
  process.kill(first, "SIGKILL");
  for (const job of jobs) assert.equal((await job.ended).outcome.kind, "sandbox_error");
  for (let index = 0; index < 4; index++) assert.equal(await say(runner, "print('on')"), "on\n");
  assert.notEqual(keeperOf(warden), first);
  const remains = await remainsOf(context, warden);
  await runner.close();
  assert.deepEqual(await remains(), []);
});

/** Opens runners until one has that range; all of them but that one are closed again. */
async function openRange(
  context: TestContext,
  range: number,
): Promise<{ runner: Runner; warden: WardenOnHost }> {
  const others: Runner[] = [];
  for (;;) {
    const opened = await open(context, 1);
    if (opened.warden.range !== range && others.push(opened.runner) < 20) continue;
    for (const other of others) await other.close();
    assert.equal(opened.warden.range, range);
    return opened;
  }
}

test("S11: of a warden that was killed no process stays, and the next one sweeps the rest", async (context) => {
  const before = mounts();
  const { runner, warden } = await open(context, 2);
  const running = await begin(runner, { code: STAY }, "ready");
  process.kill(warden.pid, "SIGKILL");
  assert.equal((await running.ended).outcome.kind, "sandbox_error");
  await until("its processes die", () => processesOf(warden).length === 0);
  assert.notDeepEqual(groupsOf(warden), [], "there is something to sweep");
  for (const group of groupsOf(warden)) mkdirSync(`${group}/left`);
  const next = await openRange(context, warden.range);
  const left = groupsOf(next.warden).filter((group) => existsSync(`${group}/left`));
  assert.deepEqual(left, []);
  assert.equal(await say(next.runner, "print(1)"), "1\n");
  const remains = await remainsOf(context, next.warden);
  await next.runner.close();
  assert.deepEqual(await remains(), []);
  assert.deepEqual(mounts(), before);
  await runner.close();
});

const USER = `
import { begin, openTestRunner } from ${JSON.stringify(fileURLToPath(new URL("../support/boxes.ts", import.meta.url)))};
try {
  const runner = await openTestRunner({ slots: 1, environments: {} });
  await begin(runner, { code: ${JSON.stringify(STAY)} }, "ready");
  console.log("running");
} catch (error) {
  console.error(error);
  process.exit(1);
}
`;

function startUser(): ChildProcess {
  const options = ["--disable-warning=ExperimentalWarning", "--input-type=module", "-e", USER];
  return spawn(process.execPath, options, { stdio: ["ignore", "pipe", "inherit"] });
}

test("S11: when the process that uses a runner is killed, all of it goes", async (context) => {
  const user = startUser();
  context.after(() => user.kill("SIGKILL"));
  assert.ok(user.stdout && user.pid);
  const endsEarly = once(user, "exit").then(() => assert.fail("it ended and had no job running"));
  await Promise.race([once(user.stdout, "data"), endsEarly]);
  const [warden] = ownWardens(user.pid);
  assert.ok(warden);
  assert.ok(processesOf(warden).length >= 3);
  const remains = await remainsOf(context, warden);
  user.kill("SIGKILL");
  assert.deepEqual(await remains(), []);
});

test("a plan that cannot be carried out is refused before anything stands", async () => {
  const plan: Plan = { slots: 1, cpus: 1, memoryBytes: 0, trees: [] };
  const wrongs: readonly Partial<Plan>[] = [
    { slots: 0 },
    { slots: 100_000 },
    { cpus: 0 },
    { trees: [{ kind: "named", path: "/no/such/tree" }] },
    { trees: [{ kind: "named", path: "relative" }] },
  ];
  for (const wrong of wrongs) {
    await assert.rejects(startLocalWarden({ ...plan, ...wrong }), /sandrun doctor/);
  }
  assert.throws(() => planText({ ...plan, trees: [{ kind: "named", path: "/a\nslots 2" }] }));
  await until("their wardens end", () => ownWarden() === undefined);
});
