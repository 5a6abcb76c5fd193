/** `sandrun cancel ID`: ends a job on a server and destroys all of it. */
import type { Command } from "./io.ts";
import { jobIdOf } from "./jobId.ts";
import { requireClient } from "./server.ts";
import { CANCEL_OPTIONS } from "./tables.ts";
import { parseOptions } from "./usage.ts";

export const cancel: Command = async (argv, io) => {
  const parsed = parseOptions(CANCEL_OPTIONS, argv, false);
  const jobId = jobIdOf(parsed);
  const client = await requireClient(parsed, io);
  await client.cancel(jobId, { signal: io.interrupted });
  return 0;
};
