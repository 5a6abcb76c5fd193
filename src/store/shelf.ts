/**
 * The jobs that the service remembers, by id; nothing here outlives its time.
 *
 * A job is on the shelf from submit on. Once it has ended it counts against its caller's and the
 * service's bounds and is destroyed after `finishedMs`; when a bound is crossed the oldest goes
 * first: the caller's own for the caller's bounds, for the service's those of whoever holds most.
 * A download takes a lease, so that expiry does not cut it; a lease is honoured for `leaseMs`
 * only, or a client that reads one byte a minute would hold a box for ever.
 */
import type { Caller } from "../core/caller.ts";
import type { Outputs } from "../core/runner.ts";
import type { Clock } from "./clock.ts";
import { bytesInBox, whoseBoxGoes } from "./kept.ts";
import type { Job, JobRecord } from "./record.ts";

export interface ShelfLimits {
  readonly finishedMs: number;
  /** How long a lease may keep an expired job. */
  readonly leaseMs: number;
  /** Ended jobs of all callers. */
  readonly finishedJobs: number;
  /** Logs and outputs of all ended jobs. */
  readonly bytes: number;
  /** Of one caller. */
  readonly keptBoxes: number;
  readonly keptBytes: number;
  /** Of all callers. */
  readonly allKeptBoxes: number;
}

/** What one ended job holds of the machine's memory. */
export interface Shelved {
  readonly id: string;
  readonly caller: Caller;
  readonly bytes: number;
}

/** Somebody reads a job's outputs; end it exactly once (later calls do nothing). */
export interface Lease {
  /** @param destroy the reader got all: out of sight now, destroyed when nobody reads any more */
  end(destroy: boolean): void;
}

interface Ended {
  readonly record: JobRecord;
  bytes: number;
  leases: number;
  /** Out of sight; goes with its last lease. */
  doomed: boolean;
}

interface Holding {
  readonly ids: Set<string>;
  bytes: number;
}

export class Shelf {
  readonly #limits: ShelfLimits;
  readonly #clock: Clock;
  readonly #onFault: (fault: unknown) => void;
  readonly #jobs = new Map<string, JobRecord>();
  /** In the order of their ends, which is the order of their expiry. */
  readonly #ended = new Map<string, Ended>();
  readonly #holdings = new Map<string, Holding>();
  readonly #dying = new Set<Promise<void>>();
  /** Jobs whose boxes are kept, the oldest first. */
  readonly #boxes = new Map<string, JobRecord>();
  #bytes = 0;
  #cancelTimer: (() => void) | undefined;
  #timerAtMs = Number.POSITIVE_INFINITY;

  constructor(limits: ShelfLimits, clock: Clock, onFault: (fault: unknown) => void) {
    this.#limits = limits;
    this.#clock = clock;
    this.#onFault = onFault;
  }

  get size(): number {
    return this.#jobs.size;
  }

  /** Bytes that ended jobs hold, in this process and in their boxes. */
  get heldBytes(): number {
    return this.#bytes;
  }

  /** No job is remembered, and nothing of one is still on its way out. */
  get isEmpty(): boolean {
    return this.#jobs.size === 0 && this.#dying.size === 0;
  }

