/** The lines of the table: what is measured, how long, and what it should be. */
import { setTimeout as sleep } from "node:timers/promises";
import type { Boxes } from "./boxes.ts";
import type { Launched, Launcher } from "./launches.ts";
import { type Loaded, runLoad } from "./load.ts";
import { inTurns, median, quantile } from "./numbers.ts";
import { groupCpuMs, processesOf, type Service } from "./service.ts";
import type { Row } from "./table.ts";

const PYTHON = ["/usr/bin/python3", "-c", "print(1)"];
const SHELL = ["/bin/sh", "-c", "echo hi"];
const NODE = [process.execPath, "-e", "console.log(1)"];
const AT_ONCE = 4;

export async function boxRows(boxes: Boxes, launcher: Launcher, effort: number): Promise<Row[]> {
  await boxes.firstInstruction(50);
  const first = await boxes.firstInstruction(Math.ceil(600 * effort));
  const cold = await boxes.cold(Math.ceil(400 * effort));
  return [
    row("first", "hand-over to first instruction, median", median(first), "ms", { most: 1.5 }),
    row("first-p99", "the same, 99 of 100", quantile(first, 0.99), "ms", { most: 8 }),
    row("cold", "cold box, median", median(cold), "ms", { most: 6 }),
    row("waiting", "a waiting box, private memory", await boxes.waitingKib(), "KiB", { most: 400 }),
    row("forked", "the same, with a Python that waits in it", await boxes.forkedKib(), "KiB"),
    ...(await boxesAgainstBwrap(boxes, launcher, Math.ceil(300 * effort))),
  ];
}

/** Rates hold on a machine that does nothing else; CPU time holds on any. */
async function boxesAgainstBwrap(boxes: Boxes, launcher: Launcher, count: number): Promise<Row[]> {
  const bwrap = launcher.peers.get("bwrap");
  const ours: Launched[] = [];
  const theirs: Launched[] = [];
  for (let round = 0; round < 5; round++) {
    ours.push(await boxes.throughput(count, AT_ONCE));
    if (bwrap !== undefined) theirs.push(await launcher.launch(count, AT_ONCE, bwrap));
  }
  const rate = median(ours.map(({ perSecond }) => perSecond));
  const cpuMs = median(ours.map((one) => one.cpuMs));
  const rateRow = row("boxes", "boxes without HTTP", rate, "boxes/s");
  const cpuRow = row("boxes-cpu", "all CPU of such a box, its program included", cpuMs, "ms");
  if (bwrap === undefined) return [rateRow, cpuRow];
  const ratios = (of: (one: Launched) => number) =>
    median(ours.map((one, index) => of(one) / of(theirs[index] ?? one)));
  const goal = { goal: { least: 2 }, goalIsRatio: true };
  const theirCpuMs = median(theirs.map((one) => one.cpuMs)).toFixed(2);
  return [
    { ...rateRow, ...goal, against: "bwrap", ratio: ratios(({ perSecond }) => perSecond) },
    { ...cpuRow, against: `bwrap: ${theirCpuMs} ms`, ratio: ratios((one) => one.cpuMs) },
  ];
}

export async function peerRows(launcher: Launcher, effort: number): Promise<Row[]> {
  const rows: Row[] = [];
  const bare = await launcher.launch(Math.ceil(3000 * effort), 2, [launcher.probe]);
  rows.push(row("bare", "bare static program", bare.perSecond, "starts/s"));
  for (const [name, command] of launcher.peers) {
    const count = Math.ceil((name === "bwrap" ? 600 : 100) * effort);
    const peer = await attempt(() => launcher.launch(count, 2, command));
    if (peer !== undefined) rows.push(row(name, `by ${name}`, peer.perSecond, "starts/s"));
  }
  return rows;
}

/** A sandbox that does not work on this machine is no peer. */
async function attempt(work: () => Promise<Launched>): Promise<Launched | undefined> {
  try {
    return await work();
  } catch {
    return undefined;
  }
}

interface Kind {
  readonly path: string;
  readonly body: string;
  readonly expects: string;
}
const SH: Kind = { path: "/run?interpreter=sh", body: "echo hi\n", expects: "hi\n" };
const PY: Kind = { path: "/run", body: "print(1)\n", expects: "1\n" };
const JS: Kind = { path: "/run?interpreter=node", body: "console.log(1)\n", expects: "1\n" };
/** Between two requests of one caller who does not try to use up all of the machine. */
const PAUSE_MS = 25;

export async function serviceRows(
  service: Service,
  launcher: Launcher,
  effort: number,
): Promise<Row[]> {
  const load = (kind: Kind, connections: number, seconds: number, pauseMs = 0) =>
    runLoad({ port: service.port, connections, seconds, pauseMs, ...kind });
  const bare = (command: readonly string[], count: number, atOnce: number) => () =>
    launcher.launch(Math.ceil(count * effort), atOnce, command);
  for (const kind of [SH, PY, JS]) await load(kind, 4, 1);
  const one = await load(SH, 1, 6 * effort);
  const paced = (kind: Kind) => () => load(kind, 1, 3 * effort, PAUSE_MS);
  return [
    row("sh", "`echo hi` by /run, one caller, median", median(one.latenciesMs), "ms", { most: 4 }),
    row("sh-p99", "the same, 99 of 100", quantile(one.latenciesMs, 0.99), "ms"),
    ...(await shellRates(service, () => load(SH, 8, 4 * effort), bare(SHELL, 400, 2))),
    await latencyRow(
      "python",
      "python hello by /run, a caller now and then",
      0.7,
      paced(PY),
      bare(PYTHON, 150, 1),
    ),
    await latencyRow(
      "node",
      "node hello by /run, a caller now and then",
      0.5,
      paced(JS),
      bare(NODE, 40, 1),
    ),
    ...(await pythonRates(service, () => load(PY, 8, 6 * effort), bare(PYTHON, 400, 2))),
    ...forkedRows(await launcher.forkPython(Math.ceil(1500 * effort), 2)),
  ];
}

