/**
 * Runs a program outside and in a box with the same command, for tests that compare the two.
 *
 * Outside it runs as `nobody`, in a directory that is removed behind it, with the variables that a
 * box sets: whoever passes the test as root would compare other things than the box.
 */
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { chownSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { BOX_LIMITS } from "../../src/core/limits.ts";
import type { Runner } from "../../src/core/runner.ts";
import { boxEnv } from "../../src/sandbox/boxEnv.ts";
import { inputFile, run } from "../support/boxes.ts";

const NOBODY = 65534;
const SECONDS = 120;

export interface Program {
  /** Names in programs/; the command finds them in its working directory. */
  readonly files: readonly string[];
  /** For a shell. */
  readonly command: string;
  readonly memoryMb?: number;
}

function contentOf(name: string): Buffer {
  return readFileSync(new URL(`programs/${name}`, import.meta.url));
}

/** With the limits that a box has, where an ordinary user can set them. */
function outsideCommand(command: string): readonly string[] {
  const limited = `ulimit -n ${BOX_LIMITS.openFiles}; ${command}`;
  const shell = ["setsid", "--wait", "sh", "-c", limited];
  if (process.getuid?.() !== 0) return shell;
  return ["setpriv", `--reuid=${NOBODY}`, `--regid=${NOBODY}`, "--clear-groups", ...shell];
}

/** @returns what it printed; fails when it did not end well */
export async function outside(program: Program): Promise<string> {
  const directory = mkdtempSync(join(tmpdir(), "sandrun-outside-"));
  try {
    for (const name of program.files) writeFileSync(join(directory, name), contentOf(name));
    if (process.getuid?.() === 0) chownSync(directory, NOBODY, NOBODY);
    const [file = "", ...args] = outsideCommand(program.command);
    const own = boxEnv(false, 1, { HOME: directory, TMPDIR: directory });
    const PATH = `${dirname(process.execPath)}:${own["PATH"]}`;
    const { status, stdout, stderr } = await endOf(file, args, directory, { ...own, PATH });
    assert.equal(status, 0, `outside: ${stdout}\n${stderr}`);
    return stdout;
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

function endOf(
  file: string,
  args: readonly string[],
  cwd: string,
  env: Readonly<Record<string, string>>,
): Promise<{ status: number; stdout: string; stderr: string }> {
  return new Promise((resolve) => {
    const done = (error: Error | null, stdout: string, stderr: string) => {
      resolve({ status: error === null ? 0 : 1, stdout, stderr });
    };
    const child = execFile(file, args, { cwd, env, timeout: SECONDS * 1000 }, done);
    child.stdin?.end();
  });
}

/** @returns what it printed; fails when it did not end well */
export async function inside(runner: Runner, program: Program): Promise<string> {
  const ran = await run(runner, {
    interpreter: "sh",
    code: program.command,
    files: program.files.map((name) => inputFile(name, contentOf(name))),
    outputs: [],
    timeoutSeconds: SECONDS,
    memoryMb: program.memoryMb ?? 512,
  });
  const told = `inside: ${JSON.stringify(ran.outcome)}\n${ran.stdout}\n${ran.stderr}`;
  assert.deepEqual(ran.outcome, { kind: "exited", exitCode: 0 }, told);
  return ran.stdout.toString();
}

/** The program prints the same on both sides, to its last line, which is "done". */
export async function assertSame(runner: Runner, program: Program): Promise<void> {
  const [there, here] = await Promise.all([outside(program), inside(runner, program)]);
  assert.equal(here, there);
  assert.match(here, /^done$/m);
}
