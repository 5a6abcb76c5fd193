/** Limits and counters of a slot, against directories that stand in for the kernel's. */
import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { SandboxFault } from "../../src/core/errors.ts";
import { Groups } from "../../src/sandbox/groups.ts";

const directories: string[] = [];
after(() => {
  for (const directory of directories) rmSync(directory, { recursive: true });
});

const LIMITS = { memoryBytes: 67_108_864, cpus: 0.5 };
/** With these the warden would have made the group. */
const MADE = { memoryBytes: 1_000_000_000, cpus: 1 };

/** A service's group with the leaf of slot 0; `files` by name → content, null = keeps nothing. */
function groupsWith(version: 1 | 2, files: Readonly<Record<string, string | null>>, made = MADE) {
  const directory = mkdtempSync(join(tmpdir(), "sandrun-groups-"));
  directories.push(directory);
  const job = join(directory, "jobs", "slot-0");
  mkdirSync(job, { recursive: true });
  for (const [name, content] of Object.entries(files)) {
    if (content === null) symlinkSync("/dev/null", join(job, name));
    else writeFileSync(join(job, name), content);
  }
  const places = { memory: directory, pids: directory, cpu: directory, cpuacct: directory };
  const contentOf = (name: string) => readFileSync(join(job, name), "utf8");
  return { groups: new Groups({ version, ...places, made }), contentOf };
}

function faultOf(attempt: () => unknown): string {
  try {
    attempt();
  } catch (error) {
    assert.ok(error instanceof SandboxFault);
    return error.step;
  }
  return assert.fail("it did not fail");
}

test("limits are set in the words of cgroup v2", () => {
  const { groups, contentOf } = groupsWith(2, { "memory.max": "max", "cpu.max": "max 100000" });
  groups.limit(0, LIMITS);
  assert.equal(contentOf("memory.max"), "67108864");
  assert.equal(contentOf("cpu.max"), "50000 100000");
});

const V1 = {
  "memory.limit_in_bytes": "1000000000",
  "memory.memsw.limit_in_bytes": "1000000000",
  "cpu.cfs_quota_us": "100000",
};

test("limits are set in the words of cgroup v1, swap among them", () => {
  const { groups, contentOf } = groupsWith(1, V1);
  groups.limit(0, LIMITS);
  assert.equal(contentOf("memory.limit_in_bytes"), "67108864");
  assert.equal(contentOf("memory.memsw.limit_in_bytes"), "67108864");
  assert.equal(contentOf("cpu.cfs_quota_us"), "50000");
});

test("a throttle changes the CPU limit alone, below a millisecond a period by a longer period", () => {
  const two = groupsWith(2, { "cpu.max": "100000 100000" });
  two.groups.limitCpus(0, 1 / 12);
  assert.equal(two.contentOf("cpu.max"), "8333 100000");
  two.groups.limitCpus(0, 0.005);
  assert.equal(two.contentOf("cpu.max"), "1000 200000");
  two.groups.limitCpus(0, 0.000_01);
  assert.equal(two.contentOf("cpu.max"), "1000 1000000");
  const one = groupsWith(1, { "cpu.cfs_quota_us": "100000", "cpu.cfs_period_us": "100000" });
  one.groups.limitCpus(0, 0.005);
  assert.equal(one.contentOf("cpu.cfs_quota_us"), "1000");
  assert.equal(one.contentOf("cpu.cfs_period_us"), "200000");
  one.groups.limitCpus(0, 1);
  assert.equal(one.contentOf("cpu.cfs_quota_us"), "100000");
  assert.equal(one.contentOf("cpu.cfs_period_us"), "100000");
});

test("the meter reads CPU time in the words of both versions, as often as asked", () => {
  const two = groupsWith(2, { "cpu.stat": "usage_usec 1500000\nuser_usec 1\n" });
  const meter = two.groups.meter(0);
  assert.equal(meter.cpuMs(), 1500);
  assert.equal(meter.cpuMs(), 1500);
  meter.close();
  const one = groupsWith(1, { "cpuacct.usage": "1500000000\n" });
  assert.equal(one.groups.meter(0).cpuMs(), 1500);
});

test("memory is what is held: files that can be dropped are not, files in RAM are", () => {
  const two = groupsWith(2, {
    "memory.current": "1000000\n",
    "memory.stat": "anon 100\nfile 700000\nkernel 5\nshmem 200000\n",
  });
  assert.equal(two.groups.memoryBytes(0, 0), 500_000);
  assert.equal(two.groups.memoryBytes(1_000_000, 0), 1_000_000, "enough is not looked at closer");
  const one = groupsWith(1, {
    "memory.usage_in_bytes": "1000000\n",
    "memory.stat": "cache 1\nshmem 2\ntotal_cache 700000\ntotal_shmem 200000\n",
  });
  assert.equal(one.groups.memoryBytes(0, 0), 500_000);
  assert.match(
    faultOf(() => one.groups.memoryBytes(0)),
    /usage_in_bytes/,
  );
});

