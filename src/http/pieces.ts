/**
 * A request's body from Node's own stream, piece by piece. Not by a stream of the web's kind over it:
 * that one throws into the event loop, which ends the process, when bytes come after it was given up,
 * and they do, since whoever still sends is to read that it was refused (server.ts).
 *
 * Keeps S14 of SECURITY.md.
 */
import type { IncomingMessage } from "node:http";
import type { StopSignal } from "../core/stop.ts";

/** The pieces that have come and were not taken, and how it ended. */
interface Read {
  readonly pieces: Buffer[];
  end: { readonly fault?: unknown } | undefined;
  wake: () => void;
}

/**
 * @param stop ends it with its reason
 * @param early what is thrown when the connection went before the end
 */
export async function* piecesOf(
  incoming: IncomingMessage,
  stop: StopSignal,
  early: () => Error,
): AsyncGenerator<Uint8Array, void, undefined> {
  const read: Read = { pieces: [], end: undefined, wake: () => undefined };
  const finish = (end: { readonly fault?: unknown }) => {
    read.end ??= end;
    read.wake();
  };
  const take = (piece: Buffer) => {
    read.pieces.push(piece);
    incoming.pause();
    read.wake();
  };
  const end = () => finish({});
  const fail = () => finish({ fault: early() });
  const stopped = () => finish({ fault: stop.reason });
  incoming.on("data", take);
  incoming.on("end", end);
  incoming.on("error", fail);
  incoming.on("close", fail);
  stop.addEventListener("abort", stopped, { once: true });
  if (stop.aborted) stopped();
  if (incoming.destroyed && !incoming.readableEnded) fail();
  try {
    for (;;) {
      const piece = read.pieces.shift();
      if (piece !== undefined) {
        yield piece;
      } else if (read.end === undefined) {
        const woken = Promise.withResolvers<void>();
        read.wake = woken.resolve;
        incoming.resume();
        await woken.promise;
      } else if ("fault" in read.end) {
        throw read.end.fault;
      } else {
        return;
      }
    }
  } finally {
    stop.removeEventListener("abort", stopped);
    incoming.off("data", take);
    incoming.off("end", end);
    incoming.off("error", fail);
    incoming.off("close", fail);
    for (const piece of read.pieces) piece.fill(0);
    if (!incoming.readableEnded) incoming.pause();
  }
}
