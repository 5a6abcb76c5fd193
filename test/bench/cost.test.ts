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

/** With all that it starts, or alone. */
type Whose = "all" | "own";

/** System calls by name that a script takes for so many. */
async function callsFor(
  script: URL,
  count: number,
  whose: Whose,
): Promise<ReadonlyMap<string, number>> {
  const path = fileURLToPath(script);
  const directory = mkdtempSync(join(tmpdir(), "sandrun-cost-"));
  const file = join(directory, "calls");
  try {
    const node = [process.execPath, "--disable-warning=ExperimentalWarning", path, `${count}`];
    const follow = whose === "all" ? ["-f"] : [];
    await promisify(execFile)("strace", [...follow, "-c", "-o", file, ...node]);
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

/** For each of many, by name. */
async function callsForEach(script: URL, many: number, whose: Whose) {
  // What Node itself does differs in its first run, when it compiles.
  await callsFor(script, 1, whose);
  const one = await callsFor(script, 1, whose);
  const more = await callsFor(script, 1 + many, whose);
  const each = (name: string) => ((more.get(name) ?? 0) - (one.get(name) ?? 0)) / many;
  return { each, names: [...more.keys()] };
}

/** As they do on cgroup v1 alone. */
function groupsStay(): boolean {
  return !/^0::.*\n$/.test(readFileSync("/proc/self/cgroup", "utf8"));
}

test("a job takes few calls of Node's, and Node is told of it in few", async () => {
  const { each } = await callsForEach(new URL("jobs.ts", import.meta.url), 30, "own");
  // To the keeper and to the box; that the box is ready, what the job did, and that the box is gone.
  assert.ok(each("connect") < 1.5, `${each("connect")} connections`);
  assert.ok(each("write") + each("writev") < 4, `${each("write") + each("writev")} written`);
  assert.ok(each("read") < 6, `${each("read")} read`);
  // What the job and the box used, before and after, and the most memory.
  assert.ok(each("pread64") <= 6, `${each("pread64")} counters`);
  // Where groups are made anew for each job, their files are opened anew.
  const most = groupsStay() ? 1 : 3;
  assert.ok(each("openat") < most, `${each("openat")} files`);
});

test("a box is made and destroyed with few calls of the system", async () => {
  const { each: perBox, names } = await callsForEach(
    new URL("oneBox.ts", import.meta.url),
    20,
    "all",
  );
  const all = names.reduce((sum, name) => sum + perBox(name), 0);
  const mounts = perBox("mount") + perBox("move_mount");
  // 312 and 19 when this was written.
  assert.ok(all > 100 && all < 350, `${all} calls in all`);
  assert.ok(mounts > 10 && mounts <= 20, `${mounts} mounts`);
  // The slot's are made once: to unmount waits for every processor.
  assert.ok(perBox("umount2") + perBox("pivot_root") === 0, "something is unmounted for a box");
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
