/**
 * The comparison of CPython's own tests outside and in a box; `npm run test:compatibility`.
 *
 * Usage: main.ts [--fresh] [--last] [--write] [MODULE…]
 *   --fresh  runs outside again what is known from an earlier run
 *   --last   runs nothing inside: judges what the last run found
 *   --write  writes docs/compatibility.md, when all modules were looked at
 */
import { writeFileSync } from "node:fs";
import { parseArgs } from "node:util";
import type { Runner } from "../../../src/core/runner.ts";
import { openLocalRunner } from "../../../src/main.ts";
import { findInside, findOutside, known } from "./bothSides.ts";
import { differences } from "./compare.ts";
import { EXPLANATIONS } from "./explanations.ts";
import type { ModuleFinding } from "./findings.ts";
import { judge } from "./judge.ts";
import { allModules } from "./modules.ts";
import { DOCUMENT, INSIDE, outsideDirectory, TREE } from "./places.ts";
import { documentOf, summaryOf } from "./report.ts";

/** As many as the build machine has processors. */
const AT_ONCE = 2;

export interface Pair {
  readonly outside: ModuleFinding;
  readonly inside: ModuleFinding;
}

const { values: options, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    fresh: { type: "boolean", default: false },
    last: { type: "boolean", default: false },
    write: { type: "boolean", default: false },
  },
});

function say(line: string): void {
  process.stdout.write(`${line}\n`);
}

/** The long ones first, or the last of them would run alone. */
function longFirst(modules: readonly string[]): readonly string[] {
  const seconds = (module: string) => known(outsideDirectory(), module)?.seconds ?? 0;
  return [...modules].sort((one, other) => seconds(other) - seconds(one));
}

async function inParallel<T, R>(
  items: readonly T[],
  work: (item: T) => Promise<R>,
): Promise<readonly R[]> {
  const results: R[] = [];
  const left = items.entries();
  const worker = async () => {
    for (const [index, item] of left) results[index] = await work(item);
  };
  await Promise.all(Array.from({ length: AT_ONCE }, worker));
  return results;
}

function unexplainedOf({ outside, inside }: Pair): number {
  return judge(differences(outside, inside), EXPLANATIONS, []).unexplained.length;
}

/** A test that fails once for want of time on a busy machine is no difference. */
async function again(runner: Runner, pair: Pair): Promise<Pair> {
  if (unexplainedOf(pair) === 0) return pair;
  say(`${pair.inside.module}: something is unexplained; once more, by itself`);
  return { outside: pair.outside, inside: await findInside(runner, pair.outside) };
}

async function runBoth(modules: readonly string[]): Promise<readonly Pair[]> {
  let done = 0;
  const began = performance.now();
  const told = (side: string, { module, outcome, seconds }: ModuleFinding) => {
    done++;
    const minutes = ((performance.now() - began) / 60_000).toFixed(1);
    say(`${minutes} min ${done}/${modules.length} ${side} ${module}: ${outcome}, ${seconds} s`);
  };
  const outsides = await inParallel(longFirst(modules), async (module) => {
    const found = await findOutside(module, options.fresh);
    told("outside", found);
    return found;
  });
  const runner = await openLocalRunner({ slots: AT_ONCE, environments: { cpython: TREE } });
  try {
    done = 0;
    const pairs = await inParallel(outsides, async (outside) => {
      const inside = await findInside(runner, outside);
      told("inside", inside);
      return { outside, inside };
    });
    const final: Pair[] = [];
    for (const pair of pairs) final.push(await again(runner, pair));
    return final;
  } finally {
    await runner.close();
  }
}

function lastPairs(modules: readonly string[]): readonly Pair[] {
  return modules.flatMap((module) => {
    const outside = known(outsideDirectory(), module);
    const inside = known(INSIDE, module);
    return outside === undefined || inside === undefined ? [] : [{ outside, inside }];
  });
}

const modules = positionals.length > 0 ? positionals : allModules();
const pairs = options.last ? lastPairs(modules) : await runBoth(modules);
const found = pairs.flatMap(({ outside, inside }) => differences(outside, inside));
const judgement = judge(
  found,
  EXPLANATIONS,
  pairs.map(({ inside }) => inside.module),
);
for (const { module, test, kind, text } of judgement.unexplained) {
  say(`\nUNEXPLAINED ${module} ${test} ${kind}\n${text.trim().split("\n").slice(-12).join("\n")}`);
}
for (const row of judgement.stale) say(`explains nothing any more: ${row}`);
say(summaryOf(pairs, judgement));
if (options.write && positionals.length === 0)
  writeFileSync(DOCUMENT, documentOf(pairs, judgement));
process.exitCode = judgement.unexplained.length === 0 ? 0 : 1;
