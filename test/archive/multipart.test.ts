import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { InputBudget } from "../../src/archive/budget.ts";
import { type MultipartJob, readMultipart } from "../../src/archive/multipart.ts";
import { Refusal, type RefusalCode } from "../../src/core/errors.ts";
import { MIB } from "../../src/core/limits.ts";
import { BOUNDARY, FORM_TYPE, type FormPiece, form, inChunks, tar, tarGz, zip } from "./craft.ts";
import { mutated } from "./mutate.ts";

function read(body: Uint8Array, type = FORM_TYPE, chunkBytes = 1000): Promise<MultipartJob> {
  return readMultipart(inChunks(body, chunkBytes), type, new InputBudget());
}

async function refusalOf(job: Promise<unknown>): Promise<Refusal> {
  try {
    await job;
  } catch (error) {
    if (error instanceof Refusal) return error;
    throw error;
  }
  return assert.fail("it was accepted");
}

function texts({ input }: MultipartJob): (readonly [string, string])[] {
  return input.files.map(({ path, bytes }) => [path, Buffer.from(bytes).toString()] as const);
}

test("places plain files under their names, unpacks archives and reads the manifest", async () => {
  const body = form(
    { fileName: "src/main.py", body: "print()" },
    { name: "manifest", body: '{"timeout": 5}' },
    { fileName: "a.tgz", body: tarGz({ name: "a", body: "1" }, { name: "dir", type: "5" }) },
    { fileName: "b.TAR", body: tar({ name: "b", body: "2" }) },
    { fileName: "c.zip", body: zip([{ name: "c", body: "3" }]) },
    { fileName: "empty", body: "" },
  );
  for (const chunkBytes of [1, 3, 64, 1000, 1e6]) {
    const job = await read(body, FORM_TYPE, chunkBytes);
    assert.deepEqual(texts(job), [
      ["src/main.py", "print()"],
      ["a", "1"],
      ["b", "2"],
      ["c", "3"],
      ["empty", ""],
    ]);
    assert.deepEqual(job.input.directories, ["dir"]);
    assert.deepEqual(job.manifestJson, { timeout: 5 });
    assert.equal(job.input.files[0]?.executable, false);
  }
});

test("a form without a manifest has none, a form without parts no files", async () => {
  const job = await read(form({ fileName: "a", body: "x" }));
  assert.equal(job.manifestJson, undefined);
  assert.deepEqual((await read(form())).input, { files: [], directories: [] });
});

test("a job.json at the top is the manifest and no file of the job", async () => {
  for (const piece of [
    { fileName: "./job.json", body: '{"args": ["a"]}' },
    { fileName: "x.tar", body: tar({ name: "job.json", body: '{"args": ["a"]}' }) },
  ]) {
    const job = await read(form(piece, { fileName: "sub/job.json", body: "mine" }));
    assert.deepEqual(job.manifestJson, { args: ["a"] });
    assert.deepEqual(texts(job), [["sub/job.json", "mine"]]);
  }
});

test("a manifest may come as a file", async () => {
  const job = await read(form({ name: "manifest", fileName: "anything.json", body: "{}" }));
  assert.deepEqual(job.manifestJson, {});
});

test("file names may be odd: quotes, percent signs, other alphabets, an encoded form", async () => {
  const named = async (head: string) =>
    texts(
      await read(form({ head: `Content-Disposition: form-data; name="files"; ${head}` })),
    )[0]?.[0];
  assert.equal(await named('filename="a \\"b\\".txt"'), 'a "b".txt');
  assert.equal(await named('filename="a %22b%22 50%.txt"'), 'a "b" 50%.txt');
  assert.equal(await named('filename="日本/naïve"'), "日本/naïve");
  assert.equal(await named("filename=plain.txt"), "plain.txt");
  assert.equal(await named("filename*=UTF-8''na%C3%AFve%2Fx"), "naïve/x");
  assert.equal(await named('filename="__proto__"'), "__proto__");
  assert.equal(await named('filename="a;b=c"'), "a;b=c");
});

