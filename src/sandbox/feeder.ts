/**
 * Standard input on its way into a box: what is written waits here, is sent as the box grants room
 * for it, and is overwritten when the socket has it. A program that does not read grants nothing,
 * and its writers wait until it is dead.
 */
import { FRAME } from "../core/wire.ts";
import type { Box } from "./box.ts";

interface Waiting {
  readonly bytes: Uint8Array;
  sent: number;
  readonly taken: PromiseWithResolvers<void>;
}

export class Feeder {
  readonly #box: Box;
  readonly #waiting: Waiting[] = [];
  /** Undefined before the first grant: until then the stream belongs to the job's files. */
  #grantedBytes: number | undefined;
  #isEnding = false;
  #isSending = false;
  #isOver = false;

  constructor(box: Box) {
    this.#box = box;
  }

  /** Takes the bytes over. Resolves when the box has them or feeding is over; never rejects. */
  write(bytes: Uint8Array): Promise<void> {
    if (this.#isEnding || this.#isOver || bytes.length === 0) return Promise.resolve();
    const taken = Promise.withResolvers<void>();
    this.#waiting.push({ bytes, sent: 0, taken });
    void this.#send();
    return taken.promise;
  }

  /** The program reads its end after what was written. */
  end(): void {
    if (this.#isEnding) return;
    this.#isEnding = true;
    void this.#send();
  }

  /** Nothing was written and nothing will be: the box is told so with the job. */
  endBefore(): void {
    this.#isEnding = true;
    this.#isOver = true;
  }

  /** The box has room for more. */
  grant(bytes: number): void {
    this.#grantedBytes = (this.#grantedBytes ?? 0) + bytes;
    void this.#send();
  }

  /** The job has ended: what waits is dropped. */
  over(): void {
    this.#isOver = true;
    for (const { bytes, taken } of this.#waiting.splice(0)) {
      bytes.fill(0);
      taken.resolve();
    }
  }

  /** One piece after the other; the end goes once, behind all of them. */
  async #send(): Promise<void> {
    if (this.#isSending || this.#grantedBytes === undefined) return;
    this.#isSending = true;
    for (let first = this.#waiting[0]; first !== undefined; first = this.#waiting[0]) {
      const piece = first.bytes.subarray(first.sent, first.sent + this.#grantedBytes);
      if (piece.length === 0) break;
      this.#grantedBytes -= piece.length;
      first.sent += piece.length;
      await this.#box.hand(FRAME.stdin, piece);
      if (this.#isOver || first.sent < first.bytes.length) continue;
      this.#waiting.shift();
      first.taken.resolve();
    }
    this.#isSending = false;
    if (!this.#isEnding || this.#waiting.length > 0 || this.#isOver) return;
    this.#isOver = true;
    await this.#box.send(FRAME.stdinEnd);
  }
}
