/**
 * Many callers at once, most of them unkind: `npm run test:load` (more than 2,000 admitted jobs), or with
 * `--quick` a fifth of it. Prints what happened, and fails when a job has not ended once and as it
 * had to, when somebody got more CPU time than is theirs, or when something is left.
 *
 * The callers are played from this process, through the header that a proxy would send.
 */
import { setTimeout as sleep } from "node:timers/promises";
import { CALLER_LIMITS } from "../../src/core/limits.ts";
import { Caller, type Told } from "./caller.ts";
import { fillSlots } from "./fill.ts";
import { type AllLook, Hog, lookOn, untilBroke } from "./hogs.ts";
import { type Kind, kindOf } from "./kinds.ts";
import { type Loaded, Report } from "./report.ts";
import { type Holding, type LoadedService, SLOTS, startLoaded } from "./service.ts";

const CALLERS = 50;
const HOGS = 2;
/** Jobs that a caller has under way: as many as it may have running and waiting; some want more. */
const AT_ONCE = 3;
const WANTS_MORE = 5;
const WARM_UP = 80;
const isQuick = process.argv.includes("--quick");
const JOBS = isQuick ? 500 : 2400;
/**
 * Jobs come in crowds, more than can be taken, with time between: hogs are held to a quota only where the
 * machine has so much to give.
 */
const SPREAD_MS = isQuick ? 0 : 190_000;
const CROWDS = 19;
const LONGEST_MS = isQuick ? 120_000 : 540_000;
/** A small one is reached on a machine that is busy with other things, too. */
const QUOTA_SECONDS = isQuick ? 3 : CALLER_LIMITS.quotaCpuSecondsPerMinute;

const report = new Report(isQuick ? 0 : 2000, QUOTA_SECONDS);

/** Takes numbers of jobs until all are given out, or time is up. */
async function work(
  caller: Caller,
  next: () => Promise<Kind | undefined>,
  told: Told[],
): Promise<void> {
  for (let kind = await next(); kind !== undefined; kind = await next()) {
    try {
      told.push(await caller.send(kind));
    } catch (error) {
      report.wrongs.push(`${kind.name}: ${error instanceof Error ? error.message : error}`);
    }
  }
}

async function load(service: LoadedService): Promise<Loaded> {
  const begunAt = performance.now();
  const callers = Array.from(
    { length: CALLERS },
    (_, i) => new Caller(service.port, `198.51.100.${i + 1}`),
  );
  const hogs = callers.slice(0, HOGS).map((caller) => new Hog(caller, service.counted));
  const isLate = () => performance.now() - begunAt > LONGEST_MS;
  await Promise.all(hogs.map((hog) => hog.begin()));
  await untilBroke(hogs, isLate);
  const told: Told[] = [];
  let isOver = false;
  const lookAtAll = (hogSlots: readonly number[]) => look(service, hogSlots);
  const looked = lookOn(hogs, lookAtAll, () => isOver, isLate);
  const sentAt = performance.now();
  let number = 0;
  const nextJob = async () => {
    if (number >= JOBS || isLate()) return undefined;
    const kind = kindOf(number++);
    const crowd = Math.floor((number * CROWDS) / JOBS);
    const turnMs = sentAt + (crowd / CROWDS) * SPREAD_MS;
    await sleep(Math.max(0, turnMs - performance.now()));
    return kind;
  };
  const common = callers.slice(HOGS).flatMap((caller, i) => {
    const length = AT_ONCE + (i % WANTS_MORE === 0 ? 1 : 0);
    return Array.from({ length }, () => work(caller, nextJob, told));
  });
  await Promise.all(common);
  isOver = true;
  const tookMs = performance.now() - sentAt;
  const edges = await looked;
  for (const hog of hogs) {
    const wrong = await hog.end();
    if (wrong !== undefined) report.wrongs.push(wrong);
  }
  return { callers, told, edges, tookMs };
}

