/** The comparison of CPython's tests can fail: what it is told is judged as it should be. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { differences } from "./cpython/compare.ts";
import { EXPLANATIONS } from "./cpython/explanations.ts";
import { type ModuleFinding, readFinding } from "./cpython/findings.ts";
import { judge, type Table } from "./cpython/judge.ts";

const SPACE = "OSError: [Errno 28] No space left on device";

/** A line for each test: name, outcome, text. */
function finding(outcome: string, ...tests: readonly (readonly string[])[]): ModuleFinding {
  const lines = tests.map(([name, ended, text = ""]) =>
    JSON.stringify({ test: `test.test_x.C.${name}`, outcome: ended, text }),
  );
  const last = JSON.stringify({ module: "test_x", outcome });
  return readFinding("test_x", [...lines, last].join("\n"), "printed", "stopped", 1);
}

const OUTSIDE = finding("Passed", ["test_a", "passed"], ["test_b", "passed"]);
const TABLE: Table = { test_x: [{ reason: "space", tests: ["C.test_a"] }] };

function judged(inside: ModuleFinding, table: Table, outside = OUTSIDE) {
  const { explained, unexplained, stale } = judge(differences(outside, inside), table, ["test_x"]);
  return { explained: explained.length, unexplained: unexplained.length, stale: stale.length };
}

test("a test that fails inside alone is unexplained without a row, explained with one", () => {
  const inside = finding("Failed", ["test_a", "error", SPACE], ["test_b", "passed"]);
  assert.deepEqual(judged(inside, {}), { explained: 0, unexplained: 1, stale: 0 });
  assert.deepEqual(judged(inside, TABLE), { explained: 1, unexplained: 0, stale: 0 });
});

test("a row explains neither another cause nor another test", () => {
  const cause = finding("Failed", ["test_a", "error", "PermissionError"], ["test_b", "passed"]);
  assert.deepEqual(judged(cause, TABLE), { explained: 0, unexplained: 1, stale: 1 });
  const other = finding("Failed", ["test_a", "passed"], ["test_b", "error", SPACE]);
  assert.deepEqual(judged(other, TABLE), { explained: 0, unexplained: 1, stale: 1 });
});

test("a row that explains nothing any more is told", () => {
  assert.deepEqual(judged(OUTSIDE, TABLE), { explained: 0, unexplained: 0, stale: 1 });
});

test("a test that fails on both sides is no difference", () => {
  const broken = finding("Failed", ["test_a", "error", "x"], ["test_b", "passed"]);
  assert.deepEqual(judged(broken, {}, broken), { explained: 0, unexplained: 0, stale: 0 });
});

test("what is skipped or lost inside is a difference, also when its module ends well", () => {
  const skipped = finding("Passed", ["test_a", "skipped", "why"], ["test_b", "passed"]);
  assert.equal(judged(skipped, {}).unexplained, 1);
  assert.equal(judged(finding("Passed", ["test_b", "passed"]), {}).unexplained, 1);
});

test("a module that dies, hangs or cannot be loaded is a difference", () => {
  for (const end of ["UncaughtException", "ended with status 1", '{"kind":"timed_out"}'])
    assert.equal(judged(finding(end), {}).unexplained, 1, end);
  const silent = readFinding("test_x", "", "", '{"kind":"out_of_memory"}', 1);
  assert.equal(judged(silent, {}).unexplained, 1);
});

test("a failing subtest is not taken back by what is told of its test later", () => {
  const inside = finding(
    "Failed",
    ["test_a", "failed", "one"],
    ["test_a", "passed"],
    ["test_b", "passed"],
  );
  assert.equal(judged(inside, {}).unexplained, 1);
});

test("rows name tests by patterns that match something that can be", () => {
  for (const [module, rows] of Object.entries(EXPLANATIONS)) {
    assert.match(module, /^(test\.)?test_\w+/, module);
    assert.ok(rows.length > 0, module);
    for (const { tests = ["C.test_x"] } of rows)
      for (const glob of tests) assert.match(glob, /^[\w*]+\.[\w*]+$/, `${module}: ${glob}`);
  }
});
