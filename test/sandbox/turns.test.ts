/** Who waits for a turn of a processor, and who may break into another's. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { after, before, test } from "node:test";
import { fileURLToPath } from "node:url";
import type { Runner } from "../../src/core/runner.ts";
import { type Job, openTestRunner, run } from "../support/boxes.ts";
import {
  boxProcessesOf,
  childrenOf,
  nameOf,
  onHost,
  ownWardens,
  stewardsOf,
  type WardenOnHost,
} from "../support/host.ts";
import { untilForked } from "./forking.ts";

/** sched(7) */
const SCHED_OTHER = 0;
const SCHED_BATCH = 3;
const SCHED_IDLE = 5;

const TELLS = `import os, subprocess
child = "import os; print(os.sched_getscheduler(0), os.nice(0))"
print(os.sched_getscheduler(0), os.nice(0), subprocess.run(["python3", "-c", child], capture_output=True).stdout)`;

let forking: Runner;
let plain: Runner;

before(async () => {
  plain = await openTestRunner({ slots: 1, environments: {} });
  forking = await openTestRunner({ slots: 4, environments: {}, mostWaiting: 2 });
  await untilForked(forking);
});
after(() => Promise.all([plain.close(), forking.close()]));

/** The 41st field of proc_pid_stat(5); the second one, in brackets, may have anything in it. */
function policyOf(pid: number): number {
  const text = readFileSync(`/proc/${pid}/stat`, "utf8");
  return Number(text.slice(text.lastIndexOf(")") + 2).split(" ")[41 - 3]);
}

/** The keeper, and those that bear boxes for it. */
function makersOf(warden: WardenOnHost): number[] {
  return childrenOf(warden.pid).concat(stewardsOf(warden));
}

/** PID 1s of the boxes whose program calls itself that; others may be made just now. */
function boxesOf(warden: WardenOnHost, name: string): number[] {
  return boxProcessesOf(warden).filter((box) =>
    childrenOf(box).some((pid) => nameOf(pid) === name),
  );
}

/** What a job tells of itself, and the policies of those that make boxes and of its PID 1 at that time. */
async function ask(runner: Runner, job: Omit<Job, "code">) {
  const stop = new AbortController();
  const seen = Promise.withResolvers<Record<"makers" | "boxes", readonly number[]>>();
  const ran = run(runner, {
    ...job,
    code: `${TELLS}\nopen("/proc/self/comm", "w").write("asks")\nprint("up", flush=True)\nimport signal; signal.pause()`,
    signal: stop.signal,
    onPrinted: (_, text) => {
      if (!text.includes("up")) return;
      const makers = ownWardens().flatMap(makersOf).map(policyOf);
      const boxes = ownWardens().flatMap((warden) => boxesOf(warden, "asks"));
      seen.resolve({ makers, boxes: boxes.map(policyOf) });
    },
  });
  const policies = await seen.promise;
  stop.abort();
  return { ...policies, said: (await ran).stdout.toString() };
}

test("programs and PID 1 take turns as everywhere, however they were started; who makes boxes interrupts nobody", async () => {
  const asked = [
    await ask(forking, {}),
    await ask(forking, { args: ["x"] }),
    await ask(forking, { interpreter: "python3", env: { PYTHONHASHSEED: "0" } }),
    await ask(plain, {}),
  ];
  for (const { makers, boxes, said } of asked) {
    assert.equal(said, "0 0 b'0 0\\n'\nup\n");
    assert.ok(makers.length > 0);
    assert.deepEqual(new Set(makers), new Set([SCHED_BATCH]));
    assert.deepEqual(boxes, [SCHED_OTHER]);
  }
});

test("S8: no program takes longer turns than others, for which all the rest would wait", async () => {
  // A slice of 100 ms; number and layout: sched_setattr(2).
  const code = `import ctypes, os, struct
number = {"x86_64": 314, "aarch64": 274}[os.uname().machine]
libc = ctypes.CDLL(None, use_errno=True)
for policy in 0, 3, 5:
    wanted = struct.pack("IIQiIQQQ", 48, policy, 0, 0, 0, 100_000_000, 0, 0)
    print(libc.syscall(number, 0, wanted, 0), os.strerror(ctypes.get_errno()))`;
  const { stdout } = await run(plain, { code });
  assert.equal(stdout.toString(), "-1 Function not implemented\n".repeat(3));
});

test("who lends what nobody else wants of a machine lends no more of it", async () => {
  const sandrun = fileURLToPath(new URL("../../sandrun", import.meta.url));
  const words = ["--idle", "0", sandrun, "--lang", "python3", "-"];
  const idle = ["-c", `printf '%s' "$0" | chrt "$@"`, TELLS, ...words];
  const { status, stdout, stderr } = await onHost("sh", idle);
  assert.equal(stderr, "");
  assert.equal(stdout, `${SCHED_IDLE} 0 b'${SCHED_IDLE} 0\\n'\n`);
  assert.equal(status, 0);
});
