/**
 * Every way in which a job can end, as who follows it is told: once, truly, and only when no process
 * of it is left. Real boxes, the real service, a WebSocket.
 */
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { SandrunClient } from "../../src/client/client.ts";
import type { Ended, LiveEvent } from "../../src/client/frames.ts";
import type { NewJob } from "../../src/client/jobs.ts";
import type { StopCause } from "../../src/core/job.ts";
import type { Runner } from "../../src/core/runner.ts";
import { type Listening, listen } from "../../src/http/server.ts";
import { createService, type Service } from "../../src/service.ts";
import { openTestRunner } from "../support/boxes.ts";
import { commandOf, jobProcessesOf, ownWarden, until } from "../support/host.ts";

let runner: Runner;
let service: Service;
let server: Listening;
let client: SandrunClient;

before(async () => {
  runner = await openTestRunner({ slots: 2, environments: {} });
  const options = { runner, ramBudgetBytes: 2 ** 31, version: "1", quotaCpuSeconds: 600 };
  service = createService({ ...options, maxRunning: 1 });
  server = await listen({ ...service, log: () => undefined }, { host: "127.0.0.1", port: 0 });
  client = new SandrunClient({ server: `http://127.0.0.1:${server.port}` });
});
after(async () => {
  await Promise.all([server.close(), service.close()]);
  await runner.close();
});

/** Programs of jobs that live; not the processes of boxes that wait for a job. */
function programs(): string[] {
  return jobProcessesOf(ownWarden() ?? assert.fail("there is a warden"))
    .map(commandOf)
    .filter((words) => words !== "" && !words.startsWith("keeper\0"));
}

interface Told {
  readonly printed: string;
  readonly ends: readonly Ended[];
}

/** Follows a job to its end; `onText` sees all that was printed so far. */
async function followed(
  id: string,
  onText: (text: string) => void = () => undefined,
  onEvent: (event: LiveEvent) => void = () => undefined,
): Promise<Told> {
  let printed = "";
  const ends: Ended[] = [];
  for await (const event of await client.attach(id)) {
    onEvent(event);
    if (event.kind === "ended") {
      ends.push(event);
      // At this moment, not a little later.
      assert.ok(programs().length <= service.engine.totals().running, String(programs()));
    }
    if (event.kind !== "printed") continue;
    printed += event.text;
    onText(printed);
  }
  return { printed, ends };
}

async function ending(job: NewJob, act: (id: string, text: string) => void = () => undefined) {
  const { job_id } = await client.submit(job);
  const { printed, ends } = await followed(job_id, (text) => act(job_id, text));
  assert.equal(ends.length, 1);
  const status = await client.status(job_id);
  assert.deepEqual(ends[0]?.outcome, status.outcome, "the stream says what the status says");
  const logs = await client.logs(job_id);
  assert.equal(printed.length, logs.stdout.length + logs.stderr.length);
  await client.cancel(job_id);
  return { ...ends[0]?.outcome, printed };
}

function kindOf({
  kind,
  exit_code,
  signal,
}: {
  kind?: string;
  exit_code?: number | undefined;
  signal?: string | undefined;
}) {
  return [
    kind,
    ...(exit_code === undefined ? [] : [exit_code]),
    ...(signal === undefined ? [] : [signal]),
  ];
}

const STAY = "import time\nprint('ready')\ntime.sleep(600)";

const ENDS: readonly (readonly [string, NewJob, readonly (string | number)[]])[] = [
  ["its own", { code: "print('x')" }, ["exited", 0]],
  ["its own, with a status", { code: "raise SystemExit(7)" }, ["exited", 7]],
  ["a crash", { code: "import os\nos.abort()" }, ["signalled", "SIGABRT"]],
  ["a plain SIGKILL", { code: "import os\nos.kill(os.getpid(), 9)" }, ["signalled", "SIGKILL"]],
  [
    "a plain SIGKILL close to the memory limit",
    { code: "import os\nx = bytearray(b'x') * (40 << 20)\nos.kill(os.getpid(), 9)", memory_mb: 64 },
    ["signalled", "SIGKILL"],
  ],
  [
    "out of memory",
    { code: "x = bytearray(b'x') * (400 << 20)", memory_mb: 64 },
    ["out_of_memory"],
  ],
  [
    "out of memory in a child, which the program would survive",
    {
      code: "import os\nif os.fork() == 0: x = bytearray(b'x') * (400 << 20)\nos.wait()\nimport time\ntime.sleep(600)",
      memory_mb: 64,
      timeout: 60,
    },
    ["out_of_memory"],
  ],
  ["the clock", { code: STAY, timeout: 1 }, ["timed_out"]],
  ["CPU time", { code: "while True: pass", cpu_seconds: 1 }, ["cpu_limit"]],
  [
    "the clock, though it stopped itself",
    { code: "import os\nos.kill(os.getpid(), 19)", timeout: 1 },
    ["timed_out"],
  ],
  [
    "its own, long after it closed its streams",
    { code: "exec <&- >&- 2>&-; sleep 1; exit 9", interpreter: "sh" },
    ["exited", 9],
  ],
  [
    "its own, while children hold its streams",
    {
      code: "sh -c 'trap \"\" TERM HUP; while :; do sleep 600; done' & echo main; exit 4",
      interpreter: "sh",
    },
    ["exited", 4],
  ],
  [
    "too much output in files",
    { code: "for n in range(2): open(str(n), 'wb').truncate(60 << 20)" },
    ["output_limit"],
  ],
];

