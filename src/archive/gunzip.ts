/**
 * Gzip (RFC 1952), one member and nothing after it.
 *
 * Node's own gunzip goes on with a second member and skips zeros at the end, so two tools could
 * see two different archives in one file. So the header and the trailer are read here and only
 * the deflate data between them goes to zlib. Bytes are inflated as they are asked for: whoever
 * reads decides how much a bomb may unfold.
 */
import { crc32, createInflateRaw, type InflateRaw } from "node:zlib";
import { Refusal } from "../core/errors.ts";
import { TRANSFER_LIMITS } from "../core/limits.ts";
import type { ByteReader } from "./bytes.ts";

const HEADER_CRC = 0x02;
const EXTRA = 0x04;
const NAME = 0x08;
const COMMENT = 0x10;
const RESERVED = 0xe0;
/** How much goes to zlib at a time. */
const PIECE_BYTES = 64 * 1024;

function refuse(fault: string): never {
  throw new Refusal("bad_archive", `gzip: ${fault}`);
}

async function need(reader: ByteReader, count: number): Promise<DataView> {
  const bytes = await reader.exactly(count);
  if (bytes === undefined) refuse("it is cut off");
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
}

async function skipText(reader: ByteReader): Promise<void> {
  for (let length = 0; length < TRANSFER_LIMITS.archiveHeaderBytes; length++) {
    if ((await need(reader, 1)).getUint8(0) === 0) return;
  }
  refuse("its header is too long");
}

async function skipHeader(reader: ByteReader): Promise<void> {
  const header = await need(reader, 10);
  if (header.getUint16(0) !== 0x1f8b) refuse("it is no gzip file");
  const flags = header.getUint8(3);
  if (header.getUint8(2) !== 8 || (flags & RESERVED) !== 0)
    refuse("it is packed in an unknown way");
  if ((flags & EXTRA) !== 0) {
    const length = (await need(reader, 2)).getUint16(0, true);
    await need(reader, length);
  }
  if ((flags & NAME) !== 0) await skipText(reader);
  if ((flags & COMMENT) !== 0) await skipText(reader);
  if ((flags & HEADER_CRC) !== 0) await need(reader, 2);
}

async function checkTrailer(reader: ByteReader, crc: number, length: number): Promise<void> {
  const trailer = await need(reader, 8);
  if (trailer.getUint32(0, true) !== crc || trailer.getUint32(4, true) !== length >>> 0) {
    refuse("its checksum is wrong");
  }
  if (!(await reader.atEnd())) refuse("there is something after its end");
}

/** Resolves when zlib has taken the piece, or wants no more of it. */
function offer(inflater: InflateRaw, piece: Uint8Array): Promise<void> {
  return new Promise((resolve) => {
    const done = () => {
      inflater.off("end", done).off("close", done);
      resolve();
    };
    // With input left at the end of the deflate data zlib ends the stream and may never call
    // back; a reader that gives up closes it.
    inflater.once("end", done).once("close", done);
    inflater.write(piece, done);
  });
}

/**
 * Writes to zlib until the deflate data is over; what zlib did not want goes back to the
 * reader.
 */
async function feed(inflater: InflateRaw, reader: ByteReader): Promise<void> {
  let given = 0;
  for (;;) {
    const piece = await reader.some(PIECE_BYTES);
    if (piece === undefined) {
      inflater.end();
      return;
    }
    given += piece.length;
    await offer(inflater, piece);
    // zlib takes every piece whole, but for the one in which its data ends.
    const left = given - inflater.bytesWritten;
    if (left > 0) {
      reader.unread(left);
      return;
    }
  }
}

function isZlibError(error: unknown): boolean {
  const code = error instanceof Error && "code" in error ? String(error.code) : "";
  return code.startsWith("Z_");
}

async function* inflate(reader: ByteReader): AsyncGenerator<Uint8Array> {
  const inflater = createInflateRaw({ chunkSize: PIECE_BYTES });
  const fed = feed(inflater, reader);
  // A source that fails ends the inflater, and with it the loop below; nobody may be left
  // waiting, and neither the promise nor the stream may fail unheard.
  fed.catch((error: unknown) => inflater.destroy(Object(error)));
  inflater.on("error", () => undefined);
  try {
    yield* inflater;
    await fed;
  } catch (error) {
    if (!isZlibError(error)) throw error;
    refuse("its data is damaged or cut off");
  } finally {
    inflater.destroy();
  }
}

/**
 * The unpacked bytes, chunk by chunk.
 * @throws Refusal `bad_archive` when it is damaged, cut off, or more than one member.
 */
export async function* gunzip(reader: ByteReader): AsyncGenerator<Uint8Array> {
  await skipHeader(reader);
  let crc = 0;
  let length = 0;
  for await (const chunk of inflate(reader)) {
    crc = crc32(chunk, crc);
    length += chunk.length;
    yield chunk;
  }
  await checkTrailer(reader, crc, length);
}
