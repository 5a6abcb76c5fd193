/** The parts of the web page that need no browser. */
import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { test } from "node:test";
import fc from "fast-check";
import { AnsiReader, type Piece } from "../../web/src/ansi.ts";
import { readTable } from "../../web/src/csv.ts";
import { BadField, manifestOf } from "../../web/src/draft.ts";
import { draftOf, linkOf } from "../../web/src/link.ts";
import { outcomeWords, seconds } from "../../web/src/words.ts";

/** Pieces with neighbours of one style joined, as a screen shows them. */
function joined(pieces: readonly Piece[]): string {
  const parts = pieces.map((piece) =>
    piece.kind === "text"
      ? [...piece.text].map((character) => `${JSON.stringify(piece.style)}${character}`).join("")
      : `<${piece.kind}>`,
  );
  return parts.join("");
}

const hostileText = fc
  .array(
    fc.oneof(
      fc.constantFrom(
        "\x1b",
        "[",
        "]",
        "0;",
        "31",
        "38;5;200",
        "38;2;1;2;3",
        "m",
        "\x07",
        "\x1b\\",
        "\r",
        "\n",
      ),
      fc.string({ maxLength: 4 }),
    ),
    { maxLength: 40 },
  )
  .map((parts) => parts.join(""));

test("wherever printed text is cut in two, the same is shown", () => {
  fc.assert(
    fc.property(hostileText, fc.nat(), (text, at) => {
      const whole = new AnsiReader();
      const cut = new AnsiReader();
      const place = at % (text.length + 1);
      // A letter after it, so that nothing is held back any more.
      const close = "\x1b[0mz\n";
      const expected = joined([...whole.feed(text), ...whole.feed(close)]);
      const shown = [
        ...cut.feed(text.slice(0, place)),
        ...cut.feed(text.slice(place)),
        ...cut.feed(close),
      ];
      assert.equal(joined(shown), expected);
    }),
    { numRuns: 2000 },
  );
});

test("what is shown has no control characters, and is never more than was printed", () => {
  fc.assert(
    fc.property(hostileText, (text) => {
      const shown = new AnsiReader()
        .feed(text)
        .map((piece) => (piece.kind === "text" ? piece.text : ""))
        .join("");
      assert.ok(shown.length <= text.length);
      const isControl = (character: string) => character < " " && character !== "\t";
      assert.deepEqual([...shown].filter(isControl), []);
    }),
    { numRuns: 2000 },
  );
});

test("a sequence that never ends holds back a bounded piece of text", () => {
  const reader = new AnsiReader();
  const shown = reader.feed(`\x1b]0;${"x".repeat(10_000)}`);
  const length = shown.reduce(
    (sum, piece) => sum + (piece.kind === "text" ? piece.text.length : 0),
    0,
  );
  assert.ok(length >= 9_000);
});

test("colours and weights come and go as a terminal has them", () => {
  const styles = new AnsiReader()
    .feed("\x1b[1;31ma\x1b[22mb\x1b[39;48;5;20mc\x1b[97md\x1b[me")
    .map((piece) => (piece.kind === "text" ? piece.style : undefined));
  assert.deepEqual(styles, [
    { bold: true, colour: 1 },
    { colour: 1 },
    { background: 20 },
    { background: 20, colour: 15 },
    {},
  ]);
});

test("a table is read with quotes, empty cells and the last line without an end", () => {
  assert.deepEqual(readTable('a,"b ""x"", y"\r\n,2\n"line\nbreak",', ",").rows, [
    ["a", 'b "x", y'],
    ["", "2"],
    ["line\nbreak", ""],
  ]);
  const long = readTable("1\n".repeat(500), ",");
  assert.deepEqual([long.rows.length, long.isCut], [200, true]);
  assert.equal(readTable(",".repeat(1000), ",").rows[0]?.length, 40);
});

test("fields become the manifest that they mean, and a wrong one is named", () => {
  const draft = {
    code: "x",
    args: "a\n\nb\n",
    env: "A=1\n B=x=y",
    patterns: "*.png, out/",
    cpu: "2",
  };
  assert.deepEqual(manifestOf(draft), {
    args: ["a", "", "b"],
    env: { A: "1", B: "x=y" },
    outputs: ["*.png", "out/"],
    cpu_seconds: 2,
    interactive: true,
  });
  assert.throws(() => manifestOf({ code: "", env: "no equals" }), BadField);
  assert.throws(() => manifestOf({ code: "", timeout: "soon" }), BadField);
});

test("a link brings a program back, and nothing but a program", async () => {
  const draft = { code: "print('ä€🦊')\n".repeat(50), interpreter: "python3", args: "1" };
  const link = await linkOf("https://example.org/page?x=1", draft);
  assert.ok(link.length < 400, `${link.length}`);
  assert.equal(new URL(link).origin + new URL(link).pathname, "https://example.org/page");
  assert.deepEqual(await draftOf(new URL(link).hash), draft);
  for (const broken of ["", "#v1=", "#v1=!!", "#v2=AAAA", `${new URL(link).hash.slice(0, -9)}`]) {
    assert.equal(await draftOf(broken), undefined, broken);
  }
  const odd = { code: "x", args: 7, constructor: "y", server: "https://elsewhere.example" };
  const oddLink = await linkOf("https://example.org/", odd as unknown as typeof draft);
  assert.deepEqual(await draftOf(new URL(oddLink).hash), { code: "x" });
});

test("a link that would unpack to a flood is not read, and a program too long makes none", async () => {
  const flood = await new Response(
    new Blob([`{"code":"${"a".repeat(20_000_000)}"}`])
      .stream()
      .pipeThrough(new CompressionStream("deflate-raw")),
  ).bytes();
  const fragment = `#v1=${Buffer.from(flood).toString("base64url")}`;
  assert.ok(fragment.length < 64_000);
  assert.equal(await draftOf(fragment), undefined);
  const noise = randomBytes(100_000).toString("hex");
  await assert.rejects(linkOf("https://example.org/", { code: noise }), RangeError);
});

test("outcomes and times are told in a person's words", () => {
  const words = (outcome: Parameters<typeof outcomeWords>[0]) =>
    outcomeWords(outcome, { timeout: 125, memory_mb: 100, cpu_seconds: 3 }).text;
  assert.match(words({ kind: "timed_out" } as Parameters<typeof words>[0]), /2 min 5 s/);
  assert.match(words({ kind: "cpu_limit" } as Parameters<typeof words>[0]), /3 s of CPU time/);
  assert.deepEqual([0.034, 0.5, 9.94, 59.6, 60, 119.7, 3600].map(seconds), [
    "0.03 s",
    "0.5 s",
    "9.9 s",
    "60 s",
    "60 s",
    "2 min",
    "60 min",
  ]);
});
