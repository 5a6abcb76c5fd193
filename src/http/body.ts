/**
 * Request bodies, counted while they come: no header is believed about their length.
 *
 * Keeps S14 of SECURITY.md.
 */
import type { IncomingMessage } from "node:http";
import { Refusal } from "../core/errors.ts";
import { KIB } from "../core/limits.ts";
import type { StopSignal } from "../core/stop.ts";
import type { AppContext } from "./deps.ts";
import { piecesOf } from "./pieces.ts";
import type { Upload } from "./uploads.ts";

const FIRST_BYTES = 16 * KIB;

/** A request's body as a stream; empty when there is none. */
export type BodyStream = AsyncIterable<Uint8Array>;

/**
 * Compressed bodies are refused: they make a limit on bytes mean nothing, and decoders have bugs.
 * @throws Refusal unsupported_media_type
 */
export function refuseEncoded(headers: Headers): void {
  const encoding = headers.get("content-encoding")?.trim().toLowerCase() ?? "identity";
  if (encoding !== "identity" && encoding !== "") {
    throw new Refusal("unsupported_media_type", "Send the body without Content-Encoding.");
  }
}

/** Whatever broke, it was the connection: there is nobody left to read a better sentence. */
function endedEarly(): Refusal {
  return new Refusal("bad_request", "The body ended early.");
}

/** @throws Refusal bad_request when the client goes away in the middle; queue_full when it gave way */
export async function* bodyOf(c: AppContext, upload: Upload): BodyStream {
  const incoming = c.env?.incoming;
  const pieces =
    incoming === undefined
      ? piecesOfRequest(c.req.raw, upload.gaveWay)
      : piecesOf(incoming, upload.gaveWay, endedEarly);
  for await (const piece of pieces) {
    upload.count(piece.length);
    yield piece;
  }
}

/** For questions that came by no socket. */
async function* piecesOfRequest({ body }: Request, gaveWay: StopSignal): BodyStream {
  if (body === null) return;
  const reader = body.getReader();
  // Ends the read that waits. (To race each read with the signal would hold memory for each.)
  const lose = () => {
    reader.cancel().catch(() => undefined);
  };
  gaveWay.addEventListener("abort", lose, { once: true });
  try {
    for (;;) {
      const value = await nextOf(reader, gaveWay);
      if (value === undefined) break;
      yield value;
    }
  } finally {
    gaveWay.removeEventListener("abort", lose);
    lose();
  }
  if (gaveWay.aborted) throw gaveWay.reason;
}

/** Undefined at the end, and when the upload gave way. */
async function nextOf(
  reader: ReadableStreamDefaultReader<Uint8Array>,
  gaveWay: StopSignal,
): Promise<Uint8Array | undefined> {
  try {
    return (await reader.read()).value;
  } catch {
    if (!gaveWay.aborted) throw endedEarly();
    return undefined;
  }
}

/**
 * The whole body in one buffer of ours, which the caller overwrites when done with it.
 * @throws Refusal too_large as soon as the limit is crossed; as `bodyOf` does
 */
export async function readWhole(
  c: AppContext,
  upload: Upload,
  limitBytes: number,
): Promise<Buffer> {
  const whole = new Whole(limitBytes);
  try {
    const incoming = c.env?.incoming;
    if (incoming !== undefined) await readFrom(incoming, upload, whole);
    else for await (const chunk of bodyOf(c, upload)) whole.add(chunk);
  } catch (refusal) {
    whole.wipe();
    throw refusal;
  }
  return whole.bytes();
}

/** From Node's own stream: for a small body a stream of the web's kind costs more than the rest of the request. */
function readFrom(incoming: IncomingMessage, upload: Upload, whole: Whole): Promise<void> {
  const { gaveWay } = upload;
  const read = Promise.withResolvers<void>();
  const detach = () => {
    gaveWay.removeEventListener("abort", lose);
    incoming.off("data", take);
    incoming.off("end", end);
    incoming.off("close", fail);
    if (!incoming.readableEnded) incoming.pause();
  };
  const stop = (refusal: unknown) => {
    detach();
    read.reject(refusal);
  };
  const take = (chunk: Buffer) => {
    try {
      upload.count(chunk.length);
      whole.add(chunk);
    } catch (refusal) {
      stop(refusal);
    }
  };
  const end = () => {
    detach();
    read.resolve();
  };
  const lose = () => stop(gaveWay.reason);
  const fail = () => stop(endedEarly());
  incoming.on("data", take);
  incoming.on("end", end);
  // Comes behind any error, too; nobody else looks at those.
  incoming.on("close", fail);
  gaveWay.addEventListener("abort", lose, { once: true });
  if (incoming.destroyed && !incoming.readableEnded) fail();
  return read.promise;
}

/** Grows by doubling: a body sent as a million one-byte chunks costs what its bytes cost. */
class Whole {
  readonly #limitBytes: number;
  #bytes: Buffer;
  #used = 0;

  constructor(limitBytes: number) {
    this.#limitBytes = limitBytes;
    this.#bytes = Buffer.allocUnsafeSlow(Math.min(FIRST_BYTES, limitBytes));
  }

  /** Takes the chunk over: its bytes are copied, then overwritten. @throws Refusal too_large */
  add(chunk: Uint8Array): void {
    const needed = this.#used + chunk.length;
    if (needed > this.#limitBytes) {
      throw new Refusal("too_large", `The body may have ${this.#limitBytes} bytes.`);
    }
    if (needed > this.#bytes.length) this.#grow(needed);
    this.#bytes.set(chunk, this.#used);
    this.#used = needed;
    chunk.fill(0);
  }

  bytes(): Buffer {
    return this.#bytes.subarray(0, this.#used);
  }

  wipe(): void {
    this.#bytes.fill(0);
  }

  #grow(needed: number): void {
    const most = Math.max(this.#bytes.length * 2, needed);
    const larger = Buffer.allocUnsafeSlow(Math.min(this.#limitBytes, most));
    this.#bytes.copy(larger, 0, 0, this.#used);
    this.wipe();
    this.#bytes = larger;
  }
}
