/**
 * Reading a tar (ustar, pax and GNU long names) into RAM.
 *
 * Our own reader, because the library that writes our archives is made to be lenient when it
 * reads: it takes entries of unknown kinds (GNU sparse among them) for plain files, turns names
 * that are not UTF-8 into other names, stops quietly at a malformed extended header and keeps
 * up to 8 MB of one. Each of these lets two readers see two different archives in one file.
 *
 * A tar is headers of 512 bytes, each with its file's bytes after it, rounded up to 512; two
 * blocks of zeros end it. Headers of the types `x`, `g` and `L` say more about the entry that
 * follows. Only plain files and directories are taken; all else is refused by name.
 */
import { Refusal } from "../core/errors.ts";
import type { InputFile, InputTree } from "../core/job.ts";
import { TRANSFER_LIMITS } from "../core/limits.ts";
import { showPath } from "../core/paths.ts";
import { clampMtime, type InputBudget } from "./budget.ts";
import { ByteCollector, type ByteReader } from "./bytes.ts";
import {
  BLOCK_BYTES,
  decodeName,
  parseHeader,
  parsePax,
  refuseTar,
  type TarHeader,
} from "./tarHeader.ts";

const KINDS: ReadonlyMap<string, string> = new Map([
  ["1", "a hard link"],
  ["2", "a symbolic link"],
  ["3", "a device"],
  ["4", "a device"],
  ["6", "a fifo"],
  ["K", "a link"],
  ["S", "a sparse file"],
]);

/**
 * Entries that count in no budget (`./` again and again, comments) cost time too. Every file
 * and directory may have an extended header.
 */
const MOST_HEADERS = 2 * (TRANSFER_LIMITS.inputFiles + TRANSFER_LIMITS.inputDirectories) + 16;

/** What headers before an entry said about it. */
interface Extension {
  readonly path?: string;
  readonly mtimeSeconds?: number;
}

async function readBlocks(reader: ByteReader, sizeBytes: number): Promise<Uint8Array> {
  const padded = Math.ceil(sizeBytes / BLOCK_BYTES) * BLOCK_BYTES;
  const bytes = await reader.exactly(padded);
  return bytes?.subarray(0, sizeBytes) ?? refuseTar("it is cut off");
}

/** The body of an extended header or long name, which must not fill RAM. */
async function readExtra(reader: ByteReader, header: TarHeader): Promise<Uint8Array> {
  if (header.sizeBytes > TRANSFER_LIMITS.archiveHeaderBytes) {
    refuseTar("an extended header is too long", header.name);
  }
  return readBlocks(reader, header.sizeBytes);
}

/** Refuses records that would give the bytes another meaning; most are none of our business. */
function checkRecords(records: ReadonlyMap<string, string>, entry: string): void {
  for (const [key, value] of records) {
    if (key.startsWith("GNU.sparse.")) refuseTar("is a sparse file", entry);
    if (key === "linkpath") refuseTar("is a link", entry);
    // Only files of 8 GiB need it; elsewhere it makes readers disagree on where entries begin.
    if (key === "size") refuseTar("its size stands in an extended header", entry);
    if (key === "hdrcharset" && value !== "ISO-IR 10646 2000 UTF-8") {
      refuseTar("its names are not UTF-8", entry);
    }
  }
}

async function readPax(reader: ByteReader, header: TarHeader): Promise<Extension> {
  const records = parsePax(await readExtra(reader, header));
  checkRecords(records, header.name);
  const path = records.get("path");
  const mtime = records.get("mtime");
  if (header.type === "g") {
    // For all entries that follow: a comment is usual (git writes one), a name is a trick.
    if (path !== undefined) refuseTar("a global header gives all files one name", path);
    return {};
  }
  return {
    ...(path === undefined ? {} : { path }),
    ...(mtime === undefined ? {} : { mtimeSeconds: Number(mtime) }),
  };
}

async function readLongName(reader: ByteReader, header: TarHeader): Promise<Extension> {
  const bytes = await readExtra(reader, header);
  const end = bytes.indexOf(0);
  return { path: decodeName(end === -1 ? bytes : bytes.subarray(0, end)) };
}

const ZEROS: Uint8Array = new Uint8Array(64 * 1024);

function isZero(bytes: Uint8Array): boolean {
  return Buffer.compare(bytes, ZEROS.subarray(0, bytes.length)) === 0;
}