for (const [what, job, end] of ENDS) {
  test(`S16: is told an end by ${what}`, async () => {
    assert.deepEqual(kindOf(await ending(job)), end);
  });
}

for (const cause of ["cancelled", "evicted"] as const satisfies readonly StopCause[]) {
  test(`S16: is told that a job was ${cause} while it ran, and what it had printed`, async () => {
    const told = await ending({ code: STAY }, (id, text) => {
      if (text !== "ready\n") return;
      assert.equal(programs().length, 1, "the probe sees a program that runs");
      service.engine.cancel(id, cause);
    });
    assert.deepEqual([told.kind, told.printed], [cause, "ready\n"]);
  });
}

test("S16: a job is cancelled at every moment of its start, with one end", async () => {
  // In turns of the event loop: before the box, while files go in, when it starts, when it runs.
  for (const turns of [0, 1, 2, 4, 8, 16, 32, 64, 128, 256]) {
    const files = { data: "x".repeat(4_000_000) };
    const { job_id } = await client.submit({ code: STAY, files });
    const told = followed(job_id);
    for (let turn = 0; turn < turns; turn++) await new Promise(setImmediate);
    service.engine.cancel(job_id);
    service.engine.cancel(job_id, "evicted");
    const { ends } = await told;
    assert.deepEqual(
      ends.map(({ outcome }) => outcome.kind),
      ["cancelled"],
      String(turns),
    );
    await client.cancel(job_id);
  }
});

test("S16: a job is cancelled while it waits, and never runs", async () => {
  const first = await client.submit({ code: STAY });
  const { job_id } = await client.submit({ code: "print('ran')" });
  const kinds: string[] = [];
  const told = await followed(job_id, undefined, ({ kind }) => {
    kinds.push(kind);
    if (kind === "queued") service.engine.cancel(job_id);
  });
  assert.deepEqual(
    told.ends.map(({ outcome }) => outcome.kind),
    ["cancelled"],
  );
  assert.deepEqual([told.printed, kinds.includes("running")], ["", false]);
  await client.cancel(first.job_id);
});

test("S16: a job that is stopped while its outputs are collected has one end, and the same everywhere", async () => {
  const code = "for n in range(40): open(str(n), 'wb').write(bytes(2 << 20))\nprint('last')";
  for (const delayMs of [0, 5, 20, 60]) {
    await ending({ code }, (id, text) => {
      if (text.includes("last")) setTimeout(() => service.engine.cancel(id), delayMs);
    });
  }
});

test("S11: who hangs up on /run leaves no process behind", async () => {
  const hangUp = new AbortController();
  const running = client.run({ code: STAY }, { signal: hangUp.signal });
  await until("it runs", () => service.engine.totals().running === 1);
  hangUp.abort();
  await assert.rejects(running);
  await until("it is gone", () => service.engine.totals().running === 0);
  assert.deepEqual(programs(), []);
});

test("S20: the end comes behind everything that was printed, also for a flood", async () => {
  const { job_id } = await client.submit({
    code: "import os, sys\nfor _ in range(300): os.write(1, b'x' * 50000)\nos.write(2, b'end')\nsys.exit(3)",
  });
  const { printed, ends } = await followed(job_id);
  assert.equal(printed.length, 10 * 2 ** 20);
  assert.deepEqual([ends[0]?.outcome.exit_code, ends[0]?.stdoutTruncated], [3, true]);
  await client.cancel(job_id);
});
