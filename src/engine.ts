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
import type { Caller } from "./core/caller.ts";
import { Refusal } from "./core/errors.ts";
import type { StopCause } from "./core/job.ts";
import { SERVICE_LIMITS } from "./core/limits.ts";
import type { Finished, JobSpec } from "./core/runner.ts";
import type { StopSignal } from "./core/stop.ts";
import { endedUnrun, faultOutcome } from "./core/unrun.ts";
import { Bills } from "./engine/bills.ts";
import { type LiveJob, liveJob } from "./engine/liveJob.ts";
import type { EngineParts } from "./engine/parts.ts";
import { RunningJobs } from "./engine/runningJobs.ts";
import type { QueueCounts, Quota } from "./queue/fair.ts";
import { Alarm } from "./store/clock.ts";
import { dropFiles, dropInput, inputBytes, ownSpec } from "./store/input.ts";
import type { LiveInput } from "./store/liveInput.ts";
import { type Job, newRecord } from "./store/record.ts";
import type { Lease } from "./store/shelf.ts";

export type { LiveInput } from "./store/liveInput.ts";
export type { LogReader } from "./store/log.ts";
export type { Job } from "./store/record.ts";
export type { Lease } from "./store/shelf.ts";

const ROOM_RETRY_SECONDS = 2;
const STOPPING = "The service is shutting down.";

export class Engine {
  /** Of callers, for work beside their jobs. */
  readonly bills: Bills;
  readonly #parts: EngineParts;
  readonly #live = new Map<string, LiveJob>();
  readonly #running: RunningJobs;
  /** When somebody who waits has credit again. */
  readonly #creditAlarm: Alarm;
  #closing = false;
  submitted = 0; // jobs that were taken since the start

