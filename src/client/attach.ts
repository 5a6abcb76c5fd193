/**
 * A job over a WebSocket: its live stream, and a way to send it input and signals.
 *
 * Input is sent as fast as the program takes it, so a signal never waits behind input that nobody
 * reads. A connection that breaks is not made again, since nobody knows which input arrived: the
 * events end with the error `connection_lost`, and `follow` from the last `seq` shows the rest.
 */
import { CLIENT_LIMITS } from "../core/limits.ts";
import type { JobSignal } from "../core/signals.ts";
import { badAnswer } from "./errors.ts";
import { lost } from "./follow.ts";
import { FrameReader, type LiveEvent } from "./frames.ts";

/** The part of the standard WebSocket that is used; give another to pin a certificate or to test. */
export interface Socket {
  send(text: string): void;
  close(): void;
  addEventListener(type: "open" | "close" | "error", listener: () => void): void;
  addEventListener(type: "message", listener: (event: { readonly data: unknown }) => void): void;
}

export type OpenSocket = (url: string) => Socket;

/** Events that may wait for their reader before the connection is given up. */
type Next = { readonly event: LiveEvent } | { readonly error: unknown };

export class AttachedJob implements AsyncIterable<LiveEvent> {
  readonly #socket: Socket;
  readonly #reader: FrameReader;
  readonly #waiting: Next[] = [];
  readonly #opened = Promise.withResolvers<void>();
  #wake: (() => void) | undefined;
  #waitingCharacters = 0;
  #sentBytes = 0;
  #takenBytes = 0;
  #onTaken: (() => void) | undefined;
  #writing: Promise<void> = Promise.resolve();
  #isOver = false;

  /** @param from as for `follow` */
  constructor(socket: Socket, from: number, signal: AbortSignal | undefined) {
    this.#socket = socket;
    this.#reader = new FrameReader(from);
    const abort = (): void => this.#fail(signal?.reason);
    this.#opened.promise.catch(() => undefined);
    socket.addEventListener("open", () => this.#opened.resolve());
    socket.addEventListener("message", ({ data }) => this.#take(data));
    socket.addEventListener("error", () => this.#fail(lost()));
    socket.addEventListener("close", () => {
      signal?.removeEventListener("abort", abort);
      this.#fail(lost());
    });
    if (signal?.aborted === true) abort();
    else signal?.addEventListener("abort", abort, { once: true });
  }

  /** To go on with `follow` after the last event that came. */
  get seq(): number {
    return this.#reader.seq;
  }

  /** Resolves when the connection stands. @throws ApiError connection_lost */
  opened(): Promise<void> {
    return this.#opened.promise;
  }

  /**
   * Sends input to a job whose manifest is `interactive`. Resolves when there is room for more:
   * whoever waits for it holds no more than a window of input in memory.
   * @throws ApiError connection_lost
   */
  write(input: string | Uint8Array): Promise<void> {
    const bytes = typeof input === "string" ? new TextEncoder().encode(input) : input;
    const written = this.#writing.then(() => this.#write(bytes));
    this.#writing = written.catch(() => undefined);
    return written;
  }

  /** The program reads its end after what was written. */
  async end(): Promise<void> {
    await this.#writing;
    this.#send({ stdin_end: true });
  }

  /** Does not wait for input that is still on its way. */
  signal(name: JobSignal): void {
    this.#send({ signal: name });
  }

  /** Of the terminal of a job whose manifest has `tty`; it begins with 80 columns and 24 rows. */
  resize(columns: number, rows: number): void {
    this.#send({ resize: [columns, rows] });
  }

  /** Leaves; the job goes on. */
  close(): void {
    this.#isOver = true;
    this.#socket.close();
    this.#wake?.();
    this.#onTaken?.();
  }

  /** Once: what was read is gone. @throws ApiError as `follow`, and connection_lost */
  async *[Symbol.asyncIterator](): AsyncGenerator<LiveEvent> {
    try {
      for (;;) {
        const next = this.#waiting.shift();
        if (next === undefined) {
          if (this.#isOver) return;
          await new Promise<void>((resolve) => {
            this.#wake = resolve;
          });
          continue;
        }
        if ("error" in next) throw next.error;
        if (next.event.kind === "printed") this.#waitingCharacters -= next.event.text.length;
        yield next.event;
        if (next.event.kind === "ended") return;
      }
    } finally {
      this.close();
    }
  }

  async #write(bytes: Uint8Array): Promise<void> {
    await this.#opened.promise;
    for (let at = 0; at < bytes.length; at += CLIENT_LIMITS.inputPieceBytes) {
      const piece = bytes.subarray(at, at + CLIENT_LIMITS.inputPieceBytes);
      while (this.#sentBytes - this.#takenBytes >= CLIENT_LIMITS.inputWindowBytes) {
        await new Promise<void>((resolve) => {
          this.#onTaken = resolve;
        });
        if (this.#isOver) throw lost();
      }
      this.#sentBytes += piece.length;
      this.#send({ stdin: toBase64(piece), encoding: "base64" });
    }
  }

  #send(message: object): void {
    if (!this.#isOver) this.#socket.send(JSON.stringify(message));
  }

  #take(data: unknown): void {
    if (this.#isOver) return;
    try {
      if (typeof data !== "string") throw badAnswer("a frame is not text", 200);
      const event = this.#reader.read(data);
      if (event === undefined) return;
      if (event.kind === "stdin_taken") {
        this.#takenBytes = event.bytes;
        this.#onTaken?.();
        return;
      }
      this.#keep(event);
    } catch (error) {
      this.#fail(error);
    }
  }

  /** A WebSocket cannot be told to wait, so a reader that is too slow loses the connection. */
  #keep(event: LiveEvent): void {
    if (event.kind === "printed") this.#waitingCharacters += event.text.length;
    if (this.#waitingCharacters > CLIENT_LIMITS.unreadCharacters) {
      this.#fail(lost());
      return;
    }
    this.#waiting.push({ event });
    this.#wake?.();
    if (event.kind !== "ended") return;
    this.#isOver = true;
    this.#onTaken?.();
  }

  #fail(error: unknown): void {
    this.#opened.reject(error);
    if (this.#isOver) return;
    this.#waiting.push({ error });
    this.#isOver = true;
    this.#socket.close();
    this.#wake?.();
    this.#onTaken?.();
  }
}

function toBase64(bytes: Uint8Array): string {
  return btoa(String.fromCharCode(...bytes));
}
