/** What was found, for a terminal and for docs/compatibility.md. */
import { readFileSync } from "node:fs";
import { release } from "node:os";
import { REASONS, type ReasonName } from "./explanations.ts";
import type { ModuleFinding } from "./findings.ts";
import type { Explained, Judgement } from "./judge.ts";
import { VERSIONS } from "./places.ts";

interface Pair {
  readonly outside: ModuleFinding;
  readonly inside: ModuleFinding;
}

interface Counts {
  readonly modules: number;
  readonly modulesOutside: number;
  readonly modulesInside: number;
  readonly testsOutside: number;
  readonly testsInside: number;
}

function passed(finding: ModuleFinding): readonly string[] {
  return [...finding.tests].filter(([, { outcome }]) => outcome === "passed").map(([name]) => name);
}

function isGood({ outcome }: ModuleFinding): boolean {
  return outcome === "Passed" || outcome === "EnvChanged";
}

function countsOf(pairs: readonly Pair[]): Counts {
  const good = pairs.filter(({ outside }) => isGood(outside));
  const both = pairs.map(({ outside, inside }) => {
    const names = passed(outside);
    const found = names.filter((name) => inside.tests.get(name)?.outcome === "passed");
    return { outside: names.length, inside: found.length };
  });
  return {
    modules: pairs.length,
    modulesOutside: good.length,
    modulesInside: good.filter(({ inside }) => isGood(inside)).length,
    testsOutside: both.reduce((sum, { outside }) => sum + outside, 0),
    testsInside: both.reduce((sum, { inside }) => sum + inside, 0),
  };
}

export function summaryOf(pairs: readonly Pair[], judgement: Judgement): string {
  const counts = countsOf(pairs);
  return [
    `modules: ${counts.modules} looked at, ${counts.modulesOutside} pass outside, ${counts.modulesInside} of these as a whole inside`,
    `tests: ${counts.testsOutside} pass outside, ${counts.testsInside} of these inside`,
    `differences: ${judgement.explained.length} explained, ${judgement.unexplained.length} unexplained`,
  ].join("\n");
}

function version(name: string): string {
  const found = new RegExp(`^${name}_(.*)_`, "m").exec(readFileSync(VERSIONS, "utf8"));
  return found?.[1]?.replaceAll("%3a", ":") ?? "unknown";
}

function rowsOf(explained: readonly Explained[]): readonly string[] {
  const groups = Map.groupBy(
    explained,
    ({ difference, reason }) => `${difference.module} ${reason}`,
  );
  return [...groups.entries()].sort().map(([key, group]) => {
    const [module, reason] = key.split(" ");
    const count = (kind: string) =>
      group.filter(({ difference }) => difference.kind === kind).length;
    const fails = count("fails") + count("ends otherwise");
    return `| ${module} | ${fails} | ${count("skipped")} | ${reason} |`;
  });
}

function reasonsOf(explained: readonly Explained[]): readonly string[] {
  return (Object.keys(REASONS) as ReasonName[]).map((name) => {
    const own = explained.filter(({ reason }) => reason === name);
    const modules = new Set(own.map(({ difference }) => difference.module)).size;
    return `| ${name} | ${REASONS[name].sentence} | ${own.length} in ${modules} |`;
  });
}

function failedOutside(pairs: readonly Pair[]): string {
  const names = pairs
    .filter(
      ({ outside }) =>
        !isGood(outside) && !/^(Skipped|ResourceDenied|DidNotRun)$/.test(outside.outcome),
    )
    .map(({ outside }) => `${outside.module}`)
    .sort();
  return names.length === 0 ? "none" : names.join(", ");
}

export function documentOf(pairs: readonly Pair[], judgement: Judgement): string {
  const counts = countsOf(pairs);
  const { explained, unexplained } = judgement;
  return `# Ordinary programs in a box

<!-- Made by: npm run test:compatibility -- --write -->

CPython's own regression tests, run as \`nobody\` on the host and as a job in a box by the same command.
\`npm run test:compatibility\` repeats it, ends with status 1 when a test that passes outside fails or is
skipped inside without an entry in \`test/compatibility/cpython/explanations.ts\`, and says which entries
are not needed any more. The package with the tests, and the Python that they belong to, are unpacked
below \`.runtime/\`; nothing is installed. What was found outside is kept there: \`--fresh\` runs it again.

| | |
|---|---|
| date | ${new Date().toISOString().slice(0, 10)} |
| kernel | ${release()} |
| Python | Debian's python3.11 ${version("python3.11-minimal")}, libpython3.11-testsuite ${version("libpython3.11-testsuite")} |
| modules | ${counts.modules}; ${counts.modulesOutside} pass outside, ${counts.modulesInside} of these pass inside |
| tests | ${counts.testsOutside} pass outside, ${counts.testsInside} of these pass inside |
| differences | ${explained.length} explained, ${unexplained.length} unexplained |

A module of \`test_asyncio\` counts as one. Modules that need what regrtest's usual \`-u\` leaves out (a network, a screen, sound, much
memory or time) or another system are skipped on both sides. Not counted, since they fail outside, too: ${failedOutside(pairs)}.

## Why tests fail or are skipped in a box

| reason | promise or limit | tests, modules |
|---|---|---|
${reasonsOf(explained).join("\n")}

## Module by module

Failing and skipped tests that pass outside; a module that ends otherwise as a whole counts as one.

| module | fail | skipped | reason |
|---|---|---|---|
${rowsOf(explained).join("\n")}
`;
}
