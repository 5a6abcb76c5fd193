/** What a job leaves: chosen, bounded, and never more than its own regular files. */
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { test } from "node:test";
import { TRANSFER_LIMITS } from "../../src/core/limits.ts";
import {
  contentOf,
  hold,
  INPUT_TIME,
  inputFile,
  type Job,
  run,
  say,
  useRunner,
} from "../support/boxes.ts";

const runner = useRunner(1);
const MIB = 2 ** 20;

/** Runs a job that must end well; its outputs as path → text. */
async function outputsOf(
  code: string,
  more: Pick<Job, "args" | "files" | "outputs"> = {},
): Promise<Record<string, string>> {
  const ran = await run(runner(), { code, ...more });
  assert.deepEqual(ran.outcome, { kind: "exited", exitCode: 0 }, ran.stderr.toString());
  return Object.fromEntries([...ran.files].map(([path, bytes]) => [path, bytes.toString()]));
}

test("without patterns, outputs are what the job made or changed", async () => {
  const files = ["kept", "changed", "touched", "dir/removed", "moved", "same"].map((path) =>
    inputFile(path, "old"),
  );
  const code = `
import os
open("made", "w").write("new")
os.makedirs("a/b"); open("a/b/deep", "w").write("deep")
open("changed", "w").write("new")
os.utime("touched")
os.remove("dir/removed")
os.rename("moved", "dir/moved")
open("same").read()
os.mkdir("empty")`;
  assert.deepEqual(await outputsOf(code, { files }), {
    made: "new",
    "a/b/deep": "deep",
    changed: "new",
    touched: "old",
    "dir/moved": "old",
  });
});

test("an input of the same size that was written anew counts as changed", async () => {
  const code = 'open("data", "w").write("new")';
  assert.deepEqual(await outputsOf(code, { files: [inputFile("data", "old")] }), { data: "new" });
});

test("patterns choose, inputs among them too", async () => {
  const code = `
import os
os.makedirs("results/sub"); os.makedirs("other")
for path in "results/a.txt", "results/sub/b.png", "c.png", "other/d.png", "e.txt": open(path, "w").write(path)`;
  const files = [inputFile("in.png", "in")];
  const outputs = ["results/", "*.png"];
  assert.deepEqual(await outputsOf(code, { outputs, files }), {
    "results/a.txt": "results/a.txt",
    "results/sub/b.png": "results/sub/b.png",
    "c.png": "c.png",
    "in.png": "in",
  });
  assert.deepEqual(await outputsOf(code, { outputs: [] }), {});
});

test("an output carries its size, hash, mode and time", async () => {
  const code = `
import os
open("tool", "w").write("#!")
os.chmod("tool", 0o755)
os.utime("tool", (5, 1234567890))`;
  const { finished } = await run(runner(), { code });
  assert.deepEqual(finished.outputs.files, [
    {
      path: "tool",
      sizeBytes: 2,
      executable: true,
      mtimeSeconds: 1234567890,
      sha256: createHash("sha256").update("#!").digest("hex"),
    },
  ]);
});

test("S13: planted links, pipes, sockets and devices are no outputs, and nothing is read through them", async () => {
  const code = `
import os, socket
os.makedirs("real"); open("real/file", "w").write("fine")
for number, target in enumerate(("/etc/hostname", "/etc/passwd", "../..", "/", "/work/real/file", "real",
    "/proc/self/environ", "/dev/zero", "/proc/1/root/etc/hostname", "loop")):
    os.symlink(target, f"link{number}")
os.symlink("loop", "loop")
os.symlink("/", "real/up")
os.mkfifo("fifo")
os.mkfifo("real/fifo")
os.mknod("bound", 0o140666)
for kind in 0o020666, 0o060666:
    try: os.mknod("device", kind, os.makedev(1, 5)); print("made a device")
    except PermissionError: pass`;
  assert.deepEqual(await outputsOf(code), { "real/file": "fine" });
  const named = ["link0", "link2/**", "real/up/etc/hostname", "fifo", "bound", "**"];
  assert.deepEqual(await outputsOf(code, { outputs: named }), {
    "real/file": "fine",
    "main.py": code,
  });
});

test("S13: a directory that was replaced by a link brings nothing of what it leads to", async () => {
  const code = `
import os, shutil
shutil.rmtree("data")
os.symlink("/usr/bin", "data")
os.symlink("/etc", "out")`;
  const files = [inputFile("data/one", "1")];
  assert.deepEqual(await outputsOf(code, { files, outputs: ["data/", "out/", "data/env"] }), {});
});

