/** The doctor on the machine that runs the tests, which can build boxes or could run none. */
import assert from "node:assert/strict";
import { execFileSync, spawnSync } from "node:child_process";
import { join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { realHost } from "../../src/doctor/realHost.ts";
import { scratch } from "../cli/files.ts";

const PROGRAM = fileURLToPath(new URL("../../src/cli/program.ts", import.meta.url));

interface Answer {
  readonly version: number;
  readonly status: string;
  readonly checks: readonly {
    readonly id: string;
    readonly level: string;
    readonly says: string;
  }[];
}

test("builds a real box here and says what it found in its exit status", () => {
  const ran = spawnSync(process.execPath, [PROGRAM, "doctor", "--json"], { encoding: "utf8" });
  assert.equal(ran.stderr.replace(/.*ExperimentalWarning[\s\S]*/, ""), "");
  const answer: Answer = JSON.parse(ran.stdout);
  assert.equal(answer.version, 1);
  assert.equal(ran.status, { fine: 0, hint: 0, warning: 1, error: 2 }[answer.status]);
  const box = answer.checks.find(({ id }) => id === "box.built");
  assert.deepEqual(box, {
    ...box,
    level: "fine",
    says: "built, and all that was tried in it held",
  });
  assert.notEqual(answer.status, "error");
  const ids = answer.checks.map(({ id }) => id);
  assert.equal(new Set(ids).size, ids.length, "an id names one finding");
});

test("reads the real machine: files of the kernel, programs, places that are not there", () => {
  const host = realHost(process.env, 0);
  assert.match(host.read("/proc/self/mountinfo") ?? "", / - proc /);
  assert.equal(host.read("/proc/self/nonexistent"), undefined);
  assert.equal(host.read("/proc"), undefined);
  assert.ok(host.names("/proc/self/ns").includes("user"));
  assert.deepEqual(host.names("/nonexistent"), []);
  assert.equal(host.find("sh"), host.find("sh")?.replace(/\/+/g, "/"));
  assert.equal(host.find("no-such-program"), undefined);
  assert.equal(host.isWritable("/proc/version"), host.uid === 0);
  assert.ok(host.exists(join(host.directory, "package.json")));
  assert.ok(host.exists(host.native));
  assert.ok((host.freeDiskBytes("/") ?? -1) >= 0);
});

test("a certificate that turns out to be a pipe nobody writes to holds nothing up", async (t) => {
  const path = join(await scratch(t), "cert.pem");
  execFileSync("sh", ["-c", 'mkfifo "$0"', path]);
  assert.equal(realHost(process.env, 0).read(path), "");
});
