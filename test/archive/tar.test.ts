import assert from "node:assert/strict";
import { test } from "node:test";
import { gzipSync } from "node:zlib";
import fc from "fast-check";
import { InputBudget } from "../../src/archive/budget.ts";
import { type ArchiveKind, archiveKind, unpack } from "../../src/archive/unpack.ts";
import { Refusal, type RefusalCode } from "../../src/core/errors.ts";
import type { InputTree } from "../../src/core/job.ts";
import { MIB } from "../../src/core/limits.ts";
import { inChunks, paxRecord, TAR_END, type TarPiece, tar, tarGz, tarPiece } from "./craft.ts";
import { mutated } from "./mutate.ts";

function budget(): InputBudget {
  return new InputBudget({ inputFiles: 10, inputDirectories: 10, unpackedBytes: 100_000 });
}

function open(kind: ArchiveKind, bytes: Buffer): Promise<InputTree> {
  return unpack(kind, Buffer.from(bytes), budget());
}

async function refused(kind: ArchiveKind, bytes: Buffer): Promise<Refusal> {
  try {
    await open(kind, bytes);
  } catch (error) {
    if (error instanceof Refusal) return error;
    throw error;
  }
  return assert.fail("it was accepted");
}

function texts(tree: InputTree): Record<string, string> {
  const files = tree.files.map(({ path, bytes }) => [path, Buffer.from(bytes).toString()]);
  return Object.fromEntries(files);
}

test("tells archives by the end of their name", () => {
  assert.equal(archiveKind("a.tar.gz"), "tar.gz");
  assert.equal(archiveKind("A.TGZ"), "tar.gz");
  assert.equal(archiveKind("d/a.tar"), "tar");
  assert.equal(archiveKind("a.Zip"), "zip");
  for (const name of ["a.gz", "zip", "a.zip.txt", "tar"])
    assert.equal(archiveKind(name), undefined);
});

test("reads files, directories, modes and times", async () => {
  const bytes = tar(
    { name: "./", type: "5" },
    { name: "./d/", type: "5" },
    { name: "d/", type: "5" },
    { name: "./d/run", body: "x".repeat(513), mode: "0004755" },
    { name: "empty", mtime: "00000000000" },
    { name: "e/f", body: "y", mtime: Buffer.from("ff".repeat(12), "hex") },
    { name: "g", body: "y", mtime: Buffer.from(`80${"7f".repeat(11)}`, "hex") },
  );
  for (const [kind, packed] of [
    ["tar", bytes],
    ["tar.gz", gzipSync(bytes)],
  ] as const) {
    const tree = await open(kind, packed);
    assert.deepEqual(tree.directories, ["d"]);
    assert.deepEqual(
      tree.files.map(({ path, executable, mtimeSeconds, bytes: { length } }) => [
        path,
        executable,
        mtimeSeconds,
        length,
      ]),
      [
        ["d/run", true, 1_700_000_000, 513],
        ["empty", false, 0, 0],
        ["e/f", false, 0, 1],
        ["g", false, 2 ** 32 - 1, 1],
      ],
    );
  }
});

test("reads long names of pax, GNU and ustar", async () => {
  const long = `${"d".repeat(120)}/${"f".repeat(120)}`;
  const tree = await open(
    "tar",
    tar(
      { type: "g", name: "pax_global_header", body: paxRecord("comment", "c".repeat(40)) },
      {
        type: "x",
        name: "PaxHeader",
        body: Buffer.concat([paxRecord("path", long), paxRecord("mtime", "5.75")]),
      },
      { name: "cut", body: "1" },
      { type: "L", name: "././@LongLink", body: `${long}2\0`, magic: "ustar  \0" },
      { name: "cut", body: "2", magic: "ustar  \0", prefix: "not a prefix" },
      { name: "name", prefix: "some/prefix", body: "3" },
    ),
  );
  assert.deepEqual(texts(tree), { [long]: "1", [`${long}2`]: "2", "some/prefix/name": "3" });
  assert.equal(tree.files[0]?.mtimeSeconds, 5);
});

