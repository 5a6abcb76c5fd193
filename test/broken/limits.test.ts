/** Limits that this side sets for each job: one that does not take is found before anything runs. */
import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { BOX_LIMITS } from "../../src/core/limits.ts";
import { Box } from "../../src/sandbox/box.ts";
import type { CgroupPlaces } from "../../src/sandbox/handover.ts";
import { nativeProgram } from "../../src/sandbox/place.ts";
import { SandboxRunner } from "../../src/sandbox/runner.ts";
import { startLocalWarden } from "../../src/sandbox/warden.ts";
import { run } from "../support/boxes.ts";

const directory = mkdtempSync(join(tmpdir(), "sandrun-limits-"));
after(() => rmSync(directory, { recursive: true }));

const FILES = {
  1: ["memory.limit_in_bytes", "memory.memsw.limit_in_bytes", "cpu.cfs_quota_us"],
  2: ["memory.max", "cpu.max"],
} as const;

const METERS = { 1: "cpuacct.usage", 2: "cpu.stat" } as const;

/** A slot's group that takes each limit but one, which forgets what is written to it. */
function placesWithout(version: 1 | 2, forgetful: string | undefined): CgroupPlaces {
  const place = mkdtempSync(join(directory, "group-"));
  const leaf = join(place, "jobs", "slot-0");
  mkdirSync(leaf, { recursive: true });
  for (const name of FILES[version]) {
    if (name === forgetful) symlinkSync("/dev/null", join(leaf, name));
    else writeFileSync(join(leaf, name), "1");
  }
  const box = join(place, "boxes", "slot-0");
  mkdirSync(box, { recursive: true });
  for (const group of [leaf, box]) {
    writeFileSync(join(group, METERS[version]), version === 1 ? "0\n" : "usage_usec 0\n");
  }
  // The warden's were others, so all of them are set.
  const made = { memoryBytes: 1, cpus: 9 };
  return { version, memory: place, pids: place, cpu: place, cpuacct: place, made };
}

/** Boxes are real; only where their limits are set is not. */
async function tryWith(places: CgroupPlaces) {
  const warden = await startLocalWarden({ slots: 1, cpus: 1, memoryBytes: 0, trees: [] }, true);
  const runner = new SandboxRunner(
    { ...warden.handover, cgroups: places },
    { cpus: 1, environments: [], firstEnvironment: 1, onClose: () => warden.close() },
  );
  const started: string[] = [];
  try {
    const code = "print('ran')";
    const ran = await run(runner, { code, onStarted: () => started.push("started") });
    return { ran, started };
  } finally {
    await runner.close();
  }
}

for (const version of [1, 2] as const) {
  for (const name of FILES[version]) {
    test(`S15: where ${name} does not take, the job does not start`, async () => {
      const { ran, started } = await tryWith(placesWithout(version, name));
      const step = `${name} of a job did not hold`;
      assert.deepEqual(ran.outcome, { kind: "sandbox_error", step });
      assert.deepEqual(started, []);
      assert.equal(ran.stdout.length, 0);
    });
  }

  test(`S15: where all limits of cgroup v${version} take, the same job starts`, async () => {
    const { started } = await tryWith(placesWithout(version, undefined));
    assert.deepEqual(started, ["started"]);
  });
}

test("S15: where the kernel takes a limit otherwise than the warden wrote it, there is no box", async () => {
  // In whole pages, so that this one is rounded.
  const program = join(directory, "roundedWarden");
  const text = `#!/bin/sh\nsed -u 's/^job-memory .*/job-memory 67108865/' | ${nativeProgram()} local\n`;
  writeFileSync(program, text, { mode: 0o755 });
  const plan = { slots: 1, cpus: 1, memoryBytes: 0, trees: [] };
  const warden = await startLocalWarden(plan, true, program);
  const { keeper, cgroups } = warden.handover;
  assert.equal(cgroups.made.memoryBytes, 67_108_865);
  const built = Box.build(keeper, { slot: 0, environment: 0, ...BOX_LIMITS });
  const name = cgroups.version === 1 ? "memory.limit_in_bytes" : "memory.max";
  await assert.rejects(built, { step: `${name} of a cgroup did not hold` });
  await warden.close();
});
