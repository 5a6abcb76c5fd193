/** /proc of a box: the usual programs work, and show the job and nothing of the host. */
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { readdirSync, readFileSync } from "node:fs";
import { cpus, totalmem } from "node:os";
import { test } from "node:test";
import { inputFile, say, useRunner } from "../support/boxes.ts";

const runner = useRunner(1);

test("free shows the job's own limit, and no swap", async () => {
  for (const memoryMb of [128, 512]) {
    const shown = await say(runner(), { interpreter: "bash", code: "free -m", memoryMb });
    assert.match(shown, new RegExp(`^Mem: +${memoryMb} `, "m"));
    assert.match(shown, /^Swap: +0 +0 +0$/m);
  }
  assert.notEqual(Math.round(totalmem() / 2 ** 20), 512);
});

test("uptime works, and tells the box's age", async () => {
  assert.match(await say(runner(), { interpreter: "sh", code: "uptime" }), / up 0 min/);
});

test("node sees one processor, the job's memory and the box's age", async () => {
  const code = `
const os = require("node:os");
console.log(os.cpus().length, os.totalmem(), os.uptime() < 60, os.hostname());`;
  const shown = await say(runner(), { interpreter: "node", code, memoryMb: 256 });
  assert.equal(shown, `1 ${256 * 2 ** 20} true sandrun\n`);
  assert.doesNotMatch(readFileSync("/proc/cpuinfo", "utf8"), /vendor_id\t: sandrun/);
  assert.doesNotMatch(cpus()[0]?.model ?? "", /^box$/);
});

test("python and nproc see one processor", async () => {
  const code = "import os\nprint(os.cpu_count())\nos.system('nproc')";
  assert.equal(await say(runner(), code), "1\n1\n");
});

/** What lies below the host's own /proc and is about no process; links and what is below them left out. */
function hostFiles(place = "/proc"): readonly string[] {
  return readdirSync(place, { withFileTypes: true }).flatMap((entry) => {
    const path = `${place}/${entry.name}`;
    if (entry.isFile()) return [path];
    if (!entry.isDirectory() || /^\/proc\/\d+$/.test(path)) return [];
    try {
      return hostFiles(path);
    } catch {
      return []; // no directory for anybody, or gone meanwhile
    }
  });
}

/** By name, too: what is not listed could still be there. */
const EVERYTHING = `
import hashlib, json, os
own = ("self", "thread-self", "mounts", "net")
def everything():
    yield from json.load(open("names"))
    for place, directories, files in os.walk("/proc"):
        if place == "/proc":
            directories[:] = [d for d in directories if not d.isdigit() and d not in own]
            files = [f for f in files if f not in own]
        for name in files: yield os.path.join(place, name)
`;

const READ_ALL = `${EVERYTHING}
for path in everything():
    try: text = os.read(os.open(path, os.O_RDONLY | os.O_NONBLOCK), 65536)
    except OSError: continue
    if text: print(path, hashlib.sha256(text).hexdigest())
`;

/** The same on every host of a kind, or by chance on this one. */
const HARMLESS =
  /^\/proc\/(version|filesystems|sys\/(kernel\/(ostype|pid_max|ngroups_max|cap_last_cap|overflow[ug]id|shmmax|sem|random\/entropy_avail)|vm\/\w+|fs\/\w[\w-]+|net\/core\/somaxconn))$/;

test("S17: no file of /proc says what the host's says", async () => {
  const files = [inputFile("names", JSON.stringify(hostFiles()))];
  const readable = (await say(runner(), { code: READ_ALL, files })).trim().split("\n");
  const same = readable.filter((line) => {
    const [path = "", hash] = line.split(" ");
    if (HARMLESS.test(path)) return false;
    return createHash("sha256").update(hostText(path)).digest("hex") === hash;
  });
  assert.deepEqual(same, []);
  assert.ok(readable.length > 10, "the probe reads at all");
});

function hostText(path: string): string {
  // Reading the kernel's log waits for its next line.
  if (path === "/proc/kmsg") return "";
  try {
    return readFileSync(path, "utf8").slice(0, 65536);
  } catch {
    return "";
  }
}

const TELLTALES = [
  "cmdline",
  "config.gz",
  "diskstats",
  "interrupts",
  "iomem",
  "kallsyms",
  "keys",
  "key-users",
  "kmsg",
  "locks",
  "modules",
  "partitions",
  "sched_debug",
  "schedstat",
  "softirqs",
  "swaps",
  "sysrq-trigger",
  "timer_list",
  "vmstat",
  "zoneinfo",
  "sys/kernel/random/boot_id",
  "sys/kernel/core_pattern",
  "sys/kernel/osrelease",
];

test("S17: what identifies or counts the host is empty or not there", async () => {
  const code = `
for name in ${JSON.stringify(TELLTALES)}:
    try:
        if open("/proc/" + name, "rb").read(): print(name)
    except OSError: pass`;
  assert.equal(await say(runner(), code), "");
  const onHost = TELLTALES.filter((name) => hostText(`/proc/${name}`) !== "");
  assert.ok(onHost.length > 5, `${onHost} are there outside`);
});

test("nothing below /proc can be written but what belongs to the job's own processes", async () => {
  const code = `${EVERYTHING}
for path in everything():
    try:
        os.close(os.open(path, os.O_WRONLY | os.O_NONBLOCK))
        print(path)
    except OSError: pass
for name in "uid_map", "gid_map", "setgroups", "timens_offsets":
    try:
        os.write(os.open("/proc/self/" + name, os.O_WRONLY), b"0 0 1")
        print(name)
    except OSError: pass`;
  const files = [inputFile("names", JSON.stringify(hostFiles()))];
  assert.equal(await say(runner(), { code, files }), "");
});

test("two boxes get different random uuids", async () => {
  const code = "print(open('/proc/sys/kernel/random/uuid').read())";
  const [one, other] = [await say(runner(), code), await say(runner(), code)];
  assert.match(one, /^[0-9a-f-]{36}\n/);
  assert.notEqual(one, other);
});

test("what stand-ins are made of is nowhere to be found", async () => {
  const code = "import os\nprint(*(sorted(os.listdir(p)) for p in ('/tmp', '/work', '/')))";
  const root = "bin dev env etc lib lib64 opt proc run sbin tmp usr var work".split(" ");
  const shown = root.map((name) => `'${name}'`).join(", ");
  assert.equal(await say(runner(), code), `[] ['main.py'] [${shown}]\n`);
});
