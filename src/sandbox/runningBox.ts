/**
 * What others may do with a job that runs: look at its CPU time and throttle it. Once the job has
 * ended its slot may be somebody else's, so that nothing here reaches the slot any more.
 *
 * Keeps S8 of SECURITY.md.
 */
import type { RunningJob } from "../core/runner.ts";
import type { CpuMeter, Groups } from "./groups.ts";

export class RunningBox implements RunningJob {
  readonly #groups: Groups;
  readonly #slot: number;
  readonly #ownCpus: number;
  readonly #meter: CpuMeter;
  #cpuMs = 0;
  #isThrottled = false;
  #isDying = false;
  #hasEnded = false;

  /** @throws SandboxFault when its CPU time cannot be read: a job is never run uncounted. */
  constructor(groups: Groups, slot: number, ownCpus: number) {
    this.#groups = groups;
    this.#slot = slot;
    this.#ownCpus = ownCpus;
    this.#meter = groups.meter(slot);
  }

  cpuMs(): number {
    if (!this.#hasEnded) this.#cpuMs = Math.max(this.#cpuMs, this.#meter.cpuMs());
    return this.#cpuMs;
  }

  /** For the end of a job: what was read last, if the group does not tell any more. */
  lastCpuMs(): number {
    try {
      return this.cpuMs();
    } catch {
      return this.#cpuMs;
    }
  }

  throttle(cpus: number | undefined): void {
    if (this.#hasEnded || this.#isDying) return;
    if (cpus === undefined && !this.#isThrottled) return;
    this.#groups.limitCpus(this.#slot, Math.min(cpus ?? this.#ownCpus, this.#ownCpus));
    this.#isThrottled = cpus !== undefined;
  }

  /** Lifts the throttle for good; comes before every kill. */
  letDie(): void {
    try {
      this.throttle(undefined);
    } catch {
      // It dies all the same, only later.
      this.#isThrottled = false;
    }
    this.#isDying = true;
  }

  end(): void {
    if (this.#hasEnded) return;
    this.#hasEnded = true;
    this.#meter.close();
  }
}
