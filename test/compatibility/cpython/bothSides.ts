/** One module on both sides: outside from the cache where it is there, inside always. */
import { existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import type { Runner } from "../../../src/core/runner.ts";
import { EXPLANATIONS } from "./explanations.ts";
import {
  deserialise,
  type ModuleFinding,
  serialise,
  shortName,
  type TestFinding,
} from "./findings.ts";
import { names } from "./judge.ts";
import { INSIDE, outsideDirectory } from "./places.ts";
import { runInside, runOutside } from "./sides.ts";

/** For tests that are known to hang: as long as it takes to see that they do. */
const APART_SECONDS = 20;
/** A box has one processor, which may be busy. */
const MOST_INSIDE_SECONDS = 240;

function keep(directory: string, finding: ModuleFinding): void {
  mkdirSync(directory, { recursive: true });
  const path = `${directory}/${finding.module}`;
  // In one step: an interrupted run leaves no half of it.
  writeFileSync(`${path}.new`, serialise(finding));
  renameSync(`${path}.new`, path);
}

export function known(directory: string, module: string): ModuleFinding | undefined {
  const path = `${directory}/${module}`;
  return existsSync(path) ? deserialise(readFileSync(path, "utf8")) : undefined;
}

export async function findOutside(module: string, isFresh: boolean): Promise<ModuleFinding> {
  const directory = outsideDirectory();
  const cached = isFresh ? undefined : known(directory, module);
  if (cached !== undefined) return cached;
  const found = await runOutside(module);
  keep(directory, found);
  return found;
}

/** For each row that wants it, the tests that are run by themselves. */
function apartFrom({ module, tests }: ModuleFinding): readonly (readonly string[])[] {
  return (EXPLANATIONS[module] ?? [])
    .filter(({ apart }) => apart === true)
    .map((row) => [...tests.keys()].filter((test) => names(row, shortName(module, test))));
}

/** What was run apart and told nothing, hung or took its process along. */
function withLost(
  apart: ModuleFinding,
  tests: readonly string[],
): ReadonlyMap<string, TestFinding> {
  const lost: TestFinding = { outcome: "error", text: `${apart.outcome}\n${apart.printed}` };
  return new Map(tests.map((test) => [test, apart.tests.get(test) ?? lost]));
}

export async function findInside(runner: Runner, outside: ModuleFinding): Promise<ModuleFinding> {
  const { module } = outside;
  const seconds = Math.min(60 + 3 * outside.seconds, MOST_INSIDE_SECONDS);
  const groups = apartFrom(outside);
  const left = groups.flat().flatMap((test) => ["-i", test]);
  const found = await runInside(runner, module, left, seconds);
  const tests = new Map(found.tests);
  for (const group of groups) {
    const chosen = group.flatMap((test) => ["-m", test]);
    const apart = await runInside(runner, module, chosen, APART_SECONDS);
    for (const [name, finding] of withLost(apart, group)) tests.set(name, finding);
  }
  const all = { ...found, tests };
  keep(INSIDE, all);
  return all;
}
