/**
 * Reads the table of system calls in native/syscalls.h and makes docs/syscalls.md from it:
 *
 *   node scripts/syscallTable.ts
 *
 * The table is C that only the preprocessor sees, in a small language of macros. It is read
 * strictly: what is not understood is an error, so nothing of it can be left out of the document.
 */
import { readFileSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { documentOf } from "./syscallDocument.ts";

/** What becomes of a call; the macro that lists it. */
export type Verdict = "ALLOW" | "CHECK" | "PRETEND" | "DENY" | "ABSENT";

export interface Call {
  readonly name: string;
  readonly verdict: Verdict;
  /** Of a CHECK. */
  readonly rule: string | undefined;
}

export interface Group {
  readonly name: string;
  readonly reason: string;
  /** Only on this architecture; undefined = on all. */
  readonly only: string | undefined;
  readonly calls: readonly Call[];
}

export interface Rule {
  readonly name: string;
  /** An errno's name, or "success". */
  readonly answer: string;
  /** A condition, to be read behind "if". */
  readonly when: string;
  readonly why: string;
}

export interface SyscallTable {
  /** Numbers above are answered with ENOSYS. */
  readonly newest: number;
  readonly groups: readonly Group[];
  readonly rules: readonly Rule[];
}

interface Reading {
  newest: number | undefined;
  only: string | undefined;
  readonly groups: (Group & { readonly calls: Call[] })[];
  readonly rules: Rule[];
}

const STRINGS = String.raw`((?:"(?:[^"\\])*"\s*)+)`;
const MACROS: readonly (readonly [RegExp, (reading: Reading, match: string[]) => void])[] = [
  [/^#define SYSCALL_NEWEST (\d+)$/my, (reading, [newest]) => (reading.newest = Number(newest))],
  // Guards against inclusion without the macros.
  [/^#ifndef GROUP\n#error .*\n#endif$/my, () => undefined],
  [/^#ifdef __(\w+)__$/my, (reading, [machine]) => (reading.only = machine)],
  [/^#endif$/my, (reading) => (reading.only = undefined)],
  [
    new RegExp(String.raw`GROUP\((\w+),\s*${STRINGS}\)`, "y"),
    (reading, [name = "", reason = ""]) =>
      reading.groups.push({ name, reason: joined(reason), only: reading.only, calls: [] }),
  ],
  [
    new RegExp(String.raw`RULE\((\w+),\s*(\w+),\s*${STRINGS},\s*${STRINGS}\)`, "y"),
    (reading, [name = "", answer = "", when = "", why = ""]) =>
      reading.rules.push({ name, answer, when: joined(when), why: joined(why) }),
  ],
  [/CHECK\((\w+), (\w+)\)/y, (reading, [name = "", rule]) => add(reading, "CHECK", name, rule)],
  [
    /(ALLOW|PRETEND|DENY|ABSENT)\((\w+)\)/y,
    (reading, [verdict = "", name = ""]) => add(reading, verdict as Verdict, name),
  ],
];

/** Adjacent C strings are one. */
function joined(strings: string): string {
  return [...strings.matchAll(/"([^"]*)"/g)].map(([, text]) => text).join("");
}

function add(reading: Reading, verdict: Verdict, name: string, rule?: string): void {
  const group = reading.groups.at(-1);
  if (group === undefined || group.only !== reading.only) {
    throw new Error(`${name} stands in no group`);
  }
  group.calls.push({ name, verdict, rule });
}

/** Takes what stands at the place; returns the place behind it. */
function take(text: string, place: number, reading: Reading): number {
  for (const [pattern, keep] of MACROS) {
    pattern.lastIndex = place;
    const match = pattern.exec(text);
    if (match === null) continue;
    keep(reading, match.slice(1));
    return pattern.lastIndex;
  }
  throw new Error(`not understood: ${text.slice(place, place + 60)}`);
}

/**
 * Reads the text of native/syscalls.h.
 * @throws Error for anything that is not of its language, a call listed twice, or a rule that is
 *   missing or not used.
 */
export function parseTable(text: string): SyscallTable {
  const code = text.replace(/\/\*[\s\S]*?\*\//g, (comment) => comment.replace(/[^\n]/g, " "));
  const reading: Reading = { newest: undefined, only: undefined, groups: [], rules: [] };
  const space = /\s*/y;
  for (let place = 0; ; ) {
    space.lastIndex = place;
    space.test(code);
    place = space.lastIndex;
    if (place === code.length) break;
    place = take(code, place, reading);
  }
  const { newest, groups, rules } = reading;
  if (newest === undefined) throw new Error("SYSCALL_NEWEST is not there");
  checkNames(groups, rules);
  return { newest, groups, rules };
}

function checkNames(groups: readonly Group[], rules: readonly Rule[]): void {
  const calls = groups.flatMap((group) => group.calls);
  const names = calls.map(({ name }) => name);
  const twice = names.find((name, index) => names.indexOf(name) !== index);
  if (twice !== undefined) throw new Error(`${twice} is listed twice`);
  const defined = rules.map(({ name }) => name).sort();
  const used = [...new Set(calls.flatMap(({ rule }) => rule ?? []))].sort();
  if (defined.join() !== used.join()) {
    throw new Error(`rules defined are ${defined.join()}; used are ${used.join()}`);
  }
}

export function readTable(): SyscallTable {
  return parseTable(readFileSync(new URL("../native/syscalls.h", import.meta.url), "utf8"));
}

export const DOCUMENT = fileURLToPath(new URL("../docs/syscalls.md", import.meta.url));

if (import.meta.main) writeFileSync(DOCUMENT, documentOf(readTable()));
