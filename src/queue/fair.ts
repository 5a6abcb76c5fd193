/**
 * Who runs next, and what each caller may use: least used first, by CPU time.
 *
 * Theory of operation. Each caller has a bucket of CPU time (bucket.ts), charged with what its
 * jobs really used and, for the work around them, at submit. Whoever's bucket is empty waits until
 * it is not. Among the others whoever has fewer jobs running goes first: slots are shared, too, and
 * what those jobs will use is not known yet. Among equals the fullest bucket goes first, and among
 * full ones whoever has waited longest with a full one. The latter two are one number, the caller's
 * *rank*: the later of the moment when its bucket is full and the moment when its first job came to
 * the head of its line. Time changes neither, so callers stand in a heap; those without credit
 * stand in another one, by the moment when they have some.
 *
 * Nobody with credit starves of whom nothing runs: with credit the bucket is full within one
 * refill, and whoever comes, or comes to the head again, after that moment stands behind. (Had
 * newcomers or often admitted callers a smaller rank than that, an endless crowd could pass.)
 *
 * Callers of one IPv6 /48 (a group) may all be one, who has 65,536 of them. They keep buckets and
 * lines of their own, but stand together: a group has the bucket, the places and the turns in a
 * round of `callersOfGroup` callers, for its own least used first. It is full by the same
 * moments, its turns are the moments of its last admissions.
 *
 * When all waiting places are taken, a newcomer is not sent away while somebody holds more than it
 * would: the newest job of whoever holds most (of the places or the bytes, whichever is the larger
 * part) gives way. Places are a commons like CPU time; first come would leave them to floods of
 * callers without credit, whose jobs wait for a long time.
 *
 * Pure: the time is passed in. Contract: `submit`, `admit`, `charge`, `ended` and `withdraw` cost
 * O(log n) comparisons of callers (and `submit` O(1) for each job that gives way); `position`
 * looks at every caller that waits. A caller of whom nothing waits or runs is forgotten when its
 * bucket is full; each operation forgets a few, so that none has to forget a million.
 *
 * Keeps S23 of SECURITY.md.
 */
import type { Caller } from "../core/caller.ts";
import { leftMs, spanMs, taken } from "./bucket.ts";
import { Door } from "./door.ts";
import { HeldTimes } from "./heldTimes.ts";
import type { FairLimits } from "./limits.ts";
import type { Group, Line, WaitingJob } from "./line.ts";
import { Lines } from "./lines.ts";

export interface NewJob {
  readonly id: string;
  readonly caller: Caller;
  /** What it holds in memory while it waits. */
  readonly inputBytes: number;
}

export interface QueueCounts {
  readonly running: number;
  readonly waiting: number;
}

export interface Quota extends QueueCounts {
  readonly usedMs: number;
  readonly availableMs: number;
  /** Until the bucket is full. */
  readonly refillsInMs: number;
}

/** What the service itself works for one job, and for each MiB that it took apart: CPU time. */
const JOB_MS = 5;
const MIB_MS = 1;
const MIB_BYTES = 2 ** 20;

export class FairQueue {
  readonly #limits: FairLimits;
  readonly #spanMs: number;
  readonly #lines: Lines;
  readonly #waiting = new Map<string, WaitingJob>();
  readonly #running = new Map<string, { readonly line: Line; readonly sinceMs: number }>();
  readonly #held = new HeldTimes();
  readonly #door: Door;
  #nowMs = 0;

  constructor(limits: FairLimits) {
    this.#limits = limits;
    this.#spanMs = spanMs(limits.bucket);
    this.#lines = new Lines(limits);
    this.#door = new Door(limits, this.#lines, this.#held);
  }

  /**
   * For a look before a body is read; `submit` looks again, with the body's size.
   * @throws Refusal caller_busy
   */
  refuseIfBusy(caller: Caller, nowMs: number): void {
    this.#tick(nowMs);
    const line = this.#lines.find(caller);
    if (line !== undefined) this.#door.refuse(line, 0, this.#nowMs);
  }

  /**
   * A job joins its caller's line.
   * @returns waiting jobs of others that gave way, and are in the queue no more
   * @throws Refusal caller_busy, queue_full, too_large
   */
  submit({ id, caller, inputBytes }: NewJob, nowMs: number): readonly string[] {
    this.#tick(nowMs);
    const line = this.#lines.of(caller);
    let gaveWay: readonly WaitingJob[];
    try {
      this.#door.refuse(line, inputBytes, this.#nowMs);
      gaveWay = this.#door.makeRoom(line, inputBytes, this.#nowMs);
    } catch (refusal) {
      this.#lines.settle(line);
      throw refusal;
    }
    for (const other of gaveWay) this.#leave(other);
    const job = { id, line, inputBytes, before: undefined, after: undefined };
    this.#waiting.set(id, job);
    this.#lines.join(job);
    this.#take(line, JOB_MS + (inputBytes / MIB_BYTES) * MIB_MS);
    return gaveWay.map((one) => one.id);
  }

