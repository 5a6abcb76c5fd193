/** The file system of a box: nothing of the host, nothing to write but three tmpfs with ceilings. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { BOX_LIMITS, MIB } from "../../src/core/limits.ts";
import { begin, inputFile, run, say, useRunner } from "../support/boxes.ts";
import { onHost, pythonOnHost } from "../support/host.ts";

const runner = useRunner(2);

/**
 * Root makes nodes for each slot; the boxes of an ordinary user have the host's, each bound by
 * itself, and share them with everybody: SECURITY.md, "Devices of one's own".
 */
const DEVICES = ["/dev/null", "/dev/zero", "/dev/full", "/dev/random", "/dev/urandom"];
const SHARED = process.getuid?.() === 0 ? [] : DEVICES;

test("S1: open('/etc/passwd') is refused with 'Permission denied'", async () => {
  const code = "try: print(open('/etc/passwd').read())\nexcept OSError as e: print(e.strerror)";
  assert.equal(await say(runner(), code), "Permission denied\n");
  assert.match((await pythonOnHost(code)).stdout, /^root:/m);
});

test("S1: no file of the host is there", async () => {
  const places = ["/root", "/home", "/boot", "/sys", "/mnt", "/media", "/srv", "/var/lib"];
  const all = [...places, "/etc/shadow", "/run/sandrun", fileURLToPath(import.meta.url)];
  const code = `import os\nprint([p for p in ${JSON.stringify(all)} if os.path.lexists(p)])`;
  assert.equal(await say(runner(), code), "[]\n");
  assert.ok((await pythonOnHost(code)).stdout.split(",").length > 5);
});

test("what an administrator put into /usr/local and /usr/src is not there", async () => {
  const code = "import os\nprint(os.listdir('/usr/local'), os.listdir('/usr/src'))";
  assert.equal(await say(runner(), code), "[] []\n");
  assert.notEqual((await onHost("ls", ["/usr/local"])).stdout, "");
});

const WRITE_EVERYWHERE = `
import os
made = set()
for place, directories, files in os.walk("/"):
    if place == "/proc" or place.count("/") > 3: directories.clear()
    name = os.path.join(place, "planted")
    for make in (lambda: open(name, "w").close(), lambda: os.mkdir(name), lambda: os.symlink("/", name)):
        try:
            make()
            made.add(place)
            os.rmdir(name) if os.path.isdir(name) and not os.path.islink(name) else os.unlink(name)
        except OSError:
            pass
print(sorted(made))
`;

test("nothing can be made outside of /work, /tmp and /dev/shm", async () => {
  assert.equal(await say(runner(), WRITE_EVERYWHERE), "['/dev/shm', '/tmp', '/work']\n");
});

const CHANGE_SYSTEM = `
import os
target = "/usr/bin/env"
def attempt(what):
    try: what(); return "done"
    except OSError as error: return error.strerror
print({attempt(what) for what in (
    lambda: open(target, "ab"), lambda: os.truncate(target, 0), lambda: os.chmod(target, 0o777),
    lambda: os.utime(target), lambda: os.unlink(target), lambda: os.rename(target, target + "2"),
    lambda: os.chown(target, 1000, 1000), lambda: os.setxattr(target, "user.x", b"x"),
    lambda: os.link(target, "/work/env"), lambda: os.chmod("/", 0o777), lambda: os.chmod("/etc", 0o777),
    lambda: os.chmod("/dev/null", 0), lambda: os.utime("/dev/null"), lambda: os.unlink("/dev/null"),
    lambda: os.rename("/dev/null", "/dev/full"), lambda: os.link("/dev/null", "/work/null"), lambda: os.setxattr("/dev/null", "user.x", b"x"),
)})
print(bool(os.statvfs("/usr").f_flag & os.ST_RDONLY), bool(os.statvfs("/").f_flag & os.ST_RDONLY))
`;

test("S1: programs and directories of the system cannot be changed, whatever the way", async () => {
  const [errors, flags] = (await say(runner(), CHANGE_SYSTEM)).trim().split("\n");
  assert.doesNotMatch(errors ?? "", /done/);
  assert.match(errors ?? "", /Read-only file system/);
  assert.equal(flags, "True True");
  const host = await pythonOnHost(
    "import os\nprint(bool(os.statvfs('/usr').f_flag & os.ST_RDONLY))",
  );
  assert.equal(host.stdout, "False\n");
});

