/** Jobs as the API shows them: snake_case, seconds, text with U+FFFD where it is not UTF-8. */
import type { Outcome, OutputFile } from "../core/job.ts";
import { MIB, TRANSFER_LIMITS } from "../core/limits.ts";
import type { EnvironmentInfo, InterpreterInfo } from "../core/offer.ts";
import type { Outputs } from "../core/runner.ts";
import type { Job } from "../engine.ts";
import type {
  EnvironmentsAnswer,
  LogsAnswer,
  OutcomeAnswer,
  OutputsAnswer,
  ResultAnswer,
  StatusAnswer,
} from "./schemas.ts";

export function outcomeAnswer(outcome: Outcome): OutcomeAnswer {
  switch (outcome.kind) {
    case "exited":
      return { kind: "exited", exit_code: outcome.exitCode };
    case "signalled":
      return { kind: "signalled", signal: outcome.signal };
    case "sandbox_error":
      return { kind: "sandbox_error", step: outcome.step };
    default:
      return { kind: outcome.kind };
  }
}

/** @param position 1 = next; undefined when it does not wait */
export function statusAnswer(job: Job, position: number | undefined, nowMs: number): StatusAnswer {
  return {
    job_id: job.id,
    status: job.state,
    ...(position === undefined ? {} : { queue_position: position }),
    metrics: metricsAnswer(job, nowMs),
    ...(job.end === undefined
      ? {}
      : { outcome: outcomeAnswer(job.end.outcome), isolation: [...job.end.isolation] }),
    ...(job.outputs === undefined ? {} : { output_files: job.outputs.files.length }),
    ...(job.expiresAtMs === undefined
      ? {}
      : { expires_at: new Date(job.expiresAtMs).toISOString() }),
  };
}

/** Of a copy that is ours: overwritten, so that only the answer's own remains. */
function wipedText(bytes: Buffer): string {
  const text = bytes.toString("utf8");
  bytes.fill(0);
  return text;
}

export function logsAnswer(job: Job): LogsAnswer {
  return {
    stdout: wipedText(job.log.only("stdout")),
    stderr: wipedText(job.log.only("stderr")),
    stdout_truncated: job.log.truncated("stdout"),
    stderr_truncated: job.log.truncated("stderr"),
  };
}

export function outputsAnswer(outputs: Outputs | undefined): OutputsAnswer {
  const files = outputs?.files ?? [];
  return { files: files.map((file) => file.path), details: files.map(fileAnswer) };
}

/**
 * The whole result of an ended job.
 * @param files from `inlineFiles`, read while the job was still there
 */
export function resultAnswer(
  job: Job & { readonly end: NonNullable<Job["end"]> },
  files: ResultAnswer["files"],
): ResultAnswer {
  return {
    job_id: job.id,
    status: job.state === "completed" ? "completed" : "failed",
    output: wipedText(job.log.both()),
    ...logsAnswer(job),
    outcome: outcomeAnswer(job.end.outcome),
    metrics: metricsAnswer(job, job.end.endedAtMs),
    isolation: [...job.end.isolation],
    files,
  };
}

/**
 * Files with their contents, in order, as long as they fit into 1 MB in all.
 * `complete` is false when the contents of one were left out.
 * @throws SandboxFault when the box that holds them is gone
 */
export async function inlineFiles(
  outputs: Outputs | undefined,
): Promise<{ files: ResultAnswer["files"]; complete: boolean }> {
  const files: ResultAnswer["files"] = [];
  let room: number = TRANSFER_LIMITS.shelfBytes;
  let complete = true;
  for (const file of outputs?.files ?? []) {
    if (outputs === undefined || file.sizeBytes > room) {
      complete = false;
      files.push(fileAnswer(file));
      continue;
    }
    room -= file.sizeBytes;
    const pieces = await Array.fromAsync(outputs.read(file));
    const bytes = Buffer.concat(pieces);
    files.push({ ...fileAnswer(file), base64: bytes.toString("base64") });
    for (const copy of [bytes, ...pieces]) copy.fill(0);
  }
  return { files, complete };
}

export function environmentsAnswer(
  interpreters: readonly InterpreterInfo[],
  environments: readonly EnvironmentInfo[],
): EnvironmentsAnswer {
  const versioned = (list: readonly { readonly name: string; readonly version: string }[]) =>
    list.map(({ name, version }) => ({ name, version }));
  return {
    interpreters: interpreters.map(({ name, version, aliases, extensions }) => ({
      name,
      version,
      aliases: [...aliases],
      extensions: [...extensions],
    })),
    environments: environments.map((environment) => ({
      name: environment.name,
      interpreters: versioned(environment.interpreters),
      packages: versioned(environment.packages),
    })),
  };
}

function fileAnswer(file: OutputFile): { path: string; size: number; sha256: string } {
  return { path: file.path, size: file.sizeBytes, sha256: file.sha256 };
}

function metricsAnswer(job: Job, nowMs: number): StatusAnswer["metrics"] {
  const queueMs = (job.admittedAtMs ?? job.end?.endedAtMs ?? nowMs) - job.submittedAtMs;
  const wallMs = job.startedAtMs === undefined ? 0 : nowMs - job.startedAtMs;
  const measured = job.end?.usage;
  return {
    ...(measured === undefined
      ? {}
      : {
          cpu_seconds: measured.cpuMs / 1000,
          memory_mb: Math.round((measured.memoryPeakBytes / MIB) * 100) / 100,
        }),
    wall_seconds: Math.max(0, measured?.wallMs ?? wallMs) / 1000,
    queue_seconds: Math.max(0, queueMs) / 1000,
    throttled_seconds: job.throttledMs / 1000,
  };
}
