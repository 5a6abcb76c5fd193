import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { Refusal } from "../../src/core/errors.ts";
import { compileGlobs } from "../../src/core/globs.ts";

/** Pattern, paths that it takes, paths that it leaves. */
const CASES: readonly (readonly [string, readonly string[], readonly string[]])[] = [
  ["*.png", ["a.png", ".png", ".hidden.png"], ["d/a.png", "a.PNG", "a.pngx", "png"]],
  ["**/*.png", ["a.png", "d/a.png", "d/e/f/a.png"], ["a.jpg", "d/apng"]],
  [
    "results/",
    ["results/a", "results/b/c", "results/.x"],
    ["results", "resultsx/a", "x/results/a"],
  ],
  ["results/**", ["results/a", "results/b/c"], ["results", "a/results/b"]],
  ["results", ["results"], ["results/a", "result", "resultss"]],
  ["./out.csv", ["out.csv"], ["x/out.csv"]],
  ["**", ["a", "a/b/c", ".x"], []],
  ["a/**/b", ["a/b", "a/x/b", "a/x/y/b"], ["ab", "a/xb", "a/b/c", "xa/b"]],
  ["**/a/**", ["a/x", "q/a/x/y"], ["a", "q/a", "ba/x"]],
  ["**/**/x", ["x", "a/x", "a/b/x"], ["ax", "a/bx"]],
  ["a*b*c", ["abc", "aXbYc", "abbcc"], ["ab", "a/bc", "abcd"]],
  ["?", ["a", "é", "😀"], ["", "ab", "/"]],
  ["a?c", ["abc", "a.c"], ["a/c", "ac"]],
  ["[a-c]x", ["ax", "cx"], ["dx", "x", "/x"]],
  ["[!a-c]x", ["dx", "éx"], ["ax", "x", "/x"]],
  ["[^a]", ["b"], ["a"]],
  ["[]]", ["]"], ["[", "a"]],
  ["[!]]", ["a"], ["]"]],
  ["[a-]", ["a", "-"], ["b"]],
  ["[.-0]", [".", "0"], ["/"]],
  ["[\\]x]", ["]", "x"], ["\\"]],
  ["*.{png,svg}", ["a.png", "a.svg"], ["a.jpg", "a.{png,svg}"]],
  ["{a,b{c,d}}/{,x}y", ["a/y", "bc/xy", "bd/y"], ["b/y", "a/x"]],
  ["{out/,*.txt}", ["out/a/b", "q.txt"], ["out", "out.txt/x"]],
  ["{**/,}x", ["x", "a/b/x"], ["ax"]],
  ["\\*", ["*"], ["a", "\\*"]],
  ["\\{a,b\\}", ["{a,b}"], ["a"]],
  ["[{,}]", ["{", ",", "}"], ["a"]],
  ["a,b", ["a,b"], ["a", "b"]],
  ["__proto__", ["__proto__"], ["constructor"]],
  ["😀*", ["😀", "😀x"], ["\ud83d"]],
];

for (const [pattern, taken, left] of CASES) {
  test(`the pattern ${pattern} takes and leaves what the table says`, () => {
    const matches = compileGlobs([pattern]);
    for (const path of taken) assert.equal(matches(path), true, `takes ${path}`);
    for (const path of left) assert.equal(matches(path), false, `leaves ${path}`);
  });
}

test("a path is taken when any pattern takes it, and by none of no patterns", () => {
  const matches = compileGlobs(["*.png", "results/"]);
  assert.deepEqual(["a.png", "results/x", "b"].map(matches), [true, true, false]);
  assert.equal(compileGlobs([])("a"), false);
});

const WRONG: readonly string[] = [
  "",
  "/etc/*",
  "../x",
  "a/../b",
  "a//b",
  "a/./b",
  "/",
  "a//",
  "**.png",
  "a**",
  "***",
  "[a",
  "[]",
  "[z-a]",
  "[[:alpha:]]",
  "{a",
  "a}",
  "{a,{b}",
  "{,}",
  "{a,}/b",
  "a\\",
  "a[b/c]",
  "x".repeat(257),
  "é".repeat(129),
  "{a,b}".repeat(51),
  "{,,,,,,,,}".repeat(25),
  `${"{".repeat(128)}${"}".repeat(128)}`,
];

for (const pattern of WRONG) {
  test(`refuses the pattern ${pattern.slice(0, 20)} with its place`, () => {
    assert.throws(
      () => compileGlobs(["ok", "*", pattern]),
      (error) =>
        error instanceof Refusal &&
        error.code === "bad_manifest" &&
        error.details?.startsWith("outputs[2]: ") === true,
    );
  });
}

test("takes 32 patterns of 256 bytes and refuses one more", () => {
  const longest = `${"d/".repeat(127)}x/`;
  assert.equal(longest.length, 256);
  compileGlobs(Array.from({ length: 32 }, () => longest));
  assert.throws(() => compileGlobs(Array.from({ length: 33 }, () => "a")), Refusal);
});