  /** Those in this process alone. */
  get ownBytes(): number {
    let own = this.#bytes;
    for (const { outputs } of this.#boxes.values()) own -= outputs?.totalBytes ?? 0;
    return own;
  }

  /** What ended jobs hold, the oldest first; of a box that is kept all that the job left in it. */
  *held(): Iterable<Shelved> {
    for (const { record, bytes } of this.#ended.values()) {
      const inBox = bytesInBox(record);
      yield { id: record.id, caller: record.caller, bytes: Math.max(bytes, inBox) };
    }
  }

  add(record: JobRecord): void {
    this.#jobs.set(record.id, record);
  }

  /** Undefined for unknown, destroyed and expired ids alike. */
  get(id: string): Job | undefined {
    const record = this.#jobs.get(id);
    if (record?.expiresAtMs !== undefined && record.expiresAtMs <= this.#clock.nowMs()) {
      return undefined;
    }
    return this.#ended.get(id)?.doomed === true ? undefined : record;
  }

  /** The job's end is known and its outputs are set: it expires, and others may have to go. */
  ended(record: JobRecord): void {
    if (this.#jobs.get(record.id) !== record) {
      // Destroyed while it ran: what came of it must not stay either.
      void this.dropOutputs(record);
      this.#wipe(record);
      return;
    }
    record.expiresAtMs = this.#clock.nowMs() + this.#limits.finishedMs;
    const bytes = record.log.lengthBytes + (record.outputs?.totalBytes ?? 0);
    const holding = this.#holdings.get(record.caller.key) ?? { ids: new Set(), bytes: 0 };
    this.#holdings.set(record.caller.key, holding);
    holding.ids.add(record.id);
    this.#ended.set(record.id, { record, bytes: 0, leases: 0, doomed: false });
    this.#count(record.id, bytes);
    if (record.outputs?.holdsBox === true) this.#boxes.set(record.id, record);
    this.#keepCallerInBounds(holding);
    this.#keepServiceInBounds();
    this.#setTimer();
  }

  lease(id: string): Lease | undefined {
    const ended = this.#ended.get(id);
    if (ended === undefined || this.get(id) === undefined) return undefined;
    ended.leases += 1;
    let over = false;
    return {
      end: (destroy) => {
        if (over) return;
        over = true;
        ended.leases -= 1;
        ended.doomed ||= destroy;
        if (ended.leases === 0 && this.#isOver(ended)) void this.#forget(id);
        this.#setTimer();
      },
    };
  }

  /** Out of sight at once; resolves when its bytes are overwritten and its box is gone. */
  remove(id: string): Promise<void> {
    const gone = this.#forget(id);
    this.#setTimer();
    return gone;
  }

  /** The outputs go, status and log stay. Resolves when they are gone. */
  async dropOutputs(record: JobRecord): Promise<void> {
    const outputs = record.outputs;
    if (outputs === undefined) return;
    record.outputs = undefined;
    this.#boxes.delete(record.id);
    this.#count(record.id, -outputs.totalBytes);
    const dying = this.#destroy(outputs);
    this.#dying.add(dying);
    await dying;
    this.#dying.delete(dying);
  }

  /** Destroys every job; resolves when nothing is left. */
  async close(): Promise<void> {
    for (const id of [...this.#jobs.keys()]) void this.#forget(id);
    this.#cancelTimer?.();
    this.#timerAtMs = Number.POSITIVE_INFINITY;
    while (this.#dying.size > 0) await Promise.all(this.#dying);
  }

  #forget(id: string): Promise<void> {
    const record = this.#jobs.get(id);
    if (record === undefined) return Promise.resolve();
    const dropped = this.dropOutputs(record);
    this.#wipe(record);
    const ended = this.#ended.get(id);
    if (ended !== undefined) this.#count(id, -ended.bytes);
    this.#jobs.delete(id);
    this.#ended.delete(id);
    const holding = this.#holdings.get(record.caller.key);
    holding?.ids.delete(id);
    if (holding?.ids.size === 0) this.#holdings.delete(record.caller.key);
    return dropped;
  }

  #wipe(record: JobRecord): void {
    record.log.wipe();
    record.changes.tell();
  }

  #destroy(outputs: Outputs): Promise<void> {
    return outputs.destroy().catch(this.#onFault);
  }

  #count(id: string, bytes: number): void {
    const ended = this.#ended.get(id);
    if (ended === undefined) return;
    ended.bytes += bytes;
    this.#bytes += bytes;
    const holding = this.#holdings.get(ended.record.caller.key);
    if (holding !== undefined) holding.bytes += bytes;
  }

  #keepCallerInBounds(holding: Holding): void {
    if (this.#boxes.size > this.#limits.keptBoxes) this.#keepFewBoxes(holding);
    while (holding.bytes > this.#limits.keptBytes) this.#forgetOldest(holding);
  }

  #keepFewBoxes(holding: Holding): void {
    const boxes = [...holding.ids]
      .map((id) => this.#boxes.get(id))
      .filter((one) => one !== undefined);
    for (const record of boxes.slice(0, Math.max(0, boxes.length - this.#limits.keptBoxes))) {
      void this.dropOutputs(record);
    }
  }

  #keepServiceInBounds(): void {
    while (this.#boxes.size > this.#limits.allKeptBoxes) {
      const found = whoseBoxGoes(this.#boxes.values());
      if (found !== undefined) void this.dropOutputs(found);
    }
    while (this.#ended.size > this.#limits.finishedJobs || this.#bytes > this.#limits.bytes) {
      const byBytes = this.#bytes > this.#limits.bytes;
      let most: Holding | undefined;
      for (const holding of this.#holdings.values()) {
        if (most === undefined || weight(holding, byBytes) > weight(most, byBytes)) most = holding;
      }
      if (most === undefined) return;
      this.#forgetOldest(most);
    }
  }

  #forgetOldest(holding: Holding): void {
    const [oldest] = holding.ids;
    if (oldest !== undefined) void this.#forget(oldest);
  }

  #isOver(ended: Ended): boolean {
    return ended.doomed || (ended.record.expiresAtMs ?? 0) <= this.#clock.nowMs();
  }

  /**
   * One timer for the whole shelf: at the next moment when anything can expire. One that goes off
   * too early looks again: most jobs are destroyed long before their time, and many times a second.
   */
  #setTimer(): void {
    const nextAtMs = this.#nextExpiryMs();
    if (nextAtMs === undefined || nextAtMs >= this.#timerAtMs) return;
    this.#cancelTimer?.();
    this.#timerAtMs = nextAtMs;
    this.#cancelTimer = this.#clock.after(nextAtMs - this.#clock.nowMs(), () => this.#expire());
  }

  #expire(): void {
    this.#timerAtMs = Number.POSITIVE_INFINITY;
    const nowMs = this.#clock.nowMs();
    for (const [id, ended] of [...this.#ended]) {
      if ((ended.record.expiresAtMs ?? 0) > nowMs) break;
      if (this.#dueAtMs(ended) <= nowMs) void this.#forget(id);
    }
    this.#setTimer();
  }

  #nextExpiryMs(): number | undefined {
    let next: number | undefined;
    for (const ended of this.#ended.values()) {
      next = Math.min(next ?? Number.POSITIVE_INFINITY, this.#dueAtMs(ended));
      if (ended.leases === 0) break;
    }
    return next;
  }

  #dueAtMs(ended: Ended): number {
    return (ended.record.expiresAtMs ?? 0) + (ended.leases > 0 ? this.#limits.leaseMs : 0);
  }
}

/** How much of the bound that was crossed a caller holds. */
function weight(holding: Holding, byBytes: boolean): number {
  return byBytes ? holding.bytes : holding.ids.size;
}