test("S13: a sparse file of a terabyte ends as output_limit, without its memory", async () => {
  const ran = await run(runner(), { code: "open('sparse', 'w').truncate(1 << 40)", memoryMb: 64 });
  assert.deepEqual(ran.outcome, { kind: "output_limit" });
  assert.ok(ran.finished.usage.memoryPeakBytes < 64 * MIB);
  // Not chosen, it does not matter.
  const code = "open('sparse', 'w').truncate(1 << 40)\nopen('small', 'w').write('x')";
  assert.deepEqual(await outputsOf(code, { outputs: ["small"] }), { small: "x" });
});

test("sizes that overflow when they are added up are seen", async () => {
  const code = "for n in range(3): open(f's{n}', 'w').truncate((1 << 63) - 4097)";
  const ran = await run(runner(), { code });
  assert.deepEqual(ran.outcome, { kind: "output_limit" });
});

test("100 MB of outputs are given, one byte more ends as output_limit", async () => {
  const code = (extra: number) =>
    `open("big", "wb").write(bytes(${TRANSFER_LIMITS.outputBytes} + ${extra}))`;
  const ran = await run(runner(), { code: code(0) });
  assert.equal(ran.files.get("big")?.length, TRANSFER_LIMITS.outputBytes);
  assert.deepEqual((await run(runner(), { code: code(1) })).outcome, { kind: "output_limit" });
});

test("1,000 outputs are given, one more ends as output_limit", async () => {
  const code = (count: number) => `for n in range(${count}): open(str(n), "w").write(str(n))`;
  const given = await outputsOf(code(1000));
  assert.equal(Object.keys(given).length, 1000);
  for (const [path, text] of Object.entries(given)) assert.equal(text, path);
  assert.deepEqual((await run(runner(), { code: code(1001) })).outcome, { kind: "output_limit" });
});

test("20,000 files end as output_limit, unless the patterns choose a few", async () => {
  const code = `
import os, sys
count = 0
try:
    while count < int(sys.argv[1]):
        os.mknod(f"f{count:05}")
        count += 1
except OSError: os.remove("f00000")
open("f00007", "w").write("seven")`;
  const ran = await run(runner(), { code, args: ["20000"] });
  assert.deepEqual(ran.outcome, { kind: "output_limit" });
  const args = ["20000"];
  assert.deepEqual(await outputsOf(code, { args, outputs: ["f00007"] }), { f00007: "seven" });
});

test("a thousand levels of directories hide nothing and stop nothing", async () => {
  const code = `
import os
open("top", "w").write("top")
for level in range(1000):
    os.mkdir("d"); os.chdir("d")
    if level == 20: open("reached", "w").write("x")
open("too-deep", "w").write("x")`;
  assert.deepEqual(await outputsOf(code), { top: "top", [`${"d/".repeat(21)}reached`]: "x" });
});

test("names that no answer could carry are left out, all others are outputs", async () => {
  const code = String.raw`
import os
names = [b"line\nbreak", b"\xff\xfe", b"back\\slash", b"tab\t", b"\x7f", b"a" * 255, "\u00fc\U0001f642".encode(), b" ", b"-rf",
    b"C:x", b"...", b"a'b\"c", b"%2e%2e", b"\xef\xbb\xbfbom"]
for name in names: open(name, "w").write("x")
try: open(b"n" * 256, "w")
except OSError as error: assert error.errno == 36
os.makedirs(b"bad\xff/dir"); open(b"bad\xff/dir/file", "w")`;
  const names = Object.keys(await outputsOf(code)).sort();
  const expected = [" ", "%2e%2e", "-rf", "...", `a'b"c`, "a".repeat(255), "ü🙂", "\ufeffbom"];
  assert.deepEqual(names, expected.sort());
});

test("files without permission for their owner are no outputs, nor what lies in closed directories", async () => {
  const code = `
import os
for name in "open", "closed", "unlisted/in", "unentered/in", "write-only":
    os.makedirs(os.path.dirname(name) or ".", exist_ok=True)
    open(name, "w").write(name)
os.chmod("closed", 0); os.chmod("write-only", 0o222)
os.chmod("unlisted", 0o300); os.chmod("unentered", 0o600)`;
  assert.deepEqual(await outputsOf(code), { open: "open" });
});

