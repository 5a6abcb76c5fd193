/** Live output and input of the command line, against the service itself. */
import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { PassThrough } from "node:stream";
import { type TestContext, test } from "node:test";
import type { FirstInterrupt } from "../../src/cli/io.ts";
import { selfSignedCertificate } from "../../src/http/selfsigned.ts";
import type { ServiceOptions } from "../../src/service.ts";
import { SYSTEM_CLOCK } from "../../src/store/clock.ts";
import type { FakeRun } from "../fakes/runner.ts";
import { makeRig, settle } from "../fakes/service.ts";
import { serveRig, type WireRig } from "../fakes/wire.ts";
import { submitJob } from "../http/live.ts";
import { scratch } from "./files.ts";
import { sandrun } from "./harness.ts";

interface There {
  readonly rig: WireRig;
  readonly env: NodeJS.ProcessEnv;
  readonly file: string;
}

async function there(t: TestContext, options: Partial<ServiceOptions> = {}): Promise<There> {
  const { certPem, keyPem, fingerprint } = selfSignedCertificate("localhost", Date.now());
  const own = makeRig({ clock: SYSTEM_CLOCK, ...options });
  const rig = await serveRig({ tls: { cert: certPem, key: keyPem } }, own);
  t.after(() => rig.stop());
  const env = {
    SANDRUN_SERVER: `https://127.0.0.1:${rig.port}`,
    SANDRUN_FINGERPRINT: fingerprint,
  };
  const file = join(await scratch(t), "a.py");
  writeFileSync(file, "");
  return { rig, env, file };
}

async function until(is: () => boolean): Promise<void> {
  while (!is()) await settle();
}

/** Prints only after `told` was seen, so that nothing can be held back until the end. */
async function printAfter(run: FakeRun, told: () => string): Promise<void> {
  run.start();
  run.print("first\n");
  await until(() => told().includes("first"));
  run.print("second\n", "stderr");
}

test("a job on a server is shown while it runs, each stream to its own", async (t) => {
  const { rig, env, file } = await there(t);
  let stdout = "";
  const ran = sandrun([file], {
    env,
    onStdout: (text) => {
      stdout += text;
    },
  });
  const run = await rig.runner.next();
  await printAfter(run, () => stdout);
  run.end({ outcome: { kind: "exited", exitCode: 5 } });
  const { status, stdout: all, stderr } = await ran;
  assert.deepEqual([status, all.toString(), stderr], [5, "first\n", "second\n"]);
});

test("logs -f shows what was and what comes, to the end", async (t) => {
  const { rig, env } = await there(t);
  const id = await submitJob(rig);
  const run = await rig.runner.next();
  let stdout = "";
  const ran = sandrun(["logs", "-f", id], {
    env,
    onStdout: (text) => {
      stdout += text;
    },
  });
  await printAfter(run, () => stdout);
  run.end({ outcome: { kind: "timed_out" }, dropped: { stdout: 9, stderr: 0 } });
  const { status, stderr } = await ran;
  assert.equal(status, 0);
  assert.equal(
    stderr,
    "second\nsandrun: stdout was cut at the server's limit\nsandrun: timed out\n",
  );
});

test("logs -f says when the job is destroyed, and fails", async (t) => {
  const { rig, env } = await there(t);
  const id = await submitJob(rig);
  (await rig.runner.next()).print("some");
  let stdout = "";
  const ran = sandrun(["logs", "--follow", id], {
    env,
    onStdout: (text) => {
      stdout += text;
    },
  });
  await until(() => stdout === "some");
  await rig.engine.destroy(id);
  const { status, stderr } = await ran;
  assert.equal(status, 125);
  assert.match(stderr, /no such job/);
});

test("what is typed reaches a job on a server as it is typed, and its end", async (t) => {
  const { rig, env, file } = await there(t);
  const stdin = new PassThrough();
  const ran = sandrun([file], { env, stdin, live: true, terminals: { stdin: true } });
  const run = await rig.runner.next();
  assert.equal(run.spec.manifest.interactive, true);
  run.start();
  stdin.write("one\n");
  await until(() => run.told.includes("one\n"));
  stdin.end(Uint8Array.of(0xc3, 0x28));
  await until(() => run.told.includes("end"));
  run.end();
  assert.equal((await ran).status, 0);
});

test("the first Ctrl-C interrupts the program on the server, the next cancels it", async (t) => {
  const { rig, env, file } = await there(t);
  const firstInterrupt: FirstInterrupt = { forward: undefined };
  const interrupt = new AbortController();
  const ran = sandrun([file], { env, firstInterrupt, interrupt });
  const run = await rig.runner.next();
  run.start();
  await until(() => firstInterrupt.forward !== undefined);
  firstInterrupt.forward?.();
  await until(() => run.told.includes("SIGINT"));
  interrupt.abort(130);
  assert.equal((await ran).status, 130);
  assert.equal(run.signal.aborted, true);
});

test("input of a file goes with the job, and nothing is left open", async (t) => {
  const { rig, env, file } = await there(t);
  writeFileSync(file, "");
  const ran = sandrun([file], { env, stdin: "all" });
  const run = await rig.runner.next();
  assert.equal(Buffer.from(run.spec.manifest.stdin).toString(), "all");
  assert.equal(run.spec.manifest.interactive, false);
  run.end();
  assert.equal((await ran).status, 0);
});

test("on a terminal says where a job waits, and clears the line before the job's own words", async (t) => {
  const { rig, env, file } = await there(t, { maxRunning: 1 });
  const before = sandrun([file], { env });
  const other = await rig.runner.next();
  const ran = sandrun([file], { env, terminals: { stderr: true, stdout: true } });
  await until(() => rig.engine.totals().waiting === 1);
  // Longer than one answer of /run is waited for.
  await new Promise((resolve) => setTimeout(resolve, 700));
  other.end();
  const run = await rig.runner.next();
  run.print("words");
  run.end();
  const { stderr } = await ran;
  assert.ok(stderr.includes("\r\u001b[Ksandrun: waiting, place 1"), JSON.stringify(stderr));
  assert.ok(stderr.endsWith("\r\u001b[K"), JSON.stringify(stderr));
  await before;
});

test("what is typed reaches a job on this machine", async (t) => {
  const file = join(await scratch(t), "a.py");
  writeFileSync(file, "");
  const stdin = new PassThrough();
  stdin.end("typed");
  const ran = await sandrun([file], { stdin, live: true, script: { reads: true } });
  assert.equal(ran.stdout.toString(), "typed");
  assert.equal(ran.specs[0]?.manifest.interactive, true);
});