test("bytes that look almost like a boundary come out as they went in", async () => {
  const almost = `\r\n--${BOUNDARY.slice(0, -1)}\r\n--\r\n-\r\n\r--${BOUNDARY}\n--${BOUNDARY}`;
  for (const chunkBytes of [1, 2, 5, 17, 30, 1000]) {
    const job = await read(form({ fileName: "a", body: almost.repeat(3) }), FORM_TYPE, chunkBytes);
    assert.deepEqual(texts(job), [["a", almost.repeat(3)]]);
  }
});

test("overwrites the body's chunks", async () => {
  const given: Uint8Array[] = [];
  async function* source() {
    for await (const chunk of inChunks(
      form({ fileName: "a", body: "secret".repeat(9999) }),
      5000,
    )) {
      given.push(chunk);
      yield chunk;
    }
  }
  const job = await readMultipart(source(), FORM_TYPE, new InputBudget());
  assert.equal(job.input.files[0]?.bytes.length, 6 * 9999);
  assert.ok(given.every((chunk) => chunk.every((byte) => byte === 0)));
});

const FILE: FormPiece = { fileName: "a", body: "x" };
const CUT = form(FILE);
const HEAD = 'Content-Disposition: form-data; name="files"; filename="a"';

const HOSTILE: readonly (readonly [string, Buffer, RefusalCode, RegExp])[] = [
  ["is empty", Buffer.alloc(0), "bad_request", /cut off/],
  ["never has its boundary", Buffer.from("hello\r\n--other\r\n"), "bad_request", /cut off/],
  ["ends in a file", CUT.subarray(0, CUT.length - BOUNDARY.length - 8), "bad_request", /cut off/],
  ["ends in the last boundary", CUT.subarray(0, CUT.length - 4), "bad_request", /cut off/],
  ["ends in a header", CUT.subarray(0, BOUNDARY.length + 20), "bad_request", /cut off/],
  [
    "has a part of another name",
    form({ name: "fil\u001bes", fileName: "a" }),
    "bad_request",
    /^part "fil\\x1bes": parts are/,
  ],
  [
    "has files without a file name",
    form({ name: "files", body: "x" }),
    "bad_request",
    /no file name/,
  ],
  ["has an empty file name", form({ fileName: "" }), "bad_request", /no file name/],
  ["has a part without headers", form({ head: "" }), "bad_request", /./],
  [
    "has a part that is no form data",
    form({ head: HEAD.replace("form-data", "attachment") }),
    "bad_request",
    /no name/,
  ],
  [
    "has a part without a name",
    form({ head: 'Content-Disposition: form-data; filename="a"' }),
    "bad_request",
    /no name/,
  ],
  ["names a part twice", form({ head: `${HEAD}; filename="b"` }), "bad_request", /twice/],
  ["has two dispositions", form({ head: `${HEAD}\r\n${HEAD}` }), "bad_request", /twice/],
  ["has an unclosed quote", form({ head: `${HEAD.slice(0, -1)}` }), "bad_request", /malformed/],
  [
    "encodes a part in base64",
    form({ head: `${HEAD}\r\nContent-Transfer-Encoding: base64` }),
    "bad_request",
    /base64/,
  ],
  [
    "has a name that is not UTF-8",
    form({ head: Buffer.from(HEAD.replace('"a"', '"\xff"'), "latin1") }),
    "bad_request",
    /UTF-8/,
  ],
  [
    "has a wrongly encoded name",
    form({ head: `${HEAD}; filename*=UTF-8''%FF` }),
    "bad_request",
    /UTF-8/,
  ],
  [
    "has a name in another encoding",
    form({ head: `${HEAD}; filename*=latin1''%FF` }),
    "bad_request",
    /UTF-8/,
  ],
  [
    "has headers without end",
    form({ head: `${HEAD}\r\nX: ${"x".repeat(40_000)}`, body: "x" }).subarray(0, 30_000),
    "bad_request",
    /cut off/,
  ],
  ["climbs out", form({ fileName: "../../etc/x" }), "bad_path", /"\.\.\/\.\.\/etc\/x"/],
  ["is absolute", form({ fileName: "/etc/x" }), "bad_path", /absolute/],
  ["has backslashes", form({ fileName: "..\\\\x" }), "bad_path", /backslash/],
  ["has a newline in a name", form({ fileName: "a%0Ab" }), "bad_path", /"a\\x0ab"/],
  ["has a file twice", form(FILE, FILE), "bad_path", /"a": is there twice/],
  [
    "has a file twice, once in an archive",
    form(FILE, { fileName: "x.tar", body: tar({ name: "a" }) }),
    "bad_path",
    /"a": is there twice/,
  ],
  ["has a bad archive", form({ fileName: "x.zip", body: "no" }), "bad_archive", /^zip: /],
  [
    "has an archive that climbs out",
    form({ fileName: "x.tgz", body: tarGz({ name: "../x" }) }),
    "bad_path",
    /"\.\.\/x"/,
  ],
  [
    "has two manifests",
    form({ name: "manifest", body: "{}" }, { name: "manifest", body: "{}" }),
    "bad_request",
    /two manifests/,
  ],
  [
    "has two manifests, one a file",
    form({ name: "manifest", body: "{}" }, { fileName: "job.json", body: "{}" }),
    "bad_request",
    /two manifests/,
  ],
  [
    "has a manifest that is no JSON",
    form({ name: "manifest", body: "{" }),
    "bad_manifest",
    /not valid JSON/,
  ],
  [
    "has a manifest that is not UTF-8",
    form({ name: "manifest", body: Buffer.from([0x22, 0xff, 0x22]) }),
    "bad_manifest",
    /not valid JSON/,
  ],
  [
    "has a manifest that is too large",
    form({ name: "manifest", body: " ".repeat(300_000) }),
    "too_large",
    /^manifest: /,
  ],
  [
    "has too many parts",
    form(...Array.from({ length: 1100 }, (_, i) => ({ fileName: `${i}` }))),
    "too_large",
    /parts/,
  ],
  [
    "has too many files",
    form(...Array.from({ length: 1001 }, (_, i) => ({ fileName: `${i}` }))),
    "too_large",
    /"1000": more than 1000 files/,
  ],
];

