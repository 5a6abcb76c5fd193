/** The warden of a service that sleeps, below which a program stands that does as the test wants. */
import assert from "node:assert/strict";
import { connect } from "node:net";
import { after, describe, test } from "node:test";
import { childrenOf, until } from "../support/host.ts";
import { remainsOf } from "../support/range.ts";
import { ask, keeperOf, type Played, Stage, wardenOf } from "./played.ts";

const stage = new Stage();
after(() => stage.close());

function starts(played: Played, who: string): number {
  return played.told.filter((line) => new RegExp(`^${who} \\d+ starts`).test(line)).length;
}

/** When the next ones that were woken started, by their own clocks: after 0, 1, 2 … seconds. */
async function startsOf(played: Played, count: number): Promise<readonly number[]> {
  const startedAt: number[] = [];
  while (startedAt.length < count) {
    const [, atMs] = await played.hear(/^woken \d+ starts at (\d+)/);
    startedAt.push(Number(atMs));
  }
  return startedAt;
}

/** @returns the port, when warden and keeper are all that is left */
async function asleep(played: Played): Promise<string> {
  const [, port = ""] = await played.hear(/^first \d+ serves on (\d+)/);
  await played.hear(/^first \d+ leaves/);
  await untilAlone(played);
  return port;
}

async function untilAlone(played: Played): Promise<void> {
  const children = () => childrenOf(played.child.pid ?? 0);
  await until("nothing but a keeper is there", () => {
    return children().length === 1 && children()[0] === keeperOf(played);
  });
}

describe("sleep", { concurrency: 4, timeout: 300_000 }, () => {
  test("S21: asleep there is a keeper and no Node; many connections at once wake one, and all are answered", async (context) => {
    const played = stage.play(context, "sleeps");
    const port = await asleep(played);
    const remains = await remainsOf(context, wardenOf(played));
    const keeper = keeperOf(played);
    const answers = await Promise.all(Array.from({ length: 50 }, () => ask(port)));
    assert.deepEqual(new Set(answers), new Set(["woken"]));
    assert.equal(starts(played, "woken"), 1);
    assert.equal(keeperOf(played), keeper, "boxes and keeper are left alone");
    assert.equal(await played.stop(), 0);
    assert.match(played.told.at(-1) ?? "", /^woken \d+ stopped/);
    assert.deepEqual(await remains(), []);
  });

  test("asleep it ends at once when it is told to, and leaves nothing", async (context) => {
    const played = stage.play(context, "sleeps");
    await asleep(played);
    const remains = await remainsOf(context, wardenOf(played));
    assert.equal(await played.stop(), 0);
    assert.deepEqual(await remains(), []);
    assert.equal(starts(played, "woken"), 0);
  });

  test("while it wakes it ends at once, too: nobody was told that Node is there", async (context) => {
    const played = stage.play(context, "sleepHangs");
    const socket = connect(Number(await asleep(played)), "127.0.0.1");
    socket.on("error", () => undefined);
    const closed = new Promise((resolve) => socket.once("close", resolve));
    await played.hear(/^woken \d+ starts/);
    const remains = await remainsOf(context, wardenOf(played));
    assert.equal(await played.stop(), 0);
    await closed;
    assert.deepEqual(await remains(), []);
  });

  test("a keeper that dies meanwhile is there again before a connection wakes Node", async (context) => {
    const played = stage.play(context, "sleeps");
    const port = await asleep(played);
    const keeper = keeperOf(played) ?? 0;
    process.kill(keeper, "SIGKILL");
    await until("it has gone", () => !childrenOf(played.child.pid ?? 0).includes(keeper));
    await untilAlone(played);
    assert.equal(starts(played, "woken"), 0, "nobody asked");
    assert.equal(await ask(port), "woken");
    assert.equal(await played.stop(), 0);
  });

  test("one that fails while it wakes is tried again, later each time; who waits is answered in the end", async (context) => {
    const played = stage.play(context, "sleepFails");
    const port = await asleep(played);
    const answer = ask(port);
    const [, second = 0, third = 0] = await startsOf(played, 3);
    assert.ok(third - second >= 1000, `${third - second} ms`);
    assert.equal(await answer, "woken");
    assert.equal(starts(played, "woken"), 3);
    assert.equal(await played.stop(), 0);
  });

  test("one that crashes takes its keeper with it, and is started again when somebody asks", async (context) => {
    const played = stage.play(context, "sleepCrashes");
    const [, port = ""] = await played.hear(/^first \d+ serves on (\d+)/);
    const keeper = keeperOf(played);
    await until("another keeper is there", () => ![keeper, undefined].includes(keeperOf(played)));
    await untilAlone(played);
    assert.equal(starts(played, "woken"), 0);
    assert.equal(await ask(port), "woken");
    assert.equal(await played.stop(), 0);
  });

  test("one that has work after all and then ends has crashed, whatever it was told before", async (context) => {
    const played = stage.play(context, "sleepChanges");
    const [, port = ""] = await played.hear(/^first \d+ serves on (\d+)/);
    const keeper = keeperOf(played);
    await played.hear(/^first \d+ is busy/);
    await until("another keeper is there", () => ![keeper, undefined].includes(keeperOf(played)));
    assert.equal(await ask(port), "woken");
    assert.equal(await played.stop(), 0);
  });

  test("one that asks to sleep as soon as it is woken, while somebody waits, is started later each time", async (context) => {
    const played = stage.play(context, "sleepHostile");
    const socket = connect(Number(await asleep(played)), "127.0.0.1");
    socket.on("error", () => undefined);
    const [, second = 0, third = 0, fourth = 0] = await startsOf(played, 4);
    assert.ok(third - second >= 1000, `${third - second} ms`);
    assert.ok(fourth - third >= 2000, `${fourth - third} ms`);
    assert.equal(await played.stop(), 0);
  });
});