test("files may be called as what every object has", async () => {
  const tree = await open("tar", tar({ name: "__proto__", body: "1" }, { name: "constructor" }));
  assert.deepEqual(
    tree.files.map(({ path }) => path),
    ["__proto__", "constructor"],
  );
});

test("reads a tar in chunks of any size, and overwrites what it was given", async () => {
  const bytes = tar({ name: "a", body: "hello".repeat(500) }, { name: "b", body: "x" });
  for (const size of [1, 7, 511, 512, 513, 5000]) {
    for (const [kind, packed] of [
      ["tar", bytes],
      ["tar.gz", gzipSync(bytes)],
    ] as const) {
      const given: Uint8Array[] = [];
      async function* source() {
        for await (const chunk of inChunks(packed, size)) {
          given.push(chunk);
          yield chunk;
        }
      }
      const tree = await unpack(kind, source(), budget());
      assert.deepEqual(texts(tree), { a: "hello".repeat(500), b: "x" });
      assert.ok(given.flatMap((chunk) => [...chunk]).every((byte) => byte === 0));
    }
  }
});

const PAX = (records: Buffer): TarPiece => ({ type: "x", name: "PaxHeader", body: records });

/** What it is, the archive, the refusal, what its details say. */
const HOSTILE: readonly (readonly [string, Buffer, RefusalCode, string])[] = [
  ["climbs out", tar({ name: "../x" }), "bad_path", '"../x": it climbs'],
  ["climbs out by its prefix", tar({ name: "x", prefix: "a/../.." }), "bad_path", '"a/../../x"'],
  ["is absolute", tar({ name: "/etc/passwd" }), "bad_path", '"/etc/passwd": it is absolute'],
  ["has a directory that climbs out", tar({ name: "../d/", type: "5" }), "bad_path", '"../d/"'],
  ["has no name", tar({ name: "" }), "bad_path", '""'],
  [
    "has a name that is not UTF-8",
    tar({ name: Buffer.from([0x61, 0xff]) }),
    "bad_archive",
    '"aÿ": its name',
  ],
  ["has a terminal escape in a name", tar({ name: "\u001b[2J" }), "bad_path", '"\\x1b[2J"'],
  [
    "is a symbolic link",
    tar({ name: "l", type: "2", linkName: "/etc" }),
    "bad_archive",
    '"l": is a symbolic',
  ],
  [
    "is a hard link",
    tar({ name: "h", type: "1", linkName: "l" }),
    "bad_archive",
    '"h": is a hard link',
  ],
  ["is a character device", tar({ name: "n", type: "3" }), "bad_archive", '"n": is a device'],
  ["is a block device", tar({ name: "n", type: "4" }), "bad_archive", '"n": is a device'],
  ["is a fifo", tar({ name: "p", type: "6" }), "bad_archive", '"p": is a fifo'],
  [
    "is a GNU sparse file",
    tar({ name: "s", type: "S", magic: "ustar  \0" }),
    "bad_archive",
    '"s": is a sparse',
  ],
  [
    "is of an unknown type",
    tar({ name: "s", type: "Q" }),
    "bad_archive",
    '"s": is of the unknown type Q',
  ],
  [
    "has a long link name",
    tar({ name: "s", type: "K", body: "/etc\0" }),
    "bad_archive",
    '"s": is a link',
  ],
  ["is there twice", tar({ name: "a" }, { name: "./a" }), "bad_path", '"a": is there twice'],
  [
    "is a file below a file",
    tar({ name: "a" }, { name: "a/b" }),
    "bad_path",
    '"a": is a file and a directory',
  ],
  [
    "is a file and a directory",
    tar({ name: "a/b" }, { name: "a" }),
    "bad_path",
    '"a": is a file and',
  ],
  [
    "is a directory and a file",
    tar({ name: "a" }, { name: "a", type: "5" }),
    "bad_path",
    '"a": is a file and',
  ],
  ["is a file with a slash", tar({ name: "a/" }), "bad_archive", '"a/": is a file and a directory'],
  [
    "is a directory with a size",
    tar({ name: "d", type: "5", body: "x" }),
    "bad_archive",
    '"d": is a directory with',
  ],
  [
    "is one file too many",
    tar(...Array.from({ length: 11 }, (_, i) => ({ name: `f${i}` }))),
    "too_large",
    '"f10": more than 10 files',
  ],
  [
    "is one directory too many",
    tar({ name: "1/2/3/4/5/6/7/8/9/10/11/f" }),
    "too_large",
    '"1/2/3/4/5/6/7/8/9/10/11": more',
  ],
  [
    "is too large",
    tar({ name: "big", size: "00000303241" }),
    "too_large",
    '"big": more than 100000 bytes',
  ],
  [
    "is together too large",
    tar({ name: "a", body: "x".repeat(60_000) }, { name: "b", body: "x".repeat(60_000) }),
    "too_large",
    '"b": more',
  ],
  [
    "has a size in base 256",
    tar({ name: "a", size: Buffer.from(`80${"00".repeat(10)}01`, "hex") }),
    "bad_archive",
    "size is no octal",
  ],
  [
    "has a size below zero",
    tar({ name: "a", size: "-0000000001" }),
    "bad_archive",
    "size is no octal",
  ],
  [
    "has a size that is no number",
    tar({ name: "a", size: "0x10" }),
    "bad_archive",
    "size is no octal",
  ],
  ["has a wrong checksum", tar({ name: "a", checksum: "000000\0 " }), "bad_archive", "checksum"],
  ["is no tar", tar({ name: "a", magic: "" }), "bad_archive", "no tar file"],
  [
    "is cut off in a file",
    tarPiece({ name: "a", body: "x".repeat(600) }).subarray(0, 700),
    "bad_archive",
    '"a": it is cut off',
  ],
  [
    "is cut off in the padding",
    tarPiece({ name: "a", body: "x" }).subarray(0, 600),
    "bad_archive",
    "cut off",
  ],
  ["is cut off in a header", tarPiece({ name: "a" }).subarray(0, 500), "bad_archive", "cut off"],
  ["has no end", tarPiece({ name: "a" }), "bad_archive", "cut off"],
  [
    "has half an end",
    Buffer.concat([tarPiece({ name: "a" }), TAR_END.subarray(512)]),
    "bad_archive",
    "cut off",
  ],
  ["is empty", Buffer.alloc(0), "bad_archive", "cut off"],
  [
    "goes on after an empty block",
    Buffer.concat([TAR_END.subarray(512), tarPiece({})]),
    "bad_archive",
    "after an empty block",
  ],
  [
    "goes on after its end",
    Buffer.concat([tar({}), Buffer.from("x")]),
    "bad_archive",
    "after its end",
  ],
  [
    "hides an entry after its end",
    Buffer.concat([tar({}), tar({ name: "b" })]),
    "bad_archive",
    "after its end",
  ],
  [
    "climbs by an extended header",
    tar(PAX(paxRecord("path", "../../x")), { name: "ok" }),
    "bad_path",
    '"../../x"',
  ],
  [
    "is absolute by a long name",
    tar({ type: "L", body: "/etc/x\0" }, { name: "ok" }),
    "bad_path",
    '"/etc/x"',
  ],
  [
    "has a NUL in an extended name",
    tar(PAX(paxRecord("path", "a\0b")), {}),
    "bad_path",
    '"a\\x00b"',
  ],
  ["has an empty extended name", tar(PAX(paxRecord("path", "")), { name: "ok" }), "bad_path", '""'],
  [
    "has an extended name that is not UTF-8",
    tar(PAX(paxRecord("path", Buffer.from([0xff]))), {}),
    "bad_archive",
    "UTF-8",
  ],
  [
    "has its size in an extended header",
    tar(PAX(paxRecord("size", "1")), { body: "x" }),
    "bad_archive",
    "its size stands",
  ],
  [
    "has an absurd size in an extended header",
    tar(PAX(paxRecord("size", "9".repeat(30))), {}),
    "bad_archive",
    "its size stands",
  ],
  [
    "is sparse by an extended header",
    tar(PAX(paxRecord("GNU.sparse.major", "1")), {}),
    "bad_archive",
    "sparse",
  ],
  [
    "is a link by an extended header",
    tar(PAX(paxRecord("linkpath", "/etc")), {}),
    "bad_archive",
    "link",
  ],
  [
    "has names in another encoding",
    tar(PAX(paxRecord("hdrcharset", "BINARY")), {}),
    "bad_archive",
    "not UTF-8",
  ],
  [
    "names all files alike",
    tar({ type: "g", body: paxRecord("path", "x") }, {}),
    "bad_archive",
    '"x"',
  ],
  [
    "sizes all files alike",
    tar({ type: "g", body: paxRecord("size", "0") }, {}),
    "bad_archive",
    "size",
  ],
  [
    "has a malformed extended header",
    tar(PAX(Buffer.from("5 a=b\n")), {}),
    "bad_archive",
    "malformed",
  ],
  [
    "has an extended header without numbers",
    tar(PAX(Buffer.from("path=x\n")), {}),
    "bad_archive",
    "malformed",
  ],
  [
    "has an extended header of length 0",
    tar(PAX(Buffer.from("0 path=x\n")), {}),
    "bad_archive",
    "malformed",
  ],
  [
    "has an extended header that is too long",
    tar(PAX(Buffer.alloc(65 * 1024, "x")), {}),
    "bad_archive",
    "too long",
  ],
  [
    "claims a huge extended header",
    tar({ type: "x", name: "p", size: "77777777777" }),
    "bad_archive",
    '"p": an extended header is too long',
  ],
  [
    "has two names",
    tar(PAX(paxRecord("path", "a")), { type: "L", body: "b\0" }, {}),
    "bad_archive",
    "two extended",
  ],
  [
    "ends with an extended header",
    tar(PAX(paxRecord("path", "a"))),
    "bad_archive",
    "belongs to no entry",
  ],
];

