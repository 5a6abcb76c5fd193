/** Who a program is and what it may do: uid, capabilities, no_new_privs, resource limits. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { userInfo } from "node:os";
import { test } from "node:test";
import { LAYERS } from "../../src/core/wire.ts";
import { begin, run, say, useRunner } from "../support/boxes.ts";
import { jobProcessesOf, ownWarden, pythonOnHost } from "../support/host.ts";

const runner = useRunner(2);

const STATUS = `
for line in open("/proc/self/status"):
    if line.startswith(("Uid", "Gid", "Groups", "Cap", "NoNewPrivs", "Seccomp:")): print(*line.split())
`;
const EXPECTED = `Uid: 1000 1000 1000 1000
Gid: 1000 1000 1000 1000
Groups:
CapInh: 0000000000000000
CapPrm: 0000000000000000
CapEff: 0000000000000000
CapBnd: 0000000000000000
CapAmb: 0000000000000000
NoNewPrivs: 1
Seccomp: 2
`;

test("S4: a program is uid 1000 with no capability, an empty bounding set, no_new_privs and a filter", async () => {
  assert.equal(await say(runner(), STATUS), EXPECTED);
  const host = (await pythonOnHost(STATUS)).stdout;
  assert.doesNotMatch(host, /CapBnd: 0000000000000000/);
  assert.match(host, /NoNewPrivs: 0/);
});

/** Root's boxes have ids of a block that no system hands out, a user's those that were given to them. */
function blockOfIds(): { readonly first: number; readonly count: number } {
  if (process.getuid?.() === 0) return { first: 0x70000000, count: 64 * 8192 };
  const { uid, username } = userInfo();
  const line = new RegExp(`^(?:${username}|${uid}):(\\d+):(\\d+)$`, "m");
  const [, first, count] = line.exec(readFileSync("/etc/subuid", "utf8")) ?? [];
  assert.ok(Number(first) > 0 && Number(count) > 0, "this user has ids of its own");
  return { first: Number(first), count: Number(count) };
}

test("every job has ids of the host that nobody else has", async () => {
  const code = "import time; print('ready'); time.sleep(600)";
  const first = await begin(runner(), { code }, "ready");
  const second = await begin(runner(), { code }, "ready");
  const warden = ownWarden();
  assert.ok(warden);
  const uids = jobProcessesOf(warden).map(
    (pid) => /^Uid:\t(\d+)\t\1\t\1\t\1$/m.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1],
  );
  await Promise.all([first.stop(), second.stop()]);
  assert.equal(new Set(uids).size, 2);
  const block = blockOfIds();
  for (const uid of uids.map(Number)) {
    assert.ok(uid >= block.first && uid < block.first + block.count, `${uid}`);
  }
});

const PRIVILEGED = `
import os, socket, struct
CAPABILITY = struct.pack("<5I", 0x02000001, 1 << 21, 0, 0, 0)
def attempt(name, what):
    try:
        what()
        print(name, "done")
    except (OSError, ValueError) as error:
        print(name, getattr(error, "strerror", error))
open("/work/own", "w").close()
attempt("setuid", lambda: os.setuid(0))
attempt("setgroups", lambda: os.setgroups([0]))
attempt("chown", lambda: os.chown("/work/own", 0, 0))
attempt("device", lambda: os.mknod("/work/device", 0o20666, os.makedev(1, 1)))
attempt("nice", lambda: os.setpriority(os.PRIO_PROCESS, 0, -5))
attempt("fifo scheduling", lambda: os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(1)))
attempt("chroot", lambda: os.chroot("/tmp"))
attempt("host name", lambda: socket.sethostname("x"))
attempt("trusted attribute", lambda: os.setxattr("/work/own", "trusted.x", b"x"))
attempt("capability", lambda: os.setxattr("/work/own", "security.capability", CAPABILITY))
`;

test("S4: what needs a privilege is refused", async () => {
  const lines = (await say(runner(), PRIVILEGED)).trim().split("\n");
  assert.equal(lines.length, 10);
  for (const line of lines) {
    assert.match(line, /(Operation not permitted|Permission denied|Operation not supported)$/);
  }
});

const LIMITS = `
import os, resource
print(resource.getrlimit(resource.RLIMIT_CORE), resource.getrlimit(resource.RLIMIT_NOFILE))
opened = []
try:
    while True: opened.append(os.open("/dev/null", os.O_RDONLY))
except OSError as error: print(error.strerror, max(opened))
for what in resource.RLIMIT_NOFILE,:
    try:
        resource.setrlimit(what, (1024, 1024))
        print("raised")
    except (OSError, ValueError): print("refused")
`;

test("S7: a program has 256 open files at most and cannot raise that", async () => {
  const said = await say(runner(), LIMITS);
  assert.equal(said, "(1, 1) (256, 256)\nToo many open files 255\nrefused\n");
});

const CORE = `
import ctypes, os, resource
for most in (0, 0), (1, 1), (0, 1):
    resource.setrlimit(resource.RLIMIT_CORE, most)
    print(resource.getrlimit(resource.RLIMIT_CORE))
libc = ctypes.CDLL(None, use_errno=True)
pair = (ctypes.c_ulong * 2)(0, 0)
print(libc.syscall(160, 4, pair), libc.syscall(302, 0, 4, pair, None), libc.syscall(302, 0, 4, pair, pair))
print(resource.getrlimit(resource.RLIMIT_CORE))
`;

test("S19: the core limit stays at 1, so that no core handler of the host ever gets a job's memory", async () => {
  const said = await say(runner(), CORE);
  assert.equal(said, "(1, 1)\n(1, 1)\n(1, 1)\n0 0 -1\n(1, 1)\n");
  assert.match((await pythonOnHost(CORE)).stdout, /^\(0, 0\)\n/);
});

test("S19: a crash leaves no core file", async () => {
  const code = "import os\nos.chdir('/work')\nif os.fork() == 0: os.abort()\nos.wait()";
  const ran = await run(runner(), { code });
  assert.deepEqual(ran.outcome, { kind: "exited", exitCode: 0 });
  assert.deepEqual([...ran.files.keys()], []);
});

test("every result names the layers that held, and they are all", async () => {
  const ran = await run(runner(), { code: "" });
  assert.deepEqual(ran.finished.isolation, [...LAYERS]);
});

test("open descriptors at the start are the three streams alone", async () => {
  const code = "import os\nprint(*sorted(int(fd) for fd in os.listdir('/proc/self/fd'))[:4])";
  assert.equal(await say(runner(), code), "0 1 2 3\n");
  // 3 is the listing itself.
  const paths = "import os\nprint(*[os.readlink(f'/proc/self/fd/{n}')[:5] for n in range(3)])";
  assert.equal(await say(runner(), paths), "pipe: pipe: pipe:\n");
});

test("the service's environment is not the job's", async () => {
  process.env["SANDRUN_TEST_SECRET"] = "secret";
  const said = await say(runner(), { code: "import os\nprint(dict(os.environ))" });
  delete process.env["SANDRUN_TEST_SECRET"];
  assert.doesNotMatch(said, /secret/i);
  assert.match(said, /'HOME': '\/tmp'/);
});
