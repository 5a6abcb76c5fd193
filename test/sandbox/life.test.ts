/** How a job ends, and that nothing of it goes on. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { hold, type Job, run, say, useRunner } from "../support/boxes.ts";
import { jobProcessesOf, ownWarden, processesInBoxesOf, pythonOnHost } from "../support/host.ts";
import { patient } from "../support/patience.ts";

const runner = useRunner(1);

/** Processes in boxes: none, when no job runs. */
function alive(): number[] {
  const warden = ownWarden();
  assert.ok(warden);
  return processesInBoxesOf(warden);
}

test("S16: exit codes are told as they are", async () => {
  for (const exitCode of [0, 1, 2, 127, 128, 137, 255]) {
    const ran = await run(runner(), { interpreter: "sh", code: `exit ${exitCode}` });
    assert.deepEqual(ran.outcome, { kind: "exited", exitCode });
  }
});

test("S16: signals are told by their name", async () => {
  for (const signal of [
    "SIGTERM",
    "SIGSEGV",
    "SIGABRT",
    "SIGKILL",
    "SIGHUP",
    "SIGPIPE",
    "SIGXFSZ",
  ]) {
    const code = `import os, signal\nsignal.signal(signal.${signal}, signal.SIG_DFL) if "${signal}" != "SIGKILL" else 0\nos.kill(os.getpid(), signal.${signal})`;
    const ran = await run(runner(), { code });
    assert.deepEqual(ran.outcome, { kind: "signalled", signal });
  }
});

test("a real-time signal has a name too", async () => {
  const ran = await run(runner(), { code: "import os\nos.kill(os.getpid(), 40)" });
  assert.deepEqual(ran.outcome, { kind: "signalled", signal: "SIG40" });
});

test("S16: a time-out is told as that, and the output so far is kept", async () => {
  // A shell: it has said so long before the time is over.
  const code = "echo so far; sleep 600; echo never";
  const ran = await run(runner(), { interpreter: "sh", code, timeoutSeconds: 1 });
  assert.deepEqual(ran.outcome, { kind: "timed_out" });
  assert.equal(ran.stdout.toString(), "so far\n");
  const { wallMs } = ran.finished.usage;
  assert.ok(wallMs >= 1000 && wallMs < patient(10_000), `${wallMs} ms`);
  assert.deepEqual(alive(), []);
});

const STUBBORN: readonly (readonly [string, Job])[] = [
  ["stops itself", { code: "import os, signal\nos.kill(os.getpid(), signal.SIGSTOP)" }],
  [
    "stops itself with all its children",
    { code: "import os, signal\nfor _ in range(5): os.fork()\nos.kill(0, signal.SIGSTOP)" },
  ],
  [
    "ignores every signal that can be ignored",
    {
      code: `
import signal, time
for number in range(1, 65):
    try: signal.signal(number, signal.SIG_IGN)
    except (OSError, ValueError): pass
while True: time.sleep(600)`,
    },
  ],
  ["closes its streams and sleeps", { interpreter: "sh", code: "exec <&- >&- 2>&-; sleep 600" }],
  ["floods its output", { interpreter: "sh", code: "yes" }],
  ["floods both outputs", { interpreter: "sh", code: "yes & yes >&2" }],
];

for (const [what, job] of STUBBORN) {
  test(`a program that ${what} still times out`, async () => {
    const ran = await run(runner(), { ...job, timeoutSeconds: 1 });
    assert.deepEqual(ran.outcome, { kind: "timed_out" });
    assert.deepEqual(alive(), []);
  });
}

const DAEMON = `
import os, sys, time
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        # Holds both streams open, far from the main process.
        import signal
        for number in (1, 2, 13, 15): signal.signal(number, signal.SIG_IGN)
        os.chdir("/")
        print("daemon", flush=True)
        os.write(ready, b"1")
        time.sleep(600)
    os._exit(0)
`;

test("S11: when the main process is gone the job ends at once, and its daemons are dead", async () => {
  const code = `import os\nwait, ready = os.pipe()\n${DAEMON}os.read(wait, 1)\nprint('main is gone')`;
  const ran = await run(runner(), { code, timeoutSeconds: 600 });
  assert.deepEqual(ran.outcome, { kind: "exited", exitCode: 0 });
  assert.equal(ran.stdout.toString(), "daemon\nmain is gone\n");
  assert.ok(ran.finished.usage.wallMs < patient(60_000));
  assert.deepEqual(alive(), []);
});

test("S11: a daemon is dead also while its box is kept for large outputs", async () => {
  const large = "open('big', 'wb').write(bytes(2 << 20))";
  const code = `import os\nwait, ready = os.pipe()\n${DAEMON}os.read(wait, 1)\n${large}`;
  const ended = await hold(runner(), { code });
  assert.equal(ended.finished.outputs.holdsBox, true);
  const warden = ownWarden();
  assert.ok(warden);
  // The box's first process, which collects with the program's uid.
  assert.equal(alive().length, 1);
  assert.equal(jobProcessesOf(warden).length, 1);
  await ended.finished.outputs.destroy();
  assert.deepEqual(alive(), []);
});

test("a daemon of a plain process goes on: the probe for living processes sees such things", async () => {
  const code =
    "import os, time\nif os.fork() == 0:\n    os.setsid()\n    os.close(0), os.close(1), os.close(2)\n    time.sleep(600)\nelse: os._exit(0)";
  const kept = await pythonOnHost(code.replace("os.setsid()", "print(os.getpid(), flush=True)"));
  const pid = Number(kept.stdout);
  assert.ok(pid > 0);
  process.kill(pid, 0);
  process.kill(pid, "SIGKILL");
});

test("what was printed right before the end is all there", async () => {
  const code = "import os\nos.write(1, b'x' * 60000)\nos.write(2, b'y' * 60000)\nos._exit(3)";
  for (let time = 0; time < 20; time++) {
    const ran = await run(runner(), { code });
    assert.deepEqual(ran.outcome, { kind: "exited", exitCode: 3 });
    assert.deepEqual([ran.stdout.length, ran.stderr.length], [60_000, 60_000]);
  }
});

test("zombies and orphans by the hundred are reaped", async () => {
  const code = `
import os
for _ in range(1000):
    child = os.fork()
    if child == 0:
        if os.fork() == 0: os._exit(0)
        os._exit(0)
    os.waitpid(child, 0)
print("done")`;
  assert.equal(await say(runner(), code), "done\n");
});

test("a program that cannot be executed is told as an exit, not as a fault of ours", async () => {
  const missing = await run(runner(), { interpreter: "bash", code: "/nowhere/program" });
  assert.deepEqual(missing.outcome, { kind: "exited", exitCode: 127 });
});

test("an interpreter that is not there is a fault that names the step, and frees the slot", async () => {
  const ran = await run(runner(), { interpreter: "bun", code: "1" });
  assert.equal(ran.outcome.kind, "sandbox_error");
  await say(runner(), "print(1)");
});

test("the box's programs and the service see a job start once, before its output", async () => {
  const order: string[] = [];
  await run(runner(), {
    code: "print(1)",
    onStarted: () => order.push("started"),
    onPrinted: () => order.push("printed"),
  });
  assert.deepEqual([order[0], order.filter((what) => what === "started").length], ["started", 1]);
});

test("the same slot serves many short jobs one after the other", async () => {
  for (let index = 0; index < 60; index++) {
    assert.equal(await say(runner(), { interpreter: "sh", code: `echo ${index}` }), `${index}\n`);
  }
  assert.deepEqual(alive(), []);
});
