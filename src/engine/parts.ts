/** What the engine is made of; the composition root puts it together. */
import type { Runner } from "../core/runner.ts";
import type { FairQueue } from "../queue/fair.ts";
import type { Clock } from "../store/clock.ts";
import type { Job } from "../store/record.ts";
import type { Shelf } from "../store/shelf.ts";

export interface EngineParts {
  readonly runner: Runner;
  readonly queue: FairQueue;
  readonly shelf: Shelf;
  readonly clock: Clock;
  /** That jobs share. */
  readonly cores: number;
  /** Of memory for all jobs, running, waiting and ended, and for what is on its way to be one. */
  readonly ramBudgetBytes: number;
  /** Bodies of requests that are being read, and answers that wait to be taken. */
  readonly bodyBytes: () => number;
  /** Told of every job that was submitted, once, when it has ended. */
  readonly onEnded?: (job: Job) => void;
  /** Told of faults of ours; they never reach a caller as an exception. */
  readonly onFault?: (fault: unknown) => void;
}
