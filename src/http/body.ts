/**
 * Request bodies, counted while they come: no header is believed about their length.
 *
 * Keeps S14 of SECURITY.md.
 */
import { Refusal } from "../core/errors.ts";
import { KIB } from "../core/limits.ts";
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

/** @throws Refusal bad_request when the client goes away in the middle; queue_full when it gave way */
export async function* bodyOf(request: Request, upload: Upload): BodyStream {
  if (request.body === null) return;
  const reader = request.body.getReader();
  const { gaveWay } = upload;
  // Ends the read that waits. (To race each read with the signal would hold memory for each.)
  const lose = () => {
    reader.cancel().catch(() => undefined);
  };
  gaveWay.addEventListener("abort", lose, { once: true });
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) break;
      upload.count(value.length);
      yield value;
    }
  } catch {
    // Whatever broke, it was the connection: there is nobody left to read a better sentence.
    if (!gaveWay.aborted) throw new Refusal("bad_request", "The body ended early.");
  } finally {
    gaveWay.removeEventListener("abort", lose);
    lose();
  }
  if (gaveWay.aborted) throw gaveWay.reason;
}

/**
 * The whole body in one buffer of ours, which the caller overwrites when done with it.
 * Grows by doubling: a body sent as a million one-byte chunks costs what its bytes cost.
 * @throws Refusal too_large as soon as the limit is crossed
 */
export async function readWhole(body: BodyStream, limitBytes: number): Promise<Buffer> {
  let whole = Buffer.allocUnsafeSlow(Math.min(FIRST_BYTES, limitBytes));
  let used = 0;
  for await (const chunk of body) {
    if (used + chunk.length > limitBytes) {
      whole.fill(0);
      throw new Refusal("too_large", `The body may have ${limitBytes} bytes.`);
    }
    if (used + chunk.length > whole.length) {
      const larger = Buffer.allocUnsafeSlow(
        Math.min(limitBytes, Math.max(whole.length * 2, used + chunk.length)),
      );
      whole.copy(larger, 0, 0, used);
      whole.fill(0);
      whole = larger;
    }
    whole.set(chunk, used);
    used += chunk.length;
    chunk.fill(0);
  }
  return whole.subarray(0, used);
}
