/** Which differences the table explains, and which of its rows explain nothing any more. */
import type { Difference } from "./compare.ts";
import { type Explanation, REASONS, type ReasonName } from "./explanations.ts";

export type Table = Readonly<Record<string, readonly Explanation[]>>;

export interface Explained {
  readonly difference: Difference;
  readonly reason: ReasonName;
}

export interface Judgement {
  readonly explained: readonly Explained[];
  readonly unexplained: readonly Difference[];
  /** Rows of modules that were run and need them no longer, as `module: reason`. */
  readonly stale: readonly string[];
}

function patternOf(glob: string): RegExp {
  const parts = glob.split("*").map((part) => part.replace(/[.+?^${}()|[\]\\]/g, "\\$&"));
  // `setUpClass (test.test_x.Class)` is of that class, too.
  return new RegExp(`(^|[ (])${parts.join(".*")}`);
}

export function names({ tests }: Explanation, test: string): boolean {
  return tests === undefined || tests.some((glob) => patternOf(glob).test(test));
}

function explains(row: Explanation, { test, text }: Difference): boolean {
  return names(row, test) && (row.marks ?? REASONS[row.reason].marks).test(text);
}

/** @param modules those that were run: rows of others are not looked at */
export function judge(
  found: readonly Difference[],
  table: Table,
  modules: readonly string[],
): Judgement {
  const explained: Explained[] = [];
  const unexplained: Difference[] = [];
  const used = new Set<Explanation>();
  for (const difference of found) {
    const rows = (table[difference.module] ?? []).filter((row) => explains(row, difference));
    for (const row of rows) used.add(row);
    if (rows[0] === undefined) unexplained.push(difference);
    else explained.push({ difference, reason: rows[0].reason });
  }
  const stale = modules.flatMap((module) =>
    (table[module] ?? [])
      .filter((row) => !used.has(row))
      .map(({ reason, tests = ["*"] }) => `${module}: ${reason} (${tests.join(" ")})`),
  );
  return { explained, unexplained, stale };
}
