/** `sandrun logs ID`: what a job on a server printed so far. */
import type { Command } from "./io.ts";
import { put, tell } from "./io.ts";
import { jobIdOf } from "./jobId.ts";
import { requireClient } from "./server.ts";
import { LOOK_OPTIONS } from "./tables.ts";
import { has, parseOptions } from "./usage.ts";

export const logs: Command = async (argv, io) => {
  const parsed = parseOptions(LOOK_OPTIONS, argv, false);
  const jobId = jobIdOf(parsed);
  const client = await requireClient(parsed, io);
  const printed = await client.logs(jobId, { signal: io.interrupted });
  if (has(parsed, "json")) {
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
