/**
 * Writes a job's output files below a directory of the caller. The job chose the paths, and what
 * already lies in the directory may come from an earlier job or a stranger's archive.
 *
 * Theory: a path is walked one name at a time, each directory opened relative to the one before
 * (`/proc/self/fd/N/name` is this language's `openat`) with O_NOFOLLOW, so no link is ever
 * followed, also not one that appears while we write. A file is made with O_EXCL: it did not
 * exist, and nothing that existed is opened. With `force` it is made under a name nobody can guess
 * and renamed over a regular file. Files get no execute bit and links are never made, so a job
 * cannot plant a program or a hook that runs by itself.
 */
import { createHash, randomUUID } from "node:crypto";
import {
  closeSync,
  constants,
  lstatSync,
  mkdirSync,
  openSync,
  renameSync,
  rmSync,
  writeSync,
} from "node:fs";
import { UsageError } from "./usage.ts";

/** A file to be written; its facts are what the job or a server claims. */
export interface Incoming {
  readonly path: string;
  readonly sizeBytes: number;
  /** Hex. */
  readonly sha256: string;
}

/** One file could not be written; the message has no path in it. */
export class NotWritten extends Error {}

const DIRECTORY_FLAGS = constants.O_RDONLY | constants.O_DIRECTORY | constants.O_NOFOLLOW;
const FILE_FLAGS = constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL | constants.O_NOFOLLOW;

export class OutputDirectory {
  readonly #root: number;
  readonly #force: boolean;

  private constructor(root: number, force: boolean) {
    this.#root = root;
    this.#force = force;
  }

  /**
   * Makes the directory if it is not there. It is the caller's own word, so a link in it is his.
   * @throws UsageError when it cannot be made or is no directory
   */
  static open(directory: string, force: boolean): OutputDirectory {
    try {
      mkdirSync(directory, { recursive: true });
      const root = openSync(directory, constants.O_RDONLY | constants.O_DIRECTORY);
      return new OutputDirectory(root, force);
    } catch (error) {
      throw new UsageError(`cannot write to ${directory}: ${reason(error)}`, { cause: error });
    }
  }

  /**
   * Writes one file; on any failure nothing of it is left.
   * @throws NotWritten
   */
  async write(file: Incoming, content: AsyncIterable<Uint8Array>): Promise<void> {
    const names = safeNames(file.path);
    const last = names.pop();
    if (last === undefined) throw new NotWritten("its path is empty");
    const directory = this.#openParents(names);
    try {
      await this.#place(directory, last, file, content);
    } finally {
      closeSync(directory);
    }
  }

  close(): void {
    closeSync(this.#root);
  }

  #openParents(names: readonly string[]): number {
    let directory = openSync(below(this.#root, "."), DIRECTORY_FLAGS);
    for (const name of names) {
      const parent = directory;
      try {
        directory = openDirectory(parent, name);
      } finally {
        closeSync(parent);
      }
    }
    return directory;
  }

  async #place(
    directory: number,
    name: string,
    file: Incoming,
    content: AsyncIterable<Uint8Array>,
  ): Promise<void> {
    const target = below(directory, name);
    if (this.#force) refuseIrregular(target);
    const written = this.#force ? below(directory, `.sandrun-${randomUUID()}`) : target;
    const descriptor = attempt(() => openSync(written, FILE_FLAGS, 0o666));
    try {
      await copy(descriptor, file, content);
      if (written !== target) attempt(() => renameSync(written, target));
    } catch (error) {
      rmSync(written, { force: true });
      throw error;
    } finally {
      closeSync(descriptor);
    }
  }
}

/** Never resolved further than one name: the descriptor is the directory. */
function below(directory: number, name: string): string {
  return `/proc/self/fd/${directory}/${name}`;
}

/** The names of a path that stays below where it starts. @throws NotWritten */
function safeNames(path: string): string[] {
  const names = path.split("/");
  for (const name of names) {
    if (name === "" || name === "." || name === ".." || name.includes("\0"))
      throw new NotWritten("its path would leave the directory");
  }
  return names;
}

function openDirectory(parent: number, name: string): number {
  const path = below(parent, name);
  try {
    mkdirSync(path);
  } catch (error) {
    if (codeOf(error) !== "EEXIST") throw new NotWritten(reason(error), { cause: error });
  }
  return attempt(() => openSync(path, DIRECTORY_FLAGS));
}

function refuseIrregular(path: string): void {
  const found = lstatSync(path, { throwIfNoEntry: false });
  if (found !== undefined && !found.isFile())
    throw new NotWritten("something that is not a regular file is in its place");
}

/** Takes no byte more than was announced, and only the bytes that were. */
async function copy(
  descriptor: number,
  file: Incoming,
  content: AsyncIterable<Uint8Array>,
): Promise<void> {
  const hash = createHash("sha256");
  let left = file.sizeBytes;
  for await (const chunk of content) {
    left -= chunk.byteLength;
    if (left < 0) throw new NotWritten("more bytes came than were announced");
    hash.update(chunk);
    writeAll(descriptor, chunk);
  }
  if (left > 0) throw new NotWritten("it came incomplete");
  if (hash.digest("hex") !== file.sha256) throw new NotWritten("its checksum is wrong");
}

function writeAll(descriptor: number, chunk: Uint8Array): void {
  let done = 0;
  while (done < chunk.byteLength) {
    done += attempt(() => writeSync(descriptor, chunk, done));
  }
}

function attempt<T>(call: () => T): T {
  try {
    return call();
  } catch (error) {
    throw new NotWritten(reason(error), { cause: error });
  }
}

function codeOf(error: unknown): string {
  return error instanceof Error && "code" in error ? String(error.code) : "";
}

/** A system error without its paths, which name our descriptors. */
function reason(error: unknown): string {
  const known = new Map([
    ["EEXIST", "it exists already (--force replaces it)"],
    ["ELOOP", "a link is in the way"],
    ["ENOTDIR", "a file or a link is in the way"],
    ["EISDIR", "a directory is in its place"],
    ["EACCES", "permission denied"],
    ["EROFS", "the file system is read-only"],
    ["ENOSPC", "the disk is full"],
    ["ENAMETOOLONG", "its name is too long"],
  ]);
  const code = codeOf(error);
  return known.get(code) ?? (code === "" ? "an unknown error" : code);
}
