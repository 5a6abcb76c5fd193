/** The ends of jobs that no box told of: those that never ran, and those that we failed. */
import { SandboxFault } from "./errors.ts";
import { NO_USAGE, type Outcome } from "./job.ts";
import type { Finished, Outputs } from "./runner.ts";

const NO_OUTPUTS: Outputs = {
  files: [],
  holdsBox: false,
  totalBytes: 0,
  read: () => {
    throw new SandboxFault("outputs are gone");
  },
  destroy: () => Promise.resolve(),
};

export function endedUnrun(outcome: Outcome): Finished {
  const droppedBytes = { stdout: 0, stderr: 0 };
  return { outcome, usage: NO_USAGE, isolation: [], droppedBytes, outputs: NO_OUTPUTS };
}

/** The step that failed, never content of a job. */
export function faultOutcome(fault: unknown): Outcome {
  const step = fault instanceof SandboxFault ? fault.step : "runner";
  return { kind: "sandbox_error", step };
}