const FLAGS = `
for line in open("/proc/self/mountinfo"):
    place, options = line.split()[4:6]
    print(place, *options.split(","))
`;

test("no mount of a box honours set-uid bits, and only /dev has devices", async () => {
  const mounts = (await say(runner(), FLAGS)).trim().split("\n");
  const withDevices = ["/dev", "/dev/pts", ...SHARED];
  for (const line of mounts) {
    const [place = "", ...options] = line.split(" ");
    assert.ok(options.includes("nosuid"), line);
    assert.equal(options.includes("nodev"), !withDevices.includes(place), line);
    if (place.startsWith("/dev"))
      assert.ok(options.includes("noexec") || place === "/dev/shm", line);
    const own = ["/work", "/tmp", "/dev/shm", "/dev/pts", "/dev/mqueue", "/proc"];
    if (!own.some((one) => place.startsWith(one))) assert.ok(options.includes("ro"), line);
  }
  assert.ok(mounts.length > 10);
  assert.doesNotMatch((await pythonOnHost(FLAGS)).stdout.split("\n")[0] ?? "", /nosuid/);
});

const SET_UID = `
import os, shutil, subprocess
shutil.copy("/usr/bin/id", "/tmp/id")
os.chmod("/tmp/id", 0o6755)
print(subprocess.run(["/tmp/id", "-u"], capture_output=True, text=True).stdout)
subprocess.run(["/usr/bin/su", "-c", "id -u"], stderr=subprocess.DEVNULL, stdin=subprocess.DEVNULL)
`;

test("a set-uid program gives no other uid", async () => {
  const ran = await run(runner(), { code: SET_UID });
  assert.equal(ran.stdout.toString().trim(), "1000");
});

const FILL = `
import os, sys
def bytes_in(place):
    written, piece = 0, bytes(1 << 20)
    file = os.open(place + "/filler", os.O_WRONLY | os.O_CREAT)
    try:
        while True: written += os.write(file, piece)
    except OSError as error:
        assert error.errno == 28, error
    os.close(file)
    os.unlink(place + "/filler")
    return written
def inodes_in(place):
    made = 0
    os.mkdir(place + "/many")
    try:
        while True:
            os.mknod(f"{place}/many/{made}")
            made += 1
    except OSError as error:
        assert error.errno == 28, error
    for number in range(made): os.unlink(f"{place}/many/{number}")
    os.rmdir(place + "/many")
    return made
for place in "/work", "/tmp", "/dev/shm": print(bytes_in(place), inodes_in(place))
`;

test("S7: files end at the ceilings of bytes and of inodes", async () => {
  const rows = (await say(runner(), FILL)).trim().split("\n");
  const [work, tmp, shm] = rows.map((row) => row.split(" ").map(Number));
  const most = [
    [work, BOX_LIMITS.workBytes, BOX_LIMITS.workInodes],
    [tmp, BOX_LIMITS.tmpBytes, BOX_LIMITS.tmpInodes],
    [shm, BOX_LIMITS.shmBytes, BOX_LIMITS.tmpInodes],
  ] as const;
  for (const [found = [], bytes, inodes] of most) {
    const [written = 0, made = 0] = found;
    assert.ok(written <= bytes && written > bytes - 2 * MIB, `${written} of ${bytes} bytes`);
    assert.ok(made < inodes && made > inodes - 20, `${made} of ${inodes} inodes`);
  }
});

const LOCK = `
import fcntl, os, sys
for path in sys.argv[1:]:
    try: file = os.open(path, os.O_RDONLY)
    except FileNotFoundError: continue
    try: fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError: print("blocked", path)
print("locked", flush=True)
`;
const STAY = "import time; time.sleep(600)";
const LOCKED = ["/usr/bin/env", "/etc/hosts", "/dev", "/opt/node/bin/node", ...DEVICES];

test("S10: a lock on a file of the system blocks no other box, but on a device that all share", async () => {
  const first = await begin(runner(), { code: LOCK + STAY, args: LOCKED }, "locked");
  const second = await say(runner(), { code: LOCK, args: LOCKED });
  await first.stop();
  assert.equal(first.said.trim(), "locked");
  assert.equal(second, `${SHARED.map((path) => `blocked ${path}\n`).join("")}locked\n`);
  // Within one box the second lock is refused, so the probe can tell.
  const twice = await say(runner(), { code: LOCK, args: [...LOCKED, ...LOCKED] });
  for (const path of ["/usr/bin/env", ...DEVICES]) assert.ok(twice.includes(`blocked ${path}\n`));
});