  /** The job that starts now, which then counts as running; undefined when none may. */
  admit(nowMs: number): string | undefined {
    this.#tick(nowMs);
    if (this.#running.size >= this.#limits.slots) return undefined;
    const line = this.#lines.next();
    const job = line?.head;
    if (line === undefined || job === undefined) return undefined;
    this.#running.set(job.id, { line, sinceMs: this.#nowMs });
    this.#waiting.delete(job.id);
    this.#lines.admit(job);
    return job.id;
  }

  /** When `admit` may have a job although nothing else happens; undefined = not by itself. */
  nextAtMs(): number | undefined {
    if (this.#running.size >= this.#limits.slots) return undefined;
    return this.#lines.nextCreditAtMs();
  }

  /**
   * @returns how many jobs the next caller in turn runs, if it has waited so long with credit,
   *   for nothing but a slot
   */
  starved(patienceMs: number, nowMs: number): number | undefined {
    this.#tick(nowMs);
    const line = this.#lines.next();
    if (line === undefined || this.#running.size < this.#limits.slots) return undefined;
    const sinceMs = Math.max(line.headSinceMs, this.#lines.creditSinceMs(line));
    return this.#nowMs - sinceMs >= patienceMs ? line.running : undefined;
  }

  /** A waiting job leaves its line; false when it was not waiting. */
  withdraw(id: string): boolean {
    const job = this.#waiting.get(id);
    if (job === undefined) return false;
    this.#leave(job);
    return true;
  }

  /** A running job has used so much more CPU time. */
  charge(id: string, cpuMs: number, nowMs: number): void {
    this.#tick(nowMs);
    const held = this.#running.get(id);
    if (held !== undefined && cpuMs > 0) this.#take(held.line, cpuMs);
  }

  /** What a submit costs, for one that was taken apart and refused. */
  chargeBytes(caller: Caller, bytes: number, nowMs: number): void {
    this.chargeWork(caller, JOB_MS + (bytes / MIB_BYTES) * MIB_MS, nowMs);
  }

  /** Work for a caller that is no job's. */
  chargeWork(caller: Caller, cpuMs: number, nowMs: number): void {
    this.#tick(nowMs);
    this.#take(this.#lines.of(caller), cpuMs);
  }

  /** How long it takes until the caller owes less than a whole bucket; 0 = it does not. */
  owesForMs(caller: Caller, nowMs: number): number {
    this.#tick(nowMs);
    return Math.max(0, this.#lines.fullAtMs(caller) - this.#nowMs - 2 * this.#spanMs);
  }

  /**
   * A running job that slept is asked to go, for others who wait: its caller comes late to its next
   * turn, or a crowd of sleepers would take turns with those for whom it had to go.
   */
  gaveWay(id: string, lateMs: number, nowMs: number): void {
    this.#tick(nowMs);
    const line = this.#running.get(id)?.line;
    if (line !== undefined) this.#lines.comesLate(line, this.#nowMs + lateMs);
  }

  /** A running job gave its slot back. */
  ended(id: string, nowMs: number): void {
    this.#tick(nowMs);
    const held = this.#running.get(id);
    if (held === undefined) return;
    this.#running.delete(id);
    this.#held.add(this.#nowMs - held.sinceMs);
    this.#lines.ended(held.line);
  }

  /** Cores to which a running job is held, now that its caller's bucket is empty, or undefined. */
  throttleOf(id: string, nowMs: number): number | undefined {
    this.#tick(nowMs);
    const line = this.#running.get(id)?.line;
    if (line === undefined) return undefined;
    const { refill } = this.#limits.bucket;
    const own = this.#isEmpty(line) ? refill / line.running : undefined;
    const { group } = line;
    if (group === undefined || !this.#isEmpty(group)) return own;
    const shared = (refill * this.#limits.callersOfGroup) / group.running;
    return Math.min(own ?? shared, shared);
  }

  /**
   * How many jobs are admitted up to and with this one as things stand, if callers take turns from
   * here on and none is held back by what it uses or by its running limit. 1 = next; undefined
   * when it does not wait.
   */
  position(id: string): number | undefined {
    const job = this.#waiting.get(id);
    return job === undefined ? undefined : this.#lines.position(job);
  }

  quotaOf(caller: Caller, nowMs: number): Quota {
    this.#tick(nowMs);
    const line = this.#lines.find(caller);
    const { capacityMs } = this.#limits.bucket;
    const fullAtMs = this.#lines.fullAtMs(caller);
    const left = leftMs(fullAtMs, this.#limits.bucket, this.#nowMs);
    return {
      usedMs: capacityMs - left,
      availableMs: Math.max(0, left),
      running: line?.running ?? 0,
      waiting: line?.waiting ?? 0,
      refillsInMs: Math.max(0, fullAtMs - this.#nowMs),
    };
  }

  totals(): QueueCounts {
    return { running: this.#running.size, waiting: this.#waiting.size };
  }

  get slots(): number {
    return this.#limits.slots;
  }

  /** What waiting jobs hold. */
  get waitingBytes(): number {
    return this.#lines.waitingBytes;
  }

  /** Whether anything is known of that caller: its bucket is not full, or it has jobs here. */
  remembers(key: string): boolean {
    return this.#lines.has(key);
  }

  /** Callers that are remembered; those whose buckets are full by now are forgotten first. */
  remembered(nowMs: number): number {
    this.#tick(nowMs);
    this.#lines.forget(Number.POSITIVE_INFINITY);
    return this.#lines.size;
  }

  /** A clock that goes back stands still: a refill is never given twice, nor a debt grown. */
  #tick(nowMs: number): void {
    this.#nowMs = Math.max(this.#nowMs, nowMs);
    this.#lines.pass(this.#nowMs);
  }

  #take(line: Line, cpuMs: number): void {
    const { bucket, callersOfGroup } = this.#limits;
    line.fullAtMs = taken(line.fullAtMs, cpuMs, bucket, this.#nowMs);
    const { group } = line;
    if (group !== undefined) {
      const shared = { ...bucket, refill: bucket.refill * callersOfGroup };
      group.fullAtMs = taken(group.fullAtMs, cpuMs, shared, this.#nowMs);
    }
    this.#lines.settle(line);
  }

  #isEmpty({ fullAtMs }: Line | Group): boolean {
    return fullAtMs - this.#nowMs >= this.#spanMs;
  }

  #leave(job: WaitingJob): void {
    this.#waiting.delete(job.id);
    this.#lines.drop(job);
  }
}
