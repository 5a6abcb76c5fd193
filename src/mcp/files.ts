/** Output files of a job as an agent sees them: named, linked, shown when they are images. */
import type { OutputList } from "../client/answers.ts";
import type { SandrunClient } from "../client/client.ts";

export type FileFacts = OutputList["details"][number];

/** Types that a file may be said to be. What a program wrote is never called a page or a script. */
export type SafeType =
  | "image/png"
  | "image/jpeg"
  | "image/gif"
  | "image/webp"
  | "text/plain"
  | "application/octet-stream";

const IMAGES: readonly (readonly [SafeType, RegExp])[] = [
  ["image/png", /^\x89PNG\r\n/],
  ["image/jpeg", /^\xff\xd8\xff/],
  ["image/gif", /^GIF8[79]a/],
  ["image/webp", /^RIFF.{4}WEBP/s],
];

/** Enough of a file to know an image by. */
const HEAD_BYTES = 16;

/** By its first bytes; a name says what its giver likes. */
export function imageTypeOf(bytes: Uint8Array): SafeType | undefined {
  const head = Buffer.from(bytes.subarray(0, HEAD_BYTES)).toString("latin1");
  return IMAGES.find(([, pattern]) => pattern.test(head))?.[0];
}

const IMAGE_NAME = /\.(png|jpe?g|gif|webp)$/i;

/** Worth a look: most files with such a name are one. */
export function isNamedAsImage({ path }: FileFacts): boolean {
  return IMAGE_NAME.test(path);
}

/** The text of bytes that are one; undefined for others. */
export function textOf(bytes: Uint8Array): string | undefined {
  if (bytes.includes(0)) return undefined;
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch {
    // What is not UTF-8 is shown by nobody's guess.
    return undefined;
  }
}

/** A piece of a file. */
export interface Piece {
  readonly bytes: Buffer;
  /** Whether the file has more behind it. */
  readonly more: boolean;
}

/**
 * At most `mostBytes` of a file from `offset` on; the server's count is not believed.
 * @throws ApiError, TypeError for a path that no file can have
 */
export async function readPiece(
  client: SandrunClient,
  jobId: string,
  path: string,
  { offset = 0, mostBytes }: { offset?: number; mostBytes: number },
  signal: AbortSignal,
): Promise<Piece> {
  const pieces: Uint8Array[] = [];
  let skip = offset;
  let room = mostBytes;
  for await (const chunk of await client.downloadFile(jobId, path, { signal })) {
    const wanted = chunk.subarray(Math.min(skip, chunk.length));
    skip -= chunk.length - wanted.length;
    // Leaving the loop cancels the rest.
    if (wanted.length > room) {
      pieces.push(wanted.subarray(0, room));
      return { bytes: Buffer.concat(pieces), more: true };
    }
    pieces.push(wanted);
    room -= wanted.length;
  }
  return { bytes: Buffer.concat(pieces), more: false };
}

const SCHEME = "sandrun://jobs/";

/** The template of `uriOf`. */
export const FILE_URI_TEMPLATE = `${SCHEME}{job_id}/{path}`;

/** Address of an output file as a resource; the whole path is one percent-encoded segment. */
export function uriOf(jobId: string, path: string): string {
  return `${SCHEME}${encodeURIComponent(jobId)}/${encodeURIComponent(path.toWellFormed())}`;
}

/** The other way; undefined for an address that `uriOf` never gave. */
export function placeOf(uri: string): { jobId: string; path: string } | undefined {
  const [jobId, path, ...rest] = uri.startsWith(SCHEME) ? uri.slice(SCHEME.length).split("/") : [];
  if (jobId === undefined || path === undefined || rest.length > 0) return undefined;
  try {
    return { jobId: decodeURIComponent(jobId), path: decodeURIComponent(path) };
  } catch {
    // A lone % is no encoding.
    return undefined;
  }
}
