/** Archives of every kind that is understood, into RAM. */
import type { InputFile, InputTree } from "../core/job.ts";
import type { InputBudget } from "./budget.ts";
import { type ByteChunks, ByteCollector, ByteReader, inPieces } from "./bytes.ts";
import { gunzip } from "./gunzip.ts";
import { unpackTar } from "./tar.ts";
import { unpackZip } from "./zip.ts";

export type ArchiveKind = "tar" | "tar.gz" | "zip";

/** By the end of a file's name, in any case; undefined for what is no archive. */
export function archiveKind(fileName: string): ArchiveKind | undefined {
  const name = fileName.toLowerCase();
  if (name.endsWith(".tar.gz") || name.endsWith(".tgz")) return "tar.gz";
  if (name.endsWith(".tar")) return "tar";
  if (name.endsWith(".zip")) return "zip";
  return undefined;
}

async function collectAll(chunks: ByteChunks, signal?: AbortSignal): Promise<Uint8Array> {
  const collector = new ByteCollector();
  for await (const chunk of chunks) {
    signal?.throwIfAborted();
    collector.add(chunk);
    chunk.fill(0);
  }
  return collector.take();
}

async function unpackTarGz(
  packed: ByteReader,
  budget: InputBudget,
  files: InputFile[],
  signal?: AbortSignal,
): Promise<InputTree> {
  const inflated = new ByteReader(gunzip(packed), signal);
  try {
    return await unpackTar(inflated, budget, files);
  } finally {
    inflated.close();
  }
}

async function unpackInto(
  kind: ArchiveKind,
  source: Uint8Array | ByteChunks,
  budget: InputBudget,
  files: InputFile[],
  signal?: AbortSignal,
): Promise<InputTree> {
  if (kind === "zip") {
    const bytes = source instanceof Uint8Array ? source : await collectAll(source, signal);
    try {
      return await unpackZip(bytes, budget, files, signal);
    } finally {
      bytes.fill(0);
    }
  }
  const chunks = source instanceof Uint8Array ? inPieces(source) : source;
  const reader = new ByteReader(chunks, signal);
  try {
    return await (kind === "tar"
      ? unpackTar(reader, budget, files)
      : unpackTarGz(reader, budget, files, signal));
  } finally {
    reader.close();
    if (source instanceof Uint8Array) source.fill(0);
  }
}

/**
 * Unpacks an archive into RAM. The source's bytes belong to it from now on and are
 * overwritten; when the archive is refused, so is what was unpacked of it.
 * @param source whole, or in chunks; its size must have been limited by whoever received it.
 * @param budget counts files, directories and bytes over all archives of a request.
 * @param signal looked at between chunks; a source that waits must itself end by it.
 * @throws Refusal `bad_archive`, `bad_path` or `too_large`, naming the entry.
 */
export async function unpack(
  kind: ArchiveKind,
  source: Uint8Array | ByteChunks,
  budget: InputBudget,
  signal?: AbortSignal,
): Promise<InputTree> {
  const files: InputFile[] = [];
  try {
    return await unpackInto(kind, source, budget, files, signal);
  } catch (error) {
    for (const { bytes } of files) bytes.fill(0);
    throw error;
  }
}
