/** SECURITY.md is a table: each promise stands in the code that keeps it and in tests that prove it. */
import assert from "node:assert/strict";
import { existsSync, readdirSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";

const ROOT = fileURLToPath(new URL("../../", import.meta.url));

interface Row {
  readonly id: string;
  readonly enforcedIn: readonly string[];
  readonly provedBy: readonly string[];
}

function pathsIn(cell: string): string[] {
  return [...cell.matchAll(/`([^`]+)`/g)].map(([, path = ""]) => path);
}

/** @param text of SECURITY.md */
function rowsOf(text: string): Row[] {
  return text
    .split("\n")
    .map((line) => line.split("|").map((cell) => cell.trim()))
    .filter(([, id = ""]) => /^S\d+$/.test(id))
    .map(([, id = "", , code = "", tests = ""]) => ({
      id,
      enforcedIn: pathsIn(code),
      provedBy: pathsIn(tests),
    }));
}

function textAt(path: string): string {
  const whole = join(ROOT, path);
  if (!existsSync(whole)) return "";
  if (!statSync(whole).isDirectory()) return readFileSync(whole, "utf8");
  return readdirSync(whole)
    .map((name) => readFileSync(join(whole, name), "utf8"))
    .join("\n");
}

/** In code: the id as a word. In tests: in a title, or as the promise of a case. */
function lacks(row: Row): string[] {
  const inCode = new RegExp(`\\b${row.id}\\b`);
  const inTitle = new RegExp(
    `((?:test|it|describe)\\(\\s*["'\`]${row.id}\\b|promise: "${row.id}")`,
  );
  return [
    ...row.enforcedIn.filter((path) => !inCode.test(textAt(path))),
    ...row.provedBy.filter((path) => !inTitle.test(textAt(path))),
  ].map((path) => `${row.id} is not named in ${path}`);
}

const ROWS = rowsOf(readFileSync(join(ROOT, "SECURITY.md"), "utf8"));

test("promises are numbered without a gap", () => {
  assert.deepEqual(
    ROWS.map(({ id }) => id),
    ROWS.map((_, index) => `S${index + 1}`),
  );
  assert.ok(ROWS.length >= 19);
});

test("each promise stands in the code that keeps it and in a test that proves it", () => {
  const empty = ROWS.filter((row) => row.enforcedIn.length === 0 || row.provedBy.length === 0);
  assert.deepEqual(empty, []);
  assert.deepEqual(ROWS.flatMap(lacks), []);
});

test("a promise that nobody names is found", () => {
  const row = rowsOf("| S99 | nothing | `SECURITY.md` | `test/rules/promises.test.ts` |\n")[0];
  assert.ok(row);
  assert.equal(lacks(row).length, 2);
});
