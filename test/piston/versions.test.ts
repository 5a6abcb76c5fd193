import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { runtimesOf } from "../../src/piston/runtimes.ts";
import { compareNewest, satisfies, semverOf } from "../../src/piston/versions.ts";
import { runs } from "../fuzz/runs.ts";

/** selector, versions that satisfy it, versions that do not */
const SELECTORS: readonly (readonly [string, string, string])[] = [
  ["*", "0.0.0 3.11.2 24.0.0", ""],
  ["", "0.0.1 3.11.2", ""],
  ["x", "3.11.2", ""],
  ["3", "3.0.0 3.11.2", "2.9.9 4.0.0"],
  ["3.x", "3.0.0 3.11.2", "2.9.9 4.0.0"],
  ["3.11.*", "3.11.0 3.11.2", "3.10.9 3.12.0"],
  ["3.11.2", "3.11.2", "3.11.1 3.11.3"],
  ["v3.11.2", "3.11.2", "3.11.1"],
  ["=3.11.2", "3.11.2", "3.11.1"],
  ["^3.9", "3.9.0 3.11.2", "3.8.9 4.0.0"],
  ["^0.2.3", "0.2.3 0.2.9", "0.2.2 0.3.0"],
  ["^0.0.3", "0.0.3", "0.0.2 0.0.4"],
  ["^0.0", "0.0.0 0.0.9", "0.1.0"],
  ["~3.10", "3.10.0 3.10.9", "3.11.0 3.9.0"],
  ["~3.10.2", "3.10.2 3.10.9", "3.10.1 3.11.0"],
  ["~3", "3.0.0 3.9.0", "4.0.0"],
  [">=3.9 <4", "3.9.0 3.11.2", "3.8.9 4.0.0"],
  [">= 3.9  < 4", "3.9.0", "4.0.0"],
  [">3", "4.0.0", "3.9.9 3.0.0"],
  ["<=3", "3.9.9 2.0.0", "4.0.0"],
  ["<3.11", "3.10.9", "3.11.0"],
  ["<*", "", "0.0.0 1.0.0"],
  ["1.2 - 2", "1.2.0 2.9.9", "1.1.9 3.0.0"],
  ["2 || 3.11", "2.5.0 3.11.2", "3.10.0 4.0.0"],
  ["latest", "", "3.11.2"],
  ["3..1", "3.5.0", "4.0.0"],
  ["-1", "", "3.11.2"],
  ["3.11.2.1", "", "3.11.2"],
  [`${">=0".repeat(30)}`, "", "3.11.2"],
  [" ".repeat(101), "", "3.11.2"],
];

for (const [selector, yes, no] of SELECTORS) {
  test(`the selector "${selector.slice(0, 30)}"`, () => {
    for (const version of yes.split(" ").filter(Boolean))
      assert.equal(satisfies(version, selector), true, version);
    for (const version of no.split(" ").filter(Boolean))
      assert.equal(satisfies(version, selector), false, version);
  });
}

test("versions are told as three numbers", () => {
  assert.equal(semverOf("3.11"), "3.11.0");
  assert.equal(semverOf("12"), "12.0.0");
  assert.equal(semverOf("17.0.12.1"), "17.0.12");
  assert.equal(semverOf("POSIX"), undefined);
  assert.deepEqual(["1.2.3", "1.10.0", "2.0.0"].sort(compareNewest), ["2.0.0", "1.10.0", "1.2.3"]);
});

test("any text is a selector that is answered", () => {
  const text = fc.string({ unit: fc.constantFrom(..."0129.xX*^~<>=|v -"), maxLength: 120 });
  fc.assert(
    fc.property(text, (selector) => typeof satisfies("3.11.2", selector) === "boolean"),
    runs(500),
  );
});

test("a node that is too old for types is offered for JavaScript alone", () => {
  const languages = (version: string) =>
    runtimesOf([{ name: "node", aliases: [], extensions: [], version }]).map(
      ({ language }) => language,
    );
  assert.deepEqual(languages("22.18.0"), ["javascript", "typescript"]);
  assert.deepEqual(languages("20.20.2"), ["javascript"]);
});
