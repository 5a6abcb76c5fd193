/**
 * Runs one module outside, or in a box, with the same command.
 *
 * Outside it runs as `nobody` in a fresh directory, without a terminal, with pipes for its
 * streams: what a box gives, too, so that only the box makes a difference.
 */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { chownSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Runner } from "../../../src/core/runner.ts";
import { run } from "../../support/boxes.ts";
import { type ModuleFinding, readFinding } from "./findings.ts";
import { RECORDER, TREE } from "./places.ts";

const NOBODY = 65534;

/** A module that takes longer says where it hangs and ends. */
export const OUTSIDE_SECONDS = 300;
/** After regrtest's own time-out, which alone says where a test hung. */
const GRACE_SECONDS = 20;

/** Between what the module printed and what was recorded. */
const MARK = "@@@ recorded @@@";

/**
 * The command of both sides: record.py, the seconds, and what regrtest is to run. The variables
 * are of no use to tests of bytecode and buffering; a box sets them for its users' convenience.
 * What was recorded lies beside where tests write, and is told by the shell itself: a test may
 * have left no room for a file or a process.
 */
const COMMAND = `unset PYTHONDONTWRITEBYTECODE PYTHONUNBUFFERED VIRTUAL_ENV
recorder=$1 seconds=$2; shift 2
timeout -k 1 $((seconds + 5)) python3 "$recorder" recorded.$$ --timeout "$seconds" -W "$@"
echo "status $?"
echo "${MARK}"
while IFS= read -r line; do printf '%s\\n' "$line"; done <recorded.$$`;

function findingOf(module: string, output: string, ending: string, ms: number): ModuleFinding {
  const [printed = "", lines = ""] = output.split(`${MARK}\n`);
  const status = /status (\d+)\n$/.exec(printed)?.[1];
  const ended = status === undefined ? ending : `ended with status ${status}`;
  return readFinding(module, lines, printed, ended, Math.round(ms / 1000));
}

/** @param selection regrtest's options that choose among the module's tests */
export async function runInside(
  runner: Runner,
  module: string,
  selection: readonly string[],
  seconds: number,
): Promise<ModuleFinding> {
  const began = performance.now();
  const recorder = readFileSync(RECORDER);
  const ran = await run(runner, {
    interpreter: "sh",
    code: COMMAND,
    args: ["record.py", `${seconds}`, ...selection, module],
    files: [{ path: "record.py", executable: false, mtimeSeconds: 0, bytes: recorder }],
    environment: "cpython",
    timeoutSeconds: seconds + GRACE_SECONDS,
    memoryMb: 2048,
    outputs: [],
    mergeStreams: true,
  });
  const output = ran.stdout.toString();
  return findingOf(module, output, JSON.stringify(ran.outcome), performance.now() - began);
}

function outsideCommand(module: string): readonly string[] {
  const words = [RECORDER, `${OUTSIDE_SECONDS}`, module];
  const command = ["setsid", "--wait", "sh", "-c", COMMAND, "sh", ...words];
  if (process.getuid?.() !== 0) return command;
  const ids = [`--reuid=${NOBODY}`, `--regid=${NOBODY}`, "--clear-groups"];
  return ["setpriv", ...ids, ...command];
}

async function outputOf(command: readonly string[], directory: string): Promise<string> {
  // A shell between makes pipes of the streams; Node's own would be sockets.
  const child = spawn("sh", ["-c", ': | "$@" 2>&1 | cat', "sh", ...command], {
    cwd: directory,
    stdio: ["ignore", "pipe", "inherit"],
    env: {
      PATH: `${TREE}/bin:/usr/bin:/bin:/usr/sbin`,
      HOME: directory,
      TMPDIR: directory,
      USER: "nobody",
      LOGNAME: "nobody",
      LANG: "C.UTF-8",
    },
  });
  const pieces: Buffer[] = [];
  child.stdout.on("data", (piece: Buffer) => pieces.push(piece));
  // A process that a test left behind keeps the pipe open.
  const timer = setTimeout(() => child.stdout.destroy(), (OUTSIDE_SECONDS + GRACE_SECONDS) * 1000);
  await once(child.stdout, "close");
  clearTimeout(timer);
  return Buffer.concat(pieces).toString();
}

export async function runOutside(module: string): Promise<ModuleFinding> {
  const began = performance.now();
  const directory = mkdtempSync(join(tmpdir(), "sandrun-outside-"));
  try {
    if (process.getuid?.() === 0) chownSync(directory, NOBODY, NOBODY);
    const output = await outputOf(outsideCommand(module), directory);
    return findingOf(module, output, "stopped", performance.now() - began);
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}
