/** Reading what the caller hands in, never more than a limit, however long the source is. */
import { constants } from "node:fs";
import type { FileHandle } from "node:fs/promises";
import { open } from "node:fs/promises";
import { Refusal } from "../core/errors.ts";
import { KIB, MIB } from "../core/limits.ts";
import { showPath } from "../core/paths.ts";
import { UsageError } from "./usage.ts";

const CHUNK_BYTES = 64 * KIB;

/** What was read from a file, with what a box needs to know of it. */
export interface ReadFile {
  readonly bytes: Uint8Array;
  readonly executable: boolean;
  readonly mtimeSeconds: number;
}

/**
 * All bytes of a stream.
 * @throws Refusal too_large after `mostBytes`; the rest is left unread
 */
export async function readAll(
  source: AsyncIterable<Uint8Array | string>,
  mostBytes: number,
  what: string,
): Promise<Uint8Array> {
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  for await (const chunk of source) {
    const piece = typeof chunk === "string" ? Buffer.from(chunk) : chunk;
    bytes += piece.byteLength;
    if (bytes > mostBytes) throw tooLarge(what, mostBytes);
    chunks.push(piece);
  }
  return Buffer.concat(chunks);
}

/**
 * A file or a pipe by name. With `regularOnly` a link or anything but a regular file is refused,
 * also when it takes the place of one meanwhile.
 * @throws UsageError, Refusal too_large
 */
export async function readFileBounded(
  path: string,
  mostBytes: number,
  regularOnly: boolean,
): Promise<ReadFile> {
  const links = regularOnly ? constants.O_NOFOLLOW | constants.O_NONBLOCK : 0;
  const handle = await open(path, constants.O_RDONLY | links).catch((error: unknown) => {
    throw cannotRead(path, error);
  });
  try {
    const facts = await handle.stat();
    if (facts.isDirectory() || (regularOnly && !facts.isFile()))
      throw new UsageError(`${showPath(path)} is not a regular file`);
    if (facts.size > mostBytes) throw tooLarge(showPath(path), mostBytes);
    return {
      bytes: await readHandle(handle, mostBytes, path),
      executable: (facts.mode & 0o100) !== 0,
      mtimeSeconds: Math.max(0, Math.floor(facts.mtimeMs / 1000)),
    };
  } finally {
    await handle.close();
  }
}

async function readHandle(
  handle: FileHandle,
  mostBytes: number,
  path: string,
): Promise<Uint8Array> {
  try {
    return await readAll(chunksOf(handle), mostBytes, showPath(path));
  } catch (error) {
    if (error instanceof Refusal) throw error;
    throw cannotRead(path, error);
  }
}

async function* chunksOf(handle: FileHandle): AsyncGenerator<Uint8Array> {
  for (;;) {
    const { bytesRead, buffer } = await handle.read(Buffer.allocUnsafe(CHUNK_BYTES));
    if (bytesRead === 0) return;
    yield buffer.subarray(0, bytesRead);
  }
}

/** A failed open or read, without the machine's own wording. */
export function cannotRead(path: string, error: unknown): UsageError {
  const code = error instanceof Error && "code" in error ? String(error.code) : "an unknown error";
  const reasons = new Map([
    ["ENOENT", "there is no such file"],
    ["EACCES", "permission denied"],
    ["ELOOP", "it is a link"],
    ["EISDIR", "it is a directory"],
  ]);
  return new UsageError(`cannot read ${showPath(path)}: ${reasons.get(code) ?? code}`, {
    cause: error,
  });
}

function tooLarge(what: string, mostBytes: number): Refusal {
  return new Refusal("too_large", `${what} has more than ${Math.floor(mostBytes / MIB)} MB.`);
}