  constructor(parts: EngineParts) {
    this.#parts = parts;
    this.bills = new Bills(parts.queue, parts.clock);
    this.#running = new RunningJobs(parts, {
      printedBytes: () => this.#printedBytes(),
      evict: (id) => this.cancel(id, "evicted"),
      failed: (id, fault) => this.#fail(id, fault),
      sampled: () => this.#admit(),
    });
    this.#creditAlarm = new Alarm(parts.clock, () => this.#admit());
  }

  /**
   * For a look before a body is read; `submit` looks again.
   * @throws Refusal unhealthy, caller_busy
   */
  refuseEarly(caller: Caller): void {
    this.#refuseIfUnhealthy();
    this.#parts.queue.refuseIfBusy(caller, this.#parts.clock.nowMs());
  }

  /**
   * For a body that will hold so much: before a byte of it is read, ended jobs of whoever holds
   * most make room for it.
   * @throws Refusal queue_full
   */
  reserve(bytes: number): void {
    if (this.#running.makeRoom(bytes)) return;
    throw new Refusal("queue_full", "Memory is short.", ROOM_RETRY_SECONDS);
  }

  #refuseIfUnhealthy(): void {
    if (this.#closing) throw new Refusal("unhealthy", STOPPING, SERVICE_LIMITS.stopRetrySeconds);
    const health = this.#parts.runner.health();
    if (!health.healthy) throw new Refusal("unhealthy", health.reason);
  }

  /**
   * Takes a job over, its input buffers too: they are overwritten once the box has them, or now
   * if the job is refused.
   * @returns the job and its place in the queue, 1 = next
   * @throws Refusal unhealthy, caller_busy, queue_full
   */
  submit(caller: Caller, spec: JobSpec): { readonly job: Job; readonly position: number } {
    const { queue, shelf, clock } = this.#parts;
    const id = crypto.randomUUID();
    let gaveWay: readonly string[];
    try {
      this.#refuseIfUnhealthy();
      gaveWay = queue.submit({ id, caller, inputBytes: inputBytes(spec) }, clock.nowMs());
    } catch (refusal) {
      dropInput(ownSpec(spec));
      throw refusal;
    }
    for (const other of gaveWay) this.#endWaiting(other, "evicted");
    this.submitted += 1;
    const record = newRecord(id, caller, clock.nowMs());
    shelf.add(record);
    this.#live.set(id, liveJob(record, spec));
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

  /** What the job can be sent while it lives; undefined when it has ended. */
  input(id: string): LiveInput | undefined {
    return this.#live.get(id)?.input;
  }

  /** Keeps an ended job from expiring while its outputs are read. */
  lease(id: string): Lease | undefined {
    return this.#parts.shelf.lease(id);
  }

  /** Resolves when the job has ended, after `ms`, or when `signal` is aborted; never rejects. */
  async waitFor(id: string, ms: number, signal: StopSignal): Promise<void> {
    const live = this.#live.get(id);
    if (live === undefined || signal.aborted) return;
    const over = Promise.withResolvers<void>();
    const resolve = () => over.resolve();
    const cancelTimer = this.#parts.clock.after(ms, resolve);
    signal.addEventListener("abort", resolve, { once: true });
    void live.ended.promise.then(resolve);
    await over.promise;
    signal.removeEventListener("abort", resolve);
    cancelTimer();
  }

  /** Ends a waiting or running job; an ended one keeps the end it has. */
  cancel(id: string, cause: StopCause = "cancelled"): void {
    const live = this.#live.get(id);
    if (live === undefined) return;
    if (this.#parts.queue.withdraw(id)) this.#endWaiting(id, cause);
    else live.stop.abort(cause);
  }

  /** Of one that the queue does not have any more. */
  #endWaiting(id: string, cause: StopCause): void {
    const live = this.#live.get(id);
    if (live !== undefined) this.#end(live, endedUnrun({ kind: cause }));
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

  quotaOf(caller: Caller): Quota {
    return this.#parts.queue.quotaOf(caller, this.#parts.clock.nowMs());
  }

  /** Whether that key stands for somebody whose bucket is not full, or who has jobs in the queue. */
  remembers(key: string): boolean {
    return this.#parts.queue.remembers(key);
  }

  totals(): QueueCounts & { readonly slots: number } {
    const { queue } = this.#parts;
    return { ...queue.totals(), slots: queue.slots };
  }

  /** Nothing of any job is here, nor does any caller owe anything for one. */
  isAtRest(): boolean {
    const { queue, shelf, clock } = this.#parts;
    return this.#live.size === 0 && shelf.isEmpty && queue.remembered(clock.nowMs()) === 0;
  }

  /** No job is taken any more, waiting ones are cancelled, and running ones have so long to end. */
  async drain(graceMs: number): Promise<void> {
    this.#closing = true;
    const live = [...this.#live.values()];
    for (const { record } of live) if (record.state === "queued") this.cancel(record.id);
    const over = Promise.withResolvers<void>();
    const cancelTimer = this.#parts.clock.after(graceMs, over.resolve);
    const ended = Promise.all(live.map((job) => job.ended.promise));
    await Promise.race([ended, over.promise]);
    cancelTimer();
    for (const { record } of live) this.cancel(record.id);
    await ended;
  }

  /** No job is taken any more; resolves when none is left. Does not close the runner. */
  async shutdown(): Promise<void> {
    this.#closing = true;
    const live = [...this.#live.values()];
    for (const { record } of live) this.cancel(record.id);
    await Promise.all(live.map((job) => job.ended.promise));
    this.#creditAlarm.cancel();
    await this.#parts.shelf.close();
  }

  #admit(): void {
    const { queue, clock } = this.#parts;
    for (;;) {
      const id = queue.admit(clock.nowMs());
      if (id === undefined) break;
      const live = this.#live.get(id);
      if (live !== undefined) void this.#run(live);
    }
    const nextAtMs = queue.nextAtMs();
    if (nextAtMs === undefined || this.#closing) this.#creditAlarm.cancel();
    else this.#creditAlarm.setIn(nextAtMs - clock.nowMs());
  }

  #fail(id: string, fault: unknown): void {
    const live = this.#live.get(id);
    if (live === undefined || live.fault !== undefined) return;
    this.#parts.onFault?.(fault);
    live.fault = faultOutcome(fault);
    live.stop.abort("evicted" satisfies StopCause);
  }

  /** Of jobs that run; the shelf counts those of the others. */
  #printedBytes(): number {
    let bytes = 0;
    for (const { record } of this.#live.values()) bytes += record.log.lengthBytes;
    return bytes;
  }

  /** Never rejects. */
  async #run(live: LiveJob): Promise<void> {
    const { runner, clock } = this.#parts;
    const { record, spec } = live;
    record.state = "running";
    record.admittedAtMs = clock.nowMs();
    record.changes.tell();
    let finished: Finished;
    try {
      finished = await runner.run(
        spec,
        {
          onStarted: (running) => {
            record.startedAtMs = clock.nowMs();
            this.#running.started(record, running);
            live.input.started(running);
            // The box has the files by now. Standard input may still be on its way.
            dropFiles(spec);
          },
          onPrinted: (chunk) => {
            record.log.append(chunk);
            record.changes.tell();
          },
        },
        live.stop,
      );
    } catch (fault) {
      this.#parts.onFault?.(fault);
      finished = endedUnrun(faultOutcome(fault));
    }
    this.#running.ended(record.id, finished.usage.cpuMs + (finished.boxCpuMs ?? 0));
    const isOurs = finished.outcome.kind === "evicted" && live.fault !== undefined;
    this.#end(live, isOurs ? { ...finished, outcome: live.fault ?? finished.outcome } : finished);
    this.#admit();
  }

  #end(live: LiveJob, finished: Finished): void {
    const { shelf, clock } = this.#parts;
    const { record } = live;
    const { outcome, usage, isolation, boxCpuMs = 0 } = finished;
    dropInput(live.spec);
    live.input.over();
    this.#live.delete(record.id);
    record.end = { outcome, usage, boxCpuMs, isolation, endedAtMs: clock.nowMs() };
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
    record.changes.tell();
    this.#parts.onEnded?.(record);
    live.ended.resolve();
  }
}