const WATCH = `
import ctypes, os, select, struct, sys
libc = ctypes.CDLL(None, use_errno=True)
watch = libc.inotify_init1(os.O_NONBLOCK)
paths = {libc.inotify_add_watch(watch, path.encode(), 0xfff): path for path in sys.argv[1:]}
assert len(paths) == len(sys.argv) - 1 and -1 not in paths
def look():
    "All that was seen, as soon as there is something."
    select.select([watch], [], [])
    data, at, seen = os.read(watch, 1 << 16), 0, set()
    while at < len(data):
        number, _, _, length = struct.unpack_from("iIII", data, at)
        at += 16 + length
        seen.add(paths[number])
    print("saw", *sorted(seen), flush=True)
print("watching", flush=True)
`;
const TOUCH = `
import os
for path in "/usr/bin/env", "/etc/hosts", *${JSON.stringify(DEVICES)}: os.close(os.open(path, os.O_RDONLY))
os.listdir("/usr/bin"), os.listdir("/etc"), os.listdir("/dev"), os.listdir("/")
`;
const PLACES = ["/", "/dev", "/etc", "/etc/hosts", "/usr/bin", "/usr/bin/env"];

test("S10: no box can watch what another opens, but a device that all share", async () => {
  const args = [...PLACES, ...DEVICES.filter((path) => !SHARED.includes(path))];
  const watcher = await begin(runner(), { code: `${WATCH}look()`, args }, "watching\n");
  await say(runner(), TOUCH);
  await say(runner(), TOUCH);
  assert.equal((await watcher.stop()).stdout.toString(), "watching\n");
  for (const path of SHARED) {
    const other = await begin(runner(), { code: `${WATCH}look()`, args: [path] }, "watching\n");
    await say(runner(), TOUCH);
    assert.equal((await other.ended).stdout.toString(), `watching\nsaw ${path}\n`);
  }
  // Each place tells what is done in its own box, so the watch works.
  const all = [...PLACES, ...DEVICES];
  const own = await say(runner(), { code: `${WATCH}${TOUCH}look()`, args: all });
  assert.equal(own, `watching\nsaw ${all.sort().join(" ")}\n`);
});

const LEAVE = `
import os
for place in "/work", "/tmp", "/dev/shm": open(place + "/left", "w").write("secret")
`;
const LOOK = `
import os
print([os.listdir(place) for place in ("/work", "/tmp", "/dev/shm")])
`;

test("the next job on a slot finds nothing of the last", async () => {
  for (let slot = 0; slot < runner().slots; slot++) await say(runner(), LEAVE);
  for (let slot = 0; slot < runner().slots; slot++) {
    assert.equal(await say(runner(), LOOK), "[['main.py'], [], []]\n");
  }
});

test("input stands in /work as it was sent: names, bytes, modes and times", async () => {
  const names = [
    "a b",
    "Ünï/çødé",
    "-x",
    "$(id)",
    "'\"",
    `${"deep/".repeat(31)}file`,
    "n".repeat(255),
  ];
  const code = `
import os, sys
for place, directories, files in os.walk("."):
    for name in sorted(files):
        path = os.path.join(place, name)
        status = os.stat(path)
        print(path[2:], oct(status.st_mode), status.st_mtime_ns, status.st_uid, open(path).read()[:9], sep="|")
    if not directories and not files: print(place[2:], "is empty")
`;
  const files = names.map((name) => inputFile(name, `<${name.length}>`));
  const tool = { ...inputFile("tool", "x"), executable: true, mtimeSeconds: 1 };
  const said = await say(runner(), { code, files: [...files, tool], directories: ["void/inner"] });
  const lines = said.trim().split("\n");
  for (const name of names) {
    assert.ok(lines.includes(`${name}|0o100644|1700000000000000000|1000|<${name.length}>`), name);
  }
  assert.ok(lines.includes("tool|0o100755|1000000000|1000|x"));
  assert.ok(lines.includes("void/inner is empty"));
});

test("a thousand files arrive", async () => {
  const files = Array.from({ length: 1000 }, (_, index) =>
    inputFile(`${index % 40}/${index}`, `${index}`),
  );
  const code = `
import os
print(sum(int(open(os.path.join(p, f)).read()) for p, _, fs in os.walk(".") for f in fs if p != "."))
`;
  assert.equal(await say(runner(), { code, files }), "499500\n");
});
