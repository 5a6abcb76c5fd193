import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { Refusal } from "../../src/core/errors.ts";
import { checkDirectoryPath, checkPath, showPath, utf8Length } from "../../src/core/paths.ts";

function refusalOf(raw: string): Refusal {
  try {
    checkPath(raw);
  } catch (error) {
    if (error instanceof Refusal) return error;
    throw error;
  }
  return assert.fail(`accepted ${JSON.stringify(raw)}`);
}

const HOSTILE: readonly string[] = [
  "",
  ".",
  "./",
  "/",
  "/etc/passwd",
  "//etc/passwd",
  "..",
  "../x",
  "a/../../x",
  "a/..",
  "..\\x",
  "a\\..\\b",
  "C:x",
  "c:/x",
  "a\0b",
  "a\nb",
  "a\u001b[2Jb",
  "a\u007fb",
  "\ud800",
  "a\udc00b",
  "a/",
  "a/.",
  "a".repeat(256),
  `${"a/".repeat(256)}a`,
  `${"d/".repeat(32)}f`,
  "é".repeat(128),
  `${"é".repeat(120)}/${"é".repeat(120)}/${"é".repeat(20)}`,
];

for (const raw of HOSTILE) {
  test(`refuses the path ${JSON.stringify(raw.slice(0, 30))} and names it`, () => {
    const refusal = refusalOf(raw);
    assert.equal(refusal.code, "bad_path");
    assert.ok(refusal.details?.startsWith(`"${showPath(raw)}": `), refusal.details);
    assert.doesNotMatch(refusal.details ?? "", /[\p{Cc}\p{Cs}]/u);
    assert.ok((refusal.details?.length ?? 0) < 300);
  });
}

test("normalises empty and dot segments away", () => {
  assert.equal(checkPath("./a//b"), "a/b");
  assert.equal(checkPath("a/./b/././c.txt"), "a/b/c.txt");
});

test("keeps odd but legal names as they are", () => {
  for (const name of ["__proto__", "constructor", "...", "..a", "a..", "-rf", " ", "é/日本.txt"]) {
    assert.equal(checkPath(name), name);
  }
  assert.equal(checkPath(`${"d/".repeat(31)}f`), `${"d/".repeat(31)}f`);
  assert.equal(checkPath("a".repeat(255)), "a".repeat(255));
});

test("takes a directory's name with or without a slash, and the top as nothing", () => {
  assert.equal(checkDirectoryPath("a/b/"), "a/b");
  assert.equal(checkDirectoryPath("./a"), "a");
  assert.equal(checkDirectoryPath("./"), undefined);
  assert.throws(() => checkDirectoryPath("a/../.."), Refusal);
});

test("what is accepted is relative, stays below and is accepted again unchanged", () => {
  const part = fc.oneof(fc.constantFrom("..", ".", "", "a", "\\", "/", "é"), fc.string());
  fc.assert(
    fc.property(fc.array(part, { maxLength: 8 }), (parts) => {
      const raw = parts.join("/");
      let path: string;
      try {
        path = checkPath(raw);
      } catch (error) {
        assert.ok(error instanceof Refusal);
        return;
      }
      assert.equal(checkPath(path), path);
      assert.ok(path.split("/").every((segment) => !["", ".", ".."].includes(segment)));
      assert.ok(Buffer.byteLength(path) <= 512);
    }),
    { numRuns: 2000 },
  );
});

test("shows any string on one bounded line without control or direction characters", () => {
  assert.equal(showPath("a\u001b[31m\u202e\\b"), "a\\x1b[31m\\u202e\\\\b");
  assert.equal(showPath("x".repeat(5000)).length, 201);
  fc.assert(
    fc.property(fc.string({ unit: "binary" }), (raw) => {
      const shown = showPath(raw);
      assert.ok(shown.isWellFormed() && shown.length <= 201);
      assert.doesNotMatch(shown, /[\p{Cc}\u2028\u2029\u202a-\u202e\u2066-\u2069]/u);
    }),
  );
});

test("counts bytes of UTF-8 as an encoder does", () => {
  fc.assert(
    fc.property(fc.string({ unit: "grapheme" }), (text) => {
      assert.equal(utf8Length(text), Buffer.byteLength(text));
    }),
  );
});
