/**
 * The filter of system calls. Most probes pass arguments that no kernel accepts: without a
 * filter the answer is about the arguments, with one it is EPERM, and nothing happens on the host.
 */
import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import type { Outcome } from "../../src/core/job.ts";
import { run, say, useRunner } from "../support/boxes.ts";
import { type OnHost, onHost, pythonOnHost } from "../support/host.ts";

const runner = useRunner(1);

/** Name → number on x86-64 and arguments. */
const REFUSED: Readonly<Record<string, readonly number[]>> = {
  socket: [41, 2, 1, 0],
  connect: [42, -1, 0, 0],
  accept: [43, -1, 0, 0],
  bind: [49, -1, 0, 0],
  listen: [50, -1, 0],
  accept4: [288, -1, 0, 0, 0],
  unshare: [272, 0],
  setns: [308, -1, 0],
  mount: [165, 0, 0, 0, 0, 0],
  umount2: [166, 0, 0],
  pivot_root: [155, 0, 0],
  chroot: [161, 0],
  open_tree: [428, -1, 0, -1],
  move_mount: [429, -1, 0, -1, 0, 0xffff],
  fsopen: [430, 0, 0xff],
  fsconfig: [431, -1, 0, 0, 0, 0],
  fsmount: [432, -1, 0xff, 0],
  fspick: [433, -1, 0, 0xffff],
  mount_setattr: [442, -1, 0, -1, 0, 0],
  bpf: [321, 0, 0, 0],
  ptrace: [101, 99, 0, 0, 0],
  process_vm_readv: [310, 0, 0, 0, 0, 0, 0],
  process_vm_writev: [311, 0, 0, 0, 0, 0, 0],
  process_madvise: [440, -1, 0, 0, 0, 0xff],
  pidfd_getfd: [438, -1, 0, 0xff],
  kcmp: [312, 0, 0, 99, 0, 0],
  keyctl: [250, 99, 0, 0, 0, 0],
  add_key: [248, 0, 0, 0, 0, 0],
  request_key: [249, 0, 0, 0, 0],
  io_uring_setup: [425, 0, 0],
  io_uring_enter: [426, -1, 0, 0, 0, 0],
  io_uring_register: [427, -1, 0, 0, 0],
  name_to_handle_at: [303, -1, 0, 0, 0, 0],
  open_by_handle_at: [304, -1, 0, 0],
  perf_event_open: [298, 0, 0, 0, 0, 0],
  userfaultfd: [323, 0xffff],
  fanotify_init: [300, -1, 0],
  fanotify_mark: [301, -1, 0, 0, 0, 0],
  seccomp: [317, 99, 0, 0],
  vmsplice: [278, -1, 0, 0, 0],
  move_pages: [279, -1, 0, 0, 0, 0, 0xff],
  migrate_pages: [256, -1, 0, 0, 0],
  memfd_secret: [447, 0xffff],
  swapon: [167, 0, 0],
  settimeofday: [164, 1, 0],
  clock_settime: [227, 99, 0],
  adjtimex: [159, 0],
  acct: [163, 1],
  quotactl: [179, 0xffff, 0, 0, 0],
  syslog: [103, 99, 0, 0],
  sethostname: [170, 0, -1],
  setdomainname: [171, 0, -1],
  init_module: [175, 0, 0, 0],
  finit_module: [313, -1, 0, 0],
  delete_module: [176, 0, 0],
  kexec_load: [246, 0, 99, 0, 0],
  modify_ldt: [154, 99, 0, 0],
  "personality without address randomness": [135, 0x0040000],
  "ioctl TIOCSTI": [16, 0, 0x5412, 0],
  "ioctl TIOCSTI with a high half": [16, 0, 0x700005412, 0],
  "ioctl TIOCLINUX": [16, 0, 0x541c, 0],
  "ioctl TIOCSETD": [16, -1, 0x5423, 0],
  "ioctl SIOCGIFCONF": [16, -1, 0x8912, 0],
  "setsockopt SO_ATTACH_FILTER": [54, -1, 1, 26, 0, 0],
  "setsockopt SO_ATTACH_BPF": [54, -1, 1, 50, 0, 0],
  mbind: [237, 0, 0, 99, 0, 0, 0xff],
  set_mempolicy: [238, 99, 0, 0],
  cachestat: [451, -1, 0, 0, 0],
  "prlimit of the core size": [302, 0, 4, 1, 1],
  "socketpair of the network": [53, 2, 1, 0, 1],
  "clone of a user namespace": [56, 0x10000000 | 0x800 | 0x10000, 0, 0, 0, 0],
  "clone of a network namespace": [56, 0x40000000 | 0x800 | 0x10000, 0, 0, 0, 0],
  "clone of a mount namespace": [56, 0x20000 | 0x200, 0, 0, 0, 0],
};

