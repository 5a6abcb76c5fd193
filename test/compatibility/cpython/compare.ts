/** What passes outside and does not inside. */
import { isFailure, type ModuleFinding, shortName } from "./findings.ts";

export interface Difference {
  readonly module: string;
  /** The test's name without its module; the module's own end is "". */
  readonly test: string;
  readonly kind: "fails" | "skipped" | "ends otherwise";
  /** The trace of the failure, the reason for skipping, or how the module ended. */
  readonly text: string;
}

/** Ends of a module that its tests account for. */
const ORDINARY: readonly string[] = ["Passed", "Failed", "EnvChanged"];

function testDifferences(outside: ModuleFinding, inside: ModuleFinding): readonly Difference[] {
  return [...inside.tests].flatMap(([name, found]): Difference[] => {
    const before = outside.tests.get(name);
    const told = { module: inside.module, test: shortName(inside.module, name), text: found.text };
    if (isFailure(found)) {
      return before !== undefined && isFailure(before) ? [] : [{ ...told, kind: "fails" }];
    }
    if (found.outcome !== "skipped") return [];
    // A class that is skipped is told as a whole, its tests are not; outside they are.
    const isClass = name.startsWith("setUp");
    return before?.outcome === "passed" || (isClass && before === undefined)
      ? [{ ...told, kind: "skipped" }]
      : [];
  });
}

/** Of `test.test_x.Class.test_y`, or of `setUpClass (test.test_x.Class)`, the class. */
function classOf(test: string): string {
  const set = /^(?:setUp|tearDown)\w+ \((.*)\)$/.exec(test);
  return set?.[1] ?? test.slice(0, test.lastIndexOf("."));
}

/** Tests that passed outside, and of which nothing is told inside, nor of their class. */
function missing(outside: ModuleFinding, inside: ModuleFinding): readonly string[] {
  const told = [...inside.tests.keys()].filter((test) => test.startsWith("setUp")).map(classOf);
  return [...outside.tests]
    .filter(([name, { outcome }]) => outcome === "passed" && !inside.tests.has(name))
    .map(([name]) => name)
    .filter((name) => !told.includes(classOf(name)));
}

export function differences(outside: ModuleFinding, inside: ModuleFinding): readonly Difference[] {
  const found = testDifferences(outside, inside);
  const { module } = inside;
  const gone = missing(outside, inside);
  const isOrdinary = ORDINARY.includes(inside.outcome) || inside.outcome === outside.outcome;
  // A module may fail as a whole though none of its tests does.
  const isTold = inside.outcome !== "Failed" || outside.outcome !== "Passed" || found.length > 0;
  if (isOrdinary && isTold && gone.length === 0) return found;
  const text = `${inside.outcome}; not run: ${gone.join(" ")}\n${inside.printed}`;
  return [...found, { module, test: "", kind: "ends otherwise", text }];
}
