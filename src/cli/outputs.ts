/** `sandrun outputs ID`: the output files of a job on a server. */
import { shown } from "../core/words.ts";
import type { Command } from "./io.ts";
import { put } from "./io.ts";
import { jobIdOf } from "./jobId.ts";
import { requireClient } from "./server.ts";
import { LOOK_OPTIONS } from "./tables.ts";
import { has, parseOptions } from "./usage.ts";

export const outputs: Command = async (argv, io) => {
  const parsed = parseOptions(LOOK_OPTIONS, argv, false);
  const jobId = jobIdOf(parsed);
  const client = await requireClient(parsed, io);
  const found = await client.outputs(jobId, { signal: io.interrupted });
  const lines = found.details.map(({ path, size }) => `${size}\t${shown(path)}\n`).join("");
  await put(io.stdout, has(parsed, "json") ? `${JSON.stringify(found)}\n` : lines);
  return 0;
};
