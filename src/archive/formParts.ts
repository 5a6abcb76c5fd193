/**
 * The parts of a multipart/form-data body, in RAM.
 *
 * Dicer, the splitter inside @fastify/busboy, is used by itself: busboy above it passes over
 * parts that it does not understand, so that a file would go missing in silence, and reads
 * names that are not UTF-8 as other names. The events of Dicer say what a part is; here they
 * become one promise, and the body's chunks are overwritten when they were copied.
 */
import { setImmediate as nextTurn } from "node:timers/promises";
import { Dicer } from "@fastify/busboy";
import { Refusal } from "../core/errors.ts";
import { TRANSFER_LIMITS } from "../core/limits.ts";
import { ByteCollector } from "./bytes.ts";
import { boundaryOf, type PartNames, partNames, refuseForm } from "./formHeaders.ts";

/** Every file by itself, and some room for the manifest and what is refused by name. */
const MOST_PARTS = TRANSFER_LIMITS.inputFiles + 8;
const MOST_HEADER_PAIRS = 32;
/**
 * Turns of the event loop that a chunk may take. Splitting waits for nothing outside of this
 * process, so what is not done by then never will be: no body may keep anybody waiting.
 */
const MOST_TURNS = 1000;

export interface FormPart extends PartNames {
  readonly bytes: Uint8Array;
}

/** A part while it comes. */
interface OpenPart {
  readonly collector: ByteCollector;
  readonly pendingBytes: () => number;
  names: PartNames | undefined;
}

/** Splits what is written to it; the first thing that is wrong is kept in `failure`. */
class FormSplitter {
  readonly parts: OpenPart[] = [];
  finished = false;
  failure: unknown;
  readonly #dicer: Dicer;
  /** Parts whose end was not seen yet. */
  readonly #coming = new Set<OpenPart>();

  constructor(boundary: string) {
    const config = {
      boundary,
      maxHeaderPairs: MOST_HEADER_PAIRS,
      maxHeaderSize: TRANSFER_LIMITS.partHeaderBytes,
    };
    this.#dicer = new Dicer(config);
    this.#dicer.on("part", (part) => this.#open(part));
    this.#dicer.on("finish", () => {
      this.finished = true;
    });
    this.#dicer.on("error", () => this.#fail(this.#cutOff()));
  }

  /** Resolves when the chunk was copied to the last byte, or something is wrong. */
  async write(chunk: Buffer): Promise<void> {
    // After the last boundary Dicer takes nothing more, and does not call back for the chunk
    // that the boundary was in.
    if (this.finished) return;
    let taken = false;
    this.#dicer.write(chunk, () => {
      taken = true;
    });
    const isCopied = () => [...this.#coming].every((part) => part.pendingBytes() === 0);
    for (let turn = 0; !((taken || this.finished) && isCopied()); turn++) {
      if (turn === MOST_TURNS) this.#fail(new Refusal("bad_request", "multipart: it is malformed"));
      if (this.failure !== undefined) throw this.failure;
      await nextTurn();
    }
    if (this.failure !== undefined) throw this.failure;
  }

  /** Resolves when all parts have come whole. @throws what was wrong with them */
  async end(): Promise<void> {
    this.#dicer.end();
    for (let turn = 0; turn < MOST_TURNS && !this.#isWhole(); turn++) await nextTurn();
    if (this.failure === undefined && !this.#isWhole()) this.#fail(this.#cutOff());
    if (this.failure !== undefined) throw this.failure;
  }

  wipe(): void {
    for (const { collector } of this.parts) collector.wipe();
  }

  #isWhole(): boolean {
    return this.finished && this.#coming.size === 0;
  }

  #cutOff(): Refusal {
    return new Refusal("bad_request", "multipart: the body is cut off");
  }

  #fail(failure: unknown): void {
    this.failure ??= failure;
  }

  #open(stream: Dicer.PartStream): void {
    const part: OpenPart = {
      collector: new ByteCollector(),
      pendingBytes: () => stream.readableLength,
      names: undefined,
    };
    stream.on("error", () => this.#fail(this.#cutOff()));
    stream.on("header", (headers) => {
      try {
        part.names = partNames(headers);
      } catch (refusal) {
        this.#fail(refusal);
      }
    });
    stream.on("data", (piece) => {
      if (typeof piece !== "string") part.collector.add(piece);
    });
    stream.on("end", () => this.#coming.delete(part));
    this.parts.push(part);
    this.#coming.add(part);
    if (this.parts.length > MOST_PARTS) {
      this.#fail(new Refusal("too_large", `multipart: more than ${MOST_PARTS} parts`));
    }
  }
}

/** The next chunk, or the abort: a body that just stops coming must not hold anybody. */
function nextChunk(
  body: AsyncIterator<Uint8Array>,
  signal: AbortSignal | undefined,
): Promise<IteratorResult<Uint8Array>> {
  return new Promise((resolve, reject) => {
    const onAbort = () => reject(signal?.reason);
    signal?.throwIfAborted();
    signal?.addEventListener("abort", onAbort, { once: true });
    const settled = () => signal?.removeEventListener("abort", onAbort);
    body.next().then(
      (next) => {
        settled();
        resolve(next);
      },
      (error: unknown) => {
        settled();
        const brokeOff = new Refusal("bad_request", "multipart: the body broke off");
        reject(error instanceof Refusal ? error : brokeOff);
      },
    );
  });
}

/** Writes the body to the splitter. @throws Refusal `too_large` past the ceiling */
async function pump(
  body: AsyncIterator<Uint8Array>,
  splitter: FormSplitter,
  signal: AbortSignal | undefined,
): Promise<void> {
  let bytes = 0;
  for (;;) {
    const { done, value } = await nextChunk(body, signal);
    if (done === true) return;
    bytes += value.length;
    if (bytes > TRANSFER_LIMITS.inputBytes) {
      throw new Refusal("too_large", `multipart: more than ${TRANSFER_LIMITS.inputBytes} bytes`);
    }
    const chunk = Buffer.from(value.buffer, value.byteOffset, value.length);
    await splitter.write(chunk);
    chunk.fill(0);
  }
}

/**
 * Reads a form to its end. Bytes before the first and after the last boundary say nothing
 * (RFC 2046, 5.1.1) but count. The body's chunks are overwritten.
 * @throws Refusal `bad_request` when it is malformed or cut off, `too_large`
 */
export async function readFormParts(
  body: AsyncIterable<Uint8Array>,
  contentType: string,
  signal?: AbortSignal,
): Promise<FormPart[]> {
  const splitter = new FormSplitter(boundaryOf(contentType));
  const chunks = body[Symbol.asyncIterator]();
  try {
    await pump(chunks, splitter, signal);
    await splitter.end();
    return splitter.parts.map(({ names, collector }) => {
      if (names === undefined) refuseForm("a part has no name");
      return { ...names, bytes: collector.take() };
    });
  } catch (error) {
    splitter.wipe();
    // Not awaited: a source that hangs would hang this too.
    chunks.return?.().catch(() => undefined);
    throw error;
  }
}
