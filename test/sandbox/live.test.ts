/** Input and signals while the program runs, in real boxes. */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { RunningJob } from "../../src/core/runner.ts";
import { JOB_SIGNALS, numberOfSignal } from "../../src/core/signals.ts";
import { hold, type Job, say, useRunner } from "../support/boxes.ts";

const runner = useRunner(2);

interface Live {
  readonly running: RunningJob;
  readonly ended: ReturnType<typeof hold>;
  /** Resolves when all that was printed to stdout contains it. */
  said(mark: string): Promise<void>;
}

/** Starts a job that is sent things while it runs. */
async function live(job: Job): Promise<Live> {
  const started = Promise.withResolvers<RunningJob>();
  let all = "";
  let look = (): void => undefined;
  const ended = hold(runner(), {
    interactive: true,
    ...job,
    onStarted: started.resolve,
    onPrinted: (stream, text) => {
      if (stream === "stdout") all = text;
      look();
    },
  });
  const said = async (mark: string): Promise<void> => {
    await new Promise<void>((resolve) => {
      look = () => {
        if (all.includes(mark)) resolve();
      };
      look();
    });
  };
  return { running: await started.promise, ended, said };
}

test("S20: a program is answered while it asks", async () => {
  const code =
    "while True:\n  name = input('who? ')\n  print('hello', name)\n  if name == 'eve': break";
  const { running, ended, said } = await live({ code, stdin: "ann\n" });
  await said("hello ann");
  await running.writeStdin(Buffer.from("bob\n"));
  await said("hello bob");
  await running.writeStdin(Buffer.from("eve\n"));
  const { outcome, stdout } = await ended;
  assert.deepEqual(outcome, { kind: "exited", exitCode: 0 });
  assert.equal(stdout.toString(), "who? hello ann\nwho? hello bob\nwho? hello eve\n");
});

test("input that is open keeps a reader waiting; its end lets it go on", async () => {
  const code = "import sys\nprint('ready')\nprint(len(sys.stdin.buffer.read()))";
  const { running, ended, said } = await live({ code });
  await said("ready");
  const pieces = [1, 65_536, 0, 300_000, 17];
  for (const length of pieces) void running.writeStdin(Buffer.alloc(length, "x"));
  running.endStdin();
  running.endStdin();
  const { stdout } = await ended;
  assert.equal(stdout.toString(), `ready\n${pieces.reduce((sum, length) => sum + length, 0)}\n`);
});

test("what comes in reaches the program in order, byte for byte, however it is cut", async () => {
  const code = "import sys\nsys.stdout.buffer.write(sys.stdin.buffer.read())";
  const { running, ended } = await live({ code });
  const bytes = Buffer.from(
    Array.from({ length: 400_000 }, (_, index) => (index * 7 + (index >> 8)) & 255),
  );
  let at = 0;
  for (let length = 1; at < bytes.length; length = (length * 3) % 90_001) {
    void running.writeStdin(Uint8Array.from(bytes.subarray(at, at + length)));
    at += length;
  }
  running.endStdin();
  assert.ok((await ended).stdout.equals(bytes));
});

test("a program that does not read holds its writers back, and dies as it would", async () => {
  const code = `import signal
signal.signal(signal.SIGUSR1, lambda *_: print('still here'))
print('ready')
while True: signal.pause()`;
  const { running, ended, said } = await live({ code });
  await said("ready");
  let taken = 0;
  const writes = Array.from({ length: 8 }, async () => {
    await running.writeStdin(Buffer.alloc(64 * 1024, "x"));
    taken += 1;
  });
  // Neither a signal nor the end of the job waits behind input.
  running.sendSignal("SIGUSR1");
  await said("still here");
  const takenBefore = taken;
  running.sendSignal("SIGTERM");
  assert.deepEqual((await ended).outcome, { kind: "signalled", signal: "SIGTERM" });
  // One window in PID 1, one in the pipe.
  assert.ok(takenBefore <= 3, String(takenBefore));
  await Promise.all(writes);
});

test("input that was taken or dropped is overwritten", async () => {
  const { running, ended, said } = await live({ code: "print('ready')\nprint(input())" });
  await said("ready");
  const taken = Buffer.from("secret\n");
  await running.writeStdin(taken);
  assert.deepEqual(taken, Buffer.alloc(7));
  await ended;
  const late = Buffer.alloc(10, "x");
  await running.writeStdin(late);
  running.endStdin();
  running.sendSignal("SIGKILL");
});

test("a job that is not interactive reads its end behind what came with it", async () => {
  const code = "import sys\nprint(sys.stdin.read())";
  assert.equal(await say(runner(), { code, stdin: "all" }), "all\n");
});

test("each signal of the list arrives as what it is called", async () => {
  const caught = JOB_SIGNALS.filter((name) => name !== "SIGKILL" && name !== "SIGSTOP");
  const code = `
import signal
def show(number, frame): print(signal.Signals(number).name)
for number in ${JSON.stringify(caught.map(numberOfSignal))}: signal.signal(number, show)
print('ready')
while True: signal.pause()`;
  const { running, ended, said } = await live({ code });
  await said("ready");
  for (const name of caught) {
    running.sendSignal(name);
    await said(`${name}\n`);
  }
  running.sendSignal("SIGKILL");
  assert.deepEqual((await ended).outcome, { kind: "signalled", signal: "SIGKILL" });
});

test("an interrupt reaches what a script waits for, as from a terminal", async () => {
  const code = "trap 'echo trapped' INT\necho ready\nsleep 600\necho after $?";
  const { running, ended, said } = await live({ code, interpreter: "bash" });
  await said("ready");
  // The shell may not have started what it waits for.
  const again = setInterval(() => running.sendSignal("SIGINT"), 50);
  const { stdout } = await ended;
  clearInterval(again);
  assert.match(stdout.toString(), /^ready\n(trapped\n)+after 130\n/);
});

test("a stopped job goes on when it is told to", async () => {
  const code =
    "import os, signal\nprint('ready')\nos.kill(os.getpid(), signal.SIGSTOP)\nprint('on')";
  const { running, ended, said } = await live({ code });
  await said("ready");
  const again = setInterval(() => running.sendSignal("SIGCONT"), 50);
  assert.equal((await ended).stdout.toString(), "ready\non\n");
  clearInterval(again);
});
