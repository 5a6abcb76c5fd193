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
  const sending = sendingOf(c);
  if (sending === undefined) queueMicrotask(() => then(true));
  else sending.tell(then);
}

/** Aborted when the client goes away before its answer was sent. */
export function hangUpOf(c: AppContext): StopSignal {
  const sending = sendingOf(c);
  if (sending === undefined) return c.req.raw.signal;
  const hangUp = new Stop();
  sending.tell((whole) => {
    if (!whole) hangUp.abort();
  });
  return hangUp;
}

/** Overwrites our copy of a job's bytes; without a socket nobody says when they were read. */
export function wipeWhenSent(c: AppContext, bytes: Uint8Array): void {
  sendingOf(c)?.tell(() => bytes.fill(0));
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
  sendingOf(c)?.tell(then);
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

/** The sending of one answer, watched once however many want to know. */
export class Sending {
  #waiting: ((whole: boolean) => void)[] = [];
  #whole: boolean | undefined;

  constructor(outgoing: ServerResponse) {
    if (outgoing.destroyed) queueMicrotask(() => this.#end(false));
    outgoing.once("finish", () => this.#end(true));
    outgoing.once("close", () => this.#end(false));
  }

  tell(told: (whole: boolean) => void): void {
    const whole = this.#whole;
    if (whole === undefined) this.#waiting.push(told);
    else queueMicrotask(() => told(whole));
  }

  #end(whole: boolean): void {
    if (this.#whole !== undefined) return;
    this.#whole = whole;
    for (const told of this.#waiting) told(whole);
    this.#waiting = [];
  }
}

function sendingOf(c: AppContext): Sending | undefined {
  const outgoing = c.env?.outgoing;
  if (outgoing === undefined) return undefined;
  const sending = c.get("sending") ?? new Sending(outgoing);
  c.set("sending", sending);
  return sending;
}
