/**
 * What others may do with a job that runs: look at its CPU time, throttle it, send it input and
 * signals. Once the job has ended its slot may be somebody else's, so that nothing here reaches the
 * slot any more.
 *
 * Keeps S8 of SECURITY.md.
 */
import type { RunningJob } from "../core/runner.ts";
import { type JobSignal, numberOfSignal } from "../core/signals.ts";
import { encodeNumbers, FRAME } from "../core/wire.ts";
import type { Box } from "./box.ts";
import { Feeder } from "./feeder.ts";
import type { CpuMeter, Groups } from "./groups.ts";

export class RunningBox implements RunningJob {
  readonly feeder: Feeder;
  readonly #box: Box;
  readonly #groups: Groups;
  readonly #slot: number;
  readonly #ownCpus: number;
  readonly #meter: CpuMeter;
  /** What making the box ready took, which is on nobody's bill. */
  readonly #readyMs: number;
  readonly #isTerminal: boolean;
  #cpuMs = 0;
  #isThrottled = false;
  #isDying = false;
  #hasEnded = false;

  /** @throws SandboxFault when its CPU time cannot be read: a job is never run uncounted. */
  constructor(box: Box, groups: Groups, slot: number, ownCpus: number, isTerminal: boolean) {
    this.feeder = new Feeder(box);
    this.#box = box;
    this.#groups = groups;
    this.#slot = slot;
    this.#ownCpus = ownCpus;
    this.#isTerminal = isTerminal;
    this.#meter = groups.meter(slot);
    try {
      this.#readyMs = this.#meter.cpuMs();
    } catch (fault) {
      this.#meter.close();
      throw fault;
    }
  }

  cpuMs(): number {
    if (!this.#hasEnded) this.#cpuMs = Math.max(this.#cpuMs, this.#meter.cpuMs() - this.#readyMs);
    return this.#cpuMs;
  }

  wantsCpu(): boolean {
    return !this.#hasEnded && this.#groups.wantsCpu(this.#slot);
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

  writeStdin(bytes: Uint8Array): Promise<void> {
    return this.feeder.write(bytes);
  }

  endStdin(): void {
    this.feeder.end();
  }

  sendSignal(name: JobSignal): void {
    if (this.#hasEnded) return;
    void this.#box.send(FRAME.signal, encodeNumbers(numberOfSignal(name)));
  }

  memoryBytes(): number {
    return this.#hasEnded ? 0 : this.#groups.memoryBytes(0, this.#slot);
  }

  resize(columns: number, rows: number): void {
    if (this.#hasEnded || !this.#isTerminal) return;
    void this.#box.send(FRAME.resize, encodeNumbers(columns, rows));
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
    this.feeder.over();
    this.#meter.close();
  }
}
