/** Uploads that a fuzzer made: read or refused, within the limits, and the refusal is printable. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { gzipSync } from "node:zlib";
import fc from "fast-check";
import { InputBudget } from "../../src/archive/budget.ts";
import { readMultipart } from "../../src/archive/multipart.ts";
import { type ArchiveKind, unpack } from "../../src/archive/unpack.ts";
import type { InputTree } from "../../src/core/job.ts";
import { checkDirectoryPath, checkPath } from "../../src/core/paths.ts";
import { FORM_TYPE, form, inChunks, paxRecord, tar, zip } from "../archive/craft.ts";
import { mutated } from "../archive/mutate.ts";
import { runs, unpackedOrRefused } from "./runs.ts";

const LIMITS = { inputFiles: 10, inputDirectories: 10, unpackedBytes: 100_000 };

const TAR = tar(
  { name: "d/", type: "5" },
  { type: "x", name: "PaxHeader", body: paxRecord("path", "d/long") },
  { name: "x", body: "hello".repeat(200) },
  { type: "L", body: "e/gnu\0", magic: "ustar  \0" },
  { name: "y", body: "z" },
);
const ZIP = zip([
  { name: "d/", mode: 0o040755, stored: true },
  { name: "d/a", body: "hello".repeat(50) },
  { name: "b", body: "stored", stored: true },
  { name: "c", body: "z", flags: 8 },
]);
const FORM = form(
  { fileName: "a.py", body: "print()" },
  { name: "manifest", body: '{"timeout": 5}' },
  { fileName: "t.tgz", body: gzipSync(TAR) },
  { fileName: "z.zip", body: ZIP },
);

/** What was accepted has good paths, once each, and is no larger than allowed. */
function assertTree(tree: InputTree): void {
  const paths = tree.files.map(({ path }) => path);
  assert.equal(
    new Set([...paths, ...tree.directories]).size,
    paths.length + tree.directories.length,
  );
  for (const path of paths) assert.equal(checkPath(path), path);
  for (const path of tree.directories) assert.equal(checkDirectoryPath(path), path);
  const bytes = tree.files.reduce((sum, file) => sum + file.bytes.length, 0);
  assert.ok(bytes <= LIMITS.unpackedBytes && paths.length <= LIMITS.inputFiles);
  for (const { mtimeSeconds } of tree.files) {
    assert.ok(Number.isInteger(mtimeSeconds) && mtimeSeconds >= 0 && mtimeSeconds < 2 ** 32);
  }
}

const KINDS: readonly (readonly [ArchiveKind, Buffer])[] = [
  ["tar", TAR],
  ["tar.gz", gzipSync(TAR)],
  ["zip", ZIP],
];

for (const [kind, valid] of KINDS) {
  test(`S12: any ${kind} is unpacked within the limits or refused`, async () => {
    const any = fc.uint8Array({ maxLength: 2000 }).map((bytes) => Buffer.from(bytes));
    const bytes = fc.oneof({ weight: 9, arbitrary: mutated(valid) }, any);
    await fc.assert(
      fc.asyncProperty(bytes, fc.integer({ min: 1, max: 3000 }), async (packed, chunkBytes) => {
        const source =
          kind === "zip" ? Buffer.from(packed) : inChunks(Buffer.from(packed), chunkBytes);
        const unpacked =
          typeof source === "object" && "next" in source
            ? unpack("tar.gz" === kind ? "tar.gz" : "tar", source, new InputBudget(LIMITS))
            : unpack(kind, source, new InputBudget(LIMITS));
        const tree = await unpackedOrRefused(unpacked);
        if (tree !== undefined) assertTree(tree);
      }),
      runs(),
    );
  });
}

test("S12: a damaged tar inside of a whole gzip is unpacked within the limits or refused", async () => {
  await fc.assert(
    fc.asyncProperty(mutated(TAR), async (packed) => {
      const bytes = gzipSync(packed);
      const tree = await unpackedOrRefused(unpack("tar.gz", bytes, new InputBudget(LIMITS)));
      if (tree !== undefined) assertTree(tree);
    }),
    runs(),
  );
});

test("S12: any form is read within the limits or refused, whatever its type says", async () => {
  const type = fc.oneof(
    { weight: 8, arbitrary: fc.constant(FORM_TYPE) },
    fc.string({ maxLength: 90 }).map((text) => `multipart/form-data; boundary=${text}`),
    fc.string({ maxLength: 90 }),
  );
  await fc.assert(
    fc.asyncProperty(
      mutated(FORM),
      type,
      fc.integer({ min: 1, max: 3000 }),
      async (body, text, size) => {
        const source = inChunks(Buffer.from(body), size);
        const job = await unpackedOrRefused(readMultipart(source, text, new InputBudget(LIMITS)));
        if (job !== undefined) assertTree(job.input);
      },
    ),
    runs(),
  );
});