for (const [what, body, code, details] of HOSTILE) {
  test(`S12: refuses a form that ${what}`, async () => {
    for (const chunkBytes of [37, 1e7]) {
      const refusal = await refusalOf(read(body, FORM_TYPE, chunkBytes));
      assert.equal(refusal.code, code, refusal.details);
      assert.match(refusal.details ?? "", details);
      assert.doesNotMatch(refusal.details ?? "", /\p{Cc}/u);
    }
  });
}

const WRONG_TYPES: readonly string[] = [
  "",
  "text/plain",
  "multipart/form-data",
  "multipart/form-data; boundary=",
  'multipart/form-data; boundary="unclosed',
  `multipart/form-data; boundary=${"x".repeat(71)}`,
  "multipart/form-data; boundary=a; boundary=b",
  "multipart/mixed; boundary=a",
  'multipart/form-data; boundary="a\u00e9"',
];

for (const type of WRONG_TYPES) {
  test(`refuses the content type ${JSON.stringify(type.slice(0, 50))}`, async () => {
    assert.equal((await refusalOf(read(form(FILE), type))).code, "bad_request");
  });
}

test("takes a boundary in quotes, and a charset beside it", async () => {
  const type = `Multipart/Form-Data; charset=utf-8; boundary="${BOUNDARY}"`;
  assert.deepEqual(texts(await read(form(FILE), type)), [["a", "x"]]);
});

test("refuses no body at all", async () => {
  const refusal = await refusalOf(readMultipart(null, FORM_TYPE, new InputBudget()));
  assert.equal(refusal.code, "bad_request");
});

test("S12: stops reading when the body is larger than may be", async () => {
  let given = 0;
  let ended = false;
  async function* endless() {
    try {
      yield form(FILE).subarray(0, -BOUNDARY.length - 8);
      for (;;) {
        given += MIB;
        yield Buffer.alloc(MIB, "x");
      }
    } finally {
      ended = true;
    }
  }
  const refusal = await refusalOf(readMultipart(endless(), FORM_TYPE, new InputBudget()));
  assert.equal(refusal.code, "too_large");
  assert.ok(given <= 102 * MIB);
  assert.ok(ended);
});

