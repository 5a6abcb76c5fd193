/** What record.py tells about one module. */

/** How one test ended; a test with subtests may fail several times and is told once. */
export interface TestFinding {
  readonly outcome: "passed" | "skipped" | "failed" | "error" | "unexpected";
  /** The end of the trace of a failure, or why it was skipped. */
  readonly text: string;
}

export interface ModuleFinding {
  readonly module: string;
  /** As regrtest names it: Passed, Failed, Skipped, EnvChanged, …; or how the process ended. */
  readonly outcome: string;
  readonly tests: ReadonlyMap<string, TestFinding>;
  /** Begin and end of what was printed. */
  readonly printed: string;
  readonly seconds: number;
}

interface Line {
  readonly test?: string;
  readonly module?: string;
  readonly outcome: string;
  readonly text?: string;
}

/** `Class.test_name`, as a module's own; what is set up for a class keeps its `setUpClass (…)`. */
export function shortName(module: string, test: string): string {
  return test.replaceAll(`${module.startsWith("test.") ? module : `test.${module}`}.`, "");
}

const FAILURES: readonly string[] = ["failed", "error", "unexpected"];

export function isFailure({ outcome }: TestFinding): boolean {
  return FAILURES.includes(outcome);
}

/** A failing subtest stands before its test, which is not told again. */
function add(tests: Map<string, TestFinding>, name: string, finding: TestFinding): void {
  const before = tests.get(name);
  if (before === undefined) tests.set(name, finding);
  else if (isFailure(before) && isFailure(finding))
    tests.set(name, { outcome: before.outcome, text: `${before.text}\n${finding.text}` });
  else if (isFailure(finding)) tests.set(name, finding);
}

const PRINTED_CHARACTERS = 3000;

/** Its begin and its end: traces come first, what regrtest makes of them last. */
function shortened(printed: string): string {
  if (printed.length <= 2 * PRINTED_CHARACTERS) return printed;
  return `${printed.slice(0, PRINTED_CHARACTERS)}\n…\n${printed.slice(-PRINTED_CHARACTERS)}`;
}

/**
 * @param lines what record.py wrote
 * @param ending how the process ended, for when it could not tell itself
 */
export function readFinding(
  module: string,
  lines: string,
  printed: string,
  ending: string,
  seconds: number,
): ModuleFinding {
  const tests = new Map<string, TestFinding>();
  let outcome = ending;
  for (const text of lines.split("\n")) {
    if (!text.startsWith("{")) continue;
    const line = JSON.parse(text) as Line;
    if (line.module !== undefined) outcome = line.outcome;
    else if (line.test !== undefined) {
      const found = { outcome: line.outcome as TestFinding["outcome"], text: line.text ?? "" };
      // `repr` of objects differs from run to run.
      add(tests, line.test.replace(/ at 0x[0-9a-f]+/g, ""), found);
    }
  }
  return { module, outcome, tests, printed: shortened(printed), seconds };
}

export function serialise(finding: ModuleFinding): string {
  return JSON.stringify({ ...finding, tests: [...finding.tests] });
}

export function deserialise(text: string): ModuleFinding {
  const finding = JSON.parse(text) as ModuleFinding & { tests: [string, TestFinding][] };
  return { ...finding, tests: new Map(finding.tests) };
}
