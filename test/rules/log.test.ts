import assert from "node:assert/strict";
import { test } from "node:test";
import { at, read, sources, withoutComments } from "./sources.ts";

/**
 * All that may ever stand in the service's log, each with the reason why it tells nothing of a job's
 * content or of who sent it. A field that is not here must be thought about before it is.
 */
const FIELDS: Readonly<Record<string, string>> = {
  event: "one of five words",
  method: "one of the known methods, or other",
  route: "the pattern of the route",
  status: "a number of ours",
  duration_ms: "a number of ours",
  outcome: "one of nine words",
  step: "a call of ours that failed",
  errno: "of that call",
  error: "a class of ours, or of the runtime",
  at: "a place in our sources",
  cpu_ms: "a count",
  box_cpu_ms: "a count",
  wall_ms: "a count",
  queue_ms: "a count",
  memory_bytes: "a count",
};

function fieldsOf(text: string): string[] {
  const body = /export interface LogFields \{([\s\S]*?)\n\}/.exec(withoutComments(text))?.[1] ?? "";
  return [...body.matchAll(/^\s*(?:readonly )?"?(\w+)"?\??:/gm)].map(([, name = ""]) => name);
}

test("notices a new field of the log", () => {
  const { text } = read("src/http/log.ts");
  const more = text.replace("  method?: string;", "  method?: string;\n  path?: string;");
  assert.ok(fieldsOf(more).includes("path"));
});

test("S18: the log has the fields that were thought about, and no others", () => {
  assert.deepEqual(fieldsOf(read("src/http/log.ts").text).sort(), Object.keys(FIELDS).sort());
});

test("S18: no field is open: none of them takes whatever it is given", () => {
  const { text } = read("src/http/log.ts");
  assert.doesNotMatch(withoutComments(text), /\[\w+: string\]|Record<string|unknown;/);
});

test("S18: only the log writes to the service's output", () => {
  const wrong = sources(/^src\/(?!cli\/).*\.ts$/).flatMap((source) => {
    const writes = [
      ...withoutComments(source.text).matchAll(/\bprocess\.stdout\.write\(([^\n]*)/g),
    ];
    return writes
      .filter(([, what = ""]) => !/^(`\$\{line\}\\n`|planText\(plan\))\)/.test(what))
      .map((match) => at(source, match.index, match[0]));
  });
  assert.deepEqual(wrong, []);
});
