/**
 * The life of a job, on one page:
 *
 *   submit → (waits in the queue) → admit → run → ended → shelf → destroyed
 *
 * Every job has exactly one end. A waiting job is ended here; for one that runs the runner decides,
 * which reports the first cause: what the program did, or the stop that we asked for. Destroying
 * takes a job out of sight at once, in whatever state it is; what still runs is stopped and what
 * comes of it is thrown away. The engine does not know where jobs run, only a `Runner`.
 */
import { Refusal, SandboxFault } from "./core/errors.ts";
import { NO_USAGE, type Outcome, type StopCause } from "./core/job.ts";
import type { Finished, JobSpec, Outputs, Runner } from "./core/runner.ts";
import type { JobQueue, QueueCounts } from "./queue/bounded.ts";
import type { Clock } from "./store/clock.ts";
import { dropFiles, dropInput, inputBytes, type OwnedSpec, ownSpec } from "./store/input.ts";
import { type Job, type JobRecord, newRecord } from "./store/record.ts";
import type { Lease, Shelf } from "./store/shelf.ts";

export type { Job } from "./store/record.ts";
export type { Lease } from "./store/shelf.ts";

export interface EngineParts {
  readonly runner: Runner;
  readonly queue: JobQueue;
  readonly shelf: Shelf;
  readonly clock: Clock;
  /** Told of every job that was submitted, once, when it has ended. */
  readonly onEnded?: (job: Job) => void;
  /** Told of faults of ours; they never reach a caller as an exception. */
  readonly onFault?: (fault: unknown) => void;
}

/** What exists only between submit and end. */
interface LiveJob {
  readonly record: JobRecord;
  readonly spec: OwnedSpec;
  readonly stop: AbortController;
  readonly ended: PromiseWithResolvers<void>;
  /** Set when its outputs went at once. */
  dropped: Promise<void> | undefined;
}

const NO_OUTPUTS: Outputs = {
  files: [],
  holdsBox: false,
  totalBytes: 0,
  read: () => {
    throw new SandboxFault("outputs are gone");
  },
  destroy: () => Promise.resolve(),
};

export class Engine {
  readonly #parts: EngineParts;
  readonly #live = new Map<string, LiveJob>();
  #closing = false;

  constructor(parts: EngineParts) {
    this.#parts = parts;
  }

