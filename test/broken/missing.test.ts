/** One layer missing, everything else as it is shipped: nothing runs, and everybody is told why. */
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { createService } from "../../src/service.ts";
import { takeStock } from "../../src/stock.ts";
import { readAnswer } from "../fakes/service.ts";
import { run } from "../support/boxes.ts";
import { childrenOf } from "../support/host.ts";
import { BREAKABLE, openRunner, shownBy, UNBUILDABLE, useBroken } from "./broken.ts";

const ROOT = fileURLToPath(new URL("../..", import.meta.url));
const PROGRAM = fileURLToPath(new URL("../../src/cli/program.ts", import.meta.url));
const broken = useBroken();

for (const name of BREAKABLE) {
  const step = UNBUILDABLE[name] ?? `the layer ${shownBy(name)} does not hold`;

  test(`S15: without ${name} no job runs and the service is not healthy: ${step}`, async () => {
    const runner = await openRunner(broken.program("missing", name));
    try {
      const started: string[] = [];
      const ran = await run(runner, { code: "print(1)", onStarted: () => started.push("started") });
      assert.deepEqual(ran.outcome, { kind: "sandbox_error", step });
      assert.equal(ran.stdout.length + ran.stderr.length, 0);
      assert.deepEqual(started, []);
      assert.deepEqual(ran.finished.isolation, []);

      await takeStock(runner, []);
      const { app } = createService({ runner, ramBudgetBytes: 2 ** 30, version: "0" });
      const health = await readAnswer(await app.request("/health"));
      const reason = `the sandbox failed: ${step}`;
      assert.deepEqual([health.status, health.json], [503, { status: "unhealthy", reason }]);
      const body = { method: "POST", body: "print(1)", headers: { "Content-Type": "text/plain" } };
      const refused = await readAnswer(await app.request("/run", body));
      assert.deepEqual([refused.status, refused.json?.code], [503, "unhealthy"]);
      assert.equal(refused.json?.details, reason);
    } finally {
      await runner.close();
    }
  });
}

/** The address that a service tells, once it listens. */
function addressOf(stderr: NodeJS.ReadableStream): Promise<string> {
  return new Promise((resolve, reject) => {
    let said = "";
    stderr.on("data", (chunk: Buffer) => {
      said += chunk.toString();
      const address = /listening on (http:\/\/\S+)/.exec(said)?.[1];
      if (address !== undefined) resolve(address);
    });
    stderr.once("end", () => reject(new Error(`the service ended: ${said}`)));
  });
}

test("S15: a service whose boxes lack a layer stays up, says so and runs nothing, as does one that was woken", async () => {
  const words = ["serve", ROOT.replace(/\/$/, ""), process.execPath, PROGRAM, "--"];
  const options = ["--port", "0", "--listen", "127.0.0.1", "--behind-proxy", "--sleep"];
  const program = broken.program("missing", "time");
  const child = spawn(program, [...words, ...options], { stdio: ["ignore", "ignore", "pipe"] });
  const ended = once(child, "exit");
  try {
    const url = await addressOf(child.stderr);
    const ask = async (path: string, init?: RequestInit) =>
      readAnswer(await fetch(`${url}${path}`, init));
    while (/has not run yet/.test((await ask("/health")).text)) await sleep(20);
    const judge = async () => {
      const health = await ask("/health");
      const reason = "the sandbox failed: the layer time does not hold";
      assert.deepEqual([health.status, health.json], [503, { status: "unhealthy", reason }]);
      const refused = await ask("/run", { method: "POST", body: "print(1)" });
      assert.deepEqual([refused.status, refused.json?.code], [503, "unhealthy"]);
    };
    await judge();
    while (childrenOf(child.pid ?? 0).length > 1) await sleep(20);
    await judge();
  } finally {
    child.kill("SIGTERM");
    await ended;
  }
});
