/** Manifests that a fuzzer made, as JSON, as a query and as a document with files. */
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { compileGlobs } from "../../src/core/globs.ts";
import type { InputTree } from "../../src/core/job.ts";
import { JOB_LIMITS, MANIFEST_LIMITS } from "../../src/core/limits.ts";
import {
  type ManifestRequest,
  manifestFromQuery,
  parseManifest,
  resolveManifest,
} from "../../src/core/manifest.ts";
import { checkDirectoryPath, checkPath, showPath } from "../../src/core/paths.ts";
import { parseJsonJob } from "../../src/http/jsonJob.ts";
import { FakeRunner } from "../fakes/runner.ts";
import { readOrRefused, runs } from "./runs.ts";

/** Code points that mean something to us, beside all others. */
const nasty = fc.oneof(
  {
    weight: 3,
    arbitrary: fc.constantFrom("/", ".", "..", "\\", "\0", "\ud800", "\u202e", "C:", "*"),
  },
  fc.string({ unit: "binary", maxLength: 6 }),
);
const text = fc.array(nasty, { maxLength: 8 }).map((pieces) => pieces.join(""));

const NAMES = [
  "entrypoint",
  "interpreter",
  "args",
  "env",
  "stdin",
  "outputs",
  "timeout",
  "memory_mb",
  "cpu_seconds",
  "environment",
  "nonce",
  "tty",
  "encrypt_to",
  "__proto__",
  "constructor",
  "toString",
] as const;
const name = fc.oneof(fc.constantFrom(...NAMES), text);
const number = fc.oneof(
  fc.double(),
  fc.integer(),
  fc.constantFrom("1e3", "0x10", "٣", "1_0", " 5 "),
);
const near = fc.oneof(
  text,
  number,
  fc.array(text, { maxLength: 4 }),
  fc.dictionary(text, text, { maxKeys: 4 }),
  fc.constantFrom("main.py", "python3", "py", "science", "none", true, null),
  fc.jsonValue({ maxDepth: 3 }),
);
/** Objects whose fields have our names and others, by way of text, as real ones come. */
const field = fc.oneof(
  fc.tuple(name, near),
  fc.tuple(fc.constantFrom("args", "outputs"), fc.array(text, { maxLength: 3 })),
  fc.tuple(fc.constant("env"), fc.dictionary(fc.constantFrom("A", "_", "__proto__"), text)),
);
const fields = fc.array(field, { maxLength: 5 }).map((pairs): unknown => {
  const members = pairs.map(([key, value]) => `${JSON.stringify(key)}:${JSON.stringify(value)}`);
  return JSON.parse(`{${members.join(",")}}`);
});
const json = fc.oneof({ weight: 8, arbitrary: fields }, fc.jsonValue());

function assertRequest(request: ManifestRequest): void {
  assert.ok(request.args.length <= MANIFEST_LIMITS.args);
  assert.ok([...request.args, ...Object.values(request.env)].every((one) => !one.includes("\0")));
  for (const variable of Object.keys(request.env)) assert.match(variable, /^[A-Za-z_]\w*$/);
  if (request.entrypoint !== undefined)
    assert.equal(checkPath(request.entrypoint), request.entrypoint);
  if (request.outputs !== undefined) compileGlobs(request.outputs);
}

const { interpreters, environments } = new FakeRunner();

function assertResolves(request: ManifestRequest, input: InputTree): void {
  const manifest = readOrRefused(() =>
    resolveManifest(request, input, { interpreters, environments }),
  );
  if (manifest === undefined) return;
  assert.ok(input.files.some(({ path }) => path === manifest.entrypoint));
  assert.ok(interpreters.some((info) => info.name === manifest.interpreter));
  const { timeoutSeconds, memoryMb } = JOB_LIMITS;
  assert.ok(manifest.timeoutSeconds >= timeoutSeconds.least);
  assert.ok(manifest.timeoutSeconds <= timeoutSeconds.most);
  assert.ok(Number.isInteger(manifest.memoryMb) && manifest.memoryMb <= memoryMb.most);
}