/** Calls that kernels themselves refuse to who is not root of the host, whatever the namespace. */
const ROOT_ALONE: readonly string[] = [
  ...["acct", "bpf", "delete_module", "fanotify_init", "finit_module", "init_module"],
  ...["kexec_load", "open_by_handle_at", "swapon", "syslog"],
];

/** What a kernel without them says; the C library and programs then take another way. */
const UNKNOWN: Readonly<Record<string, readonly number[]>> = {
  clone3: [435, 0, 0],
  "the first number above the table": [463, 0],
  "a number far above the table": [511, 0],
  "a number that has no meaning": [100000, 0],
};

/** Told as an older or smaller kernel would: EINVAL for a prctl that is not there. */
const STRANGE: Readonly<Record<string, readonly number[]>> = {
  PR_SET_SECCOMP: [157, 22, 2, 0, 0, 0],
  PR_SCHED_CORE: [157, 62, 0, 0, 0, 0],
  PR_SET_MM: [157, 35, 1, 0, 0, 0],
};

function probeOf(calls: Readonly<Record<string, readonly number[]>>): string {
  return `
import ctypes, errno, json
libc = ctypes.CDLL(None, use_errno=True)
answers = {}
for name, call in json.loads(${JSON.stringify(JSON.stringify(calls))}).items():
    ctypes.set_errno(0)
    result = libc.syscall(*[ctypes.c_long(value) for value in call])
    answers[name] = errno.errorcode[ctypes.get_errno()] if result == -1 else "done"
print(json.dumps(answers))
`;
}

/**
 * Outside, with the most that this user can have: root is root, and an ordinary user is root of
 * namespaces of their own, for whom most calls are as open as for root.
 */
async function probeOutside(code: string): Promise<OnHost> {
  if (process.getuid?.() === 0) return pythonOnHost(code);
  return onHost("unshare", ["-Urmnui", "/usr/bin/python3", "-c", code]);
}

test("S4: calls that no program needs are refused with EPERM, and only by the filter", async () => {
  const inside = JSON.parse(await say(runner(), probeOf(REFUSED)));
  const outside = JSON.parse((await probeOutside(probeOf(REFUSED))).stdout);
  for (const name of Object.keys(REFUSED)) assert.equal(inside[name], "EPERM", name);
  const refused = Object.keys(REFUSED).filter((name) => outside[name] === "EPERM");
  // Of these an ordinary user's probe can tell nothing; root's does.
  const known = process.getuid?.() === 0 ? [] : ROOT_ALONE;
  const others = refused.filter((name) => !known.includes(name));
  assert.deepEqual(others, [], "what the host refuses, too");
});

test("clone3 and calls younger than the table are unknown, as on an old kernel", async () => {
  const inside = JSON.parse(await say(runner(), probeOf(UNKNOWN)));
  const outside = JSON.parse((await pythonOnHost(probeOf(UNKNOWN))).stdout);
  for (const name of Object.keys(UNKNOWN)) assert.equal(inside[name], "ENOSYS", name);
  assert.equal(outside.clone3, "EINVAL");
});

test("a program can ask for no filter of its own and for nothing strange of prctl", async () => {
  const inside = JSON.parse(await say(runner(), probeOf(STRANGE)));
  const outside = JSON.parse((await pythonOnHost(probeOf(STRANGE))).stdout);
  for (const name of Object.keys(STRANGE)) assert.equal(inside[name], "EINVAL", name);
  assert.equal(outside.PR_SET_SECCOMP, "EFAULT");
});

test("huge pages, which nobody counts, cannot be had", async () => {
  const calls = { mmap: [9, 0, 1 << 21, 3, 0x40022, -1, 0], memfd_create: [319, 0, 4] };
  const inside = JSON.parse(await say(runner(), probeOf(calls)));
  assert.deepEqual(inside, { mmap: "ENOMEM", memfd_create: "ENOMEM" });
  assert.equal(JSON.parse((await pythonOnHost(probeOf(calls))).stdout).memfd_create, "EFAULT");
});

test("S3: socket.socket() says 'Operation not permitted', for every family", async () => {
  const code = `
import socket
for family in range(46):
    for kind in socket.SOCK_STREAM, socket.SOCK_DGRAM, socket.SOCK_RAW:
        try: print(socket.socket(family, kind))
        except OSError as error: assert error.strerror == "Operation not permitted", (family, error)
try: socket.create_connection(("127.0.0.1", 80))
except OSError as error: print(error.strerror)
`;
  assert.equal(await say(runner(), code), "Operation not permitted\n");
  const host = await pythonOnHost("import socket\nprint(socket.socket())");
  assert.match(host.stdout, /socket\.socket fd=/);
});

