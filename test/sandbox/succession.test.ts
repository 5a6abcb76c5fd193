/** The warden's side of replacing Node, below which a program stands that does as the test wants. */
import assert from "node:assert/strict";
import { after, describe, test } from "node:test";
import { childrenOf } from "../support/host.ts";
import { remainsOf } from "../support/range.ts";
import { ask, keeperOf, Stage, wardenOf } from "./played.ts";

const stage = new Stage();
after(() => stage.close());

/** How long the warden waits after the second crash, the third and the fourth (native/succession.c). */
const RETRY_MS = [1000, 2000, 4000];

// An ordinary user's ids are enough for eight wardens at a time.
describe("succession", { concurrency: 8, timeout: 300_000 }, () => {
  test("S21: the successor serves when the first has left; connections in between are held", async (context) => {
    const played = stage.play(context, "leaves");
    const [, port = ""] = await played.hear(/^first \d+ serves on (\d+)/);
    const remains = await remainsOf(context, wardenOf(played));
    const keeper = keeperOf(played);
    await played.hear(/^first \d+ asks/);
    await played.hear(/^next \d+ ready/);
    await played.hear(/^first \d+ leaves/);
    const answers = await Promise.all([ask(port), ask(port), ask(port)]);
    assert.deepEqual(answers, ["next", "next", "next"]);
    assert.equal(keeperOf(played), keeper, "boxes and keeper are left alone");
    assert.equal(await played.stop(), 0);
    assert.match(played.told.at(-1) ?? "", /^next \d+ stopped/);
    assert.deepEqual(await remains(), []);
  });

  test("a successor that fails changes nothing: the first one stays and is not told to go", async (context) => {
    const played = stage.play(context, "fails");
    await played.hear(/^next \d+ starts/);
    // Its end has been dealt with when the warden answers a signal that came later.
    assert.equal(await played.stop(), 0);
    assert.match(played.told.at(-1) ?? "", /^first \d+ stopped/);
    assert.ok(!played.told.some((line) => line.includes("told to go")));
  });

  test("a successor that talks out of turn is ended", async (context) => {
    const played = stage.play(context, "chatters");
    const [, next] = await played.hear(/^next (\d+) starts/);
    while (childrenOf(played.child.pid ?? 0).includes(Number(next))) {
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
    assert.equal(await played.stop(), 0);
    assert.match(played.told.at(-1) ?? "", /^first \d+ stopped/);
  });

  test("when the first has work after all, the successor ends", async (context) => {
    const played = stage.play(context, "changes");
    const [, next] = await played.hear(/^next (\d+) ready/);
    await played.hear(/^first \d+ is busy/);
    while (childrenOf(played.child.pid ?? 0).includes(Number(next))) {
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
    assert.equal(await played.stop(), 0);
    assert.match(played.told.at(-1) ?? "", /^first \d+ stopped/);
  });

  test("when the first dies instead of leaving, all boxes go and the successor serves", async (context) => {
    const played = stage.play(context, "dies");
    await played.hear(/^first \d+ serves/);
    const keeper = keeperOf(played);
    await played.hear(/^next \d+ told to go/);
    assert.notEqual(keeperOf(played), keeper);
    assert.equal(await played.stop(), 0);
  });

  test("a Node that asks all the time is not listened to, and no process is started for it", async (context) => {
    const played = stage.play(context, "floods");
    await played.hear(/^first \d+ not listened to/);
    assert.equal(await played.stop(), 0);
    assert.equal(played.told.filter((line) => line.includes("starts")).length, 1);
  });

  test("a Node that crashes is started again, later each time, with a new keeper", async (context) => {
    const played = stage.play(context, "crashes");
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
    const played = stage.play(context, "quits");
    await played.hear(/^first \d+ serves/);
    await played.hear(/^first \d+ starts/);
    await played.hear(/^first \d+ serves/);
    assert.equal(await played.stop(), 0);
  });

  test("a Node that ends before any has served ends the service with its status", async (context) => {
    const played = stage.play(context, "stillborn");
    assert.equal(await played.ended, 42);
  });
});
