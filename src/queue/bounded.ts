/**
 * Who runs next. Callers take turns (round-robin), each caller's own jobs keep their order.
 *
 * One caller can hold at most `running` slots and `waiting` places, so a flood from one address
 * delays nobody else by more than one job a turn. Pure: the time is passed in. The CPU-time
 * quotas will be another class with the interface `JobQueue`.
 */

import { Refusal } from "../core/errors.ts";
import type { Usage } from "../core/job.ts";

/** What the engine needs from a queue; `id` is the job's, `caller` a key that is no address. */
export interface JobQueue {
  /**
   * A job joins its caller's line.
   * @param inputBytes what it holds in memory while it waits
   * @throws Refusal caller_busy, queue_full
   */
  submit(id: string, caller: string, inputBytes: number, nowMs: number): void;
  /** The job that starts now, which then counts as running; undefined when none may. */
  admit(nowMs: number): string | undefined;
  /** A waiting job leaves its line; false when it was not waiting. */
  withdraw(id: string): boolean;
  /** A running job gave its slot back. */
  ended(id: string, usage: Usage, nowMs: number): void;
  /** 1 = next; undefined when it does not wait. */
  position(id: string): number | undefined;
  countsOf(caller: string): QueueCounts;
  totals(): QueueCounts;
}

export interface QueueCounts {
  readonly running: number;
  readonly waiting: number;
}

export interface BoundedQueueLimits {
  /** Jobs that run at once, of all callers. */
  readonly slots: number;
  /** Of one caller. */
  readonly running: number;
  readonly waiting: number;
  readonly waitingBytes: number;
  /** Of all callers. */
  readonly totalWaiting: number;
  readonly totalWaitingBytes: number;
}

interface WaitingJob {
  readonly id: string;
  readonly inputBytes: number;
}

/** One caller's place in the round; dropped as soon as it holds nothing. */
interface Line {
  readonly waiting: WaitingJob[];
  waitingBytes: number;
  running: number;
}

/** `retry_after` never says less, nor more, than this. */
const RETRY_LEAST_SECONDS = 1;
const RETRY_MOST_SECONDS = 300;
/** What a job is thought to take before any has ended. */
const FIRST_GUESS_MS = 1000;
/** Weight of the newest job in the running mean. */
const MEAN_WEIGHT = 1 / 8;

export class BoundedQueue implements JobQueue {
  readonly #limits: BoundedQueueLimits;
  /** In the order of turns: whoever was admitted last is at the end. */
  readonly #lines = new Map<string, Line>();
  readonly #callerOfWaiting = new Map<string, string>();
  readonly #running = new Map<string, { caller: string; sinceMs: number }>();
  #waitingBytes = 0;
  #meanHeldMs = FIRST_GUESS_MS;

  constructor(limits: BoundedQueueLimits) {
    this.#limits = limits;
  }

  submit(id: string, caller: string, inputBytes: number, _nowMs: number): void {
    this.#refuseIfFull(this.#lines.get(caller), inputBytes);
    const line = this.#lines.get(caller) ?? { waiting: [], waitingBytes: 0, running: 0 };
    this.#lines.set(caller, line);
    line.waiting.push({ id, inputBytes });
    line.waitingBytes += inputBytes;
    this.#waitingBytes += inputBytes;
    this.#callerOfWaiting.set(id, caller);
  }

