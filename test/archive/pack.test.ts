import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import fc from "fast-check";
import { InputBudget } from "../../src/archive/budget.ts";
import { type PackEntry, packTarGz } from "../../src/archive/pack.ts";
import { unpack } from "../../src/archive/unpack.ts";
import { Refusal } from "../../src/core/errors.ts";
import { MIB } from "../../src/core/limits.ts";
import { checkPath } from "../../src/core/paths.ts";
import { inChunks } from "./craft.ts";

function entry(path: string, text: string | Buffer, more: Partial<PackEntry> = {}): PackEntry {
  const bytes = Buffer.from(text);
  return {
    path,
    sizeBytes: bytes.length,
    executable: false,
    mtimeSeconds: 1_700_000_000,
    content: inChunks(bytes, 1000),
    ...more,
  };
}

async function packed(...entries: PackEntry[]): Promise<Buffer> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of packTarGz(entries)) chunks.push(chunk);
  return Buffer.concat(chunks);
}

/** Unpacks with the system's tar. */
function withTar(archive: Buffer, check: (folder: string, listing: string[]) => void): void {
  const folder = mkdtempSync(join(tmpdir(), "sandrun-pack-"));
  try {
    const listed = spawnSync("tar", ["-tz", "--quoting-style=literal"], { input: archive });
    const ran = spawnSync("tar", ["-xzp", "-C", folder], { input: archive });
    assert.equal(`${listed.stderr}${ran.stderr}`, "");
    assert.equal(ran.status, 0);
    check(folder, listed.stdout.toString().trimEnd().split("\n"));
  } finally {
    rmSync(folder, { recursive: true });
  }
}

const NAMES: readonly string[] = [
  "plain.txt",
  "dir/sub/file",
  "a name with spaces",
  "-rf",
  "日本語/naïve.txt",
  "back\\slash",
  `${"a".repeat(90)}/${"b".repeat(9)}`,
  `${"a".repeat(100)}`,
  `${"a".repeat(101)}`,
  `${"long/".repeat(30)}${"x".repeat(200)}`,
  `${"é".repeat(60)}/${"é".repeat(100)}`,
  "__proto__",
];

test("the system's tar gets every file with its name, bytes, mode and time", async () => {
  const archive = await packed(
    ...NAMES.map((name, i) => entry(name, name.repeat(i * 10), { executable: i % 2 === 1 })),
  );
  withTar(archive, (folder, listing) => {
    assert.deepEqual(listing, NAMES);
    for (const [i, name] of NAMES.entries()) {
      assert.equal(readFileSync(join(folder, name), "utf8"), name.repeat(i * 10));
      const { mode, mtimeMs } = statSync(join(folder, name));
      assert.equal(mode & 0o777, i % 2 === 1 ? 0o755 : 0o644);
      assert.equal(mtimeMs, 1_700_000_000_000);
    }
  });
});

test("no files make an empty archive", async () => {
  withTar(await packed(), (_, listing) => assert.deepEqual(listing, [""]));
});

test("times outside of the range are clamped", async () => {
  const archive = await packed(
    entry("old", "", { mtimeSeconds: -5 }),
    entry("far", "", { mtimeSeconds: 1e15 }),
  );
  const tree = await unpack("tar.gz", archive, new InputBudget());
  assert.deepEqual(
    tree.files.map(({ mtimeSeconds }) => mtimeSeconds),
    [0, 2 ** 32 - 1],
  );
});

test("what is packed is read back the same, for any legal name", async () => {
  const segment = fc.string({ unit: "grapheme", minLength: 1, maxLength: 60 });
  const path = fc
    .array(segment, { minLength: 1, maxLength: 6 })
    .map((parts) => parts.join("/"))
    .filter((raw) => {
      try {
        return checkPath(raw) === raw;
      } catch (error) {
        assert.ok(error instanceof Refusal);
        return false;
      }
    });
  const file = fc.record({
    path,
    bytes: fc.uint8Array({ maxLength: 2000 }),
    executable: fc.boolean(),
  });
  const files = fc.uniqueArray(file, { maxLength: 6, selector: (one) => one.path.split("/")[0] });
  let compared = 0;
  await fc.assert(
    fc.asyncProperty(files, async (made) => {
      const archive = await packed(
        ...made.map(({ path: name, bytes, executable }) =>
          entry(name, Buffer.from(bytes), { executable }),
        ),
      );
      const tree = await unpack("tar.gz", archive, new InputBudget());
      compared += tree.files.length;
      assert.deepEqual(
        tree.files.map(({ path: name, bytes, executable }) => [
          name,
          Buffer.from(bytes),
          executable,
        ]),
        made.map(({ path: name, bytes, executable }) => [name, Buffer.from(bytes), executable]),
      );
    }),
    { numRuns: 200 },
  );
  assert.ok(compared > 100);
});

const WRONG: readonly (readonly [string, PackEntry])[] = [
  ["has fewer bytes than its size", entry("a", "hello", { sizeBytes: 6 })],
  ["has more bytes than its size", entry("a", "hello", { sizeBytes: 4 })],
  ["has bytes and no size", entry("a", "hello", { sizeBytes: 0 })],
  ["has a size and no bytes", entry("a", "", { sizeBytes: 1 })],
  ["climbs out", entry("../a", "hello")],
  ["is absolute", entry("/a", "hello")],
  ["climbs in the middle", entry("a/../../b", "hello")],
  ["has no name", entry("", "hello")],
];

for (const [what, wrong] of WRONG) {
  test(`fails instead of ending well when a file ${what}`, async () => {
    await assert.rejects(packed(entry("first", "ok"), wrong, entry("last", "ok")), Error);
  });
}

test("fails with the box's own error when a box is gone in the middle", async () => {
  async function* gone() {
    yield Buffer.from("he");
    throw new Error("the box is gone");
  }
  const broken = entry("a", "hello", { content: gone() });
  await assert.rejects(packed(broken), { message: "the box is gone" });
});

test("reads no faster than the archive is taken, and ends the content when it is left", async () => {
  let given = 0;
  let ended = false;
  const { promise: hasEnded, resolve } = Promise.withResolvers<void>();
  async function* content() {
    try {
      for (let i = 0; i < 200; i++) {
        given += MIB;
        // Random bytes, so that gzip cannot swallow them.
        yield crypto.getRandomValues(new Uint8Array(65536));
        for (let j = 1; j < 16; j++) yield crypto.getRandomValues(new Uint8Array(65536));
      }
    } finally {
      ended = true;
      resolve();
    }
  }
  const archive = packTarGz([entry("a", "", { sizeBytes: 200 * MIB, content: content() })]);
  await archive.next();
  for (let turn = 0; turn < 200; turn++) await new Promise((next) => setImmediate(next));
  assert.ok(given < 30 * MIB, `${given} bytes were read ahead`);
  assert.equal(ended, false);
  await archive.return(undefined);
  await hasEnded;
  assert.ok(given < 30 * MIB);
});
