/** The answers of the API as schemas: what OpenAPI documents and what the tests hold answers to. */
import * as v from "valibot";
import { REFUSALS, type RefusalCode } from "../core/errors.ts";
import { STREAM_LIMITS } from "../core/limits.ts";
import { JOB_SIGNALS } from "../core/signals.ts";

const count = v.pipe(v.number(), v.integer(), v.minValue(0));
const seconds = v.pipe(v.number(), v.minValue(0));
const jobId = v.pipe(v.string(), v.uuid());
const sha256 = v.pipe(v.string(), v.regex(/^[0-9a-f]{64}$/));
const jobState = v.picklist(["queued", "running", "completed", "failed"]);

export const outcomeSchema = v.variant("kind", [
  v.strictObject({ kind: v.literal("exited"), exit_code: count }),
  v.strictObject({ kind: v.literal("signalled"), signal: v.string() }),
  v.strictObject({ kind: v.literal("timed_out") }),
  v.strictObject({ kind: v.literal("cpu_limit") }),
  v.strictObject({ kind: v.literal("out_of_memory") }),
  v.strictObject({ kind: v.literal("output_limit") }),
  v.strictObject({ kind: v.literal("cancelled") }),
  v.strictObject({ kind: v.literal("evicted") }),
  v.strictObject({ kind: v.literal("sandbox_error"), step: v.string() }),
]);

/** CPU and memory are known once the job has ended. */
const metricsSchema = v.strictObject({
  cpu_seconds: v.optional(seconds),
  memory_mb: v.optional(seconds),
  wall_seconds: seconds,
  queue_seconds: seconds,
  /** How long it was held to its caller's share of CPU time. */
  throttled_seconds: seconds,
});

const fileSchema = v.strictObject({ path: v.string(), size: count, sha256 });

export const resultSchema = v.strictObject({
  job_id: jobId,
  status: v.picklist(["completed", "failed"]),
  output: v.string(),
  stdout: v.string(),
  stderr: v.string(),
  stdout_truncated: v.boolean(),
  stderr_truncated: v.boolean(),
  outcome: outcomeSchema,
  metrics: metricsSchema,
  isolation: v.array(v.string()),
  files: v.array(v.strictObject({ ...fileSchema.entries, base64: v.optional(v.string()) })),
});

export const submittedSchema = v.strictObject({
  job_id: jobId,
  status: v.literal("queued"),
  queue_position: count,
});

export const statusSchema = v.strictObject({
  job_id: jobId,
  status: jobState,
  queue_position: v.optional(count),
  outcome: v.optional(outcomeSchema),
  metrics: metricsSchema,
  isolation: v.optional(v.array(v.string())),
  /** How many; `/outputs/{id}` lists them. */
  output_files: v.optional(count),
  expires_at: v.optional(v.pipe(v.string(), v.isoTimestamp())),
});

export const logsSchema = v.strictObject({
  stdout: v.string(),
  stderr: v.string(),
  stdout_truncated: v.boolean(),
  stderr_truncated: v.boolean(),
});

export const outputsSchema = v.strictObject({
  files: v.array(v.string()),
  details: v.array(fileSchema),
});

const versioned = v.strictObject({ name: v.string(), version: v.string() });

export const environmentsSchema = v.strictObject({
  interpreters: v.array(
    v.strictObject({
      name: v.string(),
      version: v.string(),
      aliases: v.array(v.string()),
      extensions: v.array(v.string()),
    }),
  ),
  environments: v.array(
    v.strictObject({
      name: v.string(),
      interpreters: v.array(versioned),
      packages: v.array(versioned),
    }),
  ),
});

export const statsSchema = v.strictObject({
  your_quota: v.strictObject({
    /** Of the bucket; more than it holds is a debt. */
    cpu_seconds_used: seconds,
    cpu_seconds_available: seconds,
    running: count,
    waiting: count,
    /** Seconds until the bucket is full again. */
    refills_in: seconds,
  }),
  system: v.strictObject({ queue_length: count, running: count, slots: count }),
});

export const healthSchema = v.strictObject({
  status: v.picklist(["healthy", "unhealthy"]),
  reason: v.optional(v.string()),
});

export const serviceSchema = v.strictObject({
  service: v.literal("sandrun"),
  version: v.string(),
  documentation: v.string(),
});

const codes = Object.keys(REFUSALS) as [RefusalCode, ...RefusalCode[]];

export const errorSchema = v.strictObject({
  error: v.string(),
  code: v.picklist([...codes, "sandbox_error", "internal"]),
  details: v.optional(v.string()),
  retry_after: v.optional(count),
});

const seq = v.pipe(
  count,
  v.description("Printed bytes up to and with this frame; the end's is one more than there are."),
);

/** What a live stream says; see frames.ts. */
export const streamFrameSchema = v.union([
  v.strictObject({
    seq,
    stream: v.picklist(["stdout", "stderr"]),
    data: v.string(),
    /** Bytes that are no UTF-8. */
    encoding: v.optional(v.literal("base64")),
  }),
  v.strictObject({
    seq,
    end: outcomeSchema,
    stdout_truncated: v.boolean(),
    stderr_truncated: v.boolean(),
  }),
  v.strictObject({ status: v.literal("queued"), queue_position: count }),
  v.strictObject({ status: v.literal("running") }),
  /** As much was printed as is kept; what comes now is not. */
  v.strictObject({ log_full: v.literal(true) }),
  /** Bytes of this connection's input that the program was given. */
  v.strictObject({ stdin_taken: count }),
  v.strictObject({ error: v.string(), code: v.picklist(codes), details: v.optional(v.string()) }),
]);

const side = v.pipe(
  v.number(),
  v.integer(),
  v.minValue(1),
  v.maxValue(STREAM_LIMITS.terminalSideMost),
);

/** What a client may send over a WebSocket. */
export const streamCommandSchema = v.union([
  v.strictObject({ stdin: v.string(), encoding: v.optional(v.literal("base64")) }),
  v.strictObject({ stdin_end: v.literal(true) }),
  v.strictObject({ signal: v.picklist(JOB_SIGNALS) }),
  v.strictObject({ resize: v.strictTuple([side, side]) }),
]);

export type StreamFrame = v.InferOutput<typeof streamFrameSchema>;
export type OutcomeAnswer = v.InferOutput<typeof outcomeSchema>;
export type ResultAnswer = v.InferOutput<typeof resultSchema>;
export type StatusAnswer = v.InferOutput<typeof statusSchema>;
export type LogsAnswer = v.InferOutput<typeof logsSchema>;
export type OutputsAnswer = v.InferOutput<typeof outputsSchema>;
export type EnvironmentsAnswer = v.InferOutput<typeof environmentsSchema>;
export type StatsAnswer = v.InferOutput<typeof statsSchema>;
export type ErrorAnswer = v.InferOutput<typeof errorSchema>;