for (const [what, bytes, code, details] of HOSTILE) {
  test(`S12: refuses a tar that ${what}`, async () => {
    for (const refusal of [await refused("tar", bytes), await refused("tar.gz", gzipSync(bytes))]) {
      assert.equal(refusal.code, code, refusal.details);
      assert.ok(refusal.details?.includes(details), refusal.details);
      assert.doesNotMatch(refusal.details ?? "", /\p{Cc}/u);
    }
  });
}

const GZ = tarGz({ name: "a", body: "hello" });
const BROKEN_GZ: readonly (readonly [string, Buffer])[] = [
  ["is no gzip", Buffer.from("hello, this is no gzip")],
  ["is a bare tar", tar({ name: "a" })],
  ["is empty", Buffer.alloc(0)],
  ["is cut off in the header", GZ.subarray(0, 5)],
  ["is cut off in the data", GZ.subarray(0, GZ.length - 20)],
  ["is cut off in the trailer", GZ.subarray(0, GZ.length - 1)],
  ["has a second member", Buffer.concat([GZ, gzipSync("x")])],
  ["has a second, empty member", Buffer.concat([GZ, gzipSync("")])],
  ["goes on with zeros", Buffer.concat([GZ, Buffer.alloc(10)])],
  ["has a wrong checksum", Buffer.concat([GZ.subarray(0, -8), Buffer.alloc(4), GZ.subarray(-4)])],
  ["has a wrong length", Buffer.concat([GZ.subarray(0, -4), Buffer.alloc(4)])],
  ["sets reserved flags", Buffer.concat([GZ.subarray(0, 3), Buffer.from([0x80]), GZ.subarray(4)])],
  [
    "has an endless name",
    Buffer.concat([
      GZ.subarray(0, 3),
      Buffer.from([8]),
      GZ.subarray(4, 10),
      Buffer.alloc(70_000, 1),
    ]),
  ],
];

