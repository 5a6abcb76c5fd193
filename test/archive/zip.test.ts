import assert from "node:assert/strict";
import { test } from "node:test";
import { crc32 } from "node:zlib";
import fc from "fast-check";
import { InputBudget } from "../../src/archive/budget.ts";
import { unpack } from "../../src/archive/unpack.ts";
import { Refusal, type RefusalCode } from "../../src/core/errors.ts";
import type { InputTree } from "../../src/core/job.ts";
import { inChunks, u32, zip } from "./craft.ts";
import { mutated } from "./mutate.ts";

function budget(): InputBudget {
  return new InputBudget({ inputFiles: 10, inputDirectories: 10, unpackedBytes: 100_000 });
}

function open(bytes: Buffer): Promise<InputTree> {
  return unpack("zip", Buffer.from(bytes), budget());
}

async function refused(bytes: Buffer): Promise<Refusal> {
  try {
    await open(bytes);
  } catch (error) {
    if (error instanceof Refusal) return error;
    throw error;
  }
  return assert.fail("it was accepted");
}

function texts(tree: InputTree): (readonly [string, string])[] {
  return tree.files.map(({ path, bytes }) => [path, Buffer.from(bytes).toString()] as const);
}

const UNICODE_NAME = (name: string, raw: string) => {
  const data = Buffer.concat([Buffer.from([1]), u32(crc32(raw)), Buffer.from(name)]);
  return Buffer.concat([Buffer.from([0x75, 0x70, data.length, 0]), data]);
};
const ZIP64 = Buffer.from("0100080000000000000000000".slice(0, 24), "hex");

test("reads stored and deflated files, directories, modes and times", async () => {
  const bytes = zip([
    { name: "d/", mode: 0o040755, stored: true },
    { name: "./d/run", body: "x".repeat(5000), mode: 0o104755 },
    { name: "plain", body: "y", stored: true, mode: 0 },
    { name: "empty" },
    { name: "empty stored", stored: true },
    { name: "é", body: "z" },
  ]);
  const tree = await open(bytes);
  assert.deepEqual(tree.directories, ["d"]);
  assert.deepEqual(
    tree.files.map((file) => [file.path, file.executable, file.bytes.length]),
    [
      ["d/run", true, 5000],
      ["plain", false, 1],
      ["empty", false, 0],
      ["empty stored", false, 0],
      ["é", false, 1],
    ],
  );
  assert.equal(tree.files[0]?.mtimeSeconds, Date.UTC(2024, 0, 1, 12) / 1000);
});

test("reads sizes that follow the bytes, comments, and a name in the Unicode field", async () => {
  const bytes = zip(
    [
      { name: "a", body: "hello", flags: 8, localSize: 0, afterBody: Buffer.from("descriptor") },
      { name: "n?ve", body: "x", extra: UNICODE_NAME("naïve", "n?ve") },
      { name: "kept", body: "x", extra: UNICODE_NAME("other", "not kept") },
    ],
    { comment: "made by hand" },
  );
  assert.deepEqual(texts(await open(bytes)), [
    ["a", "hello"],
    ["naïve", "x"],
    ["kept", "x"],
  ]);
});

test("files may be called as what every object has", async () => {
  const tree = await open(zip([{ name: "__proto__" }, { name: "constructor" }]));
  assert.deepEqual(texts(tree), [
    ["__proto__", ""],
    ["constructor", ""],
  ]);
});

test("reads a zip that comes in chunks, and overwrites what it was given", async () => {
  const bytes = zip([{ name: "a", body: "hello" }]);
  assert.deepEqual(texts(await unpack("zip", inChunks(bytes, 7), budget())), [["a", "hello"]]);
  const given = Buffer.from(bytes);
  const tree = await unpack("zip", given, budget());
  assert.ok(given.every((byte) => byte === 0));
  assert.deepEqual(texts(tree), [["a", "hello"]]);
});

const A = { name: "a", body: "hello" };
const MORE = Buffer.from("PK\x01\x02more");

