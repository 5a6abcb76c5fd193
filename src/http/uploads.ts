/**
 * Bodies that are being read. A slow or large upload holds memory before any queue knows of it,
 * so each takes a place first: a few per caller, a bounded number and a bounded sum of bytes in
 * all. Bytes are reserved as declared, or as the limit when nothing was declared.
 */
import type { Caller } from "../core/caller.ts";
import { Refusal } from "../core/errors.ts";
import { TRANSFER_LIMITS } from "../core/limits.ts";

export interface UploadLimits {
  readonly perCaller: number;
  readonly total: number;
  readonly totalBytes: number;
}

/** What a request says of its body's length; undefined when it says nothing that can be used. */
export function declaredBytes(headers: Headers): number | undefined {
  const header = headers.get("content-length") ?? "";
  return /^\d{1,15}$/.test(header) ? Number(header) : undefined;
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
  begin(caller: Caller, bytes: number): () => void {
    const own = this.#begun.get(caller.key) ?? 0;
    if (own >= this.#limits.perCaller) {
      throw new Refusal("caller_busy", `${own} of your uploads are under way.`, RETRY_SECONDS);
    }
    if (this.#total >= this.#limits.total || this.#bytes + bytes > this.#limits.totalBytes) {
      throw new Refusal("queue_full", "Too many uploads are under way.", RETRY_SECONDS);
    }
    this.#begun.set(caller.key, own + 1);
    this.#total += 1;
    this.#bytes += bytes;
    return () => this.#end(caller.key, bytes);
  }

  /**
   * `begin` for a body that is read whole; what is declared small is read in a moment and takes
   * no place.
   * @throws Refusal too_large for what says itself that it is, before a byte of it is read
   */
  beginWhole(caller: Caller, headers: Headers, limitBytes: number): () => void {
    const declared = declaredBytes(headers);
    if (declared !== undefined && declared > limitBytes) {
      throw new Refusal("too_large", `The body may have ${limitBytes} bytes.`);
    }
    const isSmall = declared !== undefined && declared <= TRANSFER_LIMITS.smallBodyBytes;
    return isSmall ? () => undefined : this.begin(caller, declared ?? limitBytes);
  }

  #end(caller: string, bytes: number): void {
    const own = (this.#begun.get(caller) ?? 1) - 1;
    if (own === 0) this.#begun.delete(caller);
    else this.#begun.set(caller, own);
    this.#total -= 1;
    this.#bytes -= bytes;
  }
}
