/** A service that sleeps: nothing of JavaScript is there while nobody asks for anything. */
import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import type { IncomingMessage } from "node:http";
import { Agent, type RequestOptions, request } from "node:https";
import { connect } from "node:net";
import { join } from "node:path";
import { describe, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { childrenOf, ownWardens, type WardenOnHost } from "../support/host.ts";
import { countInMemory } from "../support/memory.ts";
import { type Served, startService } from "./curl.ts";

const PLAIN = ["-H", "Content-Type: text/plain"];

interface Sleeper extends Served {
  readonly warden: WardenOnHost;
  /** What the warden has started and is there; asleep that is the keeper alone. */
  children(): readonly number[];
  run(code: string): Promise<string>;
  /** How often a process of JavaScript has begun to serve. */
  starts(): number;
}

async function startSleeper(): Promise<Sleeper> {
  const service = await startService(["--sleep", "--slots", "4", "--ram-budget", "1G"]);
  const warden = ownWardens().find(({ pid }) => pid === service.pid);
  assert.ok(warden);
  return {
    ...service,
    warden,
    children: () => childrenOf(warden.pid),
    run: (code) => service.curl("--data-binary", code, ...PLAIN, `${service.url}/run`),
    starts: () => service.log().match(/"event":"started"/g)?.length ?? 0,
  };
}

/** The keeper stays, so a second child is Node. Takes a minute, and for connections a third more. */
async function untilAsleep({ children }: Sleeper): Promise<number> {
  for (;;) {
    const [keeper, node] = children();
    if (keeper !== undefined && node === undefined) return keeper;
    await sleep(20);
  }
}

async function untilAwake({ children }: Sleeper): Promise<void> {
  while (children().length < 2) await sleep(20);
}

/** A connection that says nothing. */
async function connectTo({ url }: Sleeper) {
  const socket = connect(Number(new URL(url).port), "127.0.0.1");
  socket.on("error", () => undefined);
  await once(socket, "connect");
  return socket;
}

async function answersWell(url: string, options: RequestOptions): Promise<boolean> {
  const asked = request(url, options);
  asked.end();
  const [answer] = (await once(asked, "response")) as [IncomingMessage];
  answer.resume();
  await once(answer, "end");
  return answer.statusCode === 200;
}

describe("sleep", { concurrency: 4 }, () => {
  test("S21: after a minute nothing of a job is in any process; then jobs wake it, and each is answered", async (t) => {
    const service = await startSleeper();
    try {
      const marker = randomBytes(12).toString("hex");
      assert.equal(await service.run(`print("${marker}")`), `${marker}\n`);
      const found = () =>
        [service.warden.pid, ...service.children()].map((pid) =>
          countInMemory(pid, Buffer.from(marker)),
        );
      assert.ok(
        found().some((count) => count > 0),
        "Node has kept it",
      );
      const keeper = await untilAsleep(service);
      assert.deepEqual(found(), [0, 0]);

      process.kill(keeper, "SIGKILL");
      const numbers = Array.from({ length: 20 }, (_, number) => number);
      const begunAt = performance.now();
      const answers = await Promise.all(
        numbers.map((number) => service.run(`print(${number} * 3)`)),
      );
      t.diagnostic(`20 jobs at once, woken for: ${Math.round(performance.now() - begunAt)} ms`);
      assert.deepEqual(
        answers,
        numbers.map((number) => `${number * 3}\n`),
      );
      assert.equal(service.starts(), 2);
      const told = JSON.stringify(await service.json(`${service.url}/environments`));
      assert.match(told, /"name":"python3","version":"3\./);
      assert.doesNotMatch(told, /"version":"unknown"/);
    } finally {
      assert.equal(await service.stop(), 0);
    }
  });

  test("S21: whoever asks for its health all the time does not hold it up after a job, and loses no request", async (t) => {
    const service = await startSleeper();
    const ca = readFileSync(join(service.directory, "cert.pem"));
    const agent = new Agent({ keepAlive: true, maxSockets: 1 });
    const isWell = (own: Agent | false) => answersWell(`${service.url}/health`, { ca, agent: own });
    try {
      assert.equal(await service.run("print(6 * 7)"), "42\n");
      let asked = 0;
      let longestMs = 0;
      for (let after = 0; after < 20; after += service.starts() - 1) {
        const begunAt = performance.now();
        assert.deepEqual(await Promise.all([isWell(agent), isWell(false)]), [true, true]);
        longestMs = Math.max(longestMs, performance.now() - begunAt);
        asked += 2;
        await sleep(5);
      }
      t.diagnostic(`${asked} requests, the slowest pair took ${Math.round(longestMs)} ms`);
      assert.equal(service.starts(), 2);
    } finally {
      agent.destroy();
      assert.equal(await service.stop(), 0);
    }
  });

  test("what asks for nothing wakes it once, and it goes to sleep again", async (t) => {
    const service = await startSleeper();
    try {
      await untilAsleep(service);
      const silent = await connectTo(service);
      const cut = once(silent, "close");
      await untilAwake(service);
      const begunAt = performance.now();
      for (let time = 0; time < 500; time++) (await connectTo(service)).destroy();
      t.diagnostic(
        `500 connections that were closed: ${Math.round(performance.now() - begunAt)} ms`,
      );
      await Promise.all([cut, untilAsleep(service)]);
      assert.equal(service.starts(), 2);
    } finally {
      assert.equal(await service.stop(), 0, "asleep, it ends as it does awake");
    }
  });

  test("a look at its health wakes it", async () => {
    const service = await startSleeper();
    try {
      await untilAsleep(service);
      const health = await service.json(`${service.url}/health`);
      assert.equal(health["status"], "healthy");
      assert.equal(service.starts(), 2);
    } finally {
      assert.equal(await service.stop(), 0);
    }
  });
});
