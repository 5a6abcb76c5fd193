/**
 * When has an answer been sent whole? Destroying a job hangs on it: too early and a caller whose
 * connection broke has lost the outputs, never and the promise to forget is broken.
 *
 * With a socket, `finish` says that the last byte went to the operating system, and `close`
 * without it that the client hung up. Without one (tests) a stream's own end says it.
 */
import type { ServerResponse } from "node:http";
import { Stop, type StopSignal } from "../core/stop.ts";
import type { AppContext } from "./deps.ts";

/** @param then called exactly once */
export function whenSent(c: AppContext, then: (whole: boolean) => void): void {
  const outgoing = c.env?.outgoing;
  if (outgoing === undefined) queueMicrotask(() => then(true));
  else onceSent(outgoing, then);
}

/** Aborted when the client goes away before its answer was sent. */
export function hangUpOf(c: AppContext): StopSignal {
  const outgoing = c.env?.outgoing;
  if (outgoing === undefined) return c.req.raw.signal;
  const hangUp = new Stop();
  onceSent(outgoing, (whole) => {
    if (!whole) hangUp.abort();
  });
  return hangUp;
}

/** Overwrites our copy of a job's bytes; without a socket nobody says when they were read. */
export function wipeWhenSent(c: AppContext, bytes: Uint8Array): void {
  const outgoing = c.env?.outgoing;
  if (outgoing !== undefined) onceSent(outgoing, () => bytes.fill(0));
}

/**
 * `whenSent` for a body that is produced while it is sent.
 * @param onFault told of an error while producing; the connection is then cut, since the status
 *   is out already and a body that just ended would look whole
 */
export function streamed(
  c: AppContext,
  body: AsyncIterable<Uint8Array>,
  then: (whole: boolean) => void,
  onFault: (fault: unknown) => void,
): ReadableStream<Uint8Array> {
  const outgoing = c.env?.outgoing;
  if (outgoing !== undefined) onceSent(outgoing, then);
  return ReadableStream.from(produce(body, outgoing, then, onFault));
}

async function* produce(
  body: AsyncIterable<Uint8Array>,
  outgoing: ServerResponse | undefined,
  then: (whole: boolean) => void,
  onFault: (fault: unknown) => void,
): AsyncGenerator<Uint8Array> {
  let whole = false;
  try {
    yield* body;
    whole = true;
  } catch (fault) {
    onFault(fault);
    if (outgoing === undefined) throw fault;
    outgoing.destroy();
  } finally {
    if (outgoing === undefined) then(whole);
  }
}

function onceSent(outgoing: ServerResponse, then: (whole: boolean) => void): void {
  if (outgoing.destroyed) {
    queueMicrotask(() => then(false));
    return;
  }
  let told = false;
  const tell = (whole: boolean) => {
    if (told) return;
    told = true;
    then(whole);
  };
  outgoing.once("finish", () => tell(true));
  outgoing.once("close", () => tell(false));
}
