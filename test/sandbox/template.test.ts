/**
 * Boxes that are forked from a template: their programs are no others than those that were started
 * for them, and have nothing of each other but what SECURITY.md tells.
 */
import assert from "node:assert/strict";
import { readFileSync, realpathSync } from "node:fs";
import { createConnection } from "node:net";
import { after, before, test } from "node:test";
import { BOX_LIMITS } from "../../src/core/limits.ts";
import type { Runner } from "../../src/core/runner.ts";
import {
  encodeHeader,
  encodeStart,
  encodeTemplateRequest,
  FRAME,
  TEMPLATES_MOST,
} from "../../src/core/wire.ts";
import { Box } from "../../src/sandbox/box.ts";
import { encodeHold, forkedPrograms } from "../../src/sandbox/held.ts";
import { startTemplate } from "../../src/sandbox/template.ts";
import { type LocalWarden, startLocalWarden } from "../../src/sandbox/warden.ts";
import { type Job, openTestRunner, run } from "../support/boxes.ts";
import { boxProcessesOf, ownWardens, processesOf, until } from "../support/host.ts";
import { FORKS, untilForked } from "./forking.ts";
import { PROGRAMS } from "./heldPrograms.ts";
import { seen } from "./seen.ts";

let forking: Runner;
let plain: Runner;
let warden: LocalWarden;

before(async () => {
  plain = await openTestRunner({ slots: 1, environments: {} });
  forking = await openTestRunner({ slots: 4, environments: {}, mostWaiting: 2 });
  warden = await startLocalWarden({ slots: 2, cpus: 1, memoryBytes: 0, trees: [] });
  await untilForked(forking);
});
after(async () => {
  await Promise.all([plain.close(), forking.close(), warden.close()]);
});

const forked = forkedPrograms().map(({ language }) => language.name);

async function printed(job: Job): Promise<string> {
  const { stdout, stderr } = await run(forking, job);
  assert.equal(stderr.toString(), "");
  return stdout.toString();
}

for (const [name, job] of PROGRAMS) {
  const { interpreter = "python3" } = job;
  if (!forked.includes(interpreter)) continue;
  test(`forked or not: ${name}`, async () => {
    await untilForked(forking, interpreter);
    assert.deepEqual(await seen(forking, job), await seen(plain, job));
  });
}

test("Python is forked everywhere, a shell where it keeps nothing of its start but its number", async () => {
  assert.ok(forked.includes("python3"));
  assert.equal(forked.includes("sh"), realpathSync("/bin/sh").endsWith("/dash"));
  const code = "cd /proc/self && echo $$ \"$PPID\" && sh -c 'echo $PPID' && kill -TERM $$";
  const job: Job = { code, interpreter: "sh" };
  for (const runner of [forking, plain]) {
    const { outcome, stdout } = await run(runner, job);
    const [, own, , asChild] = /^(\d+) (\d+)\n(\d+)\n$/.exec(stdout.toString()) ?? assert.fail();
    assert.equal(own, asChild);
    assert.deepEqual(outcome, { kind: "signalled", signal: "SIGTERM" });
  }
});

test("a plain Python job is forked, and no other", async () => {
  assert.equal(await printed({ code: FORKS }), "True\n");
  assert.equal(await printed({ code: FORKS, mergeStreams: true }), "True\n");
  assert.equal(await printed({ code: FORKS, env: { PYTHONHASHSEED: "0" } }), "False\n");
  assert.equal(await printed({ code: FORKS, args: ["x"] }), "False\n");
});

test("S10: the program's own file is that of its box: a lock on it holds up nobody", async () => {
  const lock = (then: string) =>
    `import fcntl, os, time\nfd = os.open("/proc/self/exe", os.O_RDONLY)\n` +
    `print(os.readlink("/proc/self/exe") == os.path.realpath("/usr/bin/python3"), os.path.samefile("/proc/self/exe", "/usr/bin/python3"))\n` +
    `fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)\nprint("locked", flush=True)\n${then}`;
  const stop = new AbortController();
  const locked = Promise.withResolvers<void>();
  const first = run(forking, {
    code: lock("time.sleep(60)"),
    signal: stop.signal,
    onPrinted: (_, text) => {
      if (text.includes("locked")) locked.resolve();
    },
  });
  await locked.promise;
  assert.equal(await printed({ code: lock("") }), "True True\nlocked\n");
  stop.abort();
  await first;
});

test("S10: nothing that one wrote into its memory is seen by the next", async () => {
  const mark = 'import sys, builtins\nprint(hasattr(builtins, "marked"), hasattr(sys, "marked"))\n';
  for (let turn = 0; turn < 3; turn++) {
    const code = `${mark}builtins.marked = sys.marked = True\nopen("/tmp/marked", "x").close()`;
    assert.equal(await printed({ code }), "False False\n");
  }
});

test("S17: the clocks of a forked program started with its box", async () => {
  const code = "import time\nfor c in (1, 7): print(0 < time.clock_gettime(c) < 600)";
  assert.equal(await printed({ code }), "True\nTrue\n");
});

test("S4: a forked program has given up what its template could do", async () => {
  const code =
    "import ctypes, os\nlibc = ctypes.CDLL(None, use_errno=True)\n" +
    "def refused(*words): return libc.syscall(*words) == -1 and ctypes.get_errno() in (1, 38)\n" +
    "print(refused(272, 0x10000000), refused(165, b'x', b'/tmp', b'tmpfs', 0, 0), refused(308, 0, 0))\n" +
    "print([l.split()[1] for l in open('/proc/self/status') if l.startswith(('CapEff', 'CapPrm', 'CapBnd', 'NoNewPrivs', 'Seccomp:'))])\n" +
    "print(sorted(os.listdir('/proc/self/fd')))\n";
  const none = "'0000000000000000'";
  assert.equal(
    await printed({ code }),
    `True True True\n[${none}, ${none}, ${none}, '1', '2']\n['0', '1', '2', '3']\n`,
  );
});