function look({ counted, ends }: LoadedService, hogSlots: readonly number[]): AllLook {
  const ended = ends();
  return {
    atMs: performance.now(),
    countedMs: counted.cpuMs(),
    boxesCountedMs: counted.boxCpuMs(),
    ended: ended.length,
    endedMs: ended.reduce((sum, { cpu_ms: ms = 0 }) => sum + ms, 0),
    boxesEndedMs: ended.reduce((sum, { box_cpu_ms: ms = 0 }) => sum + ms, 0),
    underWayMs: counted.cpuMsOfAllBut(hogSlots),
  };
}

/** Holds no more than that, of all but memory. */
function isAsIn(now: Holding, before: Holding): boolean {
  const isBack = (name: keyof Holding) => name.endsWith("MB") || now[name] <= before[name];
  return (Object.keys(before) as (keyof Holding)[]).every(isBack);
}

/**
 * Waits until nothing of any job is there: boxes that were made ahead go when nobody comes, and what
 * Node holds when it is replaced.
 * @param node that is to be replaced
 */
async function settled(service: LoadedService, before: Holding, node?: number): Promise<Holding> {
  const until = performance.now() + 300_000;
  for (;;) {
    const isLate = performance.now() > until;
    const now = service.node() === node && !isLate ? undefined : service.holding();
    if (now !== undefined && (isLate || isAsIn(now, before))) return now;
    await sleep(500);
  }
}

/** When Node is not being replaced. */
async function holdingOf(service: LoadedService): Promise<Holding> {
  let now = service.holding();
  for (; now === undefined; now = service.holding()) await sleep(500);
  return now;
}

/** What each slot keeps for its next box is there before anything is measured. */
async function warmUp({ port, counted }: LoadedService): Promise<void> {
  const callers = Array.from({ length: SLOTS }, (_, i) => new Caller(port, `192.0.2.${i + 1}`));
  await fillSlots(callers, counted);
  let number = 0;
  const next = () => Promise.resolve(number++ < WARM_UP ? kindOf(0) : undefined);
  await Promise.all(callers.flatMap((caller) => [0, 1].map(() => work(caller, next, []))));
}

/**
 * What is there when nothing runs, after the warm-up. The quick test does not wait until the boxes that
 * wait have gone, and takes off what each of them holds.
 */
async function before(service: LoadedService, fresh: Holding): Promise<Holding> {
  const idle = { processes: fresh.processes, boxes: fresh.boxes };
  if (!isQuick) return settled(service, { ...(await holdingOf(service)), ...idle });
  // They go soon, and what is lost until the end would not be seen beside them.
  while (service.hasLeases()) await sleep(500);
  let warm = await holdingOf(service);
  for (let last: Holding | undefined; last === undefined || !isAsIn(warm, last); ) {
    await sleep(1000);
    last = warm;
    warm = await holdingOf(service);
  }
  return {
    ...warm,
    ...idle,
    "keeper, descriptors": warm["keeper, descriptors"] - warm.boxes,
    "Node, descriptors": warm["Node, descriptors"] - warm.boxes,
  };
}

async function observe(service: LoadedService): Promise<void> {
  const fresh = await holdingOf(service);
  await warmUp(service);
  const idle = await before(service, fresh);
  const earlier = service.ends().length;
  let under = idle;
  const watch = setInterval(() => {
    const now = service.holding();
    if (now !== undefined && now.processes > under.processes) under = now;
  }, 1000);
  const loaded = await load(service).finally(() => clearInterval(watch));
  report.jobs(loaded);
  const after = await settled(service, idle, isQuick ? undefined : service.node());
  report.ends(service.ends().slice(earlier), service.faults(), loaded);
  report.hogs(loaded.edges);
  report.minutes(loaded.edges);
  report.holding(idle, under, after, isQuick);
}

const service = await startLoaded(QUOTA_SECONDS);
try {
  await observe(service);
} finally {
  report.check((await service.stop()) === 0, "it stops with 0");
}
process.exitCode = report.end();
