/** Part of the composition root: queue, shelf, engine and API around a runner. */
import { availableParallelism } from "node:os";
import type { Hono } from "hono";
import {
  CALLER_LIMITS,
  JOB_LIMITS,
  SERVICE_LIMITS,
  SHARING,
  STREAM_LIMITS,
} from "./core/limits.ts";
import type { Runner } from "./core/runner.ts";
import { Engine, type Job } from "./engine.ts";
import { createApp } from "./http/app.ts";
import { Callers } from "./http/caller.ts";
import type { AppDeps, AppEnv } from "./http/deps.ts";
import type { Extension, SocketExtension } from "./http/extension.ts";
import { faultFields, type LogFields, type ServiceLog } from "./http/log.ts";
import { Places } from "./http/places.ts";
import { Unread } from "./http/unread.ts";
import { createUpgrades, type Upgrades } from "./http/upgrade.ts";
import { Uploads } from "./http/uploads.ts";
import type { WebFiles } from "./http/web.ts";
import { FairQueue } from "./queue/fair.ts";
import { type Clock, SYSTEM_CLOCK } from "./store/clock.ts";
import { Shelf } from "./store/shelf.ts";

export interface ServiceOptions {
  readonly runner: Runner;
  readonly ramBudgetBytes: number;
  readonly version: string;
  /** Jobs that run at once; the rest of the runner's slots is for boxes that are kept. */
  readonly slots?: number;
  readonly quotaCpuSeconds?: number;
  readonly maxRunning?: number;
  readonly maxWaiting?: number;
  readonly queue?: number;
  readonly maxTimeoutSeconds?: number;
  readonly maxMemoryMb?: number;
  readonly trustedProxies?: readonly string[];
  readonly behindProxy?: boolean;
  /** How long a finished job is kept. */
  readonly finishedMs?: number;
  /** As in AppDeps. */
  readonly untilOffered?: (() => Promise<unknown>) | undefined;
  readonly extensions?: readonly Extension[];
  /** The web page, when it is to be served. */
  readonly web?: WebFiles | undefined;
  readonly sockets?: readonly SocketExtension[];
  readonly clock?: Clock;
  readonly log?: ServiceLog;
}

export interface Service {
  readonly app: Hono<AppEnv>;
  /** For the listener: WebSockets. */
  readonly upgrades: Upgrades;
  /** For the listener: answers that nobody takes. */
  readonly unread: Unread;
  readonly engine: Engine;
  /** Lets running jobs end in a while, and takes no more. */
  drain(): Promise<void>;
  /** Cancels and destroys every job. The runner is the caller's to close. */
  close(): Promise<void>;
}

/** @throws RangeError when a trusted proxy is neither an address nor a CIDR range */
export function createService(options: ServiceOptions): Service {
  const { runner, clock = SYSTEM_CLOCK, log = () => undefined } = options;
  const shareBytes = Math.floor(options.ramBudgetBytes / SERVICE_LIMITS.ramShare);
  const onFault = (fault: unknown) => log(faultFields(fault));
  const uploads = new Uploads({
    perCaller: CALLER_LIMITS.uploadsBegun,
    total: SERVICE_LIMITS.uploadsBegun,
    totalBytes: shareBytes,
    nowMs: clock.nowMs,
    reserve: (bytes) => engine.reserve(bytes),
  });
  const callers = new Callers({
    trustedProxies: options.trustedProxies ?? [],
    behindProxy: options.behindProxy ?? false,
    nowMs: clock.nowMs,
    remembers: (key) => engine.remembers(key),
  });
  const unread = new Unread({
    totalBytes: shareBytes,
    nowMs: clock.nowMs,
    identify: (peer, forwardedFor) => callers.identify(peer, forwardedFor),
  });
  const engine: Engine = new Engine({
    runner,
    clock,
    cores: availableParallelism(),
    ramBudgetBytes: options.ramBudgetBytes,
    bodyBytes: () => uploads.heldBytes + unread.heldBytes,
    queue: makeQueue(options, shareBytes),
    shelf: makeShelf(options, shareBytes, onFault),
    onEnded: (job) => logEnd(job, log),
    onFault,
  });
  const deps: AppDeps = {
    engine,
    runner,
    callers,
    uploads,
    places: new Places(STREAM_LIMITS),
    ceilings: {
      timeoutSeconds: options.maxTimeoutSeconds ?? JOB_LIMITS.timeoutSeconds.most,
      memoryMb: options.maxMemoryMb ?? JOB_LIMITS.memoryMb.most,
    },
    nowMs: clock.nowMs,
    log,
    version: options.version,
    extensions: options.extensions ?? [],
    ...(options.untilOffered === undefined ? {} : { untilOffered: options.untilOffered }),
    ...(options.web === undefined ? {} : { web: options.web }),
    sockets: options.sockets ?? [],
  };
  const app = createApp(deps);
  return {
    app,
    upgrades: createUpgrades(deps, app),
    unread,
    engine,
    drain: () => engine.drain(SERVICE_LIMITS.graceMs),
    close: () => engine.shutdown(),
  };
}

function makeQueue(options: ServiceOptions, totalWaitingBytes: number): FairQueue {
  const capacityMs = 1000 * (options.quotaCpuSeconds ?? CALLER_LIMITS.quotaCpuSecondsPerMinute);
  return new FairQueue({
    slots: runningSlots(options),
    running: options.maxRunning ?? CALLER_LIMITS.running,
    waiting: options.maxWaiting ?? CALLER_LIMITS.waiting,
    waitingBytes: CALLER_LIMITS.waitingBytes,
    bucket: { capacityMs, refill: capacityMs / 60_000 },
    callersOfGroup: SHARING.callersOfGroup,
    totalWaiting: options.queue ?? SERVICE_LIMITS.queue,
    totalWaitingBytes,
  });
}

function makeShelf(
  options: ServiceOptions,
  bytes: number,
  onFault: (fault: unknown) => void,
): Shelf {
  const { finishedMs = SERVICE_LIMITS.finishedMs, clock = SYSTEM_CLOCK, runner } = options;
  const { leaseMs, finishedJobs } = SERVICE_LIMITS;
  const { keptBoxes, keptBytes } = CALLER_LIMITS;
  const allKeptBoxes = runner.slots - runningSlots(options);
  return new Shelf(
    { finishedMs, leaseMs, finishedJobs, bytes, keptBoxes, keptBytes, allKeptBoxes },
    clock,
    onFault,
  );
}

/**
 * Of the runner's slots; the others are for boxes that are kept, so that these block no job. A
 * service of the largest size gives up some of its own for them.
 */
function runningSlots({ slots, runner }: ServiceOptions): number {
  const kept = Math.floor(runner.slots / (2 * SERVICE_LIMITS.runningToKept));
  return Math.max(1, Math.min(slots ?? runner.slots, runner.slots - kept));
}

function logEnd(job: Job, log: ServiceLog): void {
  const { end } = job;
  if (end === undefined) return;
  const fields: LogFields = {
    event: "job_ended",
    outcome: end.outcome.kind,
    cpu_ms: end.usage.cpuMs,
    box_cpu_ms: end.boxCpuMs,
    wall_ms: end.usage.wallMs,
    queue_ms: (job.admittedAtMs ?? end.endedAtMs) - job.submittedAtMs,
    memory_bytes: end.usage.memoryPeakBytes,
  };
  if (end.outcome.kind === "sandbox_error") fields.step = end.outcome.step;
  log(fields);
}
