/** Archives and forms made byte by byte, so that tests can make wrong ones too. */
import { crc32, deflateRawSync, gzipSync } from "node:zlib";

export interface TarPiece {
  readonly name?: string | Buffer;
  readonly type?: string;
  readonly body?: string | Buffer;
  /** Text of the size field; the body's length otherwise. */
  readonly size?: string | Buffer;
  readonly mode?: string;
  readonly mtime?: string | Buffer;
  readonly prefix?: string;
  readonly magic?: string;
  readonly linkName?: string;
  readonly checksum?: string;
}

function octal(value: number, digits: number): string {
  return value.toString(8).padStart(digits, "0");
}

function padded(bytes: Buffer): Buffer {
  return Buffer.concat([bytes, Buffer.alloc(-bytes.length & 511)]);
}

export function tarPiece(piece: TarPiece): Buffer {
  const block = Buffer.alloc(512);
  const put = (at: number, value: string | Buffer) => Buffer.from(value).copy(block, at);
  const body = Buffer.from(piece.body ?? "");
  put(0, piece.name ?? "file");
  put(100, piece.mode ?? "0000644");
  put(124, piece.size ?? octal(body.length, 11));
  put(136, piece.mtime ?? octal(1_700_000_000, 11));
  put(156, piece.type ?? "0");
  put(157, piece.linkName ?? "");
  put(257, piece.magic ?? "ustar\x0000");
  put(345, piece.prefix ?? "");
  block.fill(" ", 148, 156);
  const sum = block.reduce((total, byte) => total + byte, 0);
  put(148, piece.checksum ?? `${octal(sum, 6)}\0 `);
  return Buffer.concat([block, padded(body)]);
}

export const TAR_END = Buffer.alloc(1024);

export function tar(...pieces: TarPiece[]): Buffer {
  return Buffer.concat([...pieces.map(tarPiece), TAR_END]);
}

export function paxRecord(key: string, value: string | Buffer): Buffer {
  const tail = Buffer.concat([Buffer.from(` ${key}=`), Buffer.from(value), Buffer.from("\n")]);
  let length = tail.length;
  while (String(length).length + tail.length !== length) {
    length = String(length).length + tail.length;
  }
  return Buffer.concat([Buffer.from(String(length)), tail]);
}

export function tarGz(...pieces: TarPiece[]): Buffer {
  return gzipSync(tar(...pieces));
}

export interface ZipPiece {
  readonly name: string | Buffer;
  readonly body?: string | Buffer;
  readonly stored?: boolean;
  readonly flags?: number;
  readonly method?: number;
  /** Unix mode with type bits. */
  readonly mode?: number;
  readonly crc?: number;
  readonly size?: number;
  readonly packedSize?: number;
  readonly localName?: string;
  readonly localSize?: number;
  readonly localFlags?: number;
  readonly extra?: Buffer;
  /** Where the directory says that the entry is. */
  readonly offset?: number;
  readonly afterBody?: Buffer;
}

export interface ZipEnd {
  readonly count?: number;
  readonly beforeEnd?: Buffer;
  readonly comment?: string;
}

function u16(value: number): Buffer {
  const bytes = Buffer.alloc(2);
  bytes.writeUInt16LE(value);
  return bytes;
}

export function u32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32LE(value >>> 0);
  return bytes;
}

function zipEntry(piece: ZipPiece, at: number): { local: Buffer; central: Buffer } {
  const body = Buffer.from(piece.body ?? "");
  const packed = piece.stored === true ? body : deflateRawSync(body);
  const name = Buffer.from(piece.name);
  const localName = Buffer.from(piece.localName ?? piece.name);
  const method = u16(piece.method ?? (piece.stored === true ? 0 : 8));
  const time = [u16(0x6000), u16(0x5821)];
  const crc = u32(piece.crc ?? crc32(body));
  const packedSize = u32(piece.packedSize ?? packed.length);
  const size = piece.size ?? body.length;
  const flags = piece.flags ?? 0;
  const extra = piece.extra ?? Buffer.alloc(0);
  const local = Buffer.concat([
    Buffer.from("PK\x03\x04"),
    ...[u16(20), u16(piece.localFlags ?? flags), method, ...time, crc, packedSize],
    ...[u32(piece.localSize ?? size), u16(localName.length), u16(0), localName, packed],
    piece.afterBody ?? Buffer.alloc(0),
  ]);
  const central = Buffer.concat([
    Buffer.from("PK\x01\x02"),
    ...[u16(0x0314), u16(20), u16(flags), method, ...time, crc, packedSize, u32(size)],
    ...[u16(name.length), u16(extra.length), u16(0), u16(0), u16(0)],
    ...[u32((piece.mode ?? 0o100644) * 0x10000), u32(piece.offset ?? at), name, extra],
  ]);
  return { local, central };
}

export function zip(pieces: readonly ZipPiece[], end: ZipEnd = {}): Buffer {
  const locals: Buffer[] = [];
  const centrals: Buffer[] = [];
  let at = 0;
  for (const piece of pieces) {
    const { local, central } = zipEntry(piece, at);
    locals.push(local);
    centrals.push(central);
    at += local.length;
  }
  const directory = Buffer.concat(centrals);
  const count = u16(end.count ?? pieces.length);
  const comment = Buffer.from(end.comment ?? "");
  return Buffer.concat([
    ...locals,
    directory,
    end.beforeEnd ?? Buffer.alloc(0),
    Buffer.from("PK\x05\x06"),
    ...[u16(0), u16(0), count, count, u32(directory.length), u32(at), u16(comment.length), comment],
  ]);
}

export const BOUNDARY = "----form-boundary";
export const FORM_TYPE = `multipart/form-data; boundary=${BOUNDARY}`;

export interface FormPiece {
  readonly name?: string;
  readonly fileName?: string;
  readonly body?: string | Buffer;
  /** Header lines instead of those made of the names. */
  readonly head?: string | Buffer;
}

export function form(...pieces: FormPiece[]): Buffer {
  const parts = pieces.map(({ name = "files", fileName, body = "", head }) => {
    const file = fileName === undefined ? "" : `; filename="${fileName}"`;
    const lines = head ?? `Content-Disposition: form-data; name="${name}"${file}`;
    return Buffer.concat([
      Buffer.from(`--${BOUNDARY}\r\n`),
      Buffer.from(lines),
      Buffer.from("\r\n\r\n"),
      Buffer.from(body),
      Buffer.from("\r\n"),
    ]);
  });
  return Buffer.concat([...parts, Buffer.from(`--${BOUNDARY}--\r\n`)]);
}

/** Copies of pieces of a buffer, as a source that may be overwritten. */
export async function* inChunks(bytes: Uint8Array, size = 1000): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += size) {
    yield Uint8Array.from(bytes.subarray(at, at + size));
  }
}