const HOSTILE: readonly (readonly [string, Buffer, RefusalCode, string])[] = [
  ["climbs out", zip([{ name: "../x" }]), "bad_path", '"../x": it climbs'],
  ["is absolute", zip([{ name: "/x" }]), "bad_path", '"/x": it is absolute'],
  ["has backslashes", zip([{ name: "..\\x" }]), "bad_path", '"..\\\\x": it has a backslash'],
  ["has a drive letter", zip([{ name: "C:/x" }]), "bad_path", '"C:/x"'],
  [
    "has a directory that climbs out",
    zip([{ name: "../d/", mode: 0o040755 }]),
    "bad_path",
    '"../d/"',
  ],
  [
    "climbs out by its Unicode field",
    zip([{ name: "a", extra: UNICODE_NAME("../x", "a") }]),
    "bad_path",
    '"../x"',
  ],
  ["has a NUL in a name", zip([{ name: "a\0.txt" }]), "bad_path", '"a\\x00.txt"'],
  [
    "has a name that is not UTF-8",
    zip([{ name: Buffer.from([0x61, 0xff]) }]),
    "bad_archive",
    '"aÿ"',
  ],
  ["has no name", zip([{ name: "" }]), "bad_path", '""'],
  [
    "has a symbolic link",
    zip([{ name: "l", body: "/etc", mode: 0o120777 }]),
    "bad_archive",
    '"l": is a link',
  ],
  ["has a fifo", zip([{ name: "p", mode: 0o010644 }]), "bad_archive", '"p": is a link, a device'],
  ["has a device", zip([{ name: "n", mode: 0o020644 }]), "bad_archive", '"n": is a link, a device'],
  ["has a file with a slash", zip([{ name: "a/", mode: 0o100644 }]), "bad_archive", '"a/"'],
  ["has a directory without a slash", zip([{ name: "d", mode: 0o040755 }]), "bad_archive", '"d"'],
  [
    "has a directory with bytes",
    zip([{ name: "d/", body: "x", mode: 0o040755 }]),
    "bad_archive",
    '"d/": is a directory',
  ],
  ["has a file twice", zip([A, { ...A, name: "./a" }]), "bad_path", '"a": is there twice'],
  [
    "has a file below a file",
    zip([A, { name: "a/b" }]),
    "bad_path",
    '"a": is a file and a directory',
  ],
  [
    "has one file too many",
    zip(Array.from({ length: 11 }, (_, i) => ({ name: `${i}` }))),
    "too_large",
    '"10": more than 10',
  ],
  ["claims more entries than may be", zip([A], { count: 60_000 }), "too_large", "60000 entries"],
  [
    "is too large",
    zip([{ name: "big", body: Buffer.alloc(100_001) }]),
    "too_large",
    '"big": more than 100000 bytes',
  ],
  [
    "unfolds to more than it says",
    zip([{ name: "bomb", body: Buffer.alloc(5_000_000), size: 10 }]),
    "bad_archive",
    '"bomb": its data',
  ],
  ["unfolds to less than it says", zip([{ ...A, size: 50 }]), "bad_archive", '"a": its size'],
  ["says that bytes are none", zip([{ ...A, size: 0 }]), "bad_archive", '"a"'],
  ["has a wrong checksum", zip([{ ...A, crc: 1 }]), "bad_archive", '"a": its size or checksum'],
  [
    "has a stored file of another size",
    zip([{ ...A, stored: true, size: 3 }]),
    "bad_archive",
    "size mismatch",
  ],
  ["is encrypted", zip([{ ...A, flags: 1 }]), "bad_archive", '"a": is encrypted'],
  ["is strongly encrypted", zip([{ ...A, flags: 0x41 }]), "bad_archive", "encryption"],
  ["is a patch", zip([{ ...A, flags: 0x20 }]), "bad_archive", '"a": is a patch'],
  ["is packed in another way", zip([{ ...A, method: 14 }]), "bad_archive", '"a": is packed'],
  ["has an entry in zip64", zip([{ ...A, extra: ZIP64 }]), "bad_archive", '"a": is in zip64'],
  [
    "is in zip64",
    zip([A], { beforeEnd: Buffer.concat([u32(0x07064b50), Buffer.alloc(16)]) }),
    "bad_archive",
    "zip",
  ],
  [
    "has another name in its local header",
    zip([{ ...A, localName: "b" }]),
    "bad_archive",
    '"a": its two headers',
  ],
  [
    "has another size in its local header",
    zip([{ ...A, localSize: 6 }]),
    "bad_archive",
    '"a": its two headers',
  ],
  [
    "hides its sizes in the local header",
    zip([{ ...A, localFlags: 8 }]),
    "bad_archive",
    '"a": its two headers',
  ],
  [
    "has two entries with the same bytes",
    zip([
      { ...A, flags: 8 },
      { ...A, name: "a", offset: 0 },
    ]),
    "bad_path",
    '"a": is there twice',
  ],
  [
    "has bytes after an entry's own",
    zip([{ ...A, packedSize: 8, flags: 8, afterBody: Buffer.from("x") }]),
    "bad_archive",
    '"a"',
  ],
  ["points outside of itself", zip([{ ...A, offset: 1e9 }]), "bad_archive", "unexpected EOF"],
  ["points at something else", zip([{ ...A, offset: 3 }]), "bad_archive", "signature"],
  [
    "has an entry that reaches past the end",
    zip([{ ...A, packedSize: 9999, flags: 8 }]),
    "bad_archive",
    "zip: ",
  ],
  [
    "has an entry that reaches into the directory",
    zip([{ ...A, packedSize: 20, flags: 8 }]),
    "bad_archive",
    "shares its bytes",
  ],
  [
    "counts fewer entries than it has",
    zip([A, { ...A, name: "b" }], { count: 1 }),
    "bad_archive",
    "between its directory",
  ],
  ["counts more entries than it has", zip([A], { count: 2 }), "bad_archive", "zip: "],
  [
    "hides something behind its directory",
    zip([A], { beforeEnd: MORE }),
    "bad_archive",
    "between its directory",
  ],
  ["goes on after its end", Buffer.concat([zip([A]), Buffer.from("x")]), "bad_archive", "zip: "],
  ["is cut off", zip([A]).subarray(0, -1), "bad_archive", "zip: "],
  ["is cut off at the front", zip([A]).subarray(5), "bad_archive", "zip: "],
  ["is no zip", Buffer.from("this is no zip archive at all"), "bad_archive", "zip: "],
  ["is empty", Buffer.alloc(0), "bad_archive", "zip: "],
];

