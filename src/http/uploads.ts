/**
 * Bodies that are being read. A slow or large upload holds memory before any queue knows of it,
 * so each takes a place first: a few per caller, a bounded number and a bounded sum of bytes in
 * all. Bytes are reserved as declared; when nothing was declared, in steps, as they come.
 *
 * Places and bytes are a commons: when there is none left, a newcomer gets that of whoever holds
 * more than it would, or of one that is slow, since whoever sends a byte a second would hold it for
 * ten minutes. An IPv6 /48 counts as a few callers (queue/fair.ts).
 *
 * Keeps S23 of SECURITY.md.
 */
import type { Caller } from "../core/caller.ts";
import { Refusal } from "../core/errors.ts";
import { SHARING, TRANSFER_LIMITS } from "../core/limits.ts";
import { Stop, type StopSignal } from "../core/stop.ts";

export interface UploadLimits {
  readonly perCaller: number;
  readonly total: number;
  readonly totalBytes: number;
  readonly nowMs: () => number;
  /** Makes room in memory for so many bytes. @throws Refusal queue_full */
  readonly reserve: (bytes: number) => void;
}

/** One body that is being read. */
export interface Upload {
  /** Aborted when it has to give way; the reason is the refusal that its sender is told. */
  readonly gaveWay: StopSignal;
  /** So much more of it has come. @throws Refusal queue_full when there is no room for it */
  count(bytes: number): void;
  /** Gives the place back; may be called again. */
  end(): void;
}

interface Begun {
  /** The caller, or its network. */
  readonly holder: string;
  readonly key: string;
  readonly sinceMs: number;
  readonly stop: Stop;
  /** Reserved for it. */
  bytes: number;
  cameBytes: number;
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
  readonly #begun = new Set<Begun>();
  #bytes = 0;

  constructor(limits: UploadLimits) {
    this.#limits = limits;
  }

  /** Reserved for all bodies that are being read. */
  get heldBytes(): number {
    return this.#bytes;
  }

  /**
   * @param declared undefined when nobody knows how much will come
   * @throws Refusal caller_busy, queue_full
   */
  begin({ key, group }: Caller, declared: number | undefined): Upload {
    const { perCaller, nowMs } = this.#limits;
    const all = [...this.#begun];
    const own = all.filter((one) => one.key === key);
    if (own.length >= perCaller) {
      throw new Refusal(
        "caller_busy",
        `${own.length} of your uploads are under way.`,
        RETRY_SECONDS,
      );
    }
    const holder = group ?? key;
    const together = all.filter((one) => one.holder === holder).length;
    if (together >= perCaller * SHARING.callersOfGroup) {
      throw new Refusal("caller_busy", "Uploads of your network are under way.", RETRY_SECONDS);
    }
    const stop = new Stop();
    const one: Begun = { holder, key, sinceMs: nowMs(), stop, bytes: 0, cameBytes: 0 };
    this.#reserve(one, declared ?? TRANSFER_LIMITS.uploadStepBytes);
    return {
      gaveWay: stop,
      count: (came) => this.#count(one, came),
      end: () => this.#end(one),
    };
  }

  /**
   * `begin` for a body that is read whole; what is declared small is read in a moment and takes
   * no place.
   * @throws Refusal too_large for what says itself that it is, before a byte of it is read
   */
  beginWhole(caller: Caller, headers: Headers, limitBytes: number): Upload {
    const declared = declaredBytes(headers);
    if (declared !== undefined && declared > limitBytes) {
      throw new Refusal("too_large", `The body may have ${limitBytes} bytes.`);
    }
    const isSmall = declared !== undefined && declared <= TRANSFER_LIMITS.smallBodyBytes;
    return isSmall ? placeless() : this.begin(caller, declared);
  }

  #count(one: Begun, came: number): void {
    one.cameBytes += came;
    // One that gave way holds nothing any more, and is about to be told.
    if (one.cameBytes <= one.bytes || !this.#begun.has(one)) return;
    const { uploadStepBytes: step } = TRANSFER_LIMITS;
    this.#reserve(one, Math.ceil((one.cameBytes - one.bytes) / step) * step);
  }

  /** For one that begins, and for one that turns out to be larger. */
  #reserve(one: Begun, bytes: number): void {
    this.#makeRoom(one, bytes);
    this.#limits.reserve(bytes);
    this.#begun.add(one);
    one.bytes += bytes;
    this.#bytes += bytes;
  }

  #makeRoom(asker: Begun, bytes: number): void {
    const { total, totalBytes } = this.#limits;
    const places = this.#begun.has(asker) ? 0 : 1;
    while (this.#begun.size + places > total || this.#bytes + bytes > totalBytes) {
      const byBytes = this.#bytes + bytes > totalBytes;
      const wanted = byBytes ? bytes : places;
      const fits = asker.bytes + bytes <= totalBytes;
      const loser = fits ? this.#whoGivesWay(asker, wanted, byBytes) : undefined;
      if (loser === undefined) {
        throw new Refusal("queue_full", "Too many uploads are under way.", RETRY_SECONDS);
      }
      this.#end(loser);
      loser.stop.abort(
        new Refusal("queue_full", "Your upload gave way to another caller's.", RETRY_SECONDS),
      );
    }
  }

  /** The newest of whoever holds most, if that is more than the asker would; or the slowest. */
  #whoGivesWay(asker: Begun, wanted: number, byBytes: boolean): Begun | undefined {
    const held = new Map([[asker.holder, wanted]]);
    for (const one of this.#begun) {
      held.set(one.holder, (held.get(one.holder) ?? 0) + (byBytes ? one.bytes : 1));
    }
    const heldBy = ({ holder }: Begun) => held.get(holder) ?? 0;
    let most: Begun | undefined;
    for (const one of this.#begun) {
      if (most === undefined || heldBy(one) >= heldBy(most)) most = one;
    }
    if (most !== undefined && heldBy(most) > heldBy(asker)) return most;
    return [...this.#begun]
      .filter((one) => one.holder !== asker.holder && this.#isSlow(one))
      .sort((a, b) => a.cameBytes - b.cameBytes)[0];
  }

  #isSlow({ sinceMs, cameBytes }: Begun): boolean {
    const ageMs = this.#limits.nowMs() - sinceMs;
    const { slowAfterMs, slowBytesPerSecond } = SHARING;
    return ageMs >= slowAfterMs && cameBytes < (slowBytesPerSecond * ageMs) / 1000;
  }

  #end(one: Begun): void {
    if (this.#begun.delete(one)) this.#bytes -= one.bytes;
  }
}

function placeless(): Upload {
  return {
    gaveWay: new Stop(),
    count: () => undefined,
    end: () => undefined,
  };
}