/** The plainest matcher that could be right: expands braces, then tries everything. */
function reference(pattern: string, path: string): boolean {
  const brace = /^(.*?)\{([^{}]*)\}(.*)$/.exec(pattern);
  if (brace !== null) {
    const [, before, choices, after] = brace;
    return (choices ?? "").split(",").some((c) => reference(`${before}${c}${after}`, path));
  }
  const whole = pattern.endsWith("/") ? `${pattern}**` : pattern;
  return referenceSegments(whole.split("/"), path.split("/"));
}

function referenceSegments(patterns: readonly string[], segments: readonly string[]): boolean {
  const [first, ...others] = patterns;
  if (first === undefined) return segments.length === 0;
  if (first === "**" && others.length === 0) return segments.length > 0;
  const [segment, ...below] = segments;
  if (first === "**") {
    return (
      referenceSegments(others, segments) ||
      (segment !== undefined && referenceSegments(patterns, below))
    );
  }
  return (
    segment !== undefined && referenceSegment(first, segment) && referenceSegments(others, below)
  );
}

function referenceSegment(pattern: string, text: string): boolean {
  if (pattern === "") return text === "";
  if (pattern.startsWith("*")) {
    return (
      referenceSegment(pattern.slice(1), text) ||
      (text !== "" && referenceSegment(pattern, text.slice(1)))
    );
  }
  if (text === "") return false;
  if (pattern.startsWith("[!a]"))
    return text[0] !== "a" && referenceSegment(pattern.slice(4), text.slice(1));
  const fits = pattern[0] === "?" || pattern[0] === text[0];
  return fits && referenceSegment(pattern.slice(1), text.slice(1));
}

test("agrees with a naive matcher on small patterns and paths", () => {
  const piece = fc.constantFrom(
    "a",
    "b",
    "ab",
    "*",
    "?",
    "[!a]",
    "{a,b}",
    "{a,}",
    "{*b,ab}",
    "/**/",
    "/",
  );
  const pattern = fc.array(piece, { minLength: 1, maxLength: 9 }).map((pieces) => pieces.join(""));
  const segment = fc.string({ unit: fc.constantFrom("a", "b"), minLength: 1, maxLength: 5 });
  const path = fc.array(segment, { minLength: 1, maxLength: 4 }).map((parts) => parts.join("/"));
  let compared = 0;
  fc.assert(
    fc.property(pattern, fc.array(path, { minLength: 5, maxLength: 20 }), (glob, paths) => {
      let matches: (path: string) => boolean;
      try {
        matches = compileGlobs([glob]);
      } catch (error) {
        assert.ok(error instanceof Refusal);
        return;
      }
      for (const candidate of paths) {
        compared++;
        assert.equal(matches(candidate), reference(glob, candidate), `${glob} on ${candidate}`);
      }
    }),
    { numRuns: 3000 },
  );
  assert.ok(compared > 5000, `only ${compared} comparisons`);
});

test("patterns of every length work alike, wherever a word of states ends", () => {
  for (let length = 1; length < 130; length++) {
    const x = "x".repeat(length);
    const star = compileGlobs([`${x}*y`]);
    assert.deepEqual([`${x}y`, `${x}zzy`, `${x}z`, x].map(star), [true, true, false, false]);
    const deep = compileGlobs([`${x}/**/y`]);
    assert.deepEqual([`${x}/y`, `${x}/a/b/y`, `${x}/ay`, `${x}y`].map(deep), [
      true,
      true,
      false,
      false,
    ]);
    const last = compileGlobs([`${x}/`]);
    assert.deepEqual([`${x}/y`, `${x}/`, x].map(last), [true, false, false]);
  }
});

test("hostile patterns cost a bounded number of steps", () => {
  const hostile = ["*a", "**/a/", "*?", "a*", "{a,*b}", "*[!b]", "**/*a/"].map((unit) => {
    const repeated = unit.repeat(Math.floor(255 / unit.length));
    return unit.includes("{") ? `${unit.repeat(4)}${"*a".repeat(100)}b` : `${repeated}b`;
  });
  for (const pattern of hostile) {
    let steps = 0;
    const matches = compileGlobs([pattern], (taken) => {
      steps += taken;
    });
    const patterns = pattern.includes("{") ? 16 : 1;
    for (const path of ["a".repeat(512), "a/".repeat(256).slice(0, -1), "aaaaaaa/".repeat(64)]) {
      steps = 0;
      for (let file = 0; file < 1000; file++) matches(path);
      // 9 words hold the 257 states of the longest pattern.
      assert.ok(steps <= 1000 * 512 * 9 * patterns, `${pattern}: ${steps}`);
    }
  }
});

test("any text as a pattern is compiled or refused", () => {
  const wild = fc.string({ unit: fc.constantFrom(..."a*?[]!^-{},\\/.é"), maxLength: 40 });
  fc.assert(
    fc.property(wild, fc.string({ maxLength: 20 }), (pattern, path) => {
      try {
        compileGlobs([pattern])(path);
      } catch (error) {
        assert.ok(error instanceof Refusal, String(error));
      }
    }),
    { numRuns: 5000 },
  );
});
