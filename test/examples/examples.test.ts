import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { scratch } from "../cli/files.ts";
import { sandrun } from "./run.ts";

const PUZZLE = "53..7....6..195....98....6.8...6...34..8.3..17...2...6.6....28....419..5....8..79";

test("hello.py runs in a box that has no users, no network and no other processes", async () => {
  const ran = await sandrun(["examples/hello.py"]);
  assert.equal(ran.stderr, "");
  assert.match(ran.stdout, /^Hello from inside the box\./);
  assert.match(ran.stdout, /in \/work$/m);
  assert.match(ran.stdout, /the host's users: Permission denied/);
  assert.match(ran.stdout, /a network: Operation not permitted/);
  assert.equal(ran.status, 0);
});

test("the sales report comes back as a table and a chart", async (t) => {
  const out = await scratch(t);
  const ran = await sandrun(["--out", out, "examples/sales-report"]);
  assert.equal(ran.stderr, "");
  assert.equal(ran.stdout, "30772.67 in 12 months; the best was 2025-02\n");
  assert.deepEqual(readdirSync(out), ["results"], "the manifest's pattern, nothing else");
  const rows = readFileSync(join(out, "results/summary.csv"), "utf8").split("\r\n");
  assert.equal(rows[2], "2025-02,764.61,866.29,720.52,779.90,3131.32");
  const chart = readFileSync(join(out, "results/chart.svg"), "utf8");
  assert.equal(chart.match(/<rect /g)?.length, 48);
  assert.match(chart, /<\/svg>\n$/);
  assert.equal(ran.status, 0);
});

test("the log report's pipelines write their four tables", async (t) => {
  const out = await scratch(t);
  const ran = await sandrun(["-o", out, "examples/log-report"]);
  assert.equal(ran.stderr, "");
  assert.equal(ran.stdout, "130 requests, 23 of them failed; see reports/\n");
  const tables = readdirSync(join(out, "reports")).sort();
  assert.deepEqual(tables, ["errors.txt", "pages.txt", "traffic.txt", "visitors.txt"]);
  assert.match(readFileSync(join(out, "reports/pages.txt"), "utf8"), /^ *24 \/docs\n/);
  assert.match(readFileSync(join(out, "reports/traffic.txt"), "utf8"), /^20:00 +45570 #{50}$/m);
  assert.equal(ran.status, 0);
});

test("json-shape.mjs describes the JSON on its standard input", async () => {
  const people = [
    { name: "Ada", born: 1815 },
    { name: "Grace", born: 1906, rank: null },
  ];
  const ran = await sandrun(["examples/json-shape.mjs"], JSON.stringify(people));
  assert.equal(ran.stderr, "");
  assert.deepEqual(ran.stdout.split("\n"), [
    "array of 2",
    "  each: object",
    '    "name": string of 3..5',
    '    "born": number 1815..1906',
    '    "rank": null (in 1 of 2)',
    "",
  ]);
  assert.equal(ran.status, 0);
});

test("a broken document ends json-shape.mjs with its own status and its own words", async () => {
  const ran = await sandrun(["examples/json-shape.mjs"], "{");
  assert.match(ran.stderr, /SyntaxError/);
  assert.equal(ran.status, 1);
});

test("sudoku.c is compiled in the box and solves its puzzle", async () => {
  const ran = await sandrun(["examples/sudoku.c", PUZZLE]);
  assert.equal(ran.stderr, "");
  assert.match(ran.stdout, /^5 3 4 6 7 8 9 1 2\n/);
  assert.match(ran.stdout, /\n3 4 5 2 8 6 1 7 9\n/);
  assert.equal(ran.status, 0);
});

test("sudoku.c refuses a puzzle that is none, with its own status", async () => {
  const ran = await sandrun(["examples/sudoku.c", "55"]);
  assert.match(ran.stderr, /usage: sudoku CELLS/);
  assert.equal(ran.status, 2);
});
