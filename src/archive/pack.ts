/** A tar.gz of output files, made while it is sent. */
import { Readable } from "node:stream";
import { createGzip } from "node:zlib";
import { createTarPacker, type TarPackController } from "modern-tar";
import { clampMtime } from "./budget.ts";

export interface PackEntry {
  /** As a box reported it: hostile. */
  readonly path: string;
  readonly sizeBytes: number;
  readonly executable: boolean;
  readonly mtimeSeconds: number;
  readonly content: AsyncIterable<Uint8Array>;
}

/** Fast: what is sent is looked at once, and the job's box may be waiting. */
const LEVEL = 1;

/**
 * The archive goes to somebody who will unpack it. A box that was taken over must not be able
 * to send a name that climbs out of the folder where they do.
 */
function checkContained(path: string): void {
  const segments = path.split("/");
  if (segments.some((segment) => ["", ".", ".."].includes(segment)) || path.includes("\0")) {
    throw new Error("a box reported an output file whose path is not contained");
  }
}

async function packEntry(packer: TarPackController, entry: PackEntry): Promise<void> {
  checkContained(entry.path);
  const body = packer.add({
    name: entry.path,
    size: entry.sizeBytes,
    mode: entry.executable ? 0o755 : 0o644,
    mtime: new Date(clampMtime(entry.mtimeSeconds) * 1000),
    type: "file",
  });
  const writer = body.getWriter();
  // The packer fails when the bytes are more or fewer than the size in the header.
  for await (const chunk of entry.content) await writer.write(chunk);
  await writer.close();
}

async function packAll(
  packer: TarPackController,
  entries: AsyncIterable<PackEntry> | Iterable<PackEntry>,
): Promise<void> {
  try {
    for await (const entry of entries) await packEntry(packer, entry);
    packer.finalize();
  } catch (error) {
    packer.error(error instanceof Error ? error : new Error("packing failed"));
  }
}

/**
 * Packs files as they are read, no faster than the archive is taken.
 * @returns the bytes of a tar.gz. Reading them fails when an entry fails, or has more or fewer
 *   bytes than its `sizeBytes`; what was read until then is no whole archive. Giving up in the
 *   middle ends the content that is being read.
 */
export async function* packTarGz(
  entries: AsyncIterable<PackEntry> | Iterable<PackEntry>,
): AsyncGenerator<Uint8Array> {
  const { readable, controller } = createTarPacker();
  const packed = packAll(controller, entries);
  const tar = Readable.fromWeb(readable);
  const gzip = createGzip({ level: LEVEL });
  tar.on("error", (error) => gzip.destroy(error));
  try {
    yield* tar.pipe(gzip);
    await packed;
  } finally {
    gzip.destroy();
    tar.destroy();
  }
}