async function shellRates(
  service: Service,
  ours: () => Promise<Loaded>,
  bare: () => Promise<Launched>,
): Promise<Row[]> {
  const { turns, cpuMs, nodeMs } = await ratesInTurns(service, ours, bare);
  const what = "`echo hi` by /run, 8 connections";
  const rate = row("sh-8", what, turns.one, "jobs/s", { least: 500 });
  return [
    { ...rate, against: `bare: ${turns.other.toFixed(0)} starts/s`, ratio: turns.ratio },
    row("sh-cpu", "all CPU of such a job, its program included", cpuMs, "ms"),
    row("sh-node", "of that, the service's Node: TLS, HTTP, queue", nodeMs, "ms", { most: 1 }),
  ];
}

function nodeCpuMs(service: Service): number {
  const nodes = processesOf(service.pid).filter(({ name }) => name === "node");
  return nodes.reduce((sum, { cpuMs }) => sum + cpuMs, 0);
}

async function latencyRow(
  id: string,
  what: string,
  most: number,
  ours: () => Promise<Loaded>,
  bare: () => Promise<Launched>,
): Promise<Row> {
  const turns = await inTurns(
    3,
    async () => median((await ours()).latenciesMs),
    async () => (await bare()).eachMs,
  );
  const against = { against: `bare: ${turns.other.toFixed(2)} ms`, ratio: turns.ratio };
  return { ...row(id, what, turns.one, "ms", { most }), ...against, goalIsRatio: true };
}

async function pythonRates(
  service: Service,
  ours: () => Promise<Loaded>,
  bare: () => Promise<Launched>,
): Promise<Row[]> {
  const { turns, cpuMs, bareCpuMs } = await ratesInTurns(service, ours, bare);
  const what = "python hello by /run, 8 connections";
  const rate = row("python-8", what, turns.one, "jobs/s", { least: 1.5 });
  return [
    {
      ...rate,
      against: `bare: ${turns.other.toFixed(0)} starts/s`,
      ratio: turns.ratio,
      goalIsRatio: true,
    },
    {
      ...row("python-cpu", "all CPU of such a job, its program included", cpuMs, "ms"),
      against: `bare: ${bareCpuMs.toFixed(2)} ms`,
      ratio: cpuMs / bareCpuMs,
    },
  ];
}

/** In several turns, since a machine that others use, too, is not as fast in one moment as in the next. */
async function ratesInTurns(
  service: Service,
  ours: () => Promise<Loaded>,
  bare: () => Promise<Launched>,
) {
  const cpu: number[] = [];
  const node: number[] = [];
  const bareCpu: number[] = [];
  const turns = await inTurns(
    5,
    async () => {
      const beforeMs = groupCpuMs(service);
      const nodeBeforeMs = nodeCpuMs(service);
      const { perSecond, latenciesMs } = await ours();
      cpu.push((groupCpuMs(service) - beforeMs) / latenciesMs.length);
      node.push((nodeCpuMs(service) - nodeBeforeMs) / latenciesMs.length);
      return perSecond;
    },
    async () => {
      const launched = await bare();
      bareCpu.push(launched.cpuMs);
      return launched.perSecond;
    },
  );
  return { turns, cpuMs: median(cpu), nodeMs: median(node), bareCpuMs: median(bareCpu) };
}

/** What is left of a Python job without box and service: the end of a Python takes most of it. */
function forkedRows({ perSecond, cpuMs }: Launched): Row[] {
  const what = "a warm Python forked, in no box, that prints and ends";
  return [
    row("forked-python", what, perSecond, "forks/s"),
    row("forked-cpu", "all CPU of such a fork", cpuMs, "ms"),
  ];
}

/** At rest: when everything that waits for work has gone, which no quick run waits for; so it has no goals. */
export async function memoryRows(service: Service, isQuick: boolean): Promise<Row[]> {
  await sleep(isQuick ? 5_000 : 65_000);
  const cpuBefore = groupCpuMs(service);
  await sleep(5_000);
  const idle = (groupCpuMs(service) - cpuBefore) / 50;
  const all = processesOf(service.pid);
  const megabytes = (of: (one: (typeof all)[number]) => number) =>
    all.reduce((total, one) => total + of(one), 0) * (1024 / 1e6);
  const when = isQuick ? "after 5 s without work" : "after 65 s without work";
  const most = (goal: number): Row["goal"] => (isQuick ? undefined : { most: goal });
  const written = megabytes((one) => one.writtenKib);
  const private_ = megabytes((one) => one.privateKib);
  const resident = megabytes((one) => one.residentKib);
  return [
    row("rest", `all processes ${when}, memory that they have written`, written, "MB", most(20)),
    row(
      "rest-private",
      "the same, with pages of files that are mapped by no other",
      private_,
      "MB",
      most(20),
    ),
    row("rest-resident", "the same, resident", resident, "MB"),
    row("idle", "CPU with nothing to do", idle, "% of a core", most(1)),
  ];
}

function row(id: string, what: string, value: number, unit: string, goal?: Row["goal"]): Row {
  return { id, what, value, unit, ...(goal === undefined ? {} : { goal }) };
}