test("S8: a meter that tells nothing is a fault, not a zero", () => {
  const { groups } = groupsWith(1, { "cpuacct.usage": "" });
  assert.match(
    faultOf(() => groups.meter(0).cpuMs()),
    /cpuacct/,
  );
  assert.match(
    faultOf(() => groups.meter(7)),
    /cpuacct/,
  );
});

test("a limit with which the group was made is not written again, one that differs is", () => {
  for (const version of [1, 2] as const) {
    const files = version === 1 ? V1 : { "memory.max": "1000000000", "cpu.max": "100000 100000" };
    const { groups, contentOf } = groupsWith(version, files);
    const contents = () => Object.keys(files).map(contentOf);
    groups.limit(0, MADE);
    assert.deepEqual(contents(), Object.values(files));
    groups.limit(0, { ...MADE, memoryBytes: LIMITS.memoryBytes });
    assert.ok(!contents().includes("1000000000"));
    assert.ok(contents().includes("67108864"));
    groups.limit(0, { ...MADE, cpus: LIMITS.cpus });
    assert.match(contents().join(), /\b50000\b/);
  }
});

test("on v1 memory is never above memory and swap, whichever way the limit moves", () => {
  const noSwap = { ...V1, "memory.memsw.limit_in_bytes": null };
  const lowered = groupsWith(1, noSwap);
  assert.match(
    faultOf(() => lowered.groups.limit(0, LIMITS)),
    /memsw/,
  );
  assert.equal(lowered.contentOf("memory.limit_in_bytes"), "67108864", "lowered first");
  const small = { ...MADE, memoryBytes: 1000 };
  const raised = groupsWith(1, { ...noSwap, "memory.limit_in_bytes": "1000" }, small);
  assert.match(
    faultOf(() => raised.groups.limit(0, LIMITS)),
    /memsw/,
  );
  assert.equal(raised.contentOf("memory.limit_in_bytes"), "1000", "raised last");
});

test("S15: a limit that reads back otherwise than it was set is a fault that names it", () => {
  const memory = groupsWith(2, { "memory.max": null, "cpu.max": "" });
  assert.equal(
    faultOf(() => memory.groups.limit(0, LIMITS)),
    "memory.max of a job did not hold",
  );
  const cpu = groupsWith(2, { "memory.max": "", "cpu.max": null });
  assert.equal(
    faultOf(() => cpu.groups.limit(0, LIMITS)),
    "cpu.max of a job did not hold",
  );
  for (const name of Object.keys(V1)) {
    const { groups } = groupsWith(1, { ...V1, [name]: null });
    assert.equal(
      faultOf(() => groups.limit(0, LIMITS)),
      `${name} of a job did not hold`,
    );
  }
});

test("S15: a group that is not there is a fault, never a job without limits", () => {
  const { groups } = groupsWith(2, { "memory.max": "", "cpu.max": "" });
  assert.match(
    faultOf(() => groups.limit(1, LIMITS)),
    /memory\.max of a job/,
  );
  assert.match(
    faultOf(() => groups.memoryPeakBytes(0)),
    /of a job/,
  );
});

test("counters are read in the words of both versions", () => {
  const two = groupsWith(2, {
    "cpu.stat": "usage_usec 1500000\nuser_usec 1\n",
    "memory.peak": "1048577\n",
    "memory.events": "oom 3\noom_kill 2\n",
  });
  assert.equal(two.groups.memoryPeakBytes(0), 2 << 20, "whole mebibytes, never less");
  assert.equal(two.groups.oomKills(0), 2);
  const one = groupsWith(1, {
    "cpuacct.usage": "1500000000\n",
    "memory.max_usage_in_bytes": "4096\n",
    "memory.oom_control": "oom_kill_disable 0\nunder_oom 0\noom_kill 2\n",
  });
  assert.equal(one.groups.memoryPeakBytes(0), 1 << 20);
  assert.equal(one.groups.oomKills(0), 2);
});

test("a counter that the kernel does not tell is a fault, not a zero", () => {
  const { groups } = groupsWith(1, {
    "cpuacct.usage": "0",
    "memory.max_usage_in_bytes": "0",
    "memory.oom_control": "oom_kill_disable 0\n",
  });
  assert.match(
    faultOf(() => groups.oomKills(0)),
    /oom_kill/,
  );
});
