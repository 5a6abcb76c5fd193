/** One call of a tool: a job from submit to its end, with progress and cancellation. */
import type { JobStatus, Logs, OutputList, WireOutcome } from "../client/answers.ts";
import type { SandrunClient } from "../client/client.ts";
import type { NewJob } from "../client/jobs.ts";
import { CLIENT_LIMITS, MCP_LIMITS } from "../core/limits.ts";

/** Who called, while the call is under way. */
export interface Watcher {
  /** Aborted when the call is cancelled or its client is gone. */
  readonly signal: AbortSignal;
  /** @param sentence how the job stands */
  readonly onProgress: (sentence: string) => void;
}

export interface EndedJob {
  readonly status: JobStatus & { readonly outcome: WireOutcome };
  readonly logs: Logs;
  readonly outputs: OutputList;
}

/**
 * Runs a job to its end. It is still there then: its files can be read until it expires.
 * @throws ApiError; the signal's reason when the call was cancelled, the job is destroyed then
 */
export async function runToEnd(
  client: SandrunClient,
  job: NewJob,
  watcher: Watcher,
): Promise<EndedJob> {
  watcher.signal.throwIfAborted();
  // Without the signal: a submit that is cut off may have made a job whose id nobody knows.
  const { job_id: jobId } = await client.submit(job);
  try {
    const status = await untilEnded(client, jobId, watcher);
    const [logs, outputs] = await Promise.all([client.logs(jobId), client.outputs(jobId)]);
    return { status, logs, outputs };
  } catch (error) {
    await client.cancel(jobId).catch(() => {
      // Gone already, or out of reach: then the server forgets it when it has ended.
    });
    throw error;
  }
}

async function untilEnded(
  client: SandrunClient,
  jobId: string,
  { signal, onProgress }: Watcher,
): Promise<EndedJob["status"]> {
  for (;;) {
    signal.throwIfAborted();
    const askedAtMs = performance.now();
    const status = await client.status(jobId, { signal, waitSeconds: MCP_LIMITS.followSeconds });
    if (hasEnded(status)) return status;
    onProgress(standing(status));
    // A server that does not wait must not be asked again at once.
    if (performance.now() - askedAtMs < CLIENT_LIMITS.statusEveryMs / 2) await pause(signal);
  }
}

function hasEnded(status: JobStatus): status is EndedJob["status"] {
  return status.outcome !== undefined;
}

function standing({ status, queue_position: position, metrics }: JobStatus): string {
  if (status === "queued") return `Waiting in the queue, place ${position ?? "unknown"}`;
  return `Running for ${Math.floor(metrics?.wall_seconds ?? 0)} s`;
}

/** Ends early when the call is cancelled. */
async function pause(signal: AbortSignal): Promise<void> {
  const over = Promise.withResolvers<void>();
  const timer = setTimeout(over.resolve, CLIENT_LIMITS.statusEveryMs);
  const stop = () => over.resolve();
  signal.addEventListener("abort", stop, { once: true });
  await over.promise;
  signal.removeEventListener("abort", stop);
  clearTimeout(timer);
}
