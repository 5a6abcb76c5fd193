/**
 * The jobs that run, as their callers' buckets see them. `sample` reads what each has used since
 * the last look, charges it, and holds the running jobs of whoever's bucket is empty to the refill
 * rate, or lets them go again. A cheap look: one counter a job.
 *
 * What was charged is what was used: at the end the rest is charged, whatever the end was. A
 * counter that cannot be read ends the job, since one that is not counted has no limit.
 */
import type { RunningJob } from "../core/runner.ts";
import type { FairQueue } from "./fair.ts";

/** Whose job it is, and what is told of it: for how long it was held, as of the last look. */
export interface Held {
  readonly id: string;
  throttledMs: number;
}

interface Watched {
  readonly held: Held;
  readonly running: RunningJob;
  chargedMs: number;
  /** Cores that it is held to; undefined = it is not. */
  cpus: number | undefined;
  seenAtMs: number;
}

export interface Uncounted {
  readonly id: string;
  readonly fault: unknown;
}

export class Watch {
  readonly #queue: FairQueue;
  readonly #jobs = new Map<string, Watched>();

  constructor(queue: FairQueue) {
    this.#queue = queue;
  }

  get size(): number {
    return this.#jobs.size;
  }

  started(held: Held, running: RunningJob, nowMs: number): void {
    this.#jobs.set(held.id, { held, running, chargedMs: 0, cpus: undefined, seenAtMs: nowMs });
  }

  /** @returns jobs that cannot be counted or held: they have to end */
  sample(nowMs: number): readonly Uncounted[] {
    const uncounted: Uncounted[] = [];
    const attempt = (job: Watched, action: (job: Watched) => void) => {
      try {
        action(job);
      } catch (fault) {
        uncounted.push({ id: job.held.id, fault });
      }
    };
    // All are charged before any is judged: two jobs of a caller share one bucket.
    for (const job of this.#jobs.values())
      attempt(job, () => this.#charge(job, job.running.cpuMs(), nowMs));
    for (const job of this.#jobs.values()) attempt(job, () => this.#throttle(job, nowMs));
    return uncounted;
  }

  /**
   * Charges what is left and stops watching; before the queue is told that the job has ended.
   * @param cpuMs what it used in all, as its end told
   */
  ended(id: string, cpuMs: number, nowMs: number): void {
    const job = this.#jobs.get(id);
    this.#queue.charge(id, cpuMs - (job?.chargedMs ?? 0), nowMs);
    if (job !== undefined) this.#count(job, nowMs);
    this.#jobs.delete(id);
  }

  #charge(job: Watched, cpuMs: number, nowMs: number): void {
    this.#queue.charge(job.held.id, cpuMs - job.chargedMs, nowMs);
    job.chargedMs = Math.max(job.chargedMs, cpuMs);
  }

  #throttle(job: Watched, nowMs: number): void {
    this.#count(job, nowMs);
    const cpus = this.#queue.throttleOf(job.held.id, nowMs);
    if (cpus === job.cpus) return;
    job.running.throttle(cpus);
    job.cpus = cpus;
  }

  #count(job: Watched, nowMs: number): void {
    if (job.cpus !== undefined) job.held.throttledMs += Math.max(0, nowMs - job.seenAtMs);
    job.seenAtMs = nowMs;
  }
}
