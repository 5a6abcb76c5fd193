/**
 * What a job costs, in counts and ratios that hold on any machine and under any load; seconds are
 * measured by `npm run bench`.
 */
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { openTestRunner, run } from "../support/boxes.ts";

const SCRIPT = fileURLToPath(new URL("oneBox.ts", import.meta.url));

/** System calls by name, of everything that it takes to make so many boxes. */
async function callsFor(boxes: number): Promise<ReadonlyMap<string, number>> {
  const directory = mkdtempSync(join(tmpdir(), "sandrun-cost-"));
  const file = join(directory, "calls");
  try {
    const node = [process.execPath, "--disable-warning=ExperimentalWarning", SCRIPT, `${boxes}`];
    await promisify(execFile)("strace", ["-f", "-c", "-o", file, ...node]);
    const lines = readFileSync(file, "utf8")
      .split("\n")
      .map((line) => line.trim().split(/\s+/));
    return new Map(
      lines
        .filter((fields) => /^\d/.test(fields[0] ?? "") && fields.at(-1) !== "total")
        .map((fields) => [fields.at(-1) ?? "", Number(fields[3])]),
    );
  } finally {
    rmSync(directory, { recursive: true });
  }
}

test("a box is made and destroyed with few calls of the system", async () => {
  const boxes = 20;
  // What Node itself does differs in its first run, when it compiles.
  await callsFor(1);
  const one = await callsFor(1);
  const more = await callsFor(1 + boxes);
  const perBox = (name: string) => ((more.get(name) ?? 0) - (one.get(name) ?? 0)) / boxes;
  const all = [...more.keys()].reduce((sum, name) => sum + perBox(name), 0);
  const mounts = perBox("mount") + perBox("move_mount");
  // 424 and 22 when this was written.
  assert.ok(all > 100 && all < 470, `${all} calls in all`);
  assert.ok(mounts > 10 && mounts <= 24, `${mounts} mounts`);
  assert.ok(perBox("seccomp") <= 1, `${perBox("seccomp")} filters`);
  assert.ok(perBox("execve") === 0, "the host starts a program for a box");
});

for (const [interpreter, code] of [
  ["python3", "print(1)"],
  ["node", "console.log(1)"],
] as const) {
  test(`a ${interpreter} job that found its interpreter started costs its caller half of one that did not`, async () => {
    const [plain, holding] = await Promise.all([
      openTestRunner({ slots: 1, environments: {} }),
      openTestRunner({ slots: 4, environments: {}, mostWaiting: 1 }),
    ]);
    const spent = async (runner: typeof plain) => {
      const each: number[] = [];
      for (let index = 0; index < 5; index++) {
        each.push((await run(runner, { code, interpreter })).finished.usage.cpuMs);
      }
      return each.sort((a, b) => a - b)[2] ?? Number.NaN;
    };
    const ratio = (await spent(holding)) / (await spent(plain));
    await Promise.all([plain.close(), holding.close()]);
    assert.ok(ratio < 0.5, `${ratio}`);
  });
}
