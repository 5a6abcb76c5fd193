/**
 * Bytes in blocks that double in size; nothing is moved once written, so nothing lingers, and any
 * place among them is found without walking what lies before.
 */
import { KIB } from "../core/limits.ts";

const FIRST_BLOCK_BYTES = 1 * KIB;
const LARGEST_BLOCK_BYTES = 256 * KIB;

interface Block {
  readonly bytes: Buffer;
  /** Where its first byte stands among all. */
  readonly startAt: number;
}

export class Blocks {
  readonly #blocks: Block[] = [];
  #lengthBytes = 0;

  get lengthBytes(): number {
    return this.#lengthBytes;
  }

  append(bytes: Uint8Array): void {
    let rest = bytes;
    while (rest.length > 0) {
      const block = this.#roomyBlock();
      const used = this.#lengthBytes - block.startAt;
      const part = rest.subarray(0, block.bytes.length - used);
      block.bytes.set(part, used);
      this.#lengthBytes += part.length;
      rest = rest.subarray(part.length);
    }
  }

  /** A fresh copy of all bytes. */
  joined(): Buffer<ArrayBuffer> {
    return this.copy(0, this.#lengthBytes);
  }

  /** A fresh copy of the bytes from `from` to before `to`, which must be there. */
  copy(from: number, to: number): Buffer<ArrayBuffer> {
    const copied = Buffer.allocUnsafeSlow(to - from);
    let done = 0;
    for (let index = this.#indexOf(from); done < copied.length; index++) {
      const { bytes, startAt } = this.#blockAt(index);
      done += bytes.copy(copied, done, from + done - startAt, to - startAt);
    }
    return copied;
  }

  /** The byte at a place that must be there. */
  at(place: number): number {
    const { bytes, startAt } = this.#blockAt(this.#indexOf(place));
    return bytes[place - startAt] ?? 0;
  }

  wipe(): void {
    for (const { bytes } of this.#blocks) bytes.fill(0);
    this.#blocks.length = 0;
    this.#lengthBytes = 0;
  }

  #blockAt(index: number): Block {
    const block = this.#blocks[index];
    if (block === undefined) throw new RangeError("a place that nothing was written to");
    return block;
  }

  /** The last block that starts at or before `place`: a binary search. */
  #indexOf(place: number): number {
    let low = 0;
    let high = this.#blocks.length - 1;
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if (this.#blockAt(middle).startAt <= place) low = middle;
      else high = middle - 1;
    }
    return low;
  }

  #roomyBlock(): Block {
    const last = this.#blocks.at(-1);
    if (last !== undefined && this.#lengthBytes < last.startAt + last.bytes.length) return last;
    const lengthBytes =
      last === undefined ? FIRST_BLOCK_BYTES : Math.min(LARGEST_BLOCK_BYTES, last.bytes.length * 2);
    // Own memory, never the shared pool: what is wiped here is ours alone.
    const block = { bytes: Buffer.allocUnsafeSlow(lengthBytes), startAt: this.#lengthBytes };
    this.#blocks.push(block);
    return block;
  }
}
