/**
 * Bodies that are being read. A slow or large upload holds memory before any queue knows of it,
 * so each takes a place first: a few per caller, a bounded number and a bounded sum of bytes in
 * all. Bytes are reserved as declared, or as the limit when nothing was declared.
 */
import { Refusal } from "../core/errors.ts";

export interface UploadLimits {
  readonly perCaller: number;
  readonly total: number;
  readonly totalBytes: number;
}

/** Places come free within moments when uploads are quick; there is nothing to compute it from. */
const RETRY_SECONDS = 2;

export class Uploads {
  readonly #limits: UploadLimits;
  readonly #begun = new Map<string, number>();
  #total = 0;
  #bytes = 0;

  constructor(limits: UploadLimits) {
    this.#limits = limits;
  }

  /**
   * @returns gives the place back; call it exactly once
   * @throws Refusal caller_busy, queue_full
   */
  begin(caller: string, bytes: number): () => void {
    const own = this.#begun.get(caller) ?? 0;
    if (own >= this.#limits.perCaller) {
      throw new Refusal("caller_busy", `${own} of your uploads are under way.`, RETRY_SECONDS);
    }
    if (this.#total >= this.#limits.total || this.#bytes + bytes > this.#limits.totalBytes) {
      throw new Refusal("queue_full", "Too many uploads are under way.", RETRY_SECONDS);
    }
    this.#begun.set(caller, own + 1);
    this.#total += 1;
    this.#bytes += bytes;
    return () => this.#end(caller, bytes);
  }

  #end(caller: string, bytes: number): void {
    const own = (this.#begun.get(caller) ?? 1) - 1;
    if (own === 0) this.#begun.delete(caller);
    else this.#begun.set(caller, own);
    this.#total -= 1;
    this.#bytes -= bytes;
  }
}
