/**
 * What one job printed: bounded, in order, and wiped at the end.
 *
 * A program may print its 10 MB one byte at a time and from both streams in turn, so a list of
 * chunk objects would cost a hundred times the bytes. Instead all bytes go into a few growing
 * blocks in the order they came, and `runs` says whose they are: lengths that alternate between
 * stdout and stderr, stdout first, as LEB128. A run of n bytes costs at most n bytes there, so
 * the whole log never takes more than twice its limit plus one block.
 */
import type { PrintedChunk, StreamName } from "../core/job.ts";
import { KIB } from "../core/limits.ts";

const FIRST_BLOCK_BYTES = 1 * KIB;
const LARGEST_BLOCK_BYTES = 256 * KIB;
const LONG_RUN_BYTES = 64;

/** Bytes in blocks that double in size; nothing is moved once written, so nothing lingers. */
class Blocks {
  readonly #blocks: Buffer[] = [];
  #used = 0;
  #lengthBytes = 0;

  get lengthBytes(): number {
    return this.#lengthBytes;
  }

  append(bytes: Uint8Array): void {
    let rest = bytes;
    while (rest.length > 0) {
      const block = this.#roomyBlock();
      const part = rest.subarray(0, block.length - this.#used);
      block.set(part, this.#used);
      this.#used += part.length;
      this.#lengthBytes += part.length;
      rest = rest.subarray(part.length);
    }
  }

  /** A fresh copy of all bytes. */
  joined(): Buffer<ArrayBuffer> {
    const all = Buffer.allocUnsafeSlow(this.#lengthBytes);
    let at = 0;
    for (const block of this.#blocks) at += block.copy(all, at, 0, this.#lengthBytes - at);
    return all;
  }

  wipe(): void {
    for (const block of this.#blocks) block.fill(0);
    this.#blocks.length = 0;
    this.#used = 0;
    this.#lengthBytes = 0;
  }

  #roomyBlock(): Buffer {
    const last = this.#blocks.at(-1);
    if (last !== undefined && this.#used < last.length) return last;
    const lengthBytes =
      last === undefined ? FIRST_BLOCK_BYTES : Math.min(LARGEST_BLOCK_BYTES, last.length * 2);
    // Own memory, never the shared pool: what is wiped here is ours alone.
    const block = Buffer.allocUnsafeSlow(lengthBytes);
    this.#blocks.push(block);
    this.#used = 0;
    return block;
  }
}

export class LogBuffer {
  readonly #limitBytes: number;
  readonly #bytes = new Blocks();
  /** Finished runs; the current one is `#runBytes` long and belongs to `#runOf`. */
  readonly #runs = new Blocks();
  #runOf: StreamName = "stdout";
  #runBytes = 0;
  #wiped = false;
  readonly #truncated = { stdout: false, stderr: false };

  /** @param limitBytes of both streams together; what comes after is dropped and flagged */
  constructor(limitBytes: number) {
    this.#limitBytes = limitBytes;
  }

  get lengthBytes(): number {
    return this.#bytes.lengthBytes;
  }

  /** Takes the chunk over: its bytes are copied, then overwritten. */
  append(chunk: PrintedChunk): void {
    const room = this.#wiped ? 0 : this.#limitBytes - this.#bytes.lengthBytes;
    const kept = chunk.bytes.subarray(0, Math.max(0, room));
    if (kept.length < chunk.bytes.length) this.markTruncated(chunk.stream);
    if (kept.length > 0) {
      if (chunk.stream !== this.#runOf) this.#turn();
      this.#runBytes += kept.length;
      this.#bytes.append(kept);
    }
    chunk.bytes.fill(0);
  }

  /** Somebody before us dropped bytes of this stream. */
  markTruncated(stream: StreamName): void {
    this.#truncated[stream] = true;
  }

  truncated(stream: StreamName): boolean {
    return this.#truncated[stream];
  }

  /** Both streams as they came; a copy. */
  both(): Buffer<ArrayBuffer> {
    return this.#bytes.joined();
  }

  /** One stream; a copy. */
  only(stream: StreamName): Buffer<ArrayBuffer> {
    const all = this.#bytes.joined();
    let kept = 0;
    let at = 0;
    this.#forEachRun((owner, lengthBytes) => {
      const end = at + lengthBytes;
      if (owner !== stream) {
        at = end;
        return;
      }
      if (lengthBytes >= LONG_RUN_BYTES) all.copyWithin(kept, at, end);
      // A loop of its own: calls would dominate when runs are single bytes.
      else for (let i = 0; i < lengthBytes; i++) all[kept + i] = all[at + i] ?? 0;
      kept += lengthBytes;
      at = end;
    });
    return all.subarray(0, kept);
  }

  /** Overwrites all of it; what comes later is dropped. */
  wipe(): void {
    this.#wiped = true;
    this.#bytes.wipe();
    this.#runs.wipe();
    this.#runBytes = 0;
  }

  #turn(): void {
    const encoded: number[] = [];
    let rest = this.#runBytes;
    while (rest >= 0x80) {
      encoded.push((rest & 0x7f) | 0x80);
      rest >>>= 7;
    }
    encoded.push(rest);
    this.#runs.append(Uint8Array.from(encoded));
    this.#runOf = this.#runOf === "stdout" ? "stderr" : "stdout";
    this.#runBytes = 0;
  }

  #forEachRun(visit: (stream: StreamName, lengthBytes: number) => void): void {
    let stream: StreamName = "stdout";
    let lengthBytes = 0;
    let shift = 0;
    for (const byte of this.#runs.joined()) {
      lengthBytes |= (byte & 0x7f) << shift;
      shift += 7;
      if (byte >= 0x80) continue;
      visit(stream, lengthBytes);
      stream = stream === "stdout" ? "stderr" : "stdout";
      lengthBytes = 0;
      shift = 0;
    }
    visit(this.#runOf, this.#runBytes);
  }
}
