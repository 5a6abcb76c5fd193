/**
 * A number that the kernel keeps in a file of a control group. The file is held open: to read it
 * again costs a sixth of opening it, too, and a number that is needed when there are no descriptors
 * left can still be read.
 */
import { closeSync, openSync, readSync } from "node:fs";
import { SandboxFault } from "../core/errors.ts";

/** The number stands in the first line, which is shorter. */
const MOST_BYTES = 64;
const NEWLINE = 0x0a;
const ZERO = 0x30;

export class Counter {
  readonly #fd: number;
  readonly #step: string;
  readonly #scratch: Buffer;

  private constructor(fd: number, step: string, scratch: Buffer) {
    this.#fd = fd;
    this.#step = step;
    this.#scratch = scratch;
  }

  /** @param scratch of `makeScratch`, for any number of them @throws SandboxFault naming the file */
  static open(file: string, scratch: Buffer): Counter {
    const step = `read ${nameOf(file)} of a job`;
    try {
      return new Counter(openSync(file, "r"), step, scratch);
    } catch (cause) {
      throw new SandboxFault(step, 0, { cause });
    }
  }

  static makeScratch(): Buffer {
    return Buffer.alloc(MOST_BYTES);
  }

  /**
   * By its bytes: it is read several times for each job.
   * @param name what stands in front of the number
   * @throws SandboxFault naming the file
   */
  read(name = ""): number {
    const length = this.#fill();
    const isNamed = this.#scratch.toString("latin1", 0, name.length) === name;
    let number = 0;
    let at = name.length;
    for (; at < length && this.#scratch[at] !== NEWLINE; at++) {
      const digit = (this.#scratch[at] ?? 0) - ZERO;
      if (digit < 0 || digit > 9) throw new SandboxFault(this.#step);
      number = number * 10 + digit;
    }
    if (!isNamed || at === name.length || at === length) throw new SandboxFault(this.#step);
    return number;
  }

  close(): void {
    closeSync(this.#fd);
  }

  #fill(): number {
    try {
      return readSync(this.#fd, this.#scratch, 0, MOST_BYTES, 0);
    } catch (cause) {
      throw new SandboxFault(this.#step, 0, { cause });
    }
  }
}

/**
 * Counters that stay open from one job of a slot to the next. A group may be removed in between and
 * another made in its place: then nothing can be read of the file any more, and it is opened anew.
 */
export class KeptCounters {
  readonly #counters = new Map<number, Counter>();
  readonly #fileOf: (slot: number) => string;
  readonly #name: string;
  readonly #scratch: Buffer;

  /** @param name what stands in front of the number @param scratch of `Counter.makeScratch` */
  constructor(fileOf: (slot: number) => string, name: string, scratch: Buffer) {
    this.#fileOf = fileOf;
    this.#name = name;
    this.#scratch = scratch;
  }

  /** Opens what is not open yet. @throws SandboxFault naming the file */
  keep(slot: number): void {
    if (!this.#counters.has(slot)) this.#open(slot);
  }

  /** @throws SandboxFault naming the file */
  read(slot: number): number {
    return this.#readKept(slot) ?? this.#open(slot).read(this.#name);
  }

  close(): void {
    for (const counter of this.#counters.values()) counter.close();
    this.#counters.clear();
  }

  #readKept(slot: number): number | undefined {
    const counter = this.#counters.get(slot);
    try {
      return counter?.read(this.#name);
    } catch {
      counter?.close();
      this.#counters.delete(slot);
      return undefined;
    }
  }

  #open(slot: number): Counter {
    const counter = Counter.open(this.#fileOf(slot), this.#scratch);
    this.#counters.set(slot, counter);
    return counter;
  }
}

export function nameOf(file: string): string {
  return file.slice(file.lastIndexOf("/") + 1);
}
