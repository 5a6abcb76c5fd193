/** One line on a terminal that says how a job stands, until it has something to say itself. */
import type { Io } from "./io.ts";

const TICK_MS = 1000;

export class Progress {
  readonly #io: Io;
  #timer: NodeJS.Timeout | undefined;
  #runsSinceMs = 0;
  #isShown = false;
  #isOver: boolean;

  constructor(io: Io) {
    this.#io = io;
    this.#isOver = io.stderr.isTTY !== true;
  }

  /** @param position 1 = next */
  waits(position: number): void {
    this.#show(`waiting, place ${position}`);
  }

  /** Counts its seconds from now on. */
  runs(): void {
    // What is typed for the program would stand in the middle of the line.
    if (this.#io.stdinIsLive && this.#io.stdin.isTTY === true) this.stop();
    if (this.#isOver || this.#timer !== undefined) return;
    this.#clear();
    this.#runsSinceMs = Date.now();
    this.#timer = setInterval(() => {
      this.#show(`running for ${Math.round((Date.now() - this.#runsSinceMs) / 1000)} s`);
    }, TICK_MS);
    this.#timer.unref();
  }

  /** Before anything else is printed on the terminal; nothing more is shown. */
  stop(): void {
    clearInterval(this.#timer);
    this.#clear();
    this.#isOver = true;
  }

  #show(words: string): void {
    if (this.#isOver) return;
    this.#io.stderr.write(`\r\u001b[Ksandrun: ${words}`);
    this.#isShown = true;
  }

  #clear(): void {
    if (this.#isShown) this.#io.stderr.write("\r\u001b[K");
    this.#isShown = false;
  }
}
