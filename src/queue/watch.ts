/**
 * The jobs that run, as their callers' buckets see them. `sample` reads what each has used since
 * the last look, charges it, and holds the running jobs of whoever's bucket is empty to the refill
 * rate, or lets them go again. A cheap look: one counter a job.
 *
 * A job *sleeps* when it has used next to nothing for a while: less than a hundredth of a core, and
 * less than a quarter of what it could have had beside the others, or when it is throttled; and
 * when, asked, none of it wants a processor. When somebody with credit waits for a slot, one that
 * sleeps gives way: of whoever has held slots for longest in all, the one that has slept longest.
 *
 * What was charged is what was used: at the end the rest is charged, whatever the end was. A
 * counter that cannot be read ends the job, since one that is not counted has no limit.
 */
import type { Caller } from "../core/caller.ts";
import { SHARING } from "../core/limits.ts";
import type { RunningJob } from "../core/runner.ts";
import type { FairQueue } from "./fair.ts";

/** Whose job it is, and what is told of it: for how long it was held, as of the last look. */
export interface Held {
  readonly id: string;
  readonly caller: Caller;
  throttledMs: number;
}

/** What is looked at of a job that runs. */
export type Counted = Pick<RunningJob, "cpuMs" | "wantsCpu" | "throttle" | "memoryBytes">;

interface Watched {
  readonly held: Held;
  readonly running: Counted;
  chargedMs: number;
  /** Cores that it is held to; undefined = it is not. */
  cpus: number | undefined;
  seenAtMs: number;
  readonly sinceMs: number;
  /** When it was last seen to do anything, and what it had used then. */
  busyAtMs: number;
  busyCpuMs: number;
  /** It was asked to make room. */
  isLeaving: boolean;
}

/** What one job holds of the machine's memory. */
export interface Holding {
  readonly id: string;
  readonly caller: Caller;
  readonly bytes: number;
}

export interface Uncounted {
  readonly id: string;
  readonly fault: unknown;
}

export class Watch {
  readonly #queue: FairQueue;
  readonly #cores: number;
  readonly #jobs = new Map<string, Watched>();

  /** @param cores that jobs share */
  constructor(queue: FairQueue, cores: number) {
    this.#queue = queue;
    this.#cores = cores;
  }

  get size(): number {
    return this.#jobs.size;
  }

  started(held: Held, running: Counted, nowMs: number): void {
    this.#jobs.set(held.id, {
      held,
      running,
      chargedMs: 0,
      cpus: undefined,
      seenAtMs: nowMs,
      sinceMs: nowMs,
      busyAtMs: nowMs,
      busyCpuMs: 0,
      isLeaving: false,
    });
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
   * The job that gives its slot to a caller who runs so many.
   * @returns undefined when none sleeps whose caller runs more
   */
  sleeper(waiterRuns: number, nowMs: number): string | undefined {
    const heldMs = new Map<string, number>();
    const running = new Map<string, number>();
    for (const { held, sinceMs } of this.#jobs.values()) {
      const { key } = held.caller;
      heldMs.set(key, (heldMs.get(key) ?? 0) + nowMs - sinceMs);
      running.set(key, (running.get(key) ?? 0) + 1);
    }
    let found: Watched | undefined;
    for (const job of this.#jobs.values()) {
      const { key } = job.held.caller;
      if (job.isLeaving || nowMs - job.busyAtMs < SHARING.sleepMs) continue;
      if ((running.get(key) ?? 0) <= waiterRuns) continue;
      const foundMs = found === undefined ? -1 : (heldMs.get(found.held.caller.key) ?? 0);
      const ownMs = heldMs.get(key) ?? 0;
      const isLonger = ownMs === foundMs && job.busyAtMs < (found?.busyAtMs ?? nowMs);
      // Where others take all of the machine, a busy job may be given next to nothing.
      if ((ownMs > foundMs || isLonger) && !job.running.wantsCpu()) found = job;
    }
    return found?.held.id;
  }

  /** It was asked to make room, and is not asked again. */
  leaves(id: string): void {
    const job = this.#jobs.get(id);
    if (job !== undefined) job.isLeaving = true;
  }

  /**
   * What each running job holds, the oldest first; 0 when the kernel does not tell, which the
   * next look at its CPU time will notice, too.
   */
  *memory(): Iterable<Holding> {
    for (const { held, running, isLeaving } of this.#jobs.values()) {
      if (isLeaving) continue;
      let bytes = 0;
      try {
        bytes = running.memoryBytes();
      } catch {
        bytes = 0;
      }
      yield { id: held.id, caller: held.caller, bytes };
    }
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
    const mostMs = this.#sleepCpus(job) * (nowMs - job.busyAtMs);
    if (job.chargedMs - job.busyCpuMs <= mostMs) return;
    job.busyAtMs = nowMs;
    job.busyCpuMs = job.chargedMs;
  }

  /** Below this a job sleeps: on a crowded machine, or throttled, a busy one has little, too. */
  #sleepCpus({ cpus }: Watched): number {
    const couldHave = Math.min(this.#cores / this.#jobs.size, cpus ?? 1);
    return Math.min(SHARING.sleepCpus, couldHave / 4);
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
