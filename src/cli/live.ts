/** A job on a server as it happens: stdout to stdout, stderr to stderr, no faster than they take it. */
import type { AttachedJob } from "../client/attach.ts";
import type { SandrunClient } from "../client/client.ts";
import { ApiError } from "../client/errors.ts";
import type { Ended, LiveEvent } from "../client/frames.ts";
import type { Io } from "./io.ts";
import { put, tell } from "./io.ts";
import { Progress } from "./progress.ts";
import { passOnInput } from "./typed.ts";

/** Shows all of it. @returns how it ended @throws ApiError; AbortError after Ctrl-C */
export async function showLive(events: AsyncIterable<LiveEvent>, io: Io): Promise<Ended> {
  const progress = new Progress(io);
  try {
    for await (const event of events) {
      if (event.kind === "queued") progress.waits(event.position);
      else if (event.kind === "running") progress.runs();
      else if (event.kind === "ended") return event;
      else if (event.kind === "printed") {
        progress.stop();
        await put(io[event.stream], event.bytes);
      }
    }
  } finally {
    progress.stop();
  }
  throw new ApiError("The server ended the stream without the job's end.", {
    code: "bad_answer",
    status: 200,
  });
}

/**
 * Shows a job and sends it what is typed or piped in, and the first Ctrl-C. Where no WebSocket gets
 * through, or when it breaks, the job is shown without.
 */
export async function talkLive(client: SandrunClient, jobId: string, io: Io): Promise<Ended> {
  const signal = io.interrupted;
  const job = await client.attach(jobId, { signal }).catch(() => undefined);
  if (job === undefined) {
    if (io.stdinIsLive) await tell(io, "this server takes no input while the job runs");
    return showLive(client.follow(jobId, { signal }), io);
  }
  io.firstInterrupt.forward = () => job.signal("SIGINT");
  const stopInput = io.stdinIsLive
    ? passOnInput(io, { write: (bytes) => job.write(bytes), end: () => void job.end() })
    : undefined;
  try {
    return await showLive(continued(client, jobId, job, io), io);
  } finally {
    stopInput?.();
    io.firstInterrupt.forward = undefined;
    job.close();
  }
}

async function* continued(
  client: SandrunClient,
  jobId: string,
  job: AttachedJob,
  io: Io,
): AsyncGenerator<LiveEvent> {
  const signal = io.interrupted;
  try {
    yield* job;
  } catch (error) {
    if (signal.aborted || !(error instanceof ApiError) || error.code !== "connection_lost")
      throw error;
    if (io.stdinIsLive) await tell(io, "the connection broke; input is not sent any more");
    io.firstInterrupt.forward = undefined;
    yield* client.follow(jobId, { from: job.seq, signal });
  }
}
