/** How far a transfer has come, on a terminal, when it is worth showing. */
import type { Io } from "./io.ts";

/** Shorter transfers show nothing. */
const PATIENCE_MS = 300;
const TICK_MS = 100;
const CELLS = 24;
const MB = 1e6;

export class Bar {
  readonly #io: Io;
  readonly #words: string;
  /** Undefined when nobody said. */
  readonly #totalBytes: number | undefined;
  readonly #nowMs: () => number;
  #doneBytes = 0;
  #nextAtMs: number;
  #isShown = false;

  /** @param words what is going on, such as "sending" */
  constructor(io: Io, words: string, totalBytes: number | undefined, nowMs = Date.now) {
    this.#io = io;
    this.#words = words;
    this.#totalBytes = totalBytes;
    this.#nowMs = nowMs;
    this.#nextAtMs = nowMs() + PATIENCE_MS;
  }

  add(bytes: number): void {
    this.#doneBytes += bytes;
    if (this.#io.stderr.isTTY !== true || this.#nowMs() < this.#nextAtMs) return;
    this.#nextAtMs = this.#nowMs() + TICK_MS;
    this.#io.stderr.write(`\r\u001b[Ksandrun: ${this.#words} ${this.#state()}`);
    this.#isShown = true;
  }

  /** Takes it away; before anything else is printed on the terminal. */
  stop(): void {
    if (this.#isShown) this.#io.stderr.write("\r\u001b[K");
    this.#isShown = false;
  }

  /** Counts what passes, and takes the bar away at the end, whatever it is. */
  async *around(chunks: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
    try {
      for await (const chunk of chunks) {
        this.add(chunk.byteLength);
        yield chunk;
      }
    } finally {
      this.stop();
    }
  }

  #state(): string {
    const done = (this.#doneBytes / MB).toFixed(1);
    if (this.#totalBytes === undefined || this.#totalBytes <= 0) return `${done} MB`;
    const part = Math.min(1, this.#doneBytes / this.#totalBytes);
    const full = Math.floor(part * CELLS);
    const bar = `${"█".repeat(full)}${"░".repeat(CELLS - full)}`;
    const percent = `${Math.floor(part * 100)}%`.padStart(4);
    return `${bar}${percent}  ${done} of ${(this.#totalBytes / MB).toFixed(1)} MB`;
  }
}