  /**
   * For a look before a body is read; `submit` looks again.
   * @throws Refusal unhealthy
   */
  refuseIfUnhealthy(): void {
    if (this.#closing) throw new Refusal("unhealthy", "The service is shutting down.");
    const health = this.#parts.runner.health();
    if (!health.healthy) throw new Refusal("unhealthy", health.reason);
  }

  /**
   * Takes a job over, its input buffers too: they are overwritten once the box has them, or now
   * if the job is refused.
   * @returns the job and its place in the queue, 1 = next
   * @throws Refusal unhealthy, caller_busy, queue_full
   */
  submit(caller: string, spec: JobSpec): { readonly job: Job; readonly position: number } {
    const { queue, shelf, clock } = this.#parts;
    const id = crypto.randomUUID();
    try {
      this.refuseIfUnhealthy();
      queue.submit(id, caller, inputBytes(spec), clock.nowMs());
    } catch (refusal) {
      dropInput(ownSpec(spec));
      throw refusal;
    }
    const record = newRecord(id, caller, clock.nowMs());
    shelf.add(record);
    this.#live.set(id, {
      record,
      spec: ownSpec(spec),
      stop: new AbortController(),
      ended: Promise.withResolvers<void>(),
      dropped: undefined,
    });
    const position = queue.position(id) ?? 1;
    this.#admit();
    return { job: record, position };
  }

  /** Undefined for unknown, expired and destroyed ids. */
  find(id: string): Job | undefined {
    return this.#parts.shelf.get(id);
  }

  /** 1 = next; undefined when the job does not wait. */
  position(id: string): number | undefined {
    return this.#parts.queue.position(id);
  }

  /** Keeps an ended job from expiring while its outputs are read. */
  lease(id: string): Lease | undefined {
    return this.#parts.shelf.lease(id);
  }

  /** Resolves when the job has ended, after `ms`, or when `signal` is aborted; never rejects. */
  async waitFor(id: string, ms: number, signal: AbortSignal): Promise<void> {
    const live = this.#live.get(id);
    if (live === undefined || signal.aborted) return;
    const over = Promise.withResolvers<void>();
    const resolve = () => over.resolve();
    const cancelTimer = this.#parts.clock.after(ms, resolve);
    signal.addEventListener("abort", resolve, { once: true });
    await Promise.race([live.ended.promise, over.promise]);
    signal.removeEventListener("abort", resolve);
    cancelTimer();
  }

  /** Ends a waiting or running job; an ended one keeps the end it has. */
  cancel(id: string, cause: StopCause = "cancelled"): void {
    const live = this.#live.get(id);
    if (live === undefined) return;
    if (this.#parts.queue.withdraw(id)) this.#end(live, endedUnrun({ kind: cause }));
    else live.stop.abort(cause);
  }

  /** Out of sight at once; resolves when nothing of the job is left. */
  async destroy(id: string): Promise<void> {
    const live = this.#live.get(id);
    const removed = this.#parts.shelf.remove(id);
    this.cancel(id);
    await live?.ended.promise;
    await live?.dropped;
    await removed;
  }

  countsOf(caller: string): QueueCounts {
    return this.#parts.queue.countsOf(caller);
  }

  totals(): QueueCounts & { readonly slots: number } {
    return { ...this.#parts.queue.totals(), slots: this.#parts.runner.slots };
  }

  /** No job is taken any more; resolves when none is left. Does not close the runner. */
  async shutdown(): Promise<void> {
    this.#closing = true;
    const live = [...this.#live.values()];
    for (const { record } of live) this.cancel(record.id);
    await Promise.all(live.map((job) => job.ended.promise));
    await this.#parts.shelf.close();
  }

  #admit(): void {
    const { queue, clock } = this.#parts;
    for (;;) {
      const id = queue.admit(clock.nowMs());
      if (id === undefined) return;
      const live = this.#live.get(id);
      if (live !== undefined) void this.#run(live);
    }
  }

  /** Never rejects. */
  async #run(live: LiveJob): Promise<void> {
    const { runner, queue, clock } = this.#parts;
    const { record, spec } = live;
    record.state = "running";
    record.admittedAtMs = clock.nowMs();
    let finished: Finished;
    try {
      finished = await runner.run(
        spec,
        {
          onStarted: () => {
            record.startedAtMs = clock.nowMs();
            // The box has the files by now. Standard input may still be on its way.
            dropFiles(spec);
          },
          onPrinted: (chunk) => record.log.append(chunk),
        },
        live.stop.signal,
      );
    } catch (fault) {
      this.#parts.onFault?.(fault);
      const step = fault instanceof SandboxFault ? fault.step : "runner";
      finished = endedUnrun({ kind: "sandbox_error", step });
    }
    queue.ended(record.id, finished.usage, clock.nowMs());
    this.#end(live, finished);
    this.#admit();
  }

  #end(live: LiveJob, finished: Finished): void {
    const { shelf, clock } = this.#parts;
    const { record } = live;
    const { outcome, usage, isolation } = finished;
    dropInput(live.spec);
    this.#live.delete(record.id);
    record.end = { outcome, usage, isolation, endedAtMs: clock.nowMs() };
    const succeeded = outcome.kind === "exited" && outcome.exitCode === 0;
    record.state = succeeded ? "completed" : "failed";
    record.outputs = finished.outputs;
    for (const stream of ["stdout", "stderr"] as const) {
      if (finished.droppedBytes[stream] > 0) record.log.markTruncated(stream);
    }
    if (!succeeded || shelf.get(record.id) === undefined) {
      live.dropped = shelf.dropOutputs(record);
    }
    shelf.ended(record);
    this.#parts.onEnded?.(record);
    live.ended.resolve();
  }
}

function endedUnrun(outcome: Outcome): Finished {
  const droppedBytes = { stdout: 0, stderr: 0 };
  return { outcome, usage: NO_USAGE, isolation: [], droppedBytes, outputs: NO_OUTPUTS };
}
