/**
 * Output files that the page holds. Up to a size they are all fetched at once, as the archive that
 * ends the job on the server; beyond it they stay there until they are asked for or expire.
 */
import { createTarDecoder } from "modern-tar";
import type { OutputList } from "../../src/client/answers.ts";
import type { SandrunClient } from "../../src/client/client.ts";

/** More than this stays on the server until the person asks for it. */
const HELD_BYTES = 32_000_000;

export interface Held {
  readonly archive: Blob;
  readonly files: ReadonlyMap<string, Blob>;
}

export interface Listed {
  readonly path: string;
  readonly size: number;
}

export function fitsHere(list: OutputList): boolean {
  return list.details.reduce((sum, { size }) => sum + size, 0) <= HELD_BYTES;
}

/** @throws RangeError when the server sends more than it said */
export async function fetchAll(
  client: SandrunClient,
  jobId: string,
  list: readonly Listed[],
  signal: AbortSignal,
): Promise<Held> {
  const announced = list.reduce((sum, { size }) => sum + size + 4096, 65_536);
  const archive = await blobOf(await client.download(jobId, { signal }), announced);
  return { archive, files: await unpack(archive, announced) };
}

export async function fetchOne(
  client: SandrunClient,
  jobId: string,
  { path, size }: Listed,
): Promise<Blob> {
  return blobOf(await client.downloadFile(jobId, path), size);
}

async function blobOf(stream: ReadableStream<Uint8Array>, most: number): Promise<Blob> {
  const reader = stream.getReader();
  const chunks: Uint8Array<ArrayBuffer>[] = [];
  let length = 0;
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return new Blob(chunks);
    length += value.length;
    if (length > most) {
      await reader.cancel();
      throw new RangeError("The server sent more than it had announced.");
    }
    chunks.push(new Uint8Array(value));
  }
}

/** The server is not trusted: what the archive unpacks to is counted too. */
async function unpack(archive: Blob, most: number): Promise<Map<string, Blob>> {
  const files = new Map<string, Blob>();
  let left = most;
  const entries = archive
    .stream()
    .pipeThrough(new DecompressionStream("gzip"))
    .pipeThrough(createTarDecoder());
  // By hand: not every browser walks through a stream with `for await`.
  const reader = entries.getReader();
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return files;
    const { header, body } = value;
    if (header.type !== "file") {
      await body.cancel();
      continue;
    }
    const blob = await blobOf(body, left);
    left -= blob.size;
    files.set(header.name, blob);
  }
}
