/** What one entry of a zip claims to be, and whether its claims agree with each other. */
import { crc32 } from "node:zlib";
import type { Entry, LocalFileHeader } from "yauzl";
import { Refusal } from "../core/errors.ts";
import { showPath } from "../core/paths.ts";

const ENCRYPTED = 0x1;
const STRONGLY_ENCRYPTED = 0x40;
const PATCHED = 0x20;
/** The sizes come after the bytes, and stand in the local header as 0. */
const SIZES_FOLLOW = 0x8;
const TELLING_FLAGS = ENCRYPTED | STRONGLY_ENCRYPTED | PATCHED | SIZES_FOLLOW;
export const STORED = 0;
const DEFLATED = 8;

const ZIP64_EXTRA = 0x0001;
const UNICODE_PATH_EXTRA = 0x7075;

const TYPE_BITS = 0o170000;
const REGULAR = 0o100000;
const DIRECTORY = 0o040000;
const UNIX_HOSTS = [3, 19];

/** @throws Refusal `bad_archive`, naming the entry when there is one. */
export function refuseZip(fault: string, entry?: string): never {
  const place = entry === undefined ? "zip" : `"${showPath(entry)}"`;
  throw new Refusal("bad_archive", `${place}: ${fault}`);
}

/** An entry whose claims were checked against each other; its bytes are still packed. */
export interface ZipEntry {
  readonly name: string;
  readonly isDirectory: boolean;
  readonly executable: boolean;
  readonly raw: Entry;
}

/** The name, always UTF-8: of code pages nobody can tell which one was meant. */
function nameOf(entry: Entry): string {
  const unicode = entry.extraFields.find(({ id }) => id === UNICODE_PATH_EXTRA)?.data;
  const bytes =
    unicode !== undefined &&
    unicode.length > 5 &&
    unicode[0] === 1 &&
    unicode.readUInt32LE(1) === crc32(entry.fileNameRaw)
      ? unicode.subarray(5)
      : entry.fileNameRaw;
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    return refuseZip("its name is not UTF-8", bytes.toString("latin1"));
  }
}

/** What the entry is, of the Unix mode and the slash at the end of its name, which must agree. */
function kindOf(entry: Entry, name: string): { isDirectory: boolean; executable: boolean } {
  const mode = entry.externalFileAttributes >>> 16;
  const type = mode & TYPE_BITS;
  const isDirectory = name.endsWith("/");
  if (type !== 0 && type !== (isDirectory ? DIRECTORY : REGULAR)) {
    refuseZip("is a link, a device or something else that is no plain file", name);
  }
  const isUnix = UNIX_HOSTS.includes(entry.versionMadeBy >>> 8);
  return { isDirectory, executable: isUnix && !isDirectory && (mode & 0o100) !== 0 };
}

/** @throws Refusal `bad_archive` for what is no plain file or directory. */
export function checkEntry(raw: Entry): ZipEntry {
  const name = nameOf(raw);
  const flags = raw.generalPurposeBitFlag;
  if ((flags & (ENCRYPTED | STRONGLY_ENCRYPTED)) !== 0) refuseZip("is encrypted", name);
  if ((flags & PATCHED) !== 0) refuseZip("is a patch", name);
  if (raw.compressionMethod !== STORED && raw.compressionMethod !== DEFLATED) {
    refuseZip("is packed in an unknown way", name);
  }
  // Nothing below 4 GiB needs it, and readers differ on which of the two sizes counts.
  if (raw.extraFields.some(({ id }) => id === ZIP64_EXTRA)) refuseZip("is in zip64 format", name);
  const kind = kindOf(raw, name);
  if (kind.isDirectory && raw.uncompressedSize !== 0) refuseZip("is a directory with a size", name);
  return { name, ...kind, raw };
}

/** Compares what stands before the bytes with what the directory says. */
export function checkLocalHeader(entry: ZipEntry, local: LocalFileHeader): void {
  const { raw, name } = entry;
  const agrees =
    raw.fileNameRaw.equals(local.fileName) &&
    raw.compressionMethod === local.compressionMethod &&
    (raw.generalPurposeBitFlag & TELLING_FLAGS) === (local.generalPurposeBitFlag & TELLING_FLAGS);
  if (!agrees) refuseZip("its two headers differ", name);
  const sizesFollow = (raw.generalPurposeBitFlag & SIZES_FOLLOW) !== 0;
  const sizesAgree =
    raw.compressedSize === local.compressedSize &&
    raw.uncompressedSize === local.uncompressedSize &&
    raw.crc32 === local.crc32;
  if (!sizesFollow && !sizesAgree) refuseZip("its two headers differ", name);
}
