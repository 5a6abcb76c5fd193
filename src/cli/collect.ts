/** Output files into a directory of the caller, and what is said about them. */
import { SandboxFault } from "../core/errors.ts";
import { TRANSFER_LIMITS } from "../core/limits.ts";
import { showPath } from "../core/paths.ts";
import { Bar } from "./bar.ts";
import type { Io } from "./io.ts";
import { tell } from "./io.ts";
import type { Incoming } from "./outdir.ts";
import { NotWritten, OutputDirectory } from "./outdir.ts";
import { errorSentence } from "./show.ts";

/** Where output files go. */
export interface Destination {
  readonly directory: string;
  /** Replace files that exist. */
  readonly force: boolean;
}

/**
 * Writes every file it can and says which it could not.
 * @returns true when all were written
 * @throws UsageError when the directory itself cannot be used
 */
export async function collect<F extends Incoming>(
  files: readonly F[],
  read: (file: F) => AsyncIterable<Uint8Array>,
  destination: Destination,
  io: Io,
): Promise<boolean> {
  const directory = OutputDirectory.open(destination.directory, destination.force);
  let failed = 0;
  let room: number = TRANSFER_LIMITS.outputBytes;
  try {
    const wanted = files.slice(0, TRANSFER_LIMITS.outputFiles);
    const bar = new Bar(io, "receiving", sumOf(wanted));
    for (const file of wanted) {
      if (io.interrupted.aborted) return false;
      const fits = file.sizeBytes <= room;
      if (fits) room -= file.sizeBytes;
      const problem = fits
        ? await write(directory, file, (one) => bar.around(read(one)))
        : "the files are more than 100 MB";
      if (problem === undefined) continue;
      failed += 1;
      await tell(io, `did not write ${showPath(file.path)}: ${problem}`);
    }
  } finally {
    directory.close();
  }
  const left = Math.max(0, files.length - TRANSFER_LIMITS.outputFiles);
  if (left > 0) await tell(io, `did not write ${left} more files than a job may have`);
  return failed + left === 0;
}

function sumOf(files: readonly Incoming[]): number {
  return files.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0);
}

/** What went wrong, in words; undefined when the file is there. */
async function write<F extends Incoming>(
  directory: OutputDirectory,
  file: F,
  read: (file: F) => AsyncIterable<Uint8Array>,
): Promise<string | undefined> {
  try {
    await directory.write(file, read(file));
    return undefined;
  } catch (error) {
    if (error instanceof NotWritten) return error.message;
    if (error instanceof SandboxFault) return "its box is gone";
    return errorSentence(error);
  }
}

/** On a terminal, says that the job made files which were not asked for. */
export async function mentionFiles(count: number, io: Io): Promise<void> {
  if (count === 0 || io.stderr.isTTY !== true) return;
  const files = count === 1 ? "1 file" : `${count} files`;
  await tell(io, `the job made ${files}; --out DIR keeps them`);
}