const path = fc.oneof(fc.constantFrom("main.py", "main.js", "a", "d/main.py", "__proto__"), text);
const input = fc.uniqueArray(path, { maxLength: 4 }).chain((paths) =>
  fc.record({
    directories: fc.constant([]),
    files: fc.tuple(
      ...paths.map((one) =>
        fc.record({
          path: fc.constant(one),
          executable: fc.boolean(),
          mtimeSeconds: fc.nat(),
          bytes: fc.oneof(
            fc.uint8Array({ maxLength: 40 }),
            fc.constant(Buffer.from("#!/bin/sh -e\n")),
          ),
        }),
      ),
    ),
  }),
);

test("S12: any JSON is a manifest within the limits or refused, and so is what it resolves to", () => {
  fc.assert(
    fc.property(json, input, (value, tree) => {
      const request = readOrRefused(() => parseManifest(value));
      if (request === undefined) return;
      assertRequest(request);
      assertResolves(request, tree);
    }),
    runs(1000),
  );
});

test("S12: any query is a manifest within the limits or refused", () => {
  const pair = fc.tuple(
    name,
    fc.oneof(text, number.map(String), fc.constantFrom("A=1", "=", "a==b")),
  );
  fc.assert(
    fc.property(fc.array(pair, { maxLength: 6 }), input, (pairs, tree) => {
      // Through an address, as it comes: lone surrogates and percent signs change on that way.
      const query = new URLSearchParams(pairs).toString();
      const request = readOrRefused(() => manifestFromQuery([...new URLSearchParams(query)]));
      if (request === undefined) return;
      assertRequest(request);
      assertResolves(request, tree);
    }),
    runs(1000),
  );
});

test("S12: any JSON document is a job with good paths or refused", () => {
  const contents = fc.oneof(text, fc.record({ base64: text }), fc.jsonValue({ maxDepth: 2 }));
  const files = fc.oneof(
    fc.dictionary(path, contents, { maxKeys: 4 }),
    fc.jsonValue({ maxDepth: 2 }),
  );
  const document = fc
    .tuple(json, files, fc.oneof(text, fc.jsonValue()), fc.nat(3))
    .map(([manifest, some, code, which]) => {
      const fields = typeof manifest === "object" && manifest !== null ? { ...manifest } : {};
      const more =
        which === 0
          ? {}
          : which === 1
            ? { files: some }
            : which === 2
              ? { code }
              : { code, files: some };
      return Buffer.from(JSON.stringify({ ...fields, ...more }));
    });
  const bytes = fc.oneof({ weight: 8, arbitrary: document }, fc.uint8Array({ maxLength: 60 }));
  fc.assert(
    fc.property(bytes, (body) => {
      const job = readOrRefused(() => parseJsonJob(body));
      if (job === undefined) return;
      for (const file of job.input.files) assert.equal(checkPath(file.path), file.path);
      const request = readOrRefused(() => parseManifest(job.manifestJson));
      if (request !== undefined) assertResolves(request, job.input);
    }),
    runs(1000),
  );
});

test("S12: any path is refused or has one meaning that is below the top", () => {
  fc.assert(
    fc.property(fc.oneof(text, fc.string({ unit: "binary" })), (raw) => {
      const file = readOrRefused(() => checkPath(raw));
      const directory = readOrRefused(() => checkDirectoryPath(raw));
      if (file !== undefined) assert.deepEqual([checkPath(file), directory], [file, file]);
      for (const part of (file ?? directory ?? "x").split("/")) {
        assert.ok(part !== "" && part !== "." && part !== "..");
        assert.ok(Buffer.byteLength(part) <= 255 && part.isWellFormed());
        assert.ok([...part].every((one) => one >= " " && one !== "\x7f" && one !== "\\"));
      }
      assert.match(showPath(raw), /^[^\p{Cc}\p{Cs}\u202a-\u202e]*$/u);
    }),
    runs(2000),
  );
});

test("S14: any patterns are compiled and matched, or refused", () => {
  const pattern = fc
    .array(
      fc.oneof(fc.constantFrom("*", "**", "?", "[", "]", "{", "}", ",", "!", "-", "/", "a"), text),
      {
        maxLength: 24,
      },
    )
    .map((pieces) => pieces.join(""));
  fc.assert(
    fc.property(fc.array(pattern, { maxLength: 6 }), path, (patterns, one) => {
      const matches = readOrRefused(() => compileGlobs(patterns));
      if (matches !== undefined) assert.equal(typeof matches(one), "boolean");
    }),
    runs(1000),
  );
});
