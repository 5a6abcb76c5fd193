/** The result of a local run as JSON, in the words of the API. */
import type { WireOutcome } from "../client/answers.ts";
import type { Outcome, OutputFile, PrintedChunk, StreamName } from "../core/job.ts";
import { MIB, TRANSFER_LIMITS } from "../core/limits.ts";
import type { Finished, Outputs } from "../core/runner.ts";

/** As `POST /run` answers, without the id, which a local run does not have. */
export async function localResult(
  finished: Finished,
  printed: readonly PrintedChunk[],
): Promise<object> {
  const { outcome, usage } = finished;
  const isDone = outcome.kind === "exited" && outcome.exitCode === 0;
  return {
    status: isDone ? "completed" : "failed",
    output: joined(printed),
    stdout: joined(printed, "stdout"),
    stderr: joined(printed, "stderr"),
    stdout_truncated: finished.droppedBytes.stdout > 0,
    stderr_truncated: finished.droppedBytes.stderr > 0,
    outcome: outcomeToWire(outcome),
    metrics: {
      cpu_seconds: usage.cpuMs / 1000,
      memory_mb: Math.round((usage.memoryPeakBytes / MIB) * 100) / 100,
      wall_seconds: usage.wallMs / 1000,
      queue_seconds: 0,
      throttled_seconds: 0,
    },
    isolation: finished.isolation,
    files: await withContents(finished.outputs),
  };
}

function outcomeToWire(outcome: Outcome): Partial<WireOutcome> {
  if (outcome.kind === "exited") return { kind: "exited", exit_code: outcome.exitCode };
  return outcome;
}

function joined(printed: readonly PrintedChunk[], only?: StreamName): string {
  const wanted = printed.filter(({ stream }) => only === undefined || stream === only);
  return Buffer.concat(wanted.map(({ bytes }) => bytes)).toString("utf8");
}

/** Contents stand inline as long as they fit into what `/run` would send. */
async function withContents(outputs: Outputs): Promise<readonly object[]> {
  const files: object[] = [];
  let room: number = TRANSFER_LIMITS.shelfBytes;
  for (const file of outputs.files) {
    const fits = file.sizeBytes <= room;
    if (fits) room -= file.sizeBytes;
    files.push({ ...facts(file), ...(fits ? { base64: await base64(outputs, file) } : {}) });
  }
  return files;
}

function facts(file: OutputFile): object {
  return { path: file.path, size: file.sizeBytes, sha256: file.sha256 };
}

async function base64(outputs: Outputs, file: OutputFile): Promise<string> {
  const chunks = await Array.fromAsync(outputs.read(file));
  return Buffer.concat(chunks).toString("base64");
}
