/**
 * A job as it happens: one frame after the other, pulled.
 *
 * Nothing is pushed to a reader. Whoever follows a job holds a place in its log, which is bounded
 * and kept anyway; when the last frame is on its way the next one is made, from what is there by
 * then. So a slow reader costs one frame, and the job never waits for one. Who falls behind until
 * the job is forgotten is told exactly that, and never an end that was not read.
 *
 * A crowd of readers looks less often, or one byte printed would cost a thousand frames.
 *
 * Keeps S20 of SECURITY.md.
 */
import { setImmediate } from "node:timers/promises";
import { Refusal } from "../core/errors.ts";
import { STREAM_LIMITS } from "../core/limits.ts";
import type { Job, LogReader } from "../engine.ts";
import { endFrame, endSeq, errorFrame, printedFrame, wholeCharacters } from "./frames.ts";
import type { StreamFrame } from "./schemas.ts";

/** Wakes one sleeper; what rings while nobody sleeps is not lost. */
export class Bell {
  #hasRung = false;
  #wake: (() => void) | undefined;

  readonly ring = (): void => {
    this.#hasRung = true;
    this.#wake?.();
  };

  /** Resolves at once when it has rung since the last time. */
  async sleep(): Promise<void> {
    if (!this.#hasRung) {
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
    this.#wake = undefined;
    this.#hasRung = false;
  }
}

export interface Following {
  readonly job: Job;
  /** Printed bytes that the reader has already; see `placeOf`. */
  readonly place: number;
  /** The reader has gone. */
  readonly signal: AbortSignal;
  readonly bell: Bell;
  /** 1 = next; undefined when the job does not wait. */
  readonly position: () => number | undefined;
  /** Frames that somebody else has for this reader; taken one by one, before anything else. */
  readonly notice: () => StreamFrame | undefined;
  /** How long to leave a job alone whose news was just told. */
  readonly restMs: () => number;
}

/**
 * Where a reader goes on that has seen `seq`.
 * @returns undefined when it has seen the end
 * @throws Refusal bad_request for a number that was never given out
 */
export function placeOf(job: Job, seq: string | undefined): number | undefined {
  if (seq === undefined) return 0;
  const place = /^\d{1,15}$/.test(seq) ? Number(seq) : Number.NaN;
  if (job.end !== undefined && place === endSeq(job)) return undefined;
  if (place <= job.log.lengthBytes) return place;
  throw new Refusal("bad_request", "No frame of this job has the number to go on after.");
}

/**
 * Ends after the end frame, after the word that the job was destroyed, or when the reader has gone.
 * @returns undefined in place of a frame when there was nothing to say for a while
 */
export async function* follow(following: Following): AsyncGenerator<StreamFrame | undefined> {
  const { job, signal, bell, notice, restMs } = following;
  const stopWatching = job.changes.watch(bell.ring);
  signal.addEventListener("abort", bell.ring);
  const look = setInterval(() => {
    if (job.state === "queued") bell.ring();
  }, STREAM_LIMITS.queueLookMs).unref();
  const heart = new Heart(bell);
  try {
    const reader = job.log.isWiped ? undefined : job.log.openReader(following.place);
    const teller = new Teller(following);
    for (let made = 0; ; made++) {
      // A log of single bytes is ten million frames: others are served between them.
      if (made % STREAM_LIMITS.framesAtOnce === 0) await setImmediate();
      if (signal.aborted) return;
      const last = lastFrame(job, reader);
      if (last !== undefined) {
        yield last;
        return;
      }
      const next = notice() ?? teller.state() ?? printed(job, reader) ?? teller.full(reader);
      if (next !== undefined || heart.isDue()) yield next;
      else {
        await bell.sleep();
        await rest(restMs(), signal);
      }
    }
  } finally {
    heart.stop();
    clearInterval(look);
    signal.removeEventListener("abort", bell.ring);
    stopWatching();
  }
}

/** The end, once everything before it was read; or that it will never be known. */
function lastFrame(job: Job, reader: LogReader | undefined): StreamFrame | undefined {
  if (job.log.isWiped) return errorFrame(new Refusal("not_found", "The job was destroyed."));
  if (job.end === undefined || (reader?.place ?? 0) < job.log.lengthBytes) return undefined;
  return endFrame(job, job.end);
}

function printed(job: Job, reader: LogReader | undefined): StreamFrame | undefined {
  const chunk = reader?.peek(STREAM_LIMITS.frameBytes);
  if (chunk === undefined || reader === undefined) return undefined;
  // Half a character waits for its other half, unless that cannot come any more.
  const whole = wholeCharacters(chunk.bytes);
  const isLast = job.end !== undefined || reader.isRunOver();
  const length = whole === 0 && isLast ? chunk.bytes.length : whole;
  if (length === 0) return undefined;
  reader.skip(length);
  const frame = printedFrame(reader.place, { ...chunk, bytes: chunk.bytes.subarray(0, length) });
  chunk.bytes.fill(0);
  return frame;
}

/** A silent stream looks like a broken one to whatever is between. */
class Heart {
  readonly #timer: NodeJS.Timeout;
  #isDue = false;

  constructor(bell: Bell) {
    this.#timer = setInterval(() => {
      this.#isDue = true;
      bell.ring();
    }, STREAM_LIMITS.heartbeatMs).unref();
  }

  isDue(): boolean {
    const isDue = this.#isDue;
    this.#isDue = false;
    return isDue;
  }

  stop(): void {
    clearInterval(this.#timer);
  }
}

/** Tells once what is not in the log: that the job waits, and where; that it runs; that it is full. */
class Teller {
  readonly #following: Following;
  #position: number | undefined;
  #isRunning = false;
  #isFull = false;

  constructor(following: Following) {
    this.#following = following;
  }

  state(): StreamFrame | undefined {
    const { job, position } = this.#following;
    if (job.state === "queued") {
      const place = position();
      if (place === undefined || place === this.#position) return undefined;
      this.#position = place;
      return { status: "queued", queue_position: place };
    }
    if (job.state !== "running" || this.#isRunning) return undefined;
    this.#isRunning = true;
    return { status: "running" };
  }

  /** All that is kept was read: what the program prints now will never come. */
  full(reader: LogReader | undefined): StreamFrame | undefined {
    const { job } = this.#following;
    if (this.#isFull || !job.log.isFull || job.end !== undefined) return undefined;
    if (reader === undefined || reader.place < job.log.lengthBytes) return undefined;
    this.#isFull = true;
    return { log_full: true };
  }
}

async function rest(ms: number, signal: AbortSignal): Promise<void> {
  if (ms <= 0 || signal.aborted) return;
  await new Promise<void>((resolve) => {
    const over = (): void => {
      clearTimeout(timer);
      signal.removeEventListener("abort", over);
      resolve();
    };
    const timer = setTimeout(over, ms).unref();
    signal.addEventListener("abort", over);
  });
}
