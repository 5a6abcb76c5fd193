/** How a job ended, in Piston's form. */
import type { RunResult } from "../client/answers.ts";
import { outcomeFromWire } from "../client/outcome.ts";
import type { Outcome } from "../core/job.ts";
import { MIB, TRANSFER_LIMITS } from "../core/limits.ts";
import { endSentence } from "../core/words.ts";
import type { Runtime } from "./runtimes.ts";

/** RE exit code, SG signal, TO time, OL or EL more output than is kept, XX the sandbox. */
type StageStatus = "RE" | "SG" | "TO" | "OL" | "EL" | "XX";

/** One of `code` and `signal` is null. */
export interface StageEnd {
  readonly code: number | null;
  readonly signal: string | null;
  readonly status: StageStatus | null;
  readonly message: string | null;
}

export interface Executed {
  readonly run: StageEnd & {
    readonly stdout: string;
    readonly stderr: string;
    readonly output: string;
    /** Bytes. */
    readonly memory: number | null;
    /** Milliseconds. */
    readonly cpu_time: number | null;
    readonly wall_time: number | null;
  };
  readonly language: string;
  readonly version: string;
}

export function executedOf(result: RunResult, { language, version }: Runtime): Executed {
  const { stdout, stderr, output, metrics } = result;
  const { memory_mb, cpu_seconds, wall_seconds } = metrics;
  const end = stageEndOf(outcomeFromWire(result.outcome));
  return {
    run: {
      stdout,
      stderr,
      ...end,
      ...(end.status === null ? cutOf(result) : {}),
      output,
      memory: scaled(memory_mb, MIB),
      cpu_time: scaled(cpu_seconds, 1000),
      wall_time: scaled(wall_seconds, 1000),
    },
    language,
    version,
  };
}

/** What ended a program from outside is a SIGKILL to it, whatever the reason. */
export function stageEndOf(outcome: Outcome): StageEnd {
  const message = endSentence(outcome, {}) ?? null;
  const killed = { code: null, signal: "SIGKILL", message };
  switch (outcome.kind) {
    case "exited": {
      const { exitCode: code } = outcome;
      if (code === 0) return { code, signal: null, status: null, message: null };
      return { code, signal: null, status: "RE", message: `exited with error status ${code}` };
    }
    case "signalled":
      return { code: null, signal: outcome.signal, status: "SG", message };
    case "timed_out":
    case "cpu_limit":
      return { ...killed, status: "TO" };
    case "out_of_memory":
      return { ...killed, status: "SG" };
    default:
      return { ...killed, status: "XX" };
  }
}

/** A program may print on, but what is kept has an end, and that is said. */
function cutOf({ stdout_truncated, stderr_truncated }: RunResult): object {
  if (!stdout_truncated && !stderr_truncated) return {};
  const message = `the output was cut after ${TRANSFER_LIMITS.printedBytes / MIB} MB`;
  return { status: stdout_truncated ? "OL" : "EL", message };
}

function scaled(value: number | undefined, unit: number): number | null {
  return value === undefined ? null : Math.round(value * unit);
}
