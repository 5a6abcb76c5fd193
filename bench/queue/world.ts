/**
 * A machine in simulated time: cores and slots, callers who come by chance or in bursts, and one
 * who means harm. What decides who runs is the service's own queue, or, to show that the world can
 * tell the difference, first come, first served.
 */
import type { Caller } from "../../src/core/caller.ts";
import { Refusal } from "../../src/core/errors.ts";
import { SHARING } from "../../src/core/limits.ts";
import { FairQueue } from "../../src/queue/fair.ts";
import type { FairLimits } from "../../src/queue/limits.ts";
import { type Counted, Watch } from "../../src/queue/watch.ts";

export const CORES = 2;
export const SLOTS = 32;
const STEP_MS = 50;

export const LIMITS: FairLimits = {
  slots: SLOTS,
  running: 2,
  waiting: 20,
  waitingBytes: 2e8,
  bucket: { capacityMs: 10_000, refill: 1 / 6 },
  callersOfGroup: 4,
  totalWaiting: 1000,
  totalWaitingBytes: 1e9,
};

/** What a job wants: CPU time, of which a sleeper wants none for a long time. */
export interface Want {
  readonly caller: Caller;
  readonly cpuMs: number;
  readonly sleepMs?: number;
  /** Counted in what the world tells; hostile jobs are not. */
  readonly isCounted: boolean;
}

class SimulatedJob implements Counted {
  readonly id: string;
  readonly want: Want;
  readonly caller: Caller;
  readonly submittedMs: number;
  throttledMs = 0;
  usedMs = 0;
  cpus = 1;
  startedMs = 0;

  constructor(id: string, want: Want, submittedMs: number) {
    this.id = id;
    this.want = want;
    this.caller = want.caller;
    this.submittedMs = submittedMs;
  }

  cpuMs(): number {
    return this.usedMs;
  }

  wantsCpu(): boolean {
    return this.want.sleepMs === undefined && this.usedMs < this.want.cpuMs;
  }

  throttle(cpus: number | undefined): void {
    this.cpus = cpus ?? 1;
  }

  memoryBytes(): number {
    return 0;
  }
}

/** Who runs next: ours, or another for comparison. */
export interface Policy {
  /** @returns jobs that had to leave for it; undefined when it is refused */
  submit(id: string, caller: Caller, nowMs: number): readonly string[] | undefined;
  admit(nowMs: number): string | undefined;
  started(job: SimulatedJob, nowMs: number): void;
  ended(job: SimulatedJob, nowMs: number): void;
  /** @returns a job that has to go */
  look(nowMs: number): string | undefined;
}

export class Fair implements Policy {
  readonly queue = new FairQueue(LIMITS);
  readonly #watch = new Watch(this.queue, CORES);

  submit(id: string, caller: Caller, nowMs: number): readonly string[] | undefined {
    try {
      return this.queue.submit({ id, caller, inputBytes: 1000 }, nowMs);
    } catch (refusal) {
      if (refusal instanceof Refusal) return undefined;
      throw refusal;
    }
  }

  admit(nowMs: number): string | undefined {
    return this.queue.admit(nowMs);
  }

  started(job: SimulatedJob, nowMs: number): void {
    this.#watch.started(job, job, nowMs);
  }

  ended(job: SimulatedJob, nowMs: number): void {
    this.#watch.ended(job.id, job.usedMs, nowMs);
    this.queue.ended(job.id, nowMs);
  }

  look(nowMs: number): string | undefined {
    this.#watch.sample(nowMs);
    const waiterRuns = this.queue.starved(SHARING.patienceMs, nowMs);
    const sleeper = waiterRuns === undefined ? undefined : this.#watch.sleeper(waiterRuns, nowMs);
    if (sleeper !== undefined) this.queue.gaveWay(sleeper, SHARING.lateMs, nowMs);
    return sleeper;
  }
}

/** First come, first served, with the same places. */
export class FirstCome implements Policy {
  readonly #waiting: string[] = [];
  #running = 0;

  submit(id: string): readonly string[] | undefined {
    if (this.#waiting.length >= LIMITS.totalWaiting) return undefined;
    this.#waiting.push(id);
    return [];
  }

  admit(): string | undefined {
    if (this.#running >= SLOTS) return undefined;
    const id = this.#waiting.shift();
    if (id !== undefined) this.#running += 1;
    return id;
  }

  readonly started = (): void => undefined;

  ended(): void {
    this.#running -= 1;
  }

  readonly look = (): undefined => undefined;
}

export interface Told {
  /** From submit to end, of each counted job that ended. */
  readonly responsesMs: number[];
  /** Counted jobs that came. */
  came: number;
}

/** @param arrivals what comes in each step; asked once for each */
export function simulate(
  policy: Policy,
  forMs: number,
  arrivals: (nowMs: number, stepMs: number) => readonly Want[],
): Told {
  const told: Told = { responsesMs: [], came: 0 };
  const jobs = new Map<string, SimulatedJob>();
  const running = new Set<SimulatedJob>();
  let number = 0;
  const end = (job: SimulatedJob, nowMs: number) => {
    running.delete(job);
    jobs.delete(job.id);
    policy.ended(job, nowMs);
  };
  for (let nowMs = 0; nowMs < forMs; nowMs += STEP_MS) {
    for (const want of arrivals(nowMs, STEP_MS)) {
      const id = `j${number++}`;
      if (want.isCounted) told.came += 1;
      const left = policy.submit(id, want.caller, nowMs);
      if (left === undefined) continue;
      jobs.set(id, new SimulatedJob(id, want, nowMs));
      for (const gone of left) jobs.delete(gone);
    }
    for (let id = policy.admit(nowMs); id !== undefined; id = policy.admit(nowMs)) {
      const job = jobs.get(id);
      if (job === undefined) throw new Error("a job that is not there was admitted");
      job.startedMs = nowMs;
      running.add(job);
      policy.started(job, nowMs);
    }
    shareCores([...running], nowMs);
    for (const job of running) {
      const { cpuMs, sleepMs = 0, isCounted } = job.want;
      if (job.usedMs < cpuMs || nowMs - job.startedMs < sleepMs) continue;
      if (isCounted) told.responsesMs.push(nowMs + STEP_MS - job.submittedMs);
      end(job, nowMs + STEP_MS);
    }
    const victim = nowMs % 100 === 0 ? policy.look(nowMs) : undefined;
    const leaving = victim === undefined ? undefined : jobs.get(victim);
    if (leaving !== undefined) end(leaving, nowMs);
  }
  return told;
}

/** One step: all who want CPU get the same, none more than it may; what is left goes to the rest. */
function shareCores(running: readonly SimulatedJob[], nowMs: number): void {
  const wanting = running
    .filter(
      (job) => job.usedMs < job.want.cpuMs && nowMs - job.startedMs >= (job.want.sleepMs ?? 0),
    )
    .sort((a, b) => a.cpus - b.cpus);
  let cores = CORES;
  for (const [index, job] of wanting.entries()) {
    const cpus = Math.min(job.cpus, cores / (wanting.length - index));
    cores -= cpus;
    job.usedMs = Math.min(job.want.cpuMs, job.usedMs + cpus * STEP_MS);
  }
}
