/**
 * A job's live stream over `fetch`, which goes on where it was when the connection breaks: the
 * server numbers what was printed, so nothing is missed and nothing comes twice.
 */
import { CLIENT_LIMITS } from "../core/limits.ts";
import { ApiError } from "./errors.ts";
import { eventData } from "./eventStream.ts";
import { FrameReader, type LiveEvent } from "./frames.ts";

/** One request for the stream; rejects with ApiError when the server refuses. */
export type OpenStream = (from: number, signal: AbortSignal) => Promise<Response>;

/**
 * @param from the `seq` of the last event that was seen; 0 = from the beginning
 * @throws ApiError when the server refuses, forgets the job meanwhile (`not_found`), or when it
 *   cannot be reached any more; the signal's reason when that is aborted
 */
export async function* follow(
  open: OpenStream,
  from: number,
  signal: AbortSignal | undefined,
): AsyncGenerator<LiveEvent> {
  const reader = new FrameReader(from);
  let failures = 0;
  // Who has a number was connected before.
  let wasOpen = from > 0;
  for (;;) {
    const attempt = new Attempt(signal);
    try {
      const response = await open(reader.seq, attempt.signal);
      wasOpen = true;
      // Nothing comes behind the end, which this reader has.
      if (response.status === 204 || response.body === null) return;
      for await (const data of eventData(
        response.body,
        CLIENT_LIMITS.frameCharacters,
        attempt.live,
      )) {
        const event = reader.read(data);
        if (event === undefined || event.kind === "stdin_taken") continue;
        if (event.kind === "printed") failures = 0;
        yield event;
        if (event.kind === "ended") return;
      }
      failures += 1;
    } catch (error) {
      signal?.throwIfAborted();
      failures += 1;
      if (!wasOpen || !isPassing(error) || failures > CLIENT_LIMITS.reconnects) throw error;
    } finally {
      attempt.over();
    }
    if (failures > CLIENT_LIMITS.reconnects) throw lost();
    await pause(Math.min(2 ** failures * 500, CLIENT_LIMITS.reconnectMostMs), signal);
  }
}

/** One connection: cut when the caller wants it, and when it shows no sign of life. */
class Attempt {
  readonly #cut = new AbortController();
  readonly signal: AbortSignal;
  #timer: ReturnType<typeof setTimeout> | undefined;

  constructor(outer: AbortSignal | undefined) {
    const { signal } = this.#cut;
    this.signal = outer === undefined ? signal : AbortSignal.any([outer, signal]);
    this.live();
  }

  readonly live = (): void => {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#cut.abort(lost()), CLIENT_LIMITS.silenceMs);
  };

  over(): void {
    clearTimeout(this.#timer);
    this.#cut.abort();
  }
}

/** Whether trying again makes sense: everything but the server's word that it does not. */
function isPassing(error: unknown): boolean {
  if (!(error instanceof ApiError)) return true;
  return error.code === "connection_lost" || error.status === 429 || error.status >= 502;
}

export function lost(): ApiError {
  return new ApiError("The connection to the server was lost.", {
    code: "connection_lost",
    status: 0,
  });
}

async function pause(ms: number, signal: AbortSignal | undefined): Promise<void> {
  signal?.throwIfAborted();
  await new Promise<void>((resolve, reject) => {
    const stop = (): void => {
      clearTimeout(timer);
      reject(signal?.reason);
    };
    const timer = setTimeout(() => {
      signal?.removeEventListener("abort", stop);
      resolve();
    }, ms);
    signal?.addEventListener("abort", stop, { once: true });
  });
}
