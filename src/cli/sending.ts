/** `fetch` that shows how far a large body has come. */
import type { Fetch } from "../client/client.ts";
import { CLIENT_LIMITS, KIB } from "../core/limits.ts";
import { Bar } from "./bar.ts";
import type { Io } from "./io.ts";

const PIECE_BYTES = 64 * KIB;

export function showingFetch(fetch: Fetch, io: Io): Fetch {
  return async (url, init) => {
    if (io.stderr.isTTY !== true || init?.body === undefined || init.body === null)
      return fetch(url, init);
    const message = new Request(url, init);
    const bytes = new Uint8Array(await message.arrayBuffer());
    const headers = new Headers(message.headers);
    // With its length the server can refuse what is too large before it arrives.
    headers.set("content-length", String(bytes.byteLength));
    if (bytes.byteLength < CLIENT_LIMITS.shownBodyBytes)
      return fetch(url, { ...init, headers, body: bytes });
    const bar = new Bar(io, "sending", bytes.byteLength);
    try {
      return await fetch(url, { ...init, headers, body: inPieces(bytes, bar), duplex: "half" });
    } finally {
      bar.stop();
    }
  };
}

function inPieces(bytes: Uint8Array, bar: Bar): ReadableStream<Uint8Array> {
  let at = 0;
  return new ReadableStream(
    {
      pull: (controller) => {
        const piece = bytes.subarray(at, at + PIECE_BYTES);
        if (piece.byteLength === 0) {
          bar.stop();
          controller.close();
          return;
        }
        at += piece.byteLength;
        bar.add(piece.byteLength);
        controller.enqueue(piece);
      },
    },
    { highWaterMark: 0 },
  );
}
