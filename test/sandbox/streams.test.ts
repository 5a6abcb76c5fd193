/** Bytes in and out: what is printed, standard input, arguments and variables. */
import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { test } from "node:test";
import { TRANSFER_LIMITS } from "../../src/core/limits.ts";
import { run, say, useRunner } from "../support/boxes.ts";

const runner = useRunner(1);
const MIB = 2 ** 20;

test("S9: 11 MB of output are cut to 10, and what was dropped is counted", async () => {
  const code = `
import sys
for _ in range(11): sys.stdout.buffer.write(b"x" * (1 << 20))`;
  const ran = await run(runner(), { code });
  assert.deepEqual(ran.outcome, { kind: "exited", exitCode: 0 });
  assert.equal(ran.stdout.length, TRANSFER_LIMITS.printedBytes);
  assert.deepEqual(ran.finished.droppedBytes, { stdout: MIB, stderr: 0 });
});

test("S9: both streams count together, and each tells what it lost", async () => {
  const code = `
import sys
sys.stderr.buffer.write(b"e" * (4 << 20)); sys.stderr.flush()
sys.stdout.buffer.write(b"o" * (9 << 20)); sys.stdout.flush()
sys.stderr.buffer.write(b"e" * 77)`;
  const { stdout, stderr, finished } = await run(runner(), { code });
  assert.equal(stdout.length + stderr.length, TRANSFER_LIMITS.printedBytes);
  assert.deepEqual(finished.droppedBytes, {
    stdout: 9 * MIB - stdout.length,
    stderr: 4 * MIB + 77 - stderr.length,
  });
});

test("exactly 10 MB are not cut", async () => {
  const code = `import sys\nsys.stdout.buffer.write(bytes(10 << 20))`;
  const { stdout, finished } = await run(runner(), { code });
  assert.equal(stdout.length, 10 * MIB);
  assert.deepEqual(finished.droppedBytes, { stdout: 0, stderr: 0 });
});

test("binary output comes out byte for byte, on each stream", async () => {
  const stdin = randomBytes(MIB);
  const code = `
import sys
data = sys.stdin.buffer.read()
sys.stdout.buffer.write(data)
sys.stderr.buffer.write(data[::-1])`;
  const { stdout, stderr } = await run(runner(), { code, stdin });
  assert.ok(stdout.equals(stdin));
  assert.ok(stderr.equals(Buffer.from(stdin).reverse()));
});

test("eight megabytes of standard input arrive whole", async () => {
  const stdin = randomBytes(8 * MIB);
  const { stdout } = await run(runner(), { interpreter: "sh", code: "cat", stdin });
  assert.ok(stdout.equals(stdin));
});

test("a slow reader gets all of its input too", async () => {
  const code = `
import os
total = 0
while piece := os.read(0, 97): total += len(piece)
print(total)`;
  assert.equal(await say(runner(), { code, stdin: Buffer.alloc(300_001) }), "300001\n");
});

const NON_READERS: readonly (readonly [string, string])[] = [
  ["does not read", "print('fine')"],
  ["closes it", "import os\nos.close(0)\nprint('fine')"],
  ["reads a little and closes it", "import os\nos.read(0, 10)\nos.close(0)\nprint('fine')"],
  [
    "closes it and goes on for a while",
    "import os\nos.close(0)\nfor _ in range(1000): os.sched_yield()\nprint('fine')",
  ],
];

for (const [what, code] of NON_READERS) {
  test(`a program that ${what} ends well with 8 MB of input waiting`, async () => {
    assert.equal(await say(runner(), { code, stdin: Buffer.alloc(8 * MIB) }), "fine\n");
  });
}

test("without input, standard input is at its end", async () => {
  const code = "import sys\nprint(sys.stdin.read() == '')";
  assert.equal(await say(runner(), code), "True\n");
});

test("input that goes in while output comes out stalls neither", async () => {
  const stdin = randomBytes(4 * MIB);
  const { stdout, stderr } = await run(runner(), {
    interpreter: "bash",
    code: "tee /dev/stderr",
    stdin,
  });
  assert.ok(stdout.equals(stdin));
  assert.ok(stderr.equals(stdin));
});

const TELL = `
import json, os, sys
print(json.dumps({"args": sys.argv[1:], "env": dict(os.environ)}))`;

const ODD = [
  "",
  " ",
  "\n",
  "a\nb",
  "'\"$`\\",
  "--help",
  "-c",
  "ünï çødé 🙂",
  "\u0001\u007f",
  "*",
  "a=b",
];

test("arguments arrive as they are, however odd", async () => {
  const told = JSON.parse(await say(runner(), { code: TELL, args: ODD }));
  assert.deepEqual(told.args, ODD);
});

test("64 KiB of arguments arrive", async () => {
  const args = Array.from({ length: 64 }, (_, index) => `${index}`.padEnd(1023, "x"));
  assert.deepEqual(JSON.parse(await say(runner(), { code: TELL, args })).args, args);
  const one = ["y".repeat(64 * 1024 - 1)];
  assert.deepEqual(JSON.parse(await say(runner(), { code: TELL, args: one })).args, one);
});

test("variables arrive as they are, and can take the place of the usual ones", async () => {
  const env = {
    EMPTY: "",
    LINES: "a\nb",
    UNICODE: "ü🙂",
    LANG: "C",
    BIG: "z".repeat(30_000),
    A_B: "=",
  };
  const told = JSON.parse(await say(runner(), { code: TELL, env })).env;
  for (const [name, value] of Object.entries(env)) assert.equal(told[name], value, name);
});

test("a job finds a home, a name and a place for temporary files that work", async () => {
  const code = `
import os, tempfile
open(os.path.expanduser("~/x"), "w")
print(os.environ["USER"], os.environ["LOGNAME"], os.environ["HOME"], os.getcwd(), tempfile.gettempdir())`;
  assert.equal(await say(runner(), code), "sandrun sandrun /tmp /work /tmp\n");
});

test("/dev/stdout and /dev/stderr can be opened", async () => {
  const code = "echo one >/dev/stdout; echo two >/dev/stderr; echo three | tee /dev/fd/2";
  const { stdout, stderr } = await run(runner(), { interpreter: "bash", code });
  assert.equal(stdout.toString(), "one\nthree\n");
  assert.equal(stderr.toString(), "two\nthree\n");
});

const ALTERNATE = `
import os
for number in range(500): os.write(1 + number % 2, b"%d\\n" % number)`;

test("merged streams keep the exact order", async () => {
  const { stdout, stderr } = await run(runner(), { code: ALTERNATE, mergeStreams: true });
  assert.equal(stdout.toString(), Array.from({ length: 500 }, (_, index) => `${index}\n`).join(""));
  assert.equal(stderr.length, 0);
});

test("separate streams keep the order within each", async () => {
  const { stdout, stderr } = await run(runner(), { code: ALTERNATE });
  const lines = (odd: number) =>
    Array.from({ length: 250 }, (_, index) => `${2 * index + odd}\n`).join("");
  assert.equal(stdout.toString(), lines(0));
  assert.equal(stderr.toString(), lines(1));
});
