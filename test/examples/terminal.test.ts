/** The command line at a real terminal, with real boxes: typing, Ctrl-C, and the background. */
import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { fileURLToPath } from "node:url";
import { scratch } from "../cli/files.ts";
import { onHost } from "../support/host.ts";

const SANDRUN = fileURLToPath(new URL("../../sandrun", import.meta.url));
const TYPING = fileURLToPath(new URL("typing.py", import.meta.url));

interface Shown {
  readonly text: string;
  readonly status: number;
}

async function atTerminal(
  words: readonly string[],
  steps: readonly (readonly [string, string])[],
): Promise<Shown> {
  const ran = await onHost("/usr/bin/python3", [TYPING, JSON.stringify([words, steps])]);
  assert.equal(ran.stderr, "");
  const [text, status] = JSON.parse(ran.stdout);
  return { text, status };
}

async function program(t: TestContext, code: string): Promise<string> {
  const file = join(await scratch(t), "a.py");
  writeFileSync(file, code);
  return file;
}

test("what is typed reaches the program, and Ctrl-C interrupts it and nothing else", async (t) => {
  const file = await program(
    t,
    `import time
try:
  print('hello', input('who? '))
  time.sleep(600)
except KeyboardInterrupt:
  print('caught')
  raise SystemExit(7)`,
  );
  const { text, status } = await atTerminal(
    [SANDRUN, file],
    [
      ["who? ", "ann\n"],
      ["hello ann", "\u0003"],
    ],
  );
  assert.equal(text.replace("^C", ""), "who? ann\r\nhello ann\r\ncaught\r\n");
  assert.equal(status, 7);
});

test("a program that ignores Ctrl-C is cancelled by the second", async (t) => {
  const file = await program(
    t,
    "import signal, time\nsignal.signal(2, lambda *_: print('no'))\nprint('ready')\nwhile True: time.sleep(1)",
  );
  const { text, status } = await atTerminal(
    [SANDRUN, file],
    [
      ["ready", "\u0003"],
      ["no", "\u0003"],
    ],
  );
  assert.match(text, /sandrun: cancelled/);
  assert.equal(status, 130);
});

test("in the background of a shell it runs on, and leaves the terminal alone", async (t) => {
  const file = await program(t, "print('ran')");
  const { text, status } = await atTerminal(
    ["bash", "--norc", "-i", "-c", `${SANDRUN} ${file} & wait $!`],
    [],
  );
  assert.match(text, /ran\r\n/);
  assert.equal(status, 0);
});

test("input from a pipe is passed on as it comes, however much it is", async (t) => {
  const file = await program(t, "import sys\nprint(len(sys.stdin.buffer.read()))");
  const line = `(head -c 12000000 /dev/zero; sleep 0.2; echo end) | ${SANDRUN} ${file}`;
  const ran = await onHost("bash", ["-c", line]);
  assert.deepEqual([ran.stdout, ran.stderr], ["12000004\n", ""]);
});