for (const [what, bytes, code, details] of HOSTILE) {
  test(`S12: refuses a zip that ${what}`, async () => {
    const refusal = await refused(bytes);
    assert.equal(refusal.code, code, refusal.details);
    assert.ok(refusal.details?.includes(details), refusal.details);
    assert.doesNotMatch(refusal.details ?? "", /\p{Cc}/u);
  });
}

test("refuses a zip that is in zip64 format and right in itself", async () => {
  const plain = zip([A]);
  const directoryAt = plain.indexOf("PK\x01\x02");
  const endAt = plain.indexOf("PK\x05\x06");
  const record = Buffer.alloc(56);
  record.write("PK\x06\x06");
  record.writeUInt32LE(1, 24);
  record.writeUInt32LE(1, 32);
  record.writeUInt32LE(endAt - directoryAt, 40);
  record.writeUInt32LE(directoryAt, 48);
  const locator = Buffer.alloc(20);
  locator.writeUInt32LE(0x07064b50);
  locator.writeUInt32LE(endAt, 8);
  const refusal = await refused(zip([A], { beforeEnd: Buffer.concat([record, locator]) }));
  assert.equal(refusal.details, "zip: it is in zip64 format");
});

test("S12: refuses entries that share bytes: a kernel of zeros under many names", async () => {
  const kernel = { name: "a", body: Buffer.alloc(5000) };
  // The second entry's local header lies inside the bytes of the first, stored one.
  const inner = zip([{ ...kernel, name: "b" }]);
  const local = inner.subarray(0, inner.indexOf("PK\x01\x02"));
  const bytes = zip([
    { name: "a", body: local, stored: true },
    { ...kernel, name: "b", offset: 31 },
  ]);
  const refusal = await refused(bytes);
  assert.equal(refusal.details, '"b": shares its bytes with another entry');
});

test("what was unpacked before a refusal is overwritten", async () => {
  const bytes = zip([{ ...A, body: "secret" }, { name: "../b" }]);
  const copy = Buffer.from(bytes);
  await assert.rejects(unpack("zip", copy, budget()), Refusal);
  assert.ok(copy.every((byte) => byte === 0));
});

test("an aborted request ends with the reason", async () => {
  const signal = AbortSignal.abort(new Error("gone"));
  await assert.rejects(unpack("zip", zip([A]), budget(), signal), { message: "gone" });
});

test("S12: damaged zips are read or refused, never anything else", async () => {
  const valid = zip([
    { name: "d/", mode: 0o040755, stored: true },
    { name: "d/a", body: "hello".repeat(50) },
    { name: "b", body: "stored", stored: true, extra: UNICODE_NAME("bé", "b") },
    { name: "c", body: "z", flags: 8 },
  ]);
  await fc.assert(
    fc.asyncProperty(mutated(valid), async (bytes) => {
      await open(bytes).catch((error: unknown) => {
        assert.ok(error instanceof Refusal, String(error));
      });
    }),
    { numRuns: 2000 },
  );
});