  admit(nowMs: number): string | undefined {
    if (this.#running.size >= this.#limits.slots) return undefined;
    for (const [caller, line] of this.#lines) {
      if (line.running >= this.#limits.running) continue;
      const next = line.waiting[0];
      if (next === undefined) continue;
      this.#leave(line, 0, next);
      line.running += 1;
      this.#running.set(next.id, { caller, sinceMs: nowMs });
      this.#lines.delete(caller);
      this.#lines.set(caller, line);
      return next.id;
    }
    return undefined;
  }

  withdraw(id: string): boolean {
    const caller = this.#callerOfWaiting.get(id);
    const line = caller === undefined ? undefined : this.#lines.get(caller);
    const index = line?.waiting.findIndex((job) => job.id === id) ?? -1;
    const job = line?.waiting[index];
    if (caller === undefined || line === undefined || job === undefined) return false;
    this.#leave(line, index, job);
    this.#dropIfIdle(caller, line);
    return true;
  }

  ended(id: string, _usage: Usage, nowMs: number): void {
    const held = this.#running.get(id);
    if (held === undefined) return;
    this.#running.delete(id);
    this.#meanHeldMs += (nowMs - held.sinceMs - this.#meanHeldMs) * MEAN_WEIGHT;
    const line = this.#lines.get(held.caller);
    if (line === undefined) return;
    line.running -= 1;
    this.#dropIfIdle(held.caller, line);
  }

  /**
   * How many jobs are admitted up to and with this one if callers take turns from here on and
   * none is held back by its running limit: an estimate that only improves on its own.
   */
  position(id: string): number | undefined {
    const caller = this.#callerOfWaiting.get(id);
    if (caller === undefined) return undefined;
    const own = this.#lines.get(caller)?.waiting.findIndex((job) => job.id === id) ?? -1;
    let ahead = own;
    let before = true;
    for (const [other, line] of this.#lines) {
      if (other === caller) before = false;
      else ahead += Math.min(line.waiting.length, before ? own + 1 : own);
    }
    return ahead + 1;
  }

  countsOf(caller: string): QueueCounts {
    const line = this.#lines.get(caller);
    return { running: line?.running ?? 0, waiting: line?.waiting.length ?? 0 };
  }

  totals(): QueueCounts {
    return { running: this.#running.size, waiting: this.#callerOfWaiting.size };
  }

  #refuseIfFull(line: Line | undefined, inputBytes: number): void {
    const limits = this.#limits;
    const waiting = line?.waiting.length ?? 0;
    if (waiting >= limits.waiting) {
      throw new Refusal(
        "caller_busy",
        `${waiting} of your jobs wait already; the limit is ${limits.waiting}.`,
        this.#retryAfterSeconds(limits.running),
      );
    }
    if ((line?.waitingBytes ?? 0) + inputBytes > limits.waitingBytes) {
      throw new Refusal(
        "caller_busy",
        `Your waiting jobs may hold ${limits.waitingBytes} bytes of input in all.`,
        this.#retryAfterSeconds(limits.running),
      );
    }
    if (
      this.#callerOfWaiting.size >= limits.totalWaiting ||
      this.#waitingBytes + inputBytes > limits.totalWaitingBytes
    ) {
      throw new Refusal("queue_full", undefined, this.#retryAfterSeconds(limits.slots));
    }
  }

  /**
   * When a place is likely to be free: recent jobs held their slot for `mean` milliseconds, and
   * of those that matter here (`atOnce`: the caller's, or all) one ends every `mean / atOnce`.
   * Rounded up to whole seconds, 1 to 300. A guess from what was measured, not a promise.
   */
  #retryAfterSeconds(atOnce: number): number {
    const seconds = Math.ceil(this.#meanHeldMs / Math.max(1, atOnce) / 1000);
    return Math.min(RETRY_MOST_SECONDS, Math.max(RETRY_LEAST_SECONDS, seconds));
  }

  #leave(line: Line, index: number, job: WaitingJob): void {
    line.waiting.splice(index, 1);
    line.waitingBytes -= job.inputBytes;
    this.#waitingBytes -= job.inputBytes;
    this.#callerOfWaiting.delete(job.id);
  }

  /** Callers come and go without end: one that holds nothing must leave nothing behind. */
  #dropIfIdle(caller: string, line: Line): void {
    if (line.waiting.length === 0 && line.running === 0) this.#lines.delete(caller);
  }
}
