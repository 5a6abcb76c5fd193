/** The jobs that run: looked at by one timer while there are any, charged, held, or made to go. */
import { SHARING } from "../core/limits.ts";
import type { RunningJob } from "../core/runner.ts";
import { type Held, Watch } from "../queue/watch.ts";
import { Alarm } from "../store/clock.ts";
import type { EngineParts } from "./parts.ts";
import { Pressure } from "./pressure.ts";

export interface RunningJobsEvents {
  /** What running jobs have printed. */
  readonly printedBytes: () => number;
  readonly evict: (id: string) => void;
  /** It cannot be counted or held, so it has to end. */
  readonly failed: (id: string, fault: unknown) => void;
  /** All were looked at and charged: whose turn it is may have changed. */
  readonly sampled: () => void;
}

export class RunningJobs {
  readonly #parts: EngineParts;
  readonly #events: RunningJobsEvents;
  readonly #watch: Watch;
  readonly #pressure: Pressure;
  readonly #alarm: Alarm;

  constructor(parts: EngineParts, events: RunningJobsEvents) {
    this.#parts = parts;
    this.#events = events;
    this.#watch = new Watch(parts.queue, parts.cores);
    this.#pressure = new Pressure({
      ...parts,
      watch: this.#watch,
      otherBytes: () => parts.bodyBytes() + events.printedBytes(),
      evict: events.evict,
      onFault: (fault) => parts.onFault?.(fault),
    });
    this.#alarm = new Alarm(parts.clock, () => this.#sample());
  }

  started(held: Held, running: RunningJob): void {
    this.#watch.started(held, running, this.#parts.clock.nowMs());
    if (this.#watch.size === 1) this.#alarm.setIn(SHARING.sampleMs);
  }

  /** Gives its slot back. @param cpuMs what it used in all, as its end told */
  ended(id: string, cpuMs: number): void {
    const { queue, clock } = this.#parts;
    this.#watch.ended(id, cpuMs, clock.nowMs());
    queue.ended(id, clock.nowMs());
    this.#pressure.ended(id);
    if (this.#watch.size === 0) this.#alarm.cancel();
  }

  /** @returns whether there is memory for so much; jobs that have ended make room for it */
  makeRoom(bytes: number): boolean {
    return this.#pressure.makeRoom(bytes, this.#parts.clock.nowMs());
  }

  #sample(): void {
    const nowMs = this.#parts.clock.nowMs();
    for (const { id, fault } of this.#watch.sample(nowMs)) this.#events.failed(id, fault);
    this.#pressure.relieve(nowMs);
    this.#alarm.setIn(SHARING.sampleMs);
    this.#events.sampled();
  }
}
