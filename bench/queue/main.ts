/**
 * The queue in simulated time: what a decision and a caller cost, and what one caller who means
 * harm can do to a million others. Writes docs/fairness.svg and the tables of docs/fairness.md.
 */
import { readFileSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { quantile } from "../numbers.ts";
import {
  type Arrivals,
  byChance,
  hogs,
  inBursts,
  numbersFrom,
  sleepers,
  tiny,
  together,
  wholeNetwork,
} from "./callers.ts";
import { chartOf } from "./chart.ts";
import { measureScale } from "./scale.ts";
import { Fair, FirstCome, simulate, type Told } from "./world.ts";

const DOCS = fileURLToPath(new URL("../../docs/", import.meta.url));
const SCALES = [1000, 10_000, 100_000, 1_000_000] as const;
const SIMULATED_MS = 600_000;
/** Half of what two cores can do. */
const PER_SECOND = 5;

const WORLDS: readonly (readonly [string, () => Arrivals])[] = [
  ["nobody means harm", () => () => []],
  ["bursts of 20 every 5 s", () => inBursts(5000, numbersFrom(7))],
  ["one floods with CPU hogs", () => hogs],
  ["one sends 1,000 tiny jobs a second", () => tiny],
  ["a whole /48 floods with hogs", () => wholeNetwork()],
  ["16 callers sleep in all 32 slots", () => sleepers(16)],
  ["100 callers sleep in all slots", () => sleepers(100)],
];

function say(text: string): void {
  process.stdout.write(`${text}\n`);
}

const seconds = (ms: number) => (Number.isNaN(ms) ? "–" : (ms / 1000).toFixed(2));

const served = ({ responsesMs, came }: Told) =>
  `${((100 * responsesMs.length) / came).toFixed(1)} %`;

/** When many are never served, the times of the others say nothing. */
function p99Of(told: Told): number {
  const isServed = told.responsesMs.length > 0.9 * told.came;
  return isServed ? quantile(told.responsesMs, 0.99) : Number.NaN;
}

function scaleTable(): string {
  const lines = SCALES.map((callers) => {
    const { medianUs, p99Us, bytesPerCaller } = measureScale(callers);
    const cells = [
      callers.toLocaleString("en"),
      medianUs.toFixed(1),
      p99Us.toFixed(1),
      bytesPerCaller.toFixed(0),
    ];
    return `| ${cells.join(" | ")} |`;
  });
  return [
    "| callers that wait | median µs | 99 % µs | bytes a caller |",
    "|---:|---:|---:|---:|",
    ...lines,
  ].join("\n");
}

function worldTable(): { readonly table: string; readonly svg: string } {
  const pairs = [];
  const lines = [];
  for (const [what, harm] of WORLDS) {
    const arrivals = () => together(byChance(PER_SECOND, numbersFrom(1)), harm());
    const ours = simulate(new Fair(), SIMULATED_MS, arrivals());
    const others = simulate(new FirstCome(), SIMULATED_MS, arrivals());
    pairs.push({ what, oursMs: p99Of(ours), othersMs: p99Of(others) });
    const cells = [
      what,
      seconds(quantile(ours.responsesMs, 0.5)),
      seconds(p99Of(ours)),
      seconds(Math.max(...ours.responsesMs)),
      served(ours),
      seconds(p99Of(others)),
      served(others),
    ];
    lines.push(`| ${cells.join(" | ")} |`);
    say(lines.at(-1) ?? "");
  }
  const table = [
    "| | median s | 99 % s | most s | served | 99 % s, first come | served, first come |",
    "|---|---:|---:|---:|---:|---:|---:|",
    ...lines,
  ].join("\n");
  return { table, svg: chartOf(pairs) };
}

function put(name: string, table: string): void {
  const path = `${DOCS}fairness.md`;
  const pattern = new RegExp(`(<!-- ${name} -->\n)[\\s\\S]*?(<!-- end -->)`);
  writeFileSync(path, readFileSync(path, "utf8").replace(pattern, `$1${table}\n$2`));
}

const { table, svg } = worldTable();
put("worlds", table);
writeFileSync(`${DOCS}fairness.svg`, svg);
const scale = scaleTable();
say(scale);
put("scale", scale);
