/**
 * A number that the kernel keeps in a file of a control group. The file is held open: to read it
 * again costs a sixth of opening it, too, and a number that is needed when there are no descriptors
 * left can still be read.
 */
import { closeSync, openSync, readSync } from "node:fs";
import { SandboxFault } from "../core/errors.ts";

/** The number stands in the first line, which is shorter. */
const MOST_BYTES = 64;

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

  /** @param name what stands in front of the number @throws SandboxFault naming the file */
  read(name = ""): number {
    const text = this.#firstBytes();
    const digits = text.slice(name.length, Math.max(0, text.indexOf("\n")));
    const isNumber = text.startsWith(name) && /^\d+$/.test(digits);
    if (!isNumber) throw new SandboxFault(this.#step);
    return Number(digits);
  }

  close(): void {
    closeSync(this.#fd);
  }

  #firstBytes(): string {
    try {
      const length = readSync(this.#fd, this.#scratch, 0, MOST_BYTES, 0);
      return this.#scratch.toString("latin1", 0, length);
    } catch (cause) {
      throw new SandboxFault(this.#step, 0, { cause });
    }
  }
}

export function nameOf(file: string): string {
  return file.slice(file.lastIndexOf("/") + 1);
}
