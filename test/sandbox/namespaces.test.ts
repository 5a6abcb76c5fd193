/** Eight namespaces: what a box shares with the host and with other boxes is nothing. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { createServer } from "node:net";
import { hostname } from "node:os";
import { test } from "node:test";
import { begin, say, useRunner } from "../support/boxes.ts";
import { jobProcessesOf, ownWarden, pythonOnHost } from "../support/host.ts";

const runner = useRunner(2);
const NAMES = ["user", "pid", "mnt", "net", "ipc", "uts", "cgroup", "time"];
const LINKS = `
import json, os
print(json.dumps([os.readlink("/proc/self/ns/" + name) for name in ${JSON.stringify(NAMES)}]))
`;
/** Keeps a job alive until it is stopped. */
const STAY = `
import sys, time
print("ready")
time.sleep(600)
`;

test("a box shares no namespace with the host or with another box", async () => {
  const first = await begin(runner(), { code: LINKS + STAY }, "ready");
  const inFirst = JSON.parse(first.said.split("\n")[0] ?? "");
  const inSecond = JSON.parse(await say(runner(), LINKS));
  await first.stop();
  // The same question outside: two processes of this host share all eight.
  const host = JSON.parse((await pythonOnHost(LINKS)).stdout);
  assert.deepEqual(JSON.parse((await pythonOnHost(LINKS)).stdout), host);
  NAMES.forEach((name, index) => {
    const three = new Set([inFirst[index], inSecond[index], host[index]]);
    assert.equal(three.size, 3, `the ${name} namespace is shared`);
  });
});

const PIDS = `
import os
print(*sorted(int(name) for name in os.listdir("/proc") if name.isdigit()))
print(os.getpid())
`;

test("S2: a job sees its own processes only", async () => {
  const other = await begin(runner(), { code: STAY }, "ready");
  const [seen, own] = (await say(runner(), PIDS)).trim().split("\n");
  await other.stop();
  assert.equal(seen, own);
  assert.match((await pythonOnHost(PIDS)).stdout, new RegExp(`\\b${process.pid}\\b`));
});

test("ps aux works and lists the job alone", async () => {
  const other = await begin(runner(), { code: STAY }, "ready");
  const code = 'import os, sys\nsys.exit(os.WEXITSTATUS(os.system("ps aux")))';
  const lines = (await say(runner(), code)).trim().split("\n");
  await other.stop();
  assert.match(lines[0] ?? "", /^USER +PID/);
  // Here the shell and ps itself may be one process or two.
  for (const line of lines.slice(1)) assert.match(line, /main\.py|ps aux/);
  assert.ok(lines.length >= 3);
});

const KILL_ALL = `
import os, signal
killed, refused = [], {}
for pid in [*range(1, 5000), -1]:
    if pid == os.getpid(): continue
    try:
        os.kill(pid, signal.SIGKILL)
        killed.append(pid)
    except OSError as error:
        refused.setdefault(error.strerror, []).append(pid)
print(killed, refused.get("Operation not permitted"))
`;

test("S2: a job can kill neither its box's first process nor anything beyond its box", async () => {
  const other = await begin(runner(), { code: STAY }, "ready");
  const warden = ownWarden();
  assert.equal(await say(runner(), KILL_ALL), "[] [1]\n");
  assert.deepEqual(ownWarden(), warden);
  assert.deepEqual((await other.stop()).outcome, { kind: "cancelled" });
});

test("os.kill(1, 9) kills nothing", async () => {
  const code = "import os\ntry: os.kill(1, 9)\nexcept OSError as e: print(e.strerror)\nprint('on')";
  assert.equal(await say(runner(), code), "Operation not permitted\non\n");
});

test("the host's network is out of sight: one interface, and that is down", async () => {
  const name = `sandrun-test-${process.pid}`;
  const server = createServer().listen(`\0${name}`);
  const code = `
print([line.split(":")[0].strip() for line in list(open("/proc/net/dev"))[2:]])
print("127.0.0.1" in open("/proc/net/fib_trie").read())
print("${name}" in open("/proc/net/unix").read())
`;
  try {
    assert.equal(await say(runner(), code), "['lo']\nFalse\nFalse\n");
    assert.match((await pythonOnHost(code)).stdout, /^True\nTrue\n$/m);
  } finally {
    server.close();
  }
});

const SEGMENT = `
import ctypes, os, sys
libc = ctypes.CDLL(None, use_errno=True)
made = libc.shmget(0x5a5d0c01, 4096, int(sys.argv[1], 8) if len(sys.argv) > 1 else 0)
print("there" if made >= 0 else os.strerror(ctypes.get_errno()))
`;
const MAKE_SEGMENT = SEGMENT.replace("sys.argv[1]", '"1666"').replace("len(sys.argv) > 1", "True");
const REMOVE_SEGMENT = `${SEGMENT}\nlibc.shmctl(made, 0, None)`;

test("S10: shared memory of the host and of other boxes cannot be found", async () => {
  await pythonOnHost(MAKE_SEGMENT);
  try {
    assert.equal((await pythonOnHost(SEGMENT)).stdout, "there\n");
    assert.equal(await say(runner(), SEGMENT), "No such file or directory\n");
  } finally {
    await pythonOnHost(REMOVE_SEGMENT);
  }
  const other = await begin(runner(), { code: `${MAKE_SEGMENT}${STAY}` }, "ready");
  assert.match(other.said, /^there$/m);
  assert.equal(await say(runner(), SEGMENT), "No such file or directory\n");
  await other.stop();
  assert.equal((await pythonOnHost(SEGMENT)).stdout, "No such file or directory\n");
});

test("S17: the host's name is not told", async () => {
  const code = "import os\nprint(os.uname().nodename, open('/etc/hostname').read().strip())";
  assert.equal(await say(runner(), code), "sandrun sandrun\n");
  assert.notEqual(hostname(), "sandrun");
  assert.match((await pythonOnHost(code)).stdout, new RegExp(`^${hostname()} `));
});

test("a job's control group does not say where the service's own lies", async () => {
  const code = "print(open('/proc/self/cgroup').read())";
  const job = await begin(runner(), { code: code + STAY }, "ready");
  const warden = ownWarden();
  assert.ok(warden);
  const [pid] = jobProcessesOf(warden);
  assert.match(readFileSync(`/proc/${pid}/cgroup`, "utf8"), /\/sandrun-\d+-\d+\/jobs\/slot-\d+$/m);
  await job.stop();
  const groups = job.said.split("\n").filter((line) => line.includes(":"));
  assert.match(groups.join("\n"), /\/\.\.\/\.\.\/jobs\/slot-\d+$/m);
  for (const line of groups) assert.match(line, /:(\/|\/\.\.\/\.\.\/jobs\/slot-\d+)$/);
});

test("S17: the clocks of a box start with it, so they do not tell one host from another", async () => {
  const code =
    "import time\nprint(time.clock_gettime(time.CLOCK_MONOTONIC), time.clock_gettime(time.CLOCK_BOOTTIME))";
  const inside = (await say(runner(), code)).split(" ").map(Number);
  const outside = (await pythonOnHost(code)).stdout.split(" ").map(Number);
  for (const clock of inside) assert.ok(clock >= 1 && clock < 60, `${clock} s`);
  // The same clock goes on in all processes of the host.
  const own = Number(process.hrtime.bigint()) / 1e9;
  assert.ok(Math.abs(own - (outside[0] ?? 0)) < 60);
  assert.ok((outside[0] ?? 0) > (inside[0] ?? 0));
});
