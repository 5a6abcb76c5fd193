/** `sandrun status ID`: how a job on a server stands. */
import type { JobStatus } from "../client/answers.ts";
import { outcomeFromWire } from "../client/outcome.ts";
import { endSentence } from "../core/words.ts";
import type { Command } from "./io.ts";
import { put } from "./io.ts";
import { jobIdOf } from "./jobId.ts";
import { requireClient } from "./server.ts";
import { LOOK_OPTIONS } from "./tables.ts";
import { has, parseOptions } from "./usage.ts";

export const status: Command = async (argv, io) => {
  const parsed = parseOptions(LOOK_OPTIONS, argv, false);
  const jobId = jobIdOf(parsed);
  const client = await requireClient(parsed, io);
  const found = await client.status(jobId, { signal: io.interrupted });
  await put(io.stdout, has(parsed, "json") ? `${JSON.stringify(found)}\n` : lines(found));
  return 0;
};

function lines(found: JobStatus): string {
  const place = found.queue_position === undefined ? "" : `, place ${found.queue_position}`;
  const { cpu_seconds: cpu, memory_mb: memory, wall_seconds: wall } = found.metrics ?? {};
  const used = [
    wall === undefined ? [] : [`${wall} s`],
    cpu === undefined ? [] : [`${cpu} s of CPU`],
    memory === undefined ? [] : [`${memory} MB`],
  ].flat();
  return `${found.status}${place}${ending(found)}\n${used.length === 0 ? "" : `${used.join(", ")}\n`}`;
}

function ending(found: JobStatus): string {
  if (found.outcome === undefined) return "";
  const outcome = outcomeFromWire(found.outcome);
  if (outcome.kind === "exited") return `: exited with ${outcome.exitCode}`;
  return `: ${endSentence(outcome, {}) ?? outcome.kind}`;
}
