/** The warden's side of replacing Node, below which a program stands that does as the test wants. */
import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { chmodSync, copyFileSync, mkdtempSync, rmSync } from "node:fs";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, describe, type TestContext, test } from "node:test";
import { fileURLToPath } from "node:url";
import { nativeProgram } from "../../src/sandbox/place.ts";
import { childrenOf, ownWardens, remainsOf } from "../support/host.ts";

/** The service's uid must be able to read it. */
const place = mkdtempSync(join(tmpdir(), "sandrun-succession-"));
const program = join(place, "fakeNode");
copyFileSync(fileURLToPath(new URL("fakeNode.py", import.meta.url)), program);
for (const path of [place, program]) chmodSync(path, 0o755);
after(() => rmSync(place, { recursive: true }));

/** How long the warden waits after the second crash, the third and the fourth (native/succession.c). */
const RETRY_MS = [1000, 2000, 4000];

interface Played {
  readonly child: ChildProcess;
  readonly ended: Promise<number | null>;
  /** All that was told so far, one line each. */
  readonly told: string[];
  /** The next line, heard or to come, that matches; fails when the warden ends before. */
  hear(what: RegExp): Promise<RegExpExecArray>;
  stop(): Promise<number | null>;
}

/** What is played is over behind the test, however that ends. */
function play(context: TestContext, part: string): Played {
  const child = spawn(nativeProgram(), ["serve", place, program, "--", part], {
    stdio: ["ignore", "inherit", "pipe"],
  });
  const told: string[] = [];
  let at = 0;
  let wake: () => void = () => undefined;
  let isOver = false;
  child.stderr?.on("data", (chunk: Buffer) => {
    told.push(...chunk.toString().trim().split("\n"));
    wake();
  });
  const ended = once(child, "close").then(([status]) => {
    isOver = true;
    wake();
    return status as number | null;
  });
  const hear = async (what: RegExp): Promise<RegExpExecArray> => {
    for (;;) {
      const index = told.findIndex((line, place) => place >= at && what.test(line));
      if (index >= 0) {
        at = index + 1;
        return what.exec(told[index] ?? "") as RegExpExecArray;
      }
      if (isOver) throw new Error(`the warden ended without ${what}: ${told.join("; ")}`);
      await new Promise<void>((resolve) => {
        wake = resolve;
      });
    }
  };
  const stop = async () => {
    child.kill("SIGTERM");
    return ended;
  };
  context.after(stop);
  return { child, ended, told, hear, stop };
}

/** What one connection is answered. */
async function ask(port: string): Promise<string> {
  const socket = connect(Number(port), "127.0.0.1");
  let text = "";
  for await (const chunk of socket) text += String(chunk);
  return text;
}

function wardenOf(played: Played) {
  const warden = ownWardens().find(({ pid }) => pid === played.child.pid);
  assert.ok(warden);
  return warden;
}

function keeperOf(played: Played): number | undefined {
  const nodes = played.told.map((line) => Number(/^\w+ (\d+) starts/.exec(line)?.[1]));
  return childrenOf(played.child.pid ?? 0).find((pid) => !nodes.includes(pid));
}

// An ordinary user's ids are enough for eight wardens at a time.
describe("succession", { concurrency: 8, timeout: 300_000 }, () => {
  test("S21: the successor serves when the first has left; connections in between are held", async (context) => {
    const played = play(context, "leaves");
    const [, port = ""] = await played.hear(/^first \d+ serves on (\d+)/);
    const warden = wardenOf(played);
    const keeper = keeperOf(played);
    await played.hear(/^first \d+ asks/);
    await played.hear(/^next \d+ ready/);
    await played.hear(/^first \d+ leaves/);
    const answers = await Promise.all([ask(port), ask(port), ask(port)]);
    assert.deepEqual(answers, ["next", "next", "next"]);
    assert.equal(keeperOf(played), keeper, "boxes and keeper are left alone");
    assert.equal(await played.stop(), 0);
    assert.match(played.told.at(-1) ?? "", /^next \d+ stopped/);
    assert.deepEqual(remainsOf(warden), []);
  });

  test("a successor that fails changes nothing: the first one stays and is not told to go", async (context) => {
    const played = play(context, "fails");
    await played.hear(/^next \d+ starts/);
    // Its end has been dealt with when the warden answers a signal that came later.
    assert.equal(await played.stop(), 0);
    assert.match(played.told.at(-1) ?? "", /^first \d+ stopped/);
    assert.ok(!played.told.some((line) => line.includes("told to go")));
  });

  test("a successor that talks out of turn is ended", async (context) => {
    const played = play(context, "chatters");
    const [, next] = await played.hear(/^next (\d+) starts/);
    while (childrenOf(played.child.pid ?? 0).includes(Number(next))) {
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
    assert.equal(await played.stop(), 0);
    assert.match(played.told.at(-1) ?? "", /^first \d+ stopped/);
  });

  test("when the first has work after all, the successor ends", async (context) => {
    const played = play(context, "changes");
    const [, next] = await played.hear(/^next (\d+) ready/);
    await played.hear(/^first \d+ is busy/);
    while (childrenOf(played.child.pid ?? 0).includes(Number(next))) {
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
    assert.equal(await played.stop(), 0);
    assert.match(played.told.at(-1) ?? "", /^first \d+ stopped/);
  });

  test("when the first dies instead of leaving, all boxes go and the successor serves", async (context) => {
    const played = play(context, "dies");
    await played.hear(/^first \d+ serves/);
    const keeper = keeperOf(played);
    await played.hear(/^next \d+ told to go/);
    assert.notEqual(keeperOf(played), keeper);
    assert.equal(await played.stop(), 0);
  });

  test("a Node that asks all the time is not listened to, and no process is started for it", async (context) => {
    const played = play(context, "floods");
    await played.hear(/^first \d+ not listened to/);
    assert.equal(await played.stop(), 0);
    assert.equal(played.told.filter((line) => line.includes("starts")).length, 1);
  });

  test("a Node that crashes is started again, later each time, with a new keeper", async (context) => {
    const played = play(context, "crashes");
    await played.hear(/^first \d+ serves/);
    const keeper = keeperOf(played);
    const startedAt: number[] = [];
    for (let time = 0; time < 4; time++) {
      const [, atMs] = await played.hear(/^first \d+ starts at (\d+)/);
      startedAt.push(Number(atMs));
    }
    // By their own clocks, and never compared with each other: what a start itself takes comes on top.
    for (const [index, leastMs] of RETRY_MS.entries()) {
      const tookMs = (startedAt[index + 1] ?? 0) - (startedAt[index] ?? 0);
      assert.ok(tookMs >= leastMs, `start ${index + 3} came after ${tookMs} ms`);
    }
    await played.hear(/^first \d+ serves/);
    assert.notEqual(keeperOf(played), keeper);
    assert.equal(await played.stop(), 0);
  });

  test("a Node that ends of itself with 0 has crashed all the same", async (context) => {
    const played = play(context, "quits");
    await played.hear(/^first \d+ serves/);
    await played.hear(/^first \d+ starts/);
    await played.hear(/^first \d+ serves/);
    assert.equal(await played.stop(), 0);
  });

  test("a Node that ends before any has served ends the service with its status", async (context) => {
    const played = play(context, "stillborn");
    assert.equal(await played.ended, 42);
  });
});