for (const [what, bytes] of BROKEN_GZ) {
  test(`refuses a tar.gz that ${what}`, async () => {
    assert.equal((await refused("tar.gz", bytes)).code, "bad_archive");
  });
}

test("reads a gzip header with everything that may stand in it", async () => {
  const head = Buffer.concat([
    Buffer.from([0x1f, 0x8b, 8, 0x1e, 0, 0, 0, 0, 0, 3]),
    Buffer.from("\x03\x00ext" + "name\0" + "comment\0" + "cc", "latin1"),
  ]);
  const tree = await open("tar.gz", Buffer.concat([head, GZ.subarray(10)]));
  assert.deepEqual(texts(tree), { a: "hello" });
});

test("S12: a bomb after the end is refused when the ceiling is reached", async () => {
  const padding = gzipSync(Buffer.concat([tar({ name: "a" }), Buffer.alloc(120 * MIB)]));
  const refusal = await refused("tar.gz", padding);
  assert.equal(refusal.code, "too_large");
  assert.match(refusal.details ?? "", /^tar: /);
});

test("entries that count nowhere are counted too", async () => {
  const dots = Buffer.concat([
    ...Array<Buffer>(7000).fill(tarPiece({ name: "./", type: "5" })),
    TAR_END,
  ]);
  assert.equal((await refused("tar", dots)).code, "too_large");
});

