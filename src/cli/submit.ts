/** `sandrun submit FILE|DIR|-`: queues a job on a server and prints its id. */
import { shown } from "../core/words.ts";
import type { Command } from "./io.ts";
import { put } from "./io.ts";
import { prepareJob } from "./prepare.ts";
import { upload } from "./remote.ts";
import { environmentChoice } from "./runOptions.ts";
import { requireClient } from "./server.ts";
import { SUBMIT_OPTIONS } from "./tables.ts";
import { has, parseOptions, UsageError } from "./usage.ts";

export const submit: Command = async (argv, io) => {
  const parsed = parseOptions(SUBMIT_OPTIONS, argv, true);
  if (environmentChoice(parsed)?.directory !== undefined)
    throw new UsageError("a server has its own environments; give only the name");
  const client = await requireClient(parsed, io);
  const job = await upload(await prepareJob(parsed, io, "whole"));
  const submitted = await client.submit(job, { signal: io.interrupted });
  const line = has(parsed, "json") ? JSON.stringify(submitted) : shown(submitted.job_id);
  await put(io.stdout, `${line}\n`);
  return 0;
};