const ORDINARY = `
import asyncio, ctypes, mmap, multiprocessing, select, signal, socket, sqlite3, subprocess, tempfile, threading, time
one, other = socket.socketpair()
one.sendall(b"pair")
print(other.recv(9).decode())
async def sub():
    child = await asyncio.create_subprocess_exec("echo", "asyncio", stdout=-1)
    return (await child.communicate())[0].decode().strip()
print(asyncio.run(sub()))
with multiprocessing.Pool(3) as pool: print(sum(pool.map(abs, range(-9, 0))))
found = []
threads = [threading.Thread(target=found.append, args=(n,)) for n in range(20)]
for thread in threads: thread.start()
for thread in threads: thread.join()
print(len(found))
print(subprocess.run("yes | head -3 | wc -l", shell=True, capture_output=True, text=True).stdout.strip())
print(sqlite3.connect(":memory:").execute("select 6 * 7").fetchone()[0])
with tempfile.TemporaryFile() as file: file.write(b"x" * 9); file.flush(); print(mmap.mmap(file.fileno(), 9)[0])
rang = []
signal.signal(signal.SIGALRM, lambda *_: rang.append("alarm")); signal.setitimer(signal.ITIMER_REAL, 0.01)
while not rang: time.sleep(0.01)
print(*rang)
`;

test("ordinary programs work: pairs of sockets, asyncio, processes, threads, SQLite, mmap", async () => {
  const said = await say(runner(), ORDINARY);
  assert.equal(said, "pair\nasyncio\n45\n20\n3\n42\n120\nalarm\n");
});

test("node's child processes and workers work", async () => {
  const code = `
const { execFileSync, fork } = require("node:child_process");
const { Worker, isMainThread, parentPort } = require("node:worker_threads");
if (process.send) { process.send("forked"); process.disconnect(); }
else if (!isMainThread) parentPort.postMessage("worker");
else {
  console.log(String(execFileSync("echo", ["child"])).trim());
  new Worker(__filename).on("message", (text) => {
    console.log(text);
    fork(__filename).on("message", (text) => console.log(text));
  });
}`;
  assert.equal(await say(runner(), { interpreter: "node", code }), "child\nworker\nforked\n");
});

/** Enters the kernel as 32-bit and as x32 programs do; the filter knows one architecture. */
const ENTRIES = `
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>
#include <errno.h>
int main(int argc, char **argv) {
  long result;
  if (argc > 1 && strcmp(argv[1], "i386") == 0) {
    __asm__ volatile("int $0x80" : "=a"(result) : "a"(20L) : "memory", "r8", "r9", "r10", "r11");
    printf("int80 %s\\n", result == getpid() ? "entered" : "no");
    return 0;
  }
  result = syscall(0x40000000 | SYS_getpid);
  printf("x32 %s\\n", result == -1 ? strerror(errno) : "entered");
  return 0;
}
`;

let directory = "";
before(() => {
  directory = mkdtempSync(join(tmpdir(), "sandrun-seccomp-"));
});
after(() => rmSync(directory, { recursive: true }));

async function entryOnHost(argument: string): Promise<OnHost> {
  writeFileSync(join(directory, "entry.c"), ENTRIES);
  const program = join(directory, "entry");
  const compiled = await onHost("gcc", ["-O2", "-o", program, join(directory, "entry.c")]);
  assert.equal(compiled.status, 0, compiled.stderr);
  return onHost(program, [argument]);
}

test("a program compiled in the box cannot enter as 32-bit code", async () => {
  const ran = await run(runner(), { interpreter: "gcc", code: ENTRIES, args: ["i386"] });
  const killed: Outcome = { kind: "signalled", signal: "SIGSYS" };
  assert.deepEqual(ran.outcome, killed, ran.stderr.toString());
  // A kernel without that entry ends the program with another signal.
  assert.notEqual((await entryOnHost("i386")).signal, "SIGSYS");
});

test("a program compiled in the box cannot enter as x32 code", async () => {
  const ran = await run(runner(), { interpreter: "gcc", code: ENTRIES, args: ["x32"] });
  assert.equal(ran.stdout.toString(), "x32 Operation not permitted\n", ran.stderr.toString());
  assert.notEqual((await entryOnHost("x32")).stdout, "x32 Operation not permitted\n");
});

test("the filter cannot be taken off by executing another program", async () => {
  const code = `
import os, subprocess, sys
again = "import socket\\ntry: socket.socket()\\nexcept OSError as e: print(e.strerror)"
subprocess.run([sys.executable, "-c", again], env={})
os.execv("/usr/bin/python3", ["python3", "-c", again])`;
  const said = await say(runner(), code);
  assert.equal(said, "Operation not permitted\nOperation not permitted\n");
});
