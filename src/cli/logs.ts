/** `sandrun logs ID`: what a job on a server printed so far; with -f also what it prints from now on. */
import type { SandrunClient } from "../client/client.ts";
import { outcomeFromWire } from "../client/outcome.ts";
import { endSentence } from "../core/words.ts";
import type { Command, Io } from "./io.ts";
import { put, tell } from "./io.ts";
import { jobIdOf } from "./jobId.ts";
import { showLive } from "./live.ts";
import { requireClient } from "./server.ts";
import { LOGS_OPTIONS } from "./tables.ts";
import { has, parseOptions, UsageError } from "./usage.ts";

export const logs: Command = async (argv, io) => {
  const parsed = parseOptions(LOGS_OPTIONS, argv, false);
  const jobId = jobIdOf(parsed);
  const isJson = has(parsed, "json");
  if (has(parsed, "follow") && isJson) throw new UsageError("--follow has no JSON form");
  const client = await requireClient(parsed, io);
  if (has(parsed, "follow")) return followJob(client, jobId, io);
  const printed = await client.logs(jobId, { signal: io.interrupted });
  if (isJson) {
    await put(io.stdout, `${JSON.stringify(printed)}\n`);
    return 0;
  }
  await put(io.stdout, printed.stdout);
  await put(io.stderr, printed.stderr);
  for (const stream of ["stdout", "stderr"] as const) {
    if (printed[`${stream}_truncated`]) await tell(io, `${stream} was cut at the server's limit`);
  }
  return 0;
};

/** @returns 0 however the job ended: it is not this command that failed */
async function followJob(client: SandrunClient, jobId: string, io: Io): Promise<number> {
  const ended = await showLive(client.follow(jobId, { signal: io.interrupted }), io);
  if (ended.stdoutTruncated) await tell(io, "stdout was cut at the server's limit");
  if (ended.stderrTruncated) await tell(io, "stderr was cut at the server's limit");
  const sentence = endSentence(outcomeFromWire(ended.outcome), {});
  if (sentence !== undefined) await tell(io, sentence);
  return 0;
}
