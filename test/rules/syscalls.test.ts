import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { documentOf } from "../../scripts/syscallDocument.ts";
import { DOCUMENT, parseTable, readTable } from "../../scripts/syscallTable.ts";
import { read } from "./sources.ts";

const text = read("native/syscalls.h").text;

test("docs/syscalls.md says what the table says; if not, run node scripts/syscallTable.ts", () => {
  assert.equal(readFileSync(DOCUMENT, "utf8"), documentOf(readTable()));
});

test("a change of a call, a reason or a rule shows in the document", () => {
  const before = documentOf(parseTable(text));
  const changes: readonly (readonly [string, string])[] = [
    ["ALLOW(lseek)", "DENY(lseek)"],
    ["ALLOW(lseek)", ""],
    ['GROUP(io, "reading', 'GROUP(io, "sometimes reading'],
    ["RULE(MMAP, ENOMEM", "RULE(MMAP, EPERM"],
    ['"the flags have MAP_HUGETLB"', '"the flags have MAP_LOCKED"'],
    ["#define SYSCALL_NEWEST 462", "#define SYSCALL_NEWEST 463"],
  ];
  for (const [old, changed] of changes) {
    assert.ok(text.includes(old), old);
    assert.notEqual(documentOf(parseTable(text.replace(old, changed))), before, changed);
  }
});

test("refuses a table with anything in it that would not be told", () => {
  const additions = [
    "ALLOW(read)",
    "PERMIT(reboot)",
    "CHECK(reboot, NOTHING)",
    'RULE(UNUSED, EPERM, "never", "nobody")',
    "#ifdef __riscv__\nALLOW(riscv_hwprobe)\n#endif",
    "{SYS_reboot, PASS},",
  ];
  for (const addition of additions) {
    assert.throws(() => parseTable(`${text}\n${addition}\n`), Error, addition);
  }
});

test("every group and rule has a reason, and a group only calls that are alike", () => {
  const { groups, rules } = parseTable(text);
  for (const { name, reason, calls } of groups) {
    assert.ok(reason.length > 10, name);
    assert.ok(calls.length > 0, name);
    assert.equal(new Set(calls.map(({ verdict }) => verdict === "DENY")).size, 1, name);
  }
  for (const { name, why } of rules) assert.ok(why.length > 5, name);
});