test("a body that breaks off is a bad request", async () => {
  async function* broken() {
    yield form(FILE).subarray(0, 100);
    throw new Error("connection reset");
  }
  const refusal = await refusalOf(readMultipart(broken(), FORM_TYPE, new InputBudget()));
  assert.equal(refusal.code, "bad_request");
  assert.match(refusal.details ?? "", /broke off/);
});

test("a body that hangs is left when the request is aborted", async () => {
  const controller = new AbortController();
  const body = new ReadableStream<Uint8Array>({
    start(stream) {
      stream.enqueue(Uint8Array.from(form(FILE).subarray(0, 50)));
    },
  });
  const job = readMultipart(body, FORM_TYPE, new InputBudget(), controller.signal);
  setImmediate(() => controller.abort(new Error("gone")));
  await assert.rejects(job, { message: "gone" });
});

test("any files come out as they went in, however the body is cut into chunks", async () => {
  const nasty = fc.array(
    fc.constantFrom(
      "\r\n",
      "--",
      `--${BOUNDARY.slice(0, 9)}`,
      "\r",
      "\n",
      "x",
      "\0",
      BOUNDARY.slice(1),
    ),
    { maxLength: 30 },
  );
  const bodies = fc.array(
    fc.oneof(
      fc.uint8Array({ maxLength: 300 }).map((bytes) => Buffer.from(bytes)),
      nasty.map((pieces) => Buffer.from(pieces.join(""))),
    ),
    { maxLength: 5 },
  );
  await fc.assert(
    fc.asyncProperty(bodies, fc.integer({ min: 1, max: 400 }), async (contents, chunkBytes) => {
      fc.pre(contents.every((content) => !content.includes(`--${BOUNDARY}`)));
      const body = form(...contents.map((content, i) => ({ fileName: `f${i}`, body: content })));
      const { input } = await read(body, FORM_TYPE, chunkBytes);
      assert.deepEqual(
        input.files.map(({ bytes }) => Buffer.from(bytes)),
        contents,
      );
    }),
    { numRuns: 300 },
  );
});

test("large files come out as they went in, with chunks on either side of every buffer", async () => {
  const sizes = fc.array(fc.integer({ min: 0, max: 200_000 }), { minLength: 1, maxLength: 4 });
  const chunk = fc.integer({ min: 1000, max: 300_000 });
  await fc.assert(
    fc.asyncProperty(sizes, chunk, async (lengths, chunkBytes) => {
      const contents = lengths.map((length, i) => Buffer.alloc(length, `${i}\r\n-`));
      const body = form(...contents.map((content, i) => ({ fileName: `f${i}`, body: content })));
      const whole = Buffer.concat([
        Buffer.from("preamble"),
        Buffer.from("\r\n"),
        body,
        contents[0] ?? body,
      ]);
      const { input } = await read(whole, FORM_TYPE, chunkBytes);
      assert.ok(input.files.every(({ bytes }, i) => contents[i]?.equals(bytes)));
      assert.equal(input.files.length, contents.length);
    }),
    { numRuns: 150 },
  );
});

test("S12: damaged forms are read or refused, never anything else", async () => {
  const valid = form(
    { fileName: "a.py", body: "print()" },
    { name: "manifest", body: '{"timeout": 5}' },
    { fileName: "a.tgz", body: tarGz({ name: "x", body: "1" }) },
    { fileName: "big", body: "x".repeat(70_000) },
    { fileName: "", body: "" },
  );
  await fc.assert(
    fc.asyncProperty(
      mutated(valid),
      fc.integer({ min: 100, max: 90_000 }),
      async (body, chunkBytes) => {
        await read(body, FORM_TYPE, chunkBytes).catch((error: unknown) => {
          assert.ok(error instanceof Refusal, String(error));
        });
      },
    ),
    { numRuns: 800 },
  );
});
