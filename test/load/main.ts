/**
 * Many callers at once, most of them unkind: `npm run test:load` (about 2,000 admitted jobs), or with
 * `--quick` a tenth of it. Prints what happened, and fails when a job has not ended once and as it
 * had to, when somebody got more CPU time than is theirs, or when something is left.
 *
 * The callers are played from this process, through the header that a proxy would send.
 */
import { setTimeout as sleep } from "node:timers/promises";
import { CALLER_LIMITS } from "../../src/core/limits.ts";
import { Caller, type Told } from "./caller.ts";
import { HOG, type Kind, kindOf } from "./kinds.ts";
import { type Holding, type LoadedService, type Logged, startLoaded } from "./service.ts";

const CALLERS = 50;
const HOGS = 2;
/** Jobs that a caller has under way: as many as it may have running and waiting; some want more. */
const AT_ONCE = 3;
const WANTS_MORE = 5;
/** Every slot has had a box before anything is measured: its groups and its network stay. */
const WARM_UP = 80;
const isQuick = process.argv.includes("--quick");
const JOBS = isQuick ? 250 : 2400;
const LONGEST_MS = isQuick ? 120_000 : 540_000;
const WINDOW_MS = 60_000;
/** As in src/queue/fair.ts. */
const JOB_MS = 5;
/** What a quota may be missed by. */
const TOLERANCE = 1.05;

const wrongs: string[] = [];

function check(holds: boolean, what: string): void {
  if (!holds) wrongs.push(what);
}

function print(line: string): void {
  process.stdout.write(`${line}\n`);
}

/** Takes numbers of jobs until all are given out, or time is up. */
async function work(caller: Caller, next: () => Kind | undefined, told: Told[]): Promise<void> {
  for (let kind = next(); kind !== undefined; kind = next()) {
    try {
      told.push(await caller.send(kind));
    } catch (error) {
      wrongs.push(error instanceof Error ? error.message : String(error));
    }
  }
}

interface Loaded {
  readonly callers: readonly Caller[];
  readonly told: readonly Told[];
  readonly ofHogs: readonly (readonly Told[])[];
  readonly tookMs: number;
}

async function load(port: number): Promise<Loaded> {
  const begunAt = performance.now();
  const callers = Array.from(
    { length: CALLERS },
    (_, i) => new Caller(port, `198.51.100.${i + 1}`),
  );
  const told: Told[] = [];
  const isLate = () => performance.now() - begunAt > LONGEST_MS;
  let number = 0;
  const nextJob = () => (number >= JOBS || isLate() ? undefined : kindOf(number++));
  const common = callers.slice(HOGS).flatMap((caller, i) => {
    const length = AT_ONCE + (i % WANTS_MORE === 0 ? 1 : 0);
    return Array.from({ length }, () => work(caller, nextJob, told));
  });
  let isOver = false;
  const nextHog = () => (isOver || isLate() ? undefined : HOG);
  const ofHogs: Told[][] = Array.from({ length: HOGS }, () => []);
  const hogs = callers
    .slice(0, HOGS)
    .flatMap((caller, i) => [0, 1].map(() => work(caller, nextHog, ofHogs[i] ?? [])));
  await Promise.all(common);
  isOver = true;
  await Promise.all(hogs);
  return { callers, told, ofHogs, tookMs: performance.now() - begunAt };
}

function tellJobs({ told, ofHogs, callers, tookMs }: Loaded): void {
  const all = [...told, ...ofHogs.flat()];
  const names = [...new Set(all.map(({ kind }) => kind.name))];
  print("\n| what callers sent | jobs | ended as | wrong |\n|---|---|---|---|");
  for (const name of names) {
    const those = all.filter(({ kind }) => kind.name === name);
    const ends = [...new Set(those.map(({ end, kind }) => end ?? `(${kind.fate})`))].join(", ");
    const wrong = those.filter((one) => one.wrong !== undefined);
    print(`| ${name} | ${those.length} | ${ends} | ${wrong.length} |`);
    for (const one of wrong.slice(0, 3)) wrongs.push(`${name}: ${one.wrong}`);
  }
  print(`\n${all.length} jobs of ${callers.length} callers in ${Math.round(tookMs / 1000)} s`);
  const refusals = Map.groupBy(
    callers.flatMap((one) => [...one.refusals]),
    ([why]) => why,
  );
  print("\n| refusals, after each of which the caller waited as it was told | times |\n|---|---|");
  for (const [why, those] of refusals) {
    print(`| ${why} | ${those.reduce((sum, [, times]) => sum + times, 0)} |`);
  }
}

/** Each admitted job ends once; of those that were hung up on, nobody knows which were admitted. */
function tellEnds(ends: readonly Logged[], faults: number, { callers, told }: Loaded): void {
  const admitted = callers.reduce((sum, one) => sum + one.admitted, 0);
  const hungUp = told.filter(({ kind }) => kind.fate === "hung up on").length;
  print(
    `\n${admitted} jobs were admitted for sure, ${hungUp} hung up on; ${ends.length} ends were logged`,
  );
  check(ends.length >= admitted && ends.length <= admitted + hungUp, "each job ends once");
  check(isQuick || ends.length >= 2000, "at least 2,000 jobs were admitted");
  const count = (kind: string) => ends.filter(({ outcome }) => outcome === kind).length;
  const ours = faults + count("sandbox_error");
  const roomy = callers.reduce((sum, one) => sum + one.madeRoom, 0);
  print(
    `${ours} faults of ours; ${count("evicted")} jobs, and the files of ${roomy}, had to make room`,
  );
  check(ours === 0, "no fault of ours");
}

