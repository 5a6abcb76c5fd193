/** Waits for a job's end on a server, and says on a terminal how it stands. */
import { setTimeout as sleep } from "node:timers/promises";
import type { JobStatus, WireOutcome } from "../client/answers.ts";
import type { SandrunClient } from "../client/client.ts";
import { CLIENT_LIMITS } from "../core/limits.ts";
import type { Io } from "./io.ts";
import { put } from "./io.ts";

/** A job that has ended, so its outcome is there. */
export type EndedStatus = JobStatus & { readonly outcome: WireOutcome };

/** @throws ApiError when the job is gone; AbortError after Ctrl-C */
export async function waitForEnd(
  client: SandrunClient,
  jobId: string,
  io: Io,
): Promise<EndedStatus> {
  const signal = io.interrupted;
  try {
    for (;;) {
      const status = await client.status(jobId, { signal });
      if (hasEnded(status)) return status;
      await progress(status, io);
      await sleep(CLIENT_LIMITS.statusEveryMs, undefined, { signal });
    }
  } finally {
    await clearLine(io);
  }
}

function hasEnded(status: JobStatus): status is EndedStatus {
  return status.outcome !== undefined;
}

async function progress(status: JobStatus, io: Io): Promise<void> {
  if (io.stderr.isTTY !== true) return;
  const seconds = Math.floor(status.metrics?.wall_seconds ?? 0);
  const words =
    status.status === "queued"
      ? `waiting, place ${status.queue_position ?? "unknown"}`
      : `running for ${seconds} s`;
  await put(io.stderr, `\r\u001b[Ksandrun: ${words}`);
}

async function clearLine(io: Io): Promise<void> {
  if (io.stderr.isTTY === true) await put(io.stderr, "\r\u001b[K");
}