/** Two zero blocks end a tar and one was seen: there must be the second, then only zeros. */
async function checkEnd(reader: ByteReader): Promise<void> {
  const second = await reader.exactly(BLOCK_BYTES);
  if (second === undefined) refuseTar("it is cut off");
  if (!isZero(second)) refuseTar("there is a header after an empty block");
  for (;;) {
    const rest = await reader.some(ZEROS.length);
    if (rest === undefined) return;
    if (!isZero(rest)) refuseTar("there is something after its end");
    checkLength(reader);
  }
}

function checkLength(reader: ByteReader): void {
  if (reader.bytesRead <= TRANSFER_LIMITS.tarBytes) return;
  throw new Refusal("too_large", `tar: more than ${TRANSFER_LIMITS.tarBytes} bytes unpacked`);
}

async function readFile(
  reader: ByteReader,
  header: TarHeader,
  budget: InputBudget,
): Promise<InputFile> {
  const path = budget.claimFile(header.name);
  budget.charge(header.sizeBytes, path);
  const collector = new ByteCollector(header.sizeBytes);
  while (collector.length < header.sizeBytes) {
    const piece = await reader.some(header.sizeBytes - collector.length);
    if (piece === undefined) {
      collector.wipe();
      refuseTar("it is cut off here", path);
    }
    collector.add(piece);
  }
  const padding = await reader.exactly(-header.sizeBytes & (BLOCK_BYTES - 1));
  if (padding === undefined) {
    collector.wipe();
    refuseTar("it is cut off here", path);
  }
  return {
    path,
    // Set-user-id and all else that a mode can hold stays outside.
    executable: (header.mode & 0o100) !== 0,
    mtimeSeconds: clampMtime(header.mtimeSeconds),
    bytes: collector.take(),
  };
}

function claimDirectory(header: TarHeader, budget: InputBudget): string | undefined {
  if (header.sizeBytes !== 0) refuseTar("is a directory with a size", header.name);
  return budget.claimDirectory(header.name);
}

function checkKind(header: TarHeader): void {
  if (header.type === "0" || header.type === "\0") {
    if (header.name.endsWith("/")) refuseTar("is a file and a directory", header.name);
    return;
  }
  const kind = KINDS.get(header.type) ?? `of the unknown type ${showPath(header.type)}`;
  refuseTar(`is ${kind}`, header.name);
}

/** Reads extended headers up to the header of an entry. @returns undefined at the end. */
async function nextEntry(
  reader: ByteReader,
  counted: { headers: number },
): Promise<TarHeader | undefined> {
  let extension: Extension | undefined;
  for (;;) {
    checkLength(reader);
    if (++counted.headers > MOST_HEADERS) {
      throw new Refusal("too_large", `tar: more than ${MOST_HEADERS} headers`);
    }
    const block = await reader.exactly(BLOCK_BYTES);
    if (block === undefined) refuseTar("it is cut off");
    if (isZero(block)) {
      if (extension !== undefined) refuseTar("an extended header belongs to no entry");
      await checkEnd(reader);
      return undefined;
    }
    const header = parseHeader(block);
    if (header.type === "g") {
      await readPax(reader, header);
      continue;
    }
    if (header.type !== "x" && header.type !== "L") {
      const { path = header.name, mtimeSeconds = header.mtimeSeconds } = extension ?? {};
      return { ...header, name: path, mtimeSeconds };
    }
    if (extension !== undefined) refuseTar("has two extended headers", header.name);
    extension = await (header.type === "x" ? readPax : readLongName)(reader, header);
  }
}

/**
 * Every entry of a tar, counted in the budget.
 * @param files receives the files as they come, so that the caller can overwrite them when a
 *   later entry is refused.
 * @throws Refusal `bad_archive`, `bad_path` or `too_large`, naming the entry.
 */
export async function unpackTar(
  reader: ByteReader,
  budget: InputBudget,
  files: InputFile[],
): Promise<InputTree> {
  const directories: string[] = [];
  const counted = { headers: 0 };
  for (;;) {
    const header = await nextEntry(reader, counted);
    if (header === undefined) return { files, directories };
    if (header.type === "5") {
      const path = claimDirectory(header, budget);
      if (path !== undefined) directories.push(path);
    } else {
      checkKind(header);
      files.push(await readFile(reader, header, budget));
    }
  }
}
