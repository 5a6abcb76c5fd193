/**
 * What one job printed: bounded, in order, and wiped at the end.
 *
 * A program may print its 10 MB one byte at a time and from both streams in turn, so a list of
 * chunk objects would cost a hundred times the bytes. Instead all bytes go into a few growing
 * blocks in the order they came, and `runs` says whose they are: lengths that alternate between
 * stdout and stderr, stdout first, as LEB128. A run of n bytes costs at most n bytes there, so
 * the whole log never takes more than twice its limit plus one block.
 *
 * Keeps S20 and S21 of SECURITY.md.
 */
import type { PrintedChunk, StreamName } from "../core/job.ts";
import { KIB } from "../core/limits.ts";
import { Blocks } from "./blocks.ts";

const LONG_RUN_BYTES = 64;
/** A place in `runs` is noted about this often, so that a reader can begin anywhere at once. */
const MARK_EVERY_BYTES = 64 * KIB;

/** A run and where it begins. */
interface Run {
  /** First byte, among all bytes. */
  readonly startAt: number;
  /** Its length in `runs`; for the current run, where that will stand. */
  readonly codeAt: number;
  readonly stream: StreamName;
}

const FIRST_RUN: Run = { startAt: 0, codeAt: 0, stream: "stdout" };

function otherStream(stream: StreamName): StreamName {
  return stream === "stdout" ? "stderr" : "stdout";
}

/**
 * Reads a log from a place on, at its own pace, while it is written: it holds a place and no bytes.
 * A place is the number of bytes before it, of both streams: what was printed is numbered byte by
 * byte, so a reader that was cut off goes on exactly where it was, with any other reader.
 */
export class LogReader {
  readonly #log: LogBuffer;
  #run: Run;
  #place: number;

  /** @param place from 0 to the log's length @throws RangeError for another */
  constructor(log: LogBuffer, place: number) {
    if (!Number.isInteger(place) || place < 0 || place > log.lengthBytes) {
      throw new RangeError("a place that is not in the log");
    }
    this.#log = log;
    this.#run = log.markBefore(place);
    this.#place = place;
  }

  /** How many bytes of the log lie behind this reader. */
  get place(): number {
    return this.#place;
  }

  /** A copy of what comes next, from one stream; undefined when there is nothing now, or wiped. */
  peek(mostBytes: number): PrintedChunk | undefined {
    for (;;) {
      if (this.#place >= this.#log.lengthBytes) return undefined;
      const { lengthBytes, next } = this.#log.measure(this.#run);
      const endAt = this.#run.startAt + lengthBytes;
      if (this.#place < endAt) {
        const bytes = this.#log.copy(this.#place, Math.min(endAt, this.#place + mostBytes));
        return { stream: this.#run.stream, bytes };
      }
      if (next === undefined) return undefined;
      this.#run = next;
    }
  }

  /** Whether the other stream has printed since: this one will not grow at this place. */
  isRunOver(): boolean {
    return this.#log.measure(this.#run).next !== undefined;
  }

  /** Moves on over what `peek` gave, or the first part of it. */
  skip(bytes: number): void {
    this.#place += bytes;
  }
}

export class LogBuffer {
  readonly #limitBytes: number;
  readonly #bytes = new Blocks();
  /** Lengths of the finished runs; the current one reaches to the end of the bytes. */
  readonly #runs = new Blocks();
  #current: Run = FIRST_RUN;
  readonly #marks: Run[] = [FIRST_RUN];
  #wiped = false;
  readonly #truncated = { stdout: false, stderr: false };

  /** @param limitBytes of both streams together; what comes after is dropped and flagged */
  constructor(limitBytes: number) {
    this.#limitBytes = limitBytes;
  }

  get lengthBytes(): number {
    return this.#bytes.lengthBytes;
  }

  /** What comes now is dropped. */
  get isFull(): boolean {
    return this.#bytes.lengthBytes >= this.#limitBytes;
  }

  /** The job was destroyed: what was printed is gone and no reader will learn the rest. */
  get isWiped(): boolean {
    return this.#wiped;
  }

  /** Takes the chunk over: its bytes are copied, then overwritten. */
  append(chunk: PrintedChunk): void {
    const room = this.#wiped ? 0 : this.#limitBytes - this.#bytes.lengthBytes;
    const kept = chunk.bytes.subarray(0, Math.max(0, room));
    if (kept.length < chunk.bytes.length) this.markTruncated(chunk.stream);
    if (kept.length > 0) {
      if (chunk.stream !== this.#current.stream) this.#turn();
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
    // The rest of this copy is the other stream's, and nobody else would overwrite it.
    all.fill(0, kept);
    return all.subarray(0, kept);
  }

  /** @param place see LogReader @throws RangeError */
  openReader(place: number): LogReader {
    return new LogReader(this, place);
  }

  /** For readers: the last noted run that begins at or before a place. */
  markBefore(place: number): Run {
    return this.#marks.findLast(({ startAt }) => startAt <= place) ?? FIRST_RUN;
  }

  /** For readers: how long a run is and, when it is over, which one follows. */
  measure(run: Run): { readonly lengthBytes: number; readonly next: Run | undefined } {
    if (run.codeAt >= this.#runs.lengthBytes) {
      return { lengthBytes: this.#bytes.lengthBytes - run.startAt, next: undefined };
    }
    let lengthBytes = 0;
    let codeAt = run.codeAt;
    for (let shift = 0; ; shift += 7) {
      const code = this.#runs.at(codeAt++);
      lengthBytes |= (code & 0x7f) << shift;
      if (code < 0x80) break;
    }
    const startAt = run.startAt + lengthBytes;
    return { lengthBytes, next: { startAt, codeAt, stream: otherStream(run.stream) } };
  }

  /** For readers: a copy of bytes that are there. */
  copy(from: number, to: number): Buffer<ArrayBuffer> {
    return this.#bytes.copy(from, to);
  }

  /** Overwrites all of it; what comes later is dropped. */
  wipe(): void {
    this.#wiped = true;
    this.#bytes.wipe();
    this.#runs.wipe();
    this.#marks.length = 0;
    this.#current = FIRST_RUN;
  }

  #turn(): void {
    const encoded: number[] = [];
    let rest = this.#bytes.lengthBytes - this.#current.startAt;
    while (rest >= 0x80) {
      encoded.push((rest & 0x7f) | 0x80);
      rest >>>= 7;
    }
    encoded.push(rest);
    this.#runs.append(Uint8Array.from(encoded));
    this.#current = {
      startAt: this.#bytes.lengthBytes,
      codeAt: this.#runs.lengthBytes,
      stream: otherStream(this.#current.stream),
    };
    const markedAt = this.#marks.at(-1)?.startAt ?? 0;
    if (this.#current.startAt - markedAt >= MARK_EVERY_BYTES) this.#marks.push(this.#current);
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
      stream = otherStream(stream);
      lengthBytes = 0;
      shift = 0;
    }
    visit(this.#current.stream, this.#bytes.lengthBytes - this.#current.startAt);
  }
}
