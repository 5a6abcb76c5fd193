/** What the API answers, in its own snake_case: readers, and the types they give. */
import type { Reader } from "./decode.ts";
import { amount, flag, list, optional, record, text, withDefault, word } from "./decode.ts";

type Read<R> = R extends Reader<infer T> ? T : never;

const jobStatus = word("queued", "running", "completed", "failed");

/** How a job ended; `exit_code`, `signal` and `step` stand where their kind has them. */
export const readOutcome = record({
  kind: word(
    "exited",
    "signalled",
    "timed_out",
    "cpu_limit",
    "out_of_memory",
    "output_limit",
    "cancelled",
    "evicted",
    "sandbox_error",
  ),
  exit_code: optional(amount),
  signal: optional(text),
  step: optional(text),
});

const metrics = record({
  cpu_seconds: optional(amount),
  memory_mb: optional(amount),
  wall_seconds: optional(amount),
  queue_seconds: optional(amount),
  throttled_seconds: optional(amount),
});

const fileFacts = { path: text, size: amount, sha256: text };

export const readSubmitted = record({
  job_id: text,
  status: jobStatus,
  queue_position: optional(amount),
});

export const readRunResult = record({
  job_id: text,
  status: jobStatus,
  output: withDefault(text, ""),
  stdout: withDefault(text, ""),
  stderr: withDefault(text, ""),
  stdout_truncated: withDefault(flag, false),
  stderr_truncated: withDefault(flag, false),
  outcome: readOutcome,
  metrics,
  isolation: withDefault(list(text), []),
  files: withDefault(list(record({ ...fileFacts, base64: optional(text) })), []),
});

export const readStatus = record({
  job_id: text,
  status: jobStatus,
  queue_position: optional(amount),
  outcome: optional(readOutcome),
  metrics: optional(metrics),
  isolation: optional(list(text)),
  output_files: optional(amount),
  expires_at: optional((value, where) =>
    typeof value === "number" ? amount(value, where) : text(value, where),
  ),
});

export const readLogs = record({
  stdout: text,
  stderr: text,
  stdout_truncated: withDefault(flag, false),
  stderr_truncated: withDefault(flag, false),
});

export const readOutputs = record({
  files: list(text),
  details: list(record(fileFacts)),
});

const versioned = record({ name: text, version: text });

export const readEnvironments = record({
  interpreters: list(
    record({
      name: text,
      version: text,
      aliases: withDefault(list(text), []),
      extensions: withDefault(list(text), []),
    }),
  ),
  environments: list(
    record({
      name: text,
      interpreters: withDefault(list(versioned), []),
      packages: withDefault(list(versioned), []),
    }),
  ),
});

export const readStats = record({
  your_quota: record({
    cpu_seconds_used: optional(amount),
    cpu_seconds_available: optional(amount),
    running: amount,
    waiting: amount,
    refills_in: optional(amount),
  }),
  system: record({ queue_length: amount, running: amount, slots: amount }),
});

export const readHealth = record({ status: text, reason: optional(text) });

export const readRefusal = record({
  error: text,
  code: text,
  details: optional(text),
  retry_after: optional(amount),
});

export type WireOutcome = Read<typeof readOutcome>;
export type Submitted = Read<typeof readSubmitted>;
export type RunResult = Read<typeof readRunResult>;
export type JobStatus = Read<typeof readStatus>;
export type Logs = Read<typeof readLogs>;
export type OutputList = Read<typeof readOutputs>;
export type Environments = Read<typeof readEnvironments>;
export type Stats = Read<typeof readStats>;
export type Health = Read<typeof readHealth>;