test("S12: never makes room for what a header only claims", async () => {
  const claim = tarPiece({ name: "a", size: "00620000000" });
  const before = process.memoryUsage().arrayBuffers;
  const most = new InputBudget();
  await assert.rejects(unpack("tar", Buffer.from(claim), most), Refusal);
  assert.ok(process.memoryUsage().arrayBuffers - before < 20 * MIB);
});

test("a budget counts over several archives of one request", async () => {
  const shared = budget();
  await unpack("tar", tar({ name: "a", body: "x".repeat(60_000) }), shared);
  await assert.rejects(unpack("tar", tar({ name: "a" }), shared), /path/);
  await assert.rejects(unpack("tar", tar({ name: "b", body: "x".repeat(60_000) }), shared), {
    code: "too_large",
  });
});

test("what was unpacked before a refusal is overwritten", async () => {
  const bytes = tar({ name: "a", body: "secret" }, { name: "../b" });
  await assert.rejects(unpack("tar", bytes, budget()), Refusal);
  assert.ok(bytes.every((byte) => byte === 0));
});

test("an aborted upload ends with the reason", async () => {
  const controller = new AbortController();
  async function* source() {
    yield tarPiece({ name: "a", body: "x".repeat(2000) }).subarray(0, 1000);
    controller.abort(new Error("gone"));
    yield Buffer.alloc(10);
  }
  await assert.rejects(unpack("tar", source(), budget(), controller.signal), { message: "gone" });
});

test("a source that fails in the middle fails the unpacking with its own error", async () => {
  async function* source() {
    yield GZ.subarray(0, 15);
    throw new Error("connection lost");
  }
  await assert.rejects(unpack("tar.gz", source(), budget()), { message: "connection lost" });
});

test("S12: damaged archives are read or refused, never anything else", async () => {
  const valid = tar(
    { name: "d/", type: "5" },
    PAX(Buffer.concat([paxRecord("path", "d/long"), paxRecord("mtime", "1.5")])),
    { name: "x", body: "hello".repeat(200) },
    { type: "L", body: "e/gnu\0", magic: "ustar  \0" },
    { name: "y", body: "z" },
  );
  const check = (kind: ArchiveKind) =>
    fc.asyncProperty(mutated(kind === "tar" ? valid : gzipSync(valid)), async (bytes) => {
      await unpack(kind, Buffer.from(bytes), budget()).catch((error: unknown) => {
        assert.ok(error instanceof Refusal, String(error));
      });
    });
  await fc.assert(check("tar"), { numRuns: 1500 });
  await fc.assert(check("tar.gz"), { numRuns: 700 });
});

test("headers with any field, checksum right, are read or refused", async () => {
  const field = fc.oneof(fc.string({ maxLength: 12 }), fc.constantFrom("00000000001", "7777777"));
  const piece = fc.record({
    name: fc.string({ maxLength: 20 }),
    type: fc.constantFrom("0", "5", "x", "g", "L", "7", "\0"),
    size: field,
    mode: fc.string({ maxLength: 8 }),
    mtime: field,
    body: fc.string({ maxLength: 700 }),
  });
  await fc.assert(
    fc.asyncProperty(fc.array(piece, { maxLength: 4 }), async (pieces) => {
      await open("tar", tar(...pieces)).catch((error: unknown) => {
        assert.ok(error instanceof Refusal, String(error));
      });
    }),
    { numRuns: 1500 },
  );
});
