/** Jobs with a terminal in place of pipes, in real boxes. */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { RunningJob } from "../../src/core/runner.ts";
import { hold, type Job, run, useRunner } from "../support/boxes.ts";

const runner = useRunner(2);

test("a job with a terminal has one: standard streams, size, session and its own name", async () => {
  const code = `
import os, sys, termios
print([os.isatty(n) for n in (0, 1, 2)], os.ttyname(0), os.get_terminal_size())
print(os.tcgetpgrp(0) == os.getpid() == os.getsid(0), os.environ["TERM"])
os.write(2, b"error\\n")`;
  const { stdout, stderr, outcome } = await run(runner(), { code, tty: true });
  assert.deepEqual(outcome, { kind: "exited", exitCode: 0 });
  assert.deepEqual(stdout.toString().split("\r\n"), [
    "[True, True, True] /dev/pts/0 os.terminal_size(columns=80, lines=24)",
    "True xterm-256color",
    "error",
    "",
  ]);
  assert.equal(stderr.length, 0);
});

test("a job without one has none, and finds no terminal of another", async () => {
  const code = `
import os
print([os.isatty(n) for n in (0, 1, 2)], os.listdir("/dev/pts"))
try: open("/dev/tty")
except OSError as error: print("none")`;
  const { stdout } = await run(runner(), { code });
  assert.equal(stdout.toString(), "[False, False, False] ['ptmx']\nnone\n");
});

interface Live {
  readonly running: RunningJob;
  readonly ended: ReturnType<typeof hold>;
  said(mark: string): Promise<void>;
}

async function live(job: Job): Promise<Live> {
  const started = Promise.withResolvers<RunningJob>();
  let all = "";
  let look = (): void => undefined;
  const ended = hold(runner(), {
    interactive: true,
    tty: true,
    ...job,
    onStarted: started.resolve,
    onPrinted: (_, text) => {
      all = text;
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

const type = (text: string) => Buffer.from(text);

test("what is typed is echoed and read line by line; the end of input is the end", async () => {
  const code = "import sys\nfor line in sys.stdin: print('got', repr(line))\nprint('end')";
  const { running, ended, said } = await live({ code });
  await running.writeStdin(type("one\n"));
  await said("got 'one\\n'");
  await running.writeStdin(type("half"));
  running.endStdin();
  const { stdout, outcome } = await ended;
  assert.deepEqual(outcome, { kind: "exited", exitCode: 0 });
  assert.match(stdout.toString(), /^one\r\ngot 'one\\n'\r\nhalf.*got 'half'\r\nend\r\n$/s);
});

test("input that came with the job is read, and its end", async () => {
  const { stdout } = await run(runner(), {
    code: "print(len(input()))\ninput()",
    tty: true,
    stdin: "four\n",
  });
  assert.match(stdout.toString(), /^(four\r\n)?.*4\r\n.*EOFError/s);
});

test("Ctrl-C that is typed interrupts the program, as the signal does", async () => {
  const code = "import time\nprint('ready')\ntime.sleep(600)";
  const typed = await live({ code });
  await typed.said("ready");
  await typed.running.writeStdin(type("\u0003"));
  assert.match((await typed.ended).stdout.toString(), /\^C.*KeyboardInterrupt/s);
  const sent = await live({ code });
  await sent.said("ready");
  sent.running.sendSignal("SIGINT");
  assert.match((await sent.ended).stdout.toString(), /KeyboardInterrupt/);
});

test("a program learns of another size", async () => {
  const code = `
import os, signal
def show(*_): print(tuple(os.get_terminal_size()))
signal.signal(signal.SIGWINCH, show)
print('ready')
while True: signal.pause()`;
  const { running, ended, said } = await live({ code });
  await said("ready");
  for (const [columns, rows] of [
    [132, 50],
    [1, 1],
    [1000, 1000],
  ] as const) {
    running.resize(columns, rows);
    await said(`(${columns}, ${rows})`);
  }
  running.sendSignal("SIGKILL");
  await ended;
});

test("a shell at a terminal runs jobs of its own, and its children die with it", async () => {
  const { running, ended, said } = await live({ code: "exec bash --norc -i", interpreter: "bash" });
  await running.writeStdin(type("sleep 600 &\njobs; echo $((6 * 7))\n"));
  await said("42");
  await running.writeStdin(type("exit 3\n"));
  const { outcome, stdout } = await ended;
  assert.deepEqual(outcome, { kind: "exited", exitCode: 3 });
  assert.match(stdout.toString(), /Running +sleep 600/);
});

test("all limits hold at a terminal: output, time, and one that is not read", async () => {
  const late = await run(runner(), {
    interpreter: "sh",
    code: "yes",
    tty: true,
    timeoutSeconds: 1,
  });
  assert.deepEqual(late.outcome, { kind: "timed_out" });
  const code = "head -c 11000000 /dev/zero | tr '\\0' x";
  const flood = await run(runner(), { interpreter: "sh", code, tty: true, timeoutSeconds: 600 });
  assert.deepEqual(flood.outcome, { kind: "exited", exitCode: 0 });
  assert.equal(flood.stdout.length, 10 * 2 ** 20);
  assert.equal(flood.finished.droppedBytes.stdout, 11_000_000 - 10 * 2 ** 20);
  const { running, ended, said } = await live({
    code: "import time\nprint('ready')\ntime.sleep(600)",
  });
  await said("ready");
  void running.writeStdin(Buffer.alloc(1_000_000, "x\n"));
  running.sendSignal("SIGTERM");
  assert.deepEqual((await ended).outcome, { kind: "signalled", signal: "SIGTERM" });
});

test("nothing can be typed into a terminal for others", async () => {
  const code = `
import fcntl, termios
try: fcntl.ioctl(0, termios.TIOCSTI, b"x")
except OSError as error: print(error.errno)`;
  const { stdout } = await run(runner(), { code, tty: true });
  assert.equal(stdout.toString(), "1\r\n");
});

test("a terminal's program that closes its streams goes on to its own end", async () => {
  const code = "exec <&- >&- 2>&-; sleep 0.3; exit 6";
  const { outcome } = await run(runner(), { code, interpreter: "sh", tty: true });
  assert.deepEqual(outcome, { kind: "exited", exitCode: 6 });
});
