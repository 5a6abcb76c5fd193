/** What a live stream says, in the words of this client; read as carefully as any answer. */
import type { WireOutcome } from "./answers.ts";
import { readOutcome } from "./answers.ts";
import { amount, DecodeError, flag, optional, record, text, withDefault, word } from "./decode.ts";
import { ApiError, badAnswer } from "./errors.ts";

/** A piece of what the program printed. */
export interface Printed {
  readonly kind: "printed";
  /** To go on after this piece: `follow(jobId, { from: seq })`. */
  readonly seq: number;
  readonly stream: "stdout" | "stderr";
  /** Exactly what was printed. */
  readonly bytes: Uint8Array;
  /** The same as text; a character that is cut between two pieces stands in the later one. */
  readonly text: string;
}

/** The job has ended and every process of it is dead. There is exactly one, and nothing after it. */
export interface Ended {
  readonly kind: "ended";
  readonly seq: number;
  readonly outcome: WireOutcome;
  /** More was printed than is kept. */
  readonly stdoutTruncated: boolean;
  readonly stderrTruncated: boolean;
}

/** How the job stands; none of these is kept by the server, so a late reader may miss some. */
export type Notice =
  /** 1 = next. */
  | { readonly kind: "queued"; readonly position: number }
  | { readonly kind: "running" }
  /** As much was printed as is kept: what the program prints from now on will not come. */
  | { readonly kind: "log_full" }
  /** What an attached caller sent could not be followed; the stream goes on. */
  | { readonly kind: "refused"; readonly error: ApiError };

export type LiveEvent = Printed | Ended | Notice;

/** Bytes of this connection's input that the program was given; not for callers. */
export interface Taken {
  readonly kind: "stdin_taken";
  readonly bytes: number;
}

const readPrinted = record({
  seq: amount,
  stream: word("stdout", "stderr"),
  data: text,
  encoding: optional(word("base64")),
});
const readEnded = record({
  seq: amount,
  end: readOutcome,
  stdout_truncated: withDefault(flag, false),
  stderr_truncated: withDefault(flag, false),
});
const readQueued = record({ queue_position: amount });
const readTaken = record({ stdin_taken: amount });
const readError = record({ error: text, code: text, details: optional(text) });

/** Reads the frames of one job, in order; keeps halves of characters until the other half comes. */
export class FrameReader {
  readonly #decoders = { stdout: new TextDecoder(), stderr: new TextDecoder() };
  #seq: number;

  /** @param seq of the last frame that was read before */
  constructor(seq: number) {
    this.#seq = seq;
  }

  /** Of the last numbered frame. */
  get seq(): number {
    return this.#seq;
  }

  /**
   * @returns undefined for what this client does not know
   * @throws ApiError `bad_answer`, or what the server says went wrong
   */
  read(json: string): LiveEvent | Taken | undefined {
    try {
      return this.#read(JSON.parse(json));
    } catch (error) {
      if (error instanceof DecodeError) throw badAnswer(error.message, 200, { cause: error });
      if (error instanceof SyntaxError) throw badAnswer("a frame is not JSON", 200);
      throw error;
    }
  }

  #read(value: unknown): LiveEvent | Taken | undefined {
    if (typeof value !== "object" || value === null) throw new DecodeError("a frame is no object");
    if ("data" in value) return this.#printed(value);
    if ("end" in value) return this.#ended(value);
    if ("queue_position" in value)
      return { kind: "queued", position: readQueued(value, "").queue_position };
    if ("stdin_taken" in value)
      return { kind: "stdin_taken", bytes: readTaken(value, "").stdin_taken };
    if ("log_full" in value) return { kind: "log_full" };
    if ("error" in value) return refused(errorOf(value));
    return "status" in value && value.status === "running" ? { kind: "running" } : undefined;
  }

  #printed(value: object): Printed {
    const { seq, stream, data, encoding } = readPrinted(value, "");
    const bytes = encoding === undefined ? new TextEncoder().encode(data) : fromBase64(data);
    this.#advance(seq);
    const decoded = this.#decoders[stream].decode(bytes, { stream: true });
    return { kind: "printed", seq, stream, bytes, text: decoded };
  }

  #ended(value: object): Ended {
    const { seq, end, ...truncated } = readEnded(value, "");
    this.#advance(seq);
    return {
      kind: "ended",
      seq,
      outcome: end,
      stdoutTruncated: truncated.stdout_truncated,
      stderrTruncated: truncated.stderr_truncated,
    };
  }

  /** A server that goes back would have us print the same for ever. */
  #advance(seq: number): void {
    if (!Number.isSafeInteger(seq) || seq <= this.#seq) throw new DecodeError("seq does not grow");
    this.#seq = seq;
  }
}

/** That the job is gone ends the stream; anything else was said of one message. */
function refused(error: ApiError): Notice {
  if (error.code === "not_found") throw error;
  return { kind: "refused", error };
}

function errorOf(value: object): ApiError {
  const { error, code, details } = readError(value, "");
  return new ApiError(error, { code, status: 0, ...(details === undefined ? {} : { details }) });
}

function fromBase64(data: string): Uint8Array {
  try {
    return Uint8Array.from(atob(data), (character) => character.charCodeAt(0));
  } catch (error) {
    throw new DecodeError("data is not base64", { cause: error });
  }
}