test("S4: PID 1 of a forked box does nothing about signals of what its template does", async () => {
  const stop = new AbortController();
  const up = Promise.withResolvers<void>();
  const job = run(forking, {
    code: "import signal\nprint(repr(signal.getsignal(signal.SIGPIPE)), flush=True)\nsignal.pause()",
    signal: stop.signal,
    onPrinted: () => up.resolve(),
  });
  await up.promise;
  await until("no box ignores or catches a signal", () => {
    const boxes = ownWardens().flatMap(boxProcessesOf);
    return boxes.length > 0 && boxes.every(doesNothingAboutSignals);
  });
  stop.abort();
  assert.match((await job).stdout.toString(), /SIG_IGN/, "its program does");
});

function doesNothingAboutSignals(pid: number): boolean {
  const status = readFileSync(`/proc/${pid}/status`, "utf8");
  return /^SigIgn:\t0+\nSigCgt:\t0+$/m.test(status);
}

test("S5: a forked program has its job's memory and no more", async () => {
  const { outcome } = await run(forking, { code: "held = bytearray(700 << 20)\nprint(len(held))" });
  assert.deepEqual(outcome, { kind: "out_of_memory" });
});

const [PYTHON = assert.fail("nothing is forked")] = forkedPrograms();
const hold = encodeHold(PYTHON, 1);
const templatesOf = (): readonly number[] =>
  ownWardens()
    .filter(({ pid }) => pid === warden.pid)
    .flatMap(processesOf)
    .filter(isPython);

function isPython(pid: number): boolean {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, "utf8") === "python3\0main.py\0";
  } catch {
    return false;
  }
}

test("S11: a template ends when nobody holds its connection", async () => {
  const template = await startTemplate(warden.handover.keeper, 0, hold);
  assert.equal(templatesOf().length, 1);
  template.close();
  await until("it has ended", () => templatesOf().length === 0);
});

test("S11: boxes of a template that ended live on, and no box is made of it", async () => {
  const { keeper } = warden.handover;
  const template = await startTemplate(keeper, 0, hold);
  const request = { slot: 0, environment: 0, ...BOX_LIMITS, warmFrom: 0 };
  const box = await Box.build(keeper, request, hold);
  process.kill(templatesOf()[0] ?? 0, "SIGKILL");
  await template.gone;
  await assert.rejects(Box.build(keeper, { ...request, slot: 1 }), /template that is not there/);
  await box.sendJob(
    {
      directories: [],
      files: [
        { path: "main.py", executable: false, mtimeSeconds: 1, bytes: Buffer.from("print(1)") },
      ],
    },
    encodeStart({
      mergeStreams: false,
      wallMs: 9000,
      printedBytes: 100,
      memoryBytes: 1 << 29,
      cpus: 1,
      argv: [],
      env: {},
    }),
  );
  const types: number[] = [];
  while (types.at(-1) !== FRAME.exited) types.push((await box.next()).type);
  assert.ok(types.includes(FRAME.printed));
  await box.destroy();
});

test("a template is not taken for another program than its own", async () => {
  const { keeper } = warden.handover;
  const template = await startTemplate(keeper, 1, hold);
  const request = { slot: 0, environment: 0, ...BOX_LIMITS, warmFrom: 1 };
  const other = encodeStart({
    mergeStreams: false,
    wallMs: 0,
    printedBytes: 100,
    memoryBytes: 1 << 29,
    cpus: 1,
    argv: ["python3", "main.py"],
    env: { PYTHONPATH: "/work" },
  });
  await assert.rejects(Box.build(keeper, request, other), /another program than the template's/);
  await assert.rejects(startTemplate(keeper, 1, hold), /there is such a template/);
  await assert.rejects(Box.build(keeper, { ...request, environment: 1 }), /of the request/);
  template.close();
  await template.gone;
});

test("S14: the keeper refuses templates that are none, and goes on", async () => {
  const { keeper } = warden.handover;
  await assert.rejects(startTemplate(keeper, TEMPLATES_MOST, hold), /number of a template/);
  await assert.rejects(startTemplate(keeper, 0, hold.slice(0, 20)), /what a template is to run/);
  await assert.rejects(startTemplate(keeper, 0, hold.slice(0, -1)), /what a template is to run/);
  const notThere = (argv: readonly string[]) =>
    encodeStart({
      mergeStreams: false,
      wallMs: 0,
      printedBytes: 1,
      memoryBytes: 1,
      cpus: 1,
      argv,
      env: {},
    });
  await assert.rejects(
    startTemplate(keeper, 0, notThere(["no-such-program", "x"])),
    /execute no-such-program/,
  );
  await assert.rejects(
    startTemplate(keeper, 0, notThere(["sh", "/etc/passwd"])),
    /name a template's file/,
  );
  // It ends before it opens anything.
  await assert.rejects(
    startTemplate(keeper, 0, notThere(["true", "x"])),
    /hear a template|start a template/,
  );
  await new Promise<void>((resolve) => {
    const socket = createConnection(keeper);
    socket.once("close", () => resolve());
    socket.write(encodeTemplateRequest(0));
    socket.end(encodeHeader(FRAME.hold, 1 << 30));
    socket.resume();
  });
  const box = await Box.build(keeper, { slot: 0, environment: 0, ...BOX_LIMITS });
  await box.destroy();
  await until("none is left", () => templatesOf().length === 0);
});
