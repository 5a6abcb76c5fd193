/** One job as the service remembers it: never its code, files, arguments or caller's address. */
import type { Caller } from "../core/caller.ts";
import type { Outcome, Usage } from "../core/job.ts";
import { TRANSFER_LIMITS } from "../core/limits.ts";
import type { Outputs } from "../core/runner.ts";
import { Changes } from "./changes.ts";
import { LogBuffer } from "./log.ts";

/** `completed` = exited with 0; every other end is `failed`. */
export type JobState = "queued" | "running" | "completed" | "failed";

/** What is known once the job has ended. */
export interface JobEnd {
  readonly outcome: Outcome;
  readonly usage: Usage;
  /** What the box's own processes worked for it, on its caller's bill, too. */
  readonly boxCpuMs: number;
  readonly isolation: readonly string[];
  readonly endedAtMs: number;
}

/** Only the engine writes these fields. */
export interface JobRecord {
  readonly id: string;
  readonly caller: Caller;
  readonly submittedAtMs: number;
  readonly log: LogBuffer;
  /** Told of more output, of another state, of the end, and when it is destroyed. */
  readonly changes: Changes;
  state: JobState;
  admittedAtMs: number | undefined;
  startedAtMs: number | undefined;
  /** For how long it was held to its caller's refill rate. */
  throttledMs: number;
  end: JobEnd | undefined;
  /** Undefined before the end, and again when they are destroyed while the logs stay. */
  outputs: Outputs | undefined;
  /** When the shelf destroys it; undefined until it has ended. */
  expiresAtMs: number | undefined;
}

/** The same for everybody else. */
export type Job = Readonly<JobRecord>;

/** A job that was just submitted. */
export function newRecord(id: string, caller: Caller, nowMs: number): JobRecord {
  return {
    id,
    caller,
    submittedAtMs: nowMs,
    log: new LogBuffer(TRANSFER_LIMITS.printedBytes),
    changes: new Changes(),
    state: "queued",
    admittedAtMs: undefined,
    startedAtMs: undefined,
    throttledMs: 0,
    end: undefined,
    outputs: undefined,
    expiresAtMs: undefined,
  };
}
