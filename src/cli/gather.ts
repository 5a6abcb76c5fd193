/** The files of a job, from a file, a directory or standard input. */
import { lstat, readdir, stat } from "node:fs/promises";
import { basename, join } from "node:path";
import { Refusal } from "../core/errors.ts";
import type { InputFile, InputTree } from "../core/job.ts";
import { TRANSFER_LIMITS } from "../core/limits.ts";
import { checkPath, showPath } from "../core/paths.ts";
import { cannotRead, readFileBounded } from "./bounded.ts";
import { UsageError } from "./usage.ts";

/** Is it a directory? Follows a link: the word is the caller's own. */
export async function isDirectory(path: string): Promise<boolean> {
  const facts = await stat(path).catch((error: unknown) => {
    throw cannotRead(path, error);
  });
  return facts.isDirectory();
}

/** One file under its own name. @throws UsageError, Refusal */
export async function gatherFile(path: string): Promise<InputTree> {
  const name = checkPath(basename(path));
  const read = await readFileBounded(path, TRANSFER_LIMITS.inputBytes, false);
  return { files: [{ path: name, ...read }], directories: [] };
}

/** What the walk of a directory has found so far. */
interface Walk {
  readonly files: InputFile[];
  readonly directories: string[];
  bytes: number;
}

/**
 * Every regular file below a directory, and its directories, empty ones too. Anything named
 * `.git` is left out: it is the history, not the program. A link is refused, for it would show the
 * job a file from elsewhere or mean something else in the box; so are pipes, sockets and devices.
 * @throws UsageError, Refusal
 */
export async function gatherDirectory(root: string): Promise<InputTree> {
  const walk: Walk = { files: [], directories: [], bytes: 0 };
  const pending = [""];
  for (let at = pending.pop(); at !== undefined; at = pending.pop()) {
    const found = await readdir(join(root, at), { withFileTypes: true }).catch((error: unknown) => {
      throw cannotRead(join(root, at ?? ""), error);
    });
    for (const entry of found.sort((a, b) => (a.name < b.name ? -1 : 1))) {
      if (entry.name === ".git") continue;
      const path = checkPath(at === "" ? entry.name : `${at}/${entry.name}`);
      if (entry.isDirectory()) pending.push(addDirectory(walk, path));
      else await addFile(walk, root, path);
    }
  }
  return { files: walk.files, directories: walk.directories };
}

function addDirectory(walk: Walk, path: string): string {
  if (walk.directories.length >= TRANSFER_LIMITS.inputDirectories)
    throw new Refusal("too_large", `More than ${TRANSFER_LIMITS.inputDirectories} directories.`);
  walk.directories.push(path);
  return path;
}

async function addFile(walk: Walk, root: string, path: string): Promise<void> {
  if (walk.files.length >= TRANSFER_LIMITS.inputFiles)
    throw new Refusal("too_large", `More than ${TRANSFER_LIMITS.inputFiles} files.`);
  const full = join(root, path);
  const facts = await lstat(full).catch((error: unknown) => {
    throw cannotRead(full, error);
  });
  if (facts.isSymbolicLink())
    throw new UsageError(`${showPath(path)} is a link; put the file itself there`);
  if (!facts.isFile()) throw new UsageError(`${showPath(path)} is not a regular file`);
  const read = await readFileBounded(full, TRANSFER_LIMITS.inputBytes - walk.bytes, true);
  walk.bytes += read.bytes.byteLength;
  walk.files.push({ path, ...read });
}
