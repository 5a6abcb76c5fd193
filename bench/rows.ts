/** The lines of the table: what is measured, how long, and what it should be. */
import { setTimeout as sleep } from "node:timers/promises";
import type { Boxes } from "./boxes.ts";
import type { Launched, Launcher } from "./launches.ts";
import { type Loaded, runLoad } from "./load.ts";
import { inTurns, median, quantile } from "./numbers.ts";
import { groupCpuMs, processesOf, type Service } from "./service.ts";
import type { Row } from "./table.ts";

const PYTHON = ["/usr/bin/python3", "-c", "print(1)"];
const NODE = [process.execPath, "-e", "console.log(1)"];

export async function boxRows(boxes: Boxes, launcher: Launcher, effort: number): Promise<Row[]> {
  await boxes.firstInstruction(50);
  const first = await boxes.firstInstruction(Math.ceil(600 * effort));
  const cold = await boxes.cold(Math.ceil(400 * effort));
  const count = Math.ceil(1000 * effort);
  const bwrap = launcher.peers.get("bwrap");
  const rows: Row[] = [
    row("first", "hand-over to first instruction, median", median(first), "ms", { most: 1.5 }),
    row("first-p99", "the same, 99 of 100", quantile(first, 0.99), "ms", { most: 8 }),
    row("cold", "cold box, median", median(cold), "ms", { most: 6 }),
    row("waiting", "a waiting box, private memory", await boxes.waitingKib(), "KiB", { most: 400 }),
  ];
  if (bwrap === undefined) {
    const alone = await boxes.perSecond(count, 4);
    return [...rows, row("boxes", "boxes without HTTP", alone, "boxes/s")];
  }
  const turns = await inTurns(
    5,
    () => boxes.perSecond(count / 5, 4),
    async () => (await launcher.launch(Math.ceil(count / 5), 4, bwrap)).perSecond,
  );
  const against = { against: "bwrap", ratio: turns.ratio, goalIsRatio: true };
  rows.push({
    ...row("boxes", "boxes without HTTP", turns.one, "boxes/s", { least: 2 }),
    ...against,
  });
  return rows;
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

export async function serviceRows(
  service: Service,
  launcher: Launcher,
  effort: number,
): Promise<Row[]> {
  const load = (kind: Kind, connections: number, seconds: number, requests = 1e6) =>
    runLoad({ port: service.port, connections, seconds, requests, ...kind });
  for (const kind of [SH, PY, JS]) await load(kind, 4, 1);
  const rows: Row[] = [];
  const one = await load(SH, 1, 6 * effort);
  rows.push(
    row("sh", "`echo hi` by /run, one caller, median", median(one.latenciesMs), "ms", { most: 4 }),
  );
  rows.push(row("sh-p99", "the same, 99 of 100", quantile(one.latenciesMs, 0.99), "ms"));
  const cpuBefore = groupCpuMs(service);
  const eight = await load(SH, 8, 10 * effort);
  const cpuMs = (groupCpuMs(service) - cpuBefore) / eight.latenciesMs.length;
  rows.push(
    row("sh-8", "`echo hi` by /run, 8 connections", eight.perSecond, "jobs/s", { least: 500 }),
  );
  rows.push(row("sh-cpu", "all CPU of such a job, program included", cpuMs, "ms"));
  const python = (connections: number) => () => load(PY, connections, 3 * effort);
  const bare = (command: readonly string[], count: number, atOnce: number) => () =>
    launcher.launch(Math.ceil(count * effort), atOnce, command);
  rows.push(
    await latencyRow(
      "python",
      "python hello by /run, one caller",
      0.7,
      python(1),
      bare(PYTHON, 150, 1),
    ),
  );
  rows.push(
    await rateRow(
      "python-8",
      "python hello by /run, 8 connections",
      1.5,
      python(8),
      bare(PYTHON, 400, 2),
    ),
  );
  const node = () => load(JS, 1, 3 * effort);
  rows.push(
    await latencyRow("node", "node hello by /run, one caller", 0.5, node, bare(NODE, 40, 1)),
  );
  return rows;
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

async function rateRow(
  id: string,
  what: string,
  least: number,
  ours: () => Promise<Loaded>,
  bare: () => Promise<Launched>,
): Promise<Row> {
  const turns = await inTurns(
    3,
    async () => (await ours()).perSecond,
    async () => (await bare()).perSecond,
  );
  const against = { against: `bare: ${turns.other.toFixed(0)} starts/s`, ratio: turns.ratio };
  return { ...row(id, what, turns.one, "jobs/s", { least }), ...against, goalIsRatio: true };
}

/** At rest: when everything that waits for work has gone. */
export async function memoryRows(service: Service, isQuick: boolean): Promise<Row[]> {
  await sleep(isQuick ? 5_000 : 65_000);
  const cpuBefore = groupCpuMs(service);
  await sleep(5_000);
  const idle = (groupCpuMs(service) - cpuBefore) / 50;
  const all = processesOf(service.pid);
  const sum = (of: (one: (typeof all)[number]) => number) =>
    all.reduce((total, one) => total + of(one), 0) / 1024;
  const when = isQuick ? "after 5 s without work" : "after 65 s without work";
  return [
    row(
      "rest",
      `all processes ${when}, private memory`,
      sum((one) => one.privateKib),
      "MiB",
      { most: 20 },
    ),
    row(
      "rest-resident",
      "the same, resident",
      sum((one) => one.residentKib),
      "MiB",
    ),
    row("idle", "CPU with nothing to do", idle, "% of a core", { most: 1 }),
  ];
}

function row(id: string, what: string, value: number, unit: string, goal?: Row["goal"]): Row {
  return { id, what, value, unit, ...(goal === undefined ? {} : { goal }) };
}
