/**
 * Reading a zip into RAM (APPNOTE.TXT 6.3.10; only stored and deflated entries).
 *
 * yauzl reads the directory at the end and refuses what contradicts itself there. What it
 * leaves to its user is done here: an entry's local header must tell the same as the directory
 * (some readers believe the one, some the other), entries may not overlap (that is how a small
 * zip unfolds to petabytes), the bytes are inflated under the ceiling of the budget, whatever
 * size is claimed, and must have the size and checksum that are claimed.
 */
import { promisify } from "node:util";
import { crc32, type InflateRaw, inflateRaw } from "node:zlib";
import { fromBufferPromise, type ZipFile } from "yauzl";
import { Refusal } from "../core/errors.ts";
import type { InputFile, InputTree } from "../core/job.ts";
import { showPath } from "../core/paths.ts";
import { clampMtime, type InputBudget } from "./budget.ts";
import { checkEntry, checkLocalHeader, refuseZip, STORED, type ZipEntry } from "./zipEntry.ts";

const LOCAL_HEADER_BYTES = 30;
const END_BYTES = 22;
const ZIP64_LOCATOR_BYTES = 20;
const ZIP64_LOCATOR_MAGIC = 0x07064b50;

/** Where each entry's header and bytes lie; no two may share a byte, none with the directory. */
class Extents {
  readonly #taken: { start: number; end: number }[] = [];
  readonly #directoryStart: number;

  constructor(directoryStart: number) {
    this.#directoryStart = directoryStart;
  }

  claim(start: number, end: number, name: string): void {
    // At most a few thousand entries, in order in any honest zip: found at the end of the list.
    let at = this.#taken.length;
    while (at > 0 && (this.#taken[at - 1]?.start ?? 0) > start) at--;
    const before = this.#taken[at - 1];
    const after = this.#taken[at];
    if ((before?.end ?? 0) > start || end > (after?.start ?? this.#directoryStart)) {
      refuseZip("shares its bytes with another entry", name);
    }
    this.#taken.splice(at, 0, { start, end });
  }
}

const inflateWithInfo = promisify(
  (
    packed: Uint8Array,
    mostBytes: number,
    done: (error: Error | null, result?: { buffer: Buffer; engine: InflateRaw }) => void,
  ) => {
    const options = { info: true, maxOutputLength: Math.max(mostBytes, 1) };
    inflateRaw(packed, options, (error, result) => {
      if (error !== null) done(error);
      else done(null, Object(result));
    });
  },
);

async function inflate(packed: Uint8Array, { raw, name }: ZipEntry): Promise<Uint8Array> {
  const result = await inflateWithInfo(packed, raw.uncompressedSize).catch(() =>
    refuseZip("its data is damaged, or larger than it says", name),
  );
  if (result?.engine.bytesWritten !== packed.length) {
    result?.buffer.fill(0);
    refuseZip("there is something after its data", name);
  }
  return result.buffer;
}

/** The bytes of an entry, already charged to the budget with the size that it claims. */
async function unpackEntry(zip: Uint8Array, start: number, entry: ZipEntry): Promise<Uint8Array> {
  const { raw, name } = entry;
  const packed = zip.subarray(start, start + raw.compressedSize);
  const bytes = raw.compressionMethod === STORED ? packed.slice() : await inflate(packed, entry);
  if (bytes.length !== raw.uncompressedSize || crc32(bytes) !== raw.crc32) {
    bytes.fill(0);
    refuseZip("its size or checksum is wrong", name);
  }
  return bytes;
}

/** Where the end record begins; yauzl has checked that its comment ends the file. */
function endRecordAt(buffer: Buffer, zip: ZipFile): number {
  return buffer.length - END_BYTES - zip.comment.length;
}

async function openZip(buffer: Buffer, budget: InputBudget): Promise<ZipFile> {
  const zip = await fromBufferPromise(buffer, { decodeStrings: false, validateEntrySizes: true });
  const locatorAt = endRecordAt(buffer, zip) - ZIP64_LOCATOR_BYTES;
  if (locatorAt >= 0 && buffer.readUInt32LE(locatorAt) === ZIP64_LOCATOR_MAGIC) {
    refuseZip("it is in zip64 format");
  }
  if (zip.entryCount > budget.remainingEntries * 2) {
    throw new Refusal("too_large", `zip: ${zip.entryCount} entries`);
  }
  return zip;
}

/** yauzl's errors are about the archive: its own faults would be no plain `Error`s. */
function asRefusal(error: unknown): unknown {
  if (error instanceof Refusal || !(error instanceof Error)) return error;
  if (error.name !== "Error" && !(error instanceof RangeError)) return error;
  return new Refusal("bad_archive", `zip: ${showPath(error.message)}`);
}

async function readEntry(
  bytes: Uint8Array,
  zip: ZipFile,
  entry: ZipEntry,
  extents: Extents,
): Promise<Uint8Array> {
  const local = await zip.readLocalFileHeaderPromise(entry.raw, {});
  checkLocalHeader(entry, local);
  const start = entry.raw.relativeOffsetOfLocalHeader;
  const headerEnd = start + LOCAL_HEADER_BYTES;
  if (local.fileDataStart < headerEnd) refuseZip("its header is malformed", entry.name);
  extents.claim(start, local.fileDataStart + entry.raw.compressedSize, entry.name);
  return unpackEntry(bytes, local.fileDataStart, entry);
}

/**
 * Every entry of a zip, counted in the budget.
 * @param files receives the files as they come, so that the caller can overwrite them when a
 *   later entry is refused.
 * @throws Refusal `bad_archive`, `bad_path` or `too_large`, naming the entry.
 */
export async function unpackZip(
  bytes: Uint8Array,
  budget: InputBudget,
  files: InputFile[],
  signal?: AbortSignal,
): Promise<InputTree> {
  const directories: string[] = [];
  try {
    const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
    const zip = await openZip(buffer, budget);
    const extents = new Extents(Number(zip.readEntryCursor));
    for await (const raw of zip.eachEntry()) {
      signal?.throwIfAborted();
      const entry = checkEntry(raw);
      if (entry.isDirectory) {
        const path = budget.claimDirectory(entry.name);
        if (path !== undefined) directories.push(path);
        continue;
      }
      const path = budget.claimFile(entry.name);
      budget.charge(raw.uncompressedSize, path);
      const content = await readEntry(buffer, zip, entry, extents);
      const mtimeSeconds = clampMtime(raw.getLastModDate({ timezone: "UTC" }).getTime() / 1000);
      files.push({ path, executable: entry.executable, mtimeSeconds, bytes: content });
    }
    // Entries that the end record does not count are there for readers that go by its size.
    if (Number(zip.readEntryCursor) !== endRecordAt(buffer, zip)) {
      refuseZip("there is something between its directory and its end");
    }
    return { files, directories };
  } catch (error) {
    signal?.throwIfAborted();
    throw asRefusal(error);
  }
}
