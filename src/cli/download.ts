/** `sandrun download ID`: the output files of a job, which the server then destroys. */
import type { SandrunClient } from "../client/client.ts";
import { Bar } from "./bar.ts";
import type { Destination } from "./collect.ts";
import { collect } from "./collect.ts";
import type { Command, Io } from "./io.ts";
import { put } from "./io.ts";
import { jobIdOf } from "./jobId.ts";
import { requireClient } from "./server.ts";
import { EXIT } from "./show.ts";
import { DOWNLOAD_OPTIONS } from "./tables.ts";
import { has, one, parseOptions, UsageError } from "./usage.ts";

export const download: Command = async (argv, io) => {
  const parsed = parseOptions(DOWNLOAD_OPTIONS, argv, false);
  const jobId = jobIdOf(parsed);
  const directory = one(parsed, "out");
  if (directory === undefined && io.stdout.isTTY === true)
    throw new UsageError("give --out DIR, or send the tar.gz somewhere: > outputs.tar.gz");
  const client = await requireClient(parsed, io);
  if (directory === undefined) return toStdout(client, jobId, io);
  return toDirectory(client, jobId, { directory, force: has(parsed, "force") }, io);
};

async function toStdout(client: SandrunClient, jobId: string, io: Io): Promise<number> {
  const archive = await client.download(jobId, { signal: io.interrupted });
  const bar = new Bar(io, "receiving", undefined);
  for await (const chunk of bar.around(archive)) await put(io.stdout, chunk);
  return 0;
}

/** File by file, each checked against its checksum; the job stays when one did not arrive. */
async function toDirectory(
  client: SandrunClient,
  jobId: string,
  destination: Destination,
  io: Io,
): Promise<number> {
  const signal = io.interrupted;
  const { details } = await client.outputs(jobId, { signal });
  const files = details.map((file) => ({ ...file, sizeBytes: file.size }));
  const read = async function* (file: { readonly path: string }): AsyncGenerator<Uint8Array> {
    yield* await client.downloadFile(jobId, file.path, { signal });
  };
  if (!(await collect(files, read, destination, io))) return EXIT.sandbox;
  await client.cancel(jobId, { signal });
  return 0;
}