test("hard links are files like any other, and each counts", async () => {
  const code = `
import os
open("one", "w").write("same")
os.link("one", "two"); os.link("main.py", "copy.py")`;
  const given = await outputsOf(code);
  assert.deepEqual([given["one"], given["two"]], ["same", "same"]);
  const heavy = `
import os
open("a", "wb").write(bytes(60 << 20))
os.link("a", "b")`;
  assert.deepEqual((await run(runner(), { code: heavy })).outcome, { kind: "output_limit" });
});

test("the files of a failed job go at once", async () => {
  const ran = await run(runner(), { code: "open('left', 'w').write('x')\nraise SystemExit(1)" });
  assert.deepEqual(ran.outcome, { kind: "exited", exitCode: 1 });
  assert.deepEqual([ran.files.size, ran.finished.outputs.holdsBox], [0, false]);
});

test("/work that was made unreadable, and input that was removed, stop nothing", async () => {
  assert.deepEqual(await outputsOf("import os\nopen('x', 'w')\nos.chmod('/work', 0)"), {});
  const gone = "import os, shutil\nfor n in os.listdir('/work'): os.remove(n)";
  assert.deepEqual(await outputsOf(gone), {});
});

test("small outputs leave their box at once, and can be read again until they are destroyed", async () => {
  const ended = await hold(runner(), { code: "open('out', 'w').write('small')" });
  assert.equal(ended.finished.outputs.holdsBox, false);
  // One slot: this runs only since the first box is gone.
  await say(runner(), "print(1)");
  for (let time = 0; time < 3; time++) {
    assert.equal((await contentOf(ended, "out")).toString(), "small");
  }
  const copy = await contentOf(ended, "out");
  copy.fill(0);
  assert.equal((await contentOf(ended, "out")).toString(), "small");
  await ended.finished.outputs.destroy();
  await ended.finished.outputs.destroy();
  assert.equal((await contentOf(ended, "out")).length, 0);
});

const LARGE = `
import os
for name in "a", "b": open(name, "wb").write(name.encode() * (3 << 20))
open("c", "w").write("small")`;

test("large outputs keep their box, can be read often and at once, also after one gave up", async () => {
  const ended = await hold(runner(), { code: LARGE });
  const { outputs } = ended.finished;
  assert.deepEqual([outputs.holdsBox, outputs.totalBytes], [true, 6 * MIB + 5]);
  const whole = async () => {
    assert.ok((await contentOf(ended, "a")).equals(Buffer.alloc(3 * MIB, "a")));
    assert.ok((await contentOf(ended, "b")).equals(Buffer.alloc(3 * MIB, "b")));
    assert.equal((await contentOf(ended, "c")).toString(), "small");
  };
  await whole();
  await Promise.all([whole(), whole(), whole()]);
  const [first] = outputs.files;
  assert.ok(first);
  const giveUp = async (after: number) => {
    let seen = 0;
    for await (const piece of outputs.read(first)) {
      seen += piece.length;
      if (seen > after) break;
    }
  };
  // Given up at the start and midway, alone and between others.
  await giveUp(0);
  await whole();
  await Promise.all([giveUp(0), whole(), giveUp(MIB), whole(), giveUp(3 * MIB - 1)]);
  await whole();
  await outputs.destroy();
});

test("a box that is kept is not a free slot; destroying it, even midway, makes it one", async () => {
  const ended = await hold(runner(), { code: LARGE });
  const { outputs } = ended.finished;
  let started = false;
  const next = say(runner(), {
    code: "print('next')",
    onStarted: () => {
      started = true;
    },
  });
  for (let time = 0; time < 10; time++) await contentOf(ended, "a");
  assert.equal(started, false);
  const [first] = outputs.files;
  assert.ok(first);
  const reading = outputs.read(first)[Symbol.asyncIterator]();
  await reading.next();
  await Promise.all([outputs.destroy(), outputs.destroy()]);
  assert.equal(await next, "next\n");
  await assert.rejects(contentOf(ended, "a"));
  await reading.return?.();
});

test("the job's own time for an unchanged input is the one it was sent with", async () => {
  const code = `import os\nprint(os.stat("data").st_mtime_ns == ${INPUT_TIME} * 10**9)`;
  assert.equal(await say(runner(), { code, files: [inputFile("data")] }), "True\n");
});
