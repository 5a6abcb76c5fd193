import assert from "node:assert/strict";
import { test } from "node:test";
import { at, type Source, sources, withoutComments } from "./sources.ts";

const FILE_LINES = 300;
const FUNCTION_LINES = 70;

/** The page's examples are left out: they are programs of other people, in strings. */
const files = sources(/^(src\/|web\/src\/(?!examples\.ts$)).*\.ts$/);
const python = sources(/^(clients|frontends)\/.*\.py$/);
const native = sources(/^native\/.*\.[ch]$/);

test("a file holds one idea: at most 300 lines", () => {
  const wrong = [...files, ...python]
    .filter(({ path }) => !/\/tests\//.test(path))
    .map(({ path, text }) => ({ path, lines: text.split("\n").length - 1 }))
    .filter(({ lines }) => lines > FILE_LINES)
    .map(({ path, lines }) => `${path} has ${lines} lines`);
  assert.deepEqual(wrong, []);
});

/** Opens a function's body: the keyword, an arrow, a method, or the end of a long signature. */
const OPENS_FUNCTION = [
  /\bfunction\b.*\{$/,
  /=>\s*\{$/,
  /^\s+(?!if\b|for\b|while\b|switch\b|catch\b|else\b|do\b)(?:(?:async|static|override|get|set|private)\s+)*\*?[#\w]+\(.*\).*\{$/,
  /^\s*\)(: .*)? (=> )?\{$/,
];

/**
 * Functions with more lines than allowed. The formatter gives a block's last line the indentation
 * of its first, so no parser is needed to find the end.
 */
function longFunctions(source: Source): string[] {
  const lines = withoutComments(source.text).split("\n");
  return lines.flatMap((line, start) => {
    if (!OPENS_FUNCTION.some((pattern) => pattern.test(line))) return [];
    const indent = line.length - line.trimStart().length;
    const length = 1 + lines.slice(start + 1).findIndex((later) => closes(later, indent));
    if (length <= FUNCTION_LINES) return [];
    return [`${source.path}:${start + 1}: a function of ${length + 1} lines`];
  });
}

function closes(line: string, indent: number): boolean {
  return line.startsWith("}", indent) && line.slice(0, indent).trim() === "";
}

test("finds a function that is too long", () => {
  const body = "  x();\n".repeat(FUNCTION_LINES);
  for (const head of [
    "function f() {",
    "const f = () => {",
    "export async function f(\n  a,\n): T {",
  ])
    assert.equal(longFunctions({ path: "x.ts", text: `${head}\n${body}}\n` }).length, 1, head);
  assert.equal(
    longFunctions({ path: "x.ts", text: `class A {\n  f(): T {\n${body}  }\n}\n` }).length,
    1,
  );
  assert.equal(longFunctions({ path: "x.ts", text: `class A {\n${body}}\n` }).length, 0);
});

test("a function is one thought: at most 70 lines", () => {
  assert.deepEqual(files.flatMap(longFunctions), []);
});

test("a function in C is one thought too", () => {
  const wrong = native.flatMap((source) => {
    const lines = source.text.split("\n");
    return lines.flatMap((line, start) => {
      if (line !== "{") return [];
      const length = lines.slice(start).indexOf("}") + 1;
      return length > FUNCTION_LINES ? [`${source.path}:${start + 1}: ${length} lines`] : [];
    });
  });
  assert.deepEqual(wrong, []);
});

test("a function in Python is one thought too", () => {
  const wrong = python.flatMap(({ path, text }) => {
    const lines = text.split("\n");
    return lines.flatMap((line, start) => {
      const indent = /^( *)(?:async )?def /.exec(line)?.[1];
      if (indent === undefined) return [];
      // Its end is the next line that stands no deeper and is no end of its signature.
      const rest = lines.slice(start + 1);
      const length = rest.findIndex(
        (later) => /^ *[^ )]/.test(later) && depth(later) <= indent.length,
      );
      return length > FUNCTION_LINES ? [`${path}:${start + 1}: ${length} lines`] : [];
    });
  });
  assert.deepEqual(wrong, []);
  assert.ok(python.length > 20);
});

function depth(line: string): number {
  return line.length - line.trimStart().length;
}

/** Each stands at the start of a line, where the formatter puts what belongs to the module. */
const MODULE_STATE: readonly (readonly [RegExp, string])[] = [
  [/^(export )?(let|var) /m, "a module-level variable"],
  [/^(export )?const \w+ = new (Map|Set|WeakMap|WeakSet)\b/m, "a mutable collection; say Readonly"],
  [/^(export )?const \w+: (Map|Set|WeakMap|WeakSet)</m, "a mutable collection; say Readonly"],
  [/^(export )?const \w+ = \[\s*\];?$/m, "an array that waits to be filled"],
  [/^(export )?const \w+: (?!readonly )[\w<>]+\[\] =/m, "a mutable array; say readonly"],
];

test("modules hold no state", () => {
  const wrong = files.flatMap((source) => {
    const code = withoutComments(source.text);
    return MODULE_STATE.flatMap(([pattern, what]) => {
      const found = code.search(pattern);
      return found < 0 ? [] : [at(source, found, what)];
    });
  });
  assert.deepEqual(wrong, []);
});

/** What is never written in our TypeScript, and why it would hurt. */
const NEVER: readonly (readonly [RegExp, string])[] = [
  [/\bconsole\./, "console: only the command line speaks, and it knows to whom"],
  [/\benum \w+ \{/, "enum: Node strips types and cannot run it"],
  [/@ts-(ignore|nocheck|expect-error)/, "a silenced type error"],
  [/biome-ignore/, "a silenced lint"],
  [/\bcatch\s*(\([^)]*\))?\s*\{\s*\}/, "an empty catch"],
  [/\bMath\.random\(/, "Math.random: ids and names must not be guessable"],
];

test("never writes what the house does not", () => {
  const wrong = files.flatMap((source) =>
    NEVER.flatMap(([pattern, what]) => {
      const found = source.text.search(pattern);
      return found < 0 ? [] : [at(source, found, what)];
    }),
  );
  assert.deepEqual(wrong, []);
});

test("only the command line and the composition root touch the process's own streams", () => {
  const wrong = files
    .filter(({ path }) => !path.startsWith("src/cli/") && path.split("/").length > 2)
    .flatMap((source) => {
      const found = withoutComments(source.text).search(/\bprocess\.(stdout|stderr|stdin|exit)\b/);
      return found < 0 ? [] : [at(source, found, "a stream of the process")];
    });
  assert.deepEqual(wrong, []);
});

test("limits live in core/limits.ts", () => {
  const wrong = files
    .filter(({ path }) => path !== "src/core/limits.ts")
    .flatMap((source) => {
      const code = withoutComments(source.text);
      const found = code.search(/\b(?!1024\b)\d+ \* (1024 \* 1024|MIB|MiB)\b|\b\d+ << (20|30)\b/);
      return found < 0 ? [] : [at(source, found, "a size that is a limit")];
    });
  assert.deepEqual(wrong, []);
});

/** Other words for what the glossary names; two words for one thing make two things. */
const SYNONYMS: readonly (readonly [RegExp, string])[] = [
  [/\bjail(er|ed)?\b/i, "box"],
  [/\btenant\b/i, "caller"],
  [/\bsupervisor\b/i, "warden"],
  [/\borchestrator\b/i, "engine"],
  [/\bexecutor\b/i, "runner"],
  [/\bartifacts?\b/i, "outputs"],
];

test("one word for one thing, in code, C and docs", () => {
  const all = [...files, ...native, ...sources(/^[^/]*\.md$|^docs\/.*\.md$/)];
  const wrong = all.flatMap((source) =>
    SYNONYMS.flatMap(([pattern, word]) => {
      const found = source.text.search(pattern);
      return found < 0 ? [] : [at(source, found, `the glossary's word is ${word}`)];
    }),
  );
  assert.deepEqual(wrong, []);
});
