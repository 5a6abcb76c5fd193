import assert from "node:assert/strict";
import { mkdirSync, renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { scratch } from "./files.ts";
import { type Ran, type Setting, sandrun } from "./harness.ts";

interface Watching {
  /** Resolves when the program was started so many times. */
  started(times: number): Promise<void>;
  /** Ctrl-C. */
  stop(): Promise<Ran>;
}

function watching(t: TestContext, argv: readonly string[], setting: Setting = {}): Watching {
  const interrupt = new AbortController();
  t.after(() => interrupt.abort(130));
  let count = 0;
  const ran = sandrun(argv, {
    ...setting,
    interrupt,
    onStarted: () => {
      count += 1;
    },
  });
  return {
    started: async (times) => {
      while (count < times) await sleep(5);
    },
    stop: async () => {
      interrupt.abort(130);
      return ran;
    },
  };
}

test("runs a file again when it changes, also when an editor replaces it, and says so", async (t) => {
  const dir = await scratch(t);
  const file = join(dir, "a.py");
  writeFileSync(file, "1");
  const watch = watching(t, ["--watch", file]);
  await watch.started(1);
  writeFileSync(join(dir, "other.py"), "not this one");
  writeFileSync(file, "2");
  await watch.started(2);
  writeFileSync(join(dir, "new"), "3");
  renameSync(join(dir, "new"), file);
  await watch.started(3);
  const { status, stderr, specs, closed } = await watch.stop();
  assert.equal(status, 130);
  assert.equal(stderr, "sandrun: a.py changed; running again\n".repeat(2));
  assert.deepEqual(
    specs.map(({ input }) => Buffer.from(input.files[0]?.bytes ?? []).toString()),
    ["1", "2", "3"],
  );
  assert.equal(closed, 3);
});

test("cancels a run that goes on when something changes", async (t) => {
  const file = join(await scratch(t), "a.py");
  writeFileSync(file, "1");
  const watch = watching(t, ["--watch", file], { script: { endless: true } });
  await watch.started(1);
  writeFileSync(file, "2");
  await watch.started(2);
  const { status, closed } = await watch.stop();
  assert.deepEqual([status, closed], [130, 2]);
});

test("watches a directory below, but not what the runs write nor .git", async (t) => {
  const dir = await scratch(t);
  mkdirSync(join(dir, "lib"));
  mkdirSync(join(dir, ".git"));
  writeFileSync(join(dir, "main.py"), "");
  writeFileSync(join(dir, "lib", "b.py"), "");
  const out = join(dir, "out");
  const files = { "made.txt": "made" };
  const watch = watching(t, ["--watch", "--out", out, "--force", dir], { script: { files } });
  await watch.started(1);
  writeFileSync(join(dir, ".git", "index"), "x");
  await sleep(400);
  writeFileSync(join(dir, "lib", "b.py"), "changed");
  await watch.started(2);
  await sleep(400);
  const { specs, stderr } = await watch.stop();
  assert.equal(specs.length, 2, stderr);
  assert.match(stderr, /lib\/b\.py changed; running again/);
});

test("tells what is wrong and waits for it to be mended", async (t) => {
  const dir = await scratch(t);
  writeFileSync(join(dir, "main.py"), "");
  writeFileSync(join(dir, "job.json"), "{");
  const watch = watching(t, ["--watch", dir]);
  await sleep(300);
  writeFileSync(join(dir, "job.json"), "{}");
  await watch.started(1);
  const { stderr, specs } = await watch.stop();
  assert.match(stderr, /^sandrun: .*job\.json/);
  assert.equal(specs.length, 1);
});

test("a name cannot speak to the terminal", async (t) => {
  const dir = await scratch(t);
  writeFileSync(join(dir, "main.py"), "");
  const told = Promise.withResolvers<void>();
  const onStderr = (text: string) => {
    if (text.includes("changed")) told.resolve();
  };
  const watch = watching(t, ["--watch", dir], { onStderr });
  await watch.started(1);
  writeFileSync(join(dir, "\u001b]0;owned\u0007.txt"), "");
  await told.promise;
  const { stderr } = await watch.stop();
  assert.ok(!stderr.includes("\u001b"), JSON.stringify(stderr));
  assert.match(stderr, /owned/);
});

test("refuses to watch what cannot change", async () => {
  for (const argv of [["--watch"], ["--watch", "-"]]) {
    const { status, stderr } = await sandrun(argv, { stdin: "print(1)" });
    assert.equal(status, 125);
    assert.match(stderr, /--watch needs a file/);
  }
});
