/**
 * Tar headers: the 512-byte block (POSIX.1-2017 pax, "ustar Interchange Format", and GNU's
 * variant of it) and the records of extended headers.
 */
import { Refusal } from "../core/errors.ts";
import { showPath } from "../core/paths.ts";

export const BLOCK_BYTES = 512;

export interface TarHeader {
  /** As it stands in the block; an extended header may put another in its place. */
  readonly name: string;
  readonly type: string;
  readonly sizeBytes: number;
  readonly mode: number;
  readonly mtimeSeconds: number;
}

/** @throws Refusal `bad_archive`, naming the entry when there is one. */
export function refuseTar(fault: string, entry?: string): never {
  const place = entry === undefined ? "tar" : `"${showPath(entry)}"`;
  throw new Refusal("bad_archive", `${place}: ${fault}`);
}

/** Strict: what is not UTF-8 would come out of the box under another name than it went in. */
export function decodeName(bytes: Uint8Array): string {
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    const shown = new TextDecoder("latin1").decode(bytes.subarray(0, 100));
    return refuseTar("its name is not UTF-8", shown);
  }
}

/** Bytes of a text field up to its NUL. */
function textField(block: Uint8Array, at: number, length: number): Uint8Array {
  const field = block.subarray(at, at + length);
  const end = field.indexOf(0);
  return end === -1 ? field : field.subarray(0, end);
}

/** Octal digits, spaces before, NUL or space after; an empty field is 0. */
function octalField(block: Uint8Array, at: number, length: number, what: string): number {
  const text = new TextDecoder("latin1").decode(block.subarray(at, at + length));
  const match = /^ *([0-7]*)[ \0]*$/.exec(text);
  if (match === null) refuseTar(`its ${what} is no octal number`);
  return Number.parseInt(match[1] || "0", 8);
}

/** Times before 1970 or far ahead are written in base 256 (GNU): they are clamped later. */
function timeField(block: Uint8Array, at: number, length: number): number {
  const first = block[at] ?? 0;
  if (first === 0xff) return 0;
  if (first >= 0x80) return Number.POSITIVE_INFINITY;
  return octalField(block, at, length, "time");
}

function checkChecksum(block: Uint8Array): void {
  let sum = 0;
  for (const [at, byte] of block.entries()) sum += at >= 148 && at < 156 ? 0x20 : byte;
  if (sum !== octalField(block, 148, 8, "checksum")) refuseTar("a header's checksum is wrong");
}

function readName(block: Uint8Array): string {
  const magic = new TextDecoder("latin1").decode(block.subarray(257, 265));
  if (magic !== "ustar\x0000" && magic !== "ustar  \0") refuseTar("it is no tar file");
  const name = textField(block, 0, 100);
  // GNU keeps other things where POSIX has the prefix.
  const prefix = magic === "ustar\x0000" ? textField(block, 345, 155) : new Uint8Array(0);
  if (prefix.length === 0) return decodeName(name);
  return `${decodeName(prefix)}/${decodeName(name)}`;
}

/** @throws Refusal `bad_archive` for a block that is no exact header. */
export function parseHeader(block: Uint8Array): TarHeader {
  checkChecksum(block);
  const name = readName(block);
  return {
    name,
    type: String.fromCharCode(block[156] ?? 0),
    // Sizes in base 256 (8 GiB and more, or below zero) are no octal number and so refused.
    sizeBytes: octalField(block, 124, 12, "size"),
    mode: octalField(block, 100, 8, "mode"),
    mtimeSeconds: timeField(block, 136, 12),
  };
}

/** One record: its length in decimal, a space, `key=value`, a newline. */
function paxRecordAt(bytes: Uint8Array, at: number): { key: string; value: string; next: number } {
  const head = new TextDecoder("latin1").decode(bytes.subarray(at, at + 8));
  const digits = /^([1-9]\d{0,6}) /.exec(head)?.[1];
  if (digits === undefined) refuseTar("an extended header is malformed");
  const next = at + Number(digits);
  if (next > bytes.length || bytes[next - 1] !== 0x0a) {
    refuseTar("an extended header is malformed");
  }
  const record = bytes.subarray(at + digits.length + 1, next - 1);
  const equals = record.indexOf(0x3d);
  if (equals < 1) refuseTar("an extended header is malformed");
  const key = decodeName(record.subarray(0, equals));
  // Other values, such as attributes that a system saved along, may be any bytes.
  const value = key === "path" ? decodeName(record.subarray(equals + 1)) : latin1(record, equals);
  return { key, value, next };
}

function latin1(record: Uint8Array, equals: number): string {
  return new TextDecoder("latin1").decode(record.subarray(equals + 1));
}

/** The records of an extended header; of a key that stands twice the last counts (POSIX). */
export function parsePax(bytes: Uint8Array): ReadonlyMap<string, string> {
  const records = new Map<string, string>();
  for (let at = 0; at < bytes.length; ) {
    const { key, value, next } = paxRecordAt(bytes, at);
    records.set(key, value);
    at = next;
  }
  return records;
}
