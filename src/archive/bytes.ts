/** Bytes in RAM: collecting them as they come, and reading a stream of them by length. */

/** Where a collector starts; it doubles from there as bytes come, never as a header claims. */
const FIRST_BYTES = 4096;

/** Grows as bytes come; what it outgrows is overwritten. */
export class ByteCollector {
  #buffer = new Uint8Array(0);
  #length = 0;
  readonly #expectedBytes: number;

  /** @param expectedBytes how many will come at most; room for them is made only as they do. */
  constructor(expectedBytes = Number.POSITIVE_INFINITY) {
    this.#expectedBytes = expectedBytes;
  }

  get length(): number {
    return this.#length;
  }

  /** Copies, so that the chunk can be overwritten. */
  add(chunk: Uint8Array): void {
    const needed = this.#length + chunk.length;
    if (needed > this.#buffer.length) this.#grow(needed);
    this.#buffer.set(chunk, this.#length);
    this.#length = needed;
  }

  /** All bytes so far; the collector is empty afterwards and the bytes are the caller's. */
  take(): Uint8Array {
    const used = this.#buffer.subarray(0, this.#length);
    // A queued job should not hold half as much again as its files need.
    const taken = this.#buffer.length > this.#length * 1.25 ? used.slice() : used;
    if (taken !== used) used.fill(0);
    this.#buffer = new Uint8Array(0);
    this.#length = 0;
    return taken;
  }

  /** Overwrites and forgets what was collected. */
  wipe(): void {
    this.take().fill(0);
  }

  #grow(needed: number): void {
    const roomy = Math.max(this.#buffer.length * 2, FIRST_BYTES);
    const grown = new Uint8Array(Math.max(needed, Math.min(roomy, this.#expectedBytes)));
    grown.set(this.#buffer.subarray(0, this.#length));
    this.#buffer.fill(0);
    this.#buffer = grown;
  }
}

export type ByteChunks = AsyncIterable<Uint8Array> | Iterable<Uint8Array>;

/** Pieces of a buffer, so that no single step works on a hundred megabytes at once. */
export function* inPieces(bytes: Uint8Array, pieceBytes = 64 * 1024): Generator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += pieceBytes) {
    yield bytes.subarray(at, at + pieceBytes);
  }
}

/**
 * Reads chunks by length. The chunks become the reader's: each is overwritten when it is used
 * up. Nothing is asked of the source before it is needed.
 */
export class ByteReader {
  readonly #iterator: AsyncIterator<Uint8Array> | Iterator<Uint8Array>;
  readonly #signal: AbortSignal | undefined;
  #chunk: Uint8Array = new Uint8Array(0);
  #at = 0;
  #read = 0;

  /** @param signal looked at between chunks; a source that waits must itself end by it. */
  constructor(source: ByteChunks, signal?: AbortSignal) {
    this.#iterator =
      Symbol.asyncIterator in source ? source[Symbol.asyncIterator]() : source[Symbol.iterator]();
    this.#signal = signal;
  }

  /** Bytes handed out so far. */
  get bytesRead(): number {
    return this.#read;
  }

  /** True once the source has ended and every byte was handed out. */
  async atEnd(): Promise<boolean> {
    while (this.#at === this.#chunk.length) {
      this.#chunk.fill(0);
      this.#signal?.throwIfAborted();
      const next = await this.#iterator.next();
      if (next.done === true) return true;
      this.#chunk = next.value;
      this.#at = 0;
    }
    return false;
  }

  /**
   * The next bytes, as many as are there but at most `most`; valid until the next call.
   * @returns undefined at the end.
   */
  async some(most: number): Promise<Uint8Array | undefined> {
    if (await this.atEnd()) return undefined;
    const piece = this.#chunk.subarray(this.#at, this.#at + most);
    this.#at += piece.length;
    this.#read += piece.length;
    return piece;
  }

  /** Gives back the last `count` bytes of the piece that `some` returned last. */
  unread(count: number): void {
    if (count < 0 || count > this.#at) throw new Error("cannot unread that many bytes");
    this.#at -= count;
    this.#read -= count;
  }

  /** Exactly `count` bytes, as a copy; undefined when the source ends before. */
  async exactly(count: number): Promise<Uint8Array | undefined> {
    const collector = new ByteCollector(count);
    while (collector.length < count) {
      const piece = await this.some(count - collector.length);
      if (piece === undefined) {
        collector.wipe();
        return undefined;
      }
      collector.add(piece);
    }
    return collector.take();
  }

  /** Overwrites what is left of the last chunk and ends the source, without waiting for it. */
  close(): void {
    this.#chunk.fill(0);
    // A source that hangs, or fails while it ends, is of no more interest.
    Promise.resolve(this.#iterator.return?.()).catch(() => undefined);
  }
}