/** What was charged is what the control groups counted; nobody who wanted more got more than is theirs. */
function tellQuotas(ends: readonly Logged[], counted: number, { ofHogs, tookMs }: Loaded): void {
  const used = ends.reduce((sum, { cpu_ms: ms = 0 }) => sum + ms, 0);
  // What making and burying its box takes is charged as so much for each job.
  const charged = used + JOB_MS * ends.length;
  print(
    `\nCPU: ${Math.round(used)} ms used by jobs and ${Math.round(charged - used)} ms for their boxes were`,
  );
  print(`charged, ${Math.round(counted)} ms counted by the control group of all boxes`);
  check(used <= counted * TOLERANCE, "nobody is charged what was not used");
  check(charged >= counted / TOLERANCE, "nothing is used that is not charged");
  const aMinute = CALLER_LIMITS.quotaCpuSecondsPerMinute * 1000;
  for (const told of ofHogs) {
    const own = told.reduce((sum, { cpuMs }) => sum + cpuMs, 0);
    const due = aMinute + (aMinute * tookMs) / WINDOW_MS;
    print(`a hog used ${Math.round(own)} ms of ${Math.round(due)} that were its own`);
    check(own <= due * TOLERANCE, "a hog got more than its quota");
    // The first minute has the full bucket beside the refill; later ones the refill alone.
    for (
      let from = (told[0]?.endedAtMs ?? 0) + WINDOW_MS;
      from < (told.at(-1)?.endedAtMs ?? 0);
      from += WINDOW_MS
    ) {
      const inWindow = told.filter(({ endedAtMs: at }) => at >= from && at < from + WINDOW_MS);
      const windowMs = inWindow.reduce((sum, { cpuMs }) => sum + cpuMs, 0);
      const edgesMs = 2 * Math.max(0, ...inWindow.map(({ cpuMs }) => cpuMs));
      print(`  in a later minute: ${Math.round(windowMs)} ms`);
      check(windowMs <= aMinute * TOLERANCE + edgesMs, "a hog's minute");
    }
  }
}

function tellHolding(before: Holding, loaded: Holding, after: Holding): void {
  print("\n| of the machine | before | under load | after |\n|---|---|---|---|");
  for (const name of Object.keys(before) as (keyof Holding)[]) {
    print(`| ${name} | ${before[name]} | ${loaded[name]} | ${after[name]} |`);
    const isMemory = name.endsWith("MB");
    const most = isMemory ? before[name] * 1.5 + 64 : before[name];
    check(after[name] <= most, `${name}: ${before[name]} before, ${after[name]} after`);
  }
}

/** Waits until nothing of any job is there; boxes that were made ahead go when nobody comes. */
async function settled(service: LoadedService, before: Holding): Promise<Holding> {
  const until = performance.now() + (isQuick ? 150_000 : 240_000);
  for (;;) {
    const now = service.holding();
    const isBack = (name: keyof Holding) => name.endsWith("MB") || now[name] <= before[name];
    if ((Object.keys(before) as (keyof Holding)[]).every(isBack)) return now;
    if (performance.now() > until) return now;
    await sleep(500);
  }
}

/** What each slot keeps for its next box is there before anything is measured. */
async function warmUp(port: number): Promise<void> {
  const word = kindOf(0);
  const callers = Array.from({ length: 16 }, (_, i) => new Caller(port, `192.0.2.${i + 1}`));
  let number = 0;
  const next = () => (number++ < WARM_UP ? { ...HOG, body: word.body, prints: "" } : undefined);
  await Promise.all(callers.flatMap((caller) => [0, 1].map(() => work(caller, next, []))));
}

const service = await startLoaded();
await warmUp(service.port);
const warm = service.holding();
const before = await settled(service, { ...warm, processes: 2, boxes: 0 });
const earlier = { ends: service.ends().length, cpuMs: service.cpuMsOfJobs() };
let under = before;
const watch = setInterval(() => {
  const now = service.holding();
  if (now.processes > under.processes) under = now;
}, 1000);
const loaded = await load(service.port);
clearInterval(watch);
tellJobs(loaded);
const after = await settled(service, before);
const ends = service.ends().slice(earlier.ends);
tellEnds(ends, service.faults(), loaded);
tellQuotas(ends, service.cpuMsOfJobs() - earlier.cpuMs, loaded);
tellHolding(before, under, after);
check((await service.stop()) === 0, "it stops with 0");
print(
  wrongs.length === 0 ? "\nall as it has to be" : `\nWRONG:\n  ${wrongs.slice(0, 20).join("\n  ")}`,
);
process.exitCode = wrongs.length === 0 ? 0 : 1;
