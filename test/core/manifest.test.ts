import assert from "node:assert/strict";
import { test } from "node:test";
import { toJsonSchema } from "@valibot/to-json-schema";
import fc from "fast-check";
import { Refusal, type RefusalCode } from "../../src/core/errors.ts";
import type { InputTree } from "../../src/core/job.ts";
import {
  type Available,
  type ManifestRequest,
  manifestFromQuery,
  parseManifest,
  resolveManifest,
} from "../../src/core/manifest.ts";
import { MANIFEST_SCHEMA } from "../../src/core/manifestFields.ts";

function refusalOf(run: () => unknown): Refusal {
  try {
    run();
  } catch (error) {
    if (error instanceof Refusal) return error;
    throw error;
  }
  return assert.fail("it was accepted");
}

function tree(...files: (string | readonly [string, string])[]): InputTree {
  return {
    files: files.map((file) => {
      const [path, text] = typeof file === "string" ? [file, ""] : file;
      return { path, executable: false, mtimeSeconds: 0, bytes: Buffer.from(text) };
    }),
    directories: [],
  };
}

const HERE: Available = {
  interpreters: ["python3", "node", "bash", "sh"].map((name) => ({
    name,
    aliases: [],
    version: "1",
    extensions: [],
  })),
  environments: [{ name: "science", interpreters: [{ name: "ruby", version: "3" }], packages: [] }],
};

test("an empty manifest is a request with nothing decided", () => {
  const request = parseManifest({});
  assert.deepEqual(request.args, []);
  assert.deepEqual(request.env, {});
  assert.equal(request.stdin.length, 0);
  assert.equal(request.entrypoint ?? request.timeoutSeconds ?? request.outputs, undefined);
});

test("reads every field and resolves aliases and paths", () => {
  const request = parseManifest({
    entrypoint: "./src//main.py",
    interpreter: "Python",
    args: ["a", "-b", "é"],
    env: { A: "1", _b2: "" },
    stdin: "é\0",
    outputs: ["results/", "*.png"],
    timeout: 1.5,
    memory_mb: 64,
    cpu_seconds: 600,
    environment: "science",
    nonce: "n",
    tty: false,
    interactive: true,
  });
  assert.deepEqual(
    { ...request, stdin: Buffer.from(request.stdin).toString() },
    {
      entrypoint: "src/main.py",
      interpreter: "python3",
      args: ["a", "-b", "é"],
      env: { A: "1", _b2: "" },
      stdin: "é\0",
      outputs: ["results/", "*.png"],
      timeoutSeconds: 1.5,
      memoryMb: 64,
      cpuSeconds: 600,
      environment: "science",
      nonce: "n",
      interactive: true,
      tty: false,
    },
  );
});

/** Manifest, code, how the details begin. */
const WRONG: readonly (readonly [unknown, RefusalCode, string])[] = [
  [null, "bad_manifest", "manifest: "],
  [[], "bad_manifest", "manifest: "],
  ["x", "bad_manifest", "manifest: "],
  [{ entry: "x" }, "bad_manifest", "entry: there is no such field"],
  [JSON.parse('{"__proto__": {"timeout": 5}}'), "bad_manifest", "__proto__: there is no such"],
  [{ constructor: 1 }, "bad_manifest", "constructor: there is no such"],
  [{ "\u001b[2J": 1 }, "bad_manifest", "\\x1b[2J: "],
  [{ entrypoint: 5 }, "bad_manifest", "entrypoint: must be a text"],
  [{ entrypoint: null }, "bad_manifest", "entrypoint: "],
  [{ entrypoint: "../x" }, "bad_path", '"../x"'],
  [{ interpreter: "" }, "bad_manifest", "interpreter: "],
  [{ interpreter: "x".repeat(1000) }, "bad_manifest", "interpreter: "],
  [{ args: "a" }, "bad_manifest", "args: "],
  [{ args: ["a", 5] }, "bad_manifest", "args[1]: "],
  [{ args: ["a\0"] }, "bad_manifest", "args[0]: has a NUL"],
  [{ args: ["\ud800"] }, "bad_manifest", "args[0]: is not valid Unicode"],
  [{ args: Array(257).fill("") }, "bad_manifest", "args: has more than 256"],
  [{ args: ["é".repeat(32 * 1024)] }, "bad_manifest", "args: is larger"],
  [{ env: [] }, "bad_manifest", "env"],
  [{ env: { "1A": "" } }, "bad_manifest", "env.1A: "],
  [{ env: { "": "" } }, "bad_manifest", "env."],
  [{ env: { "A=B": "" } }, "bad_manifest", "env.A=B: "],
  [{ env: { A: 1 } }, "bad_manifest", "env.A: must be a text"],
  [{ env: { A: "\0" } }, "bad_manifest", "env.A: has a NUL"],
  [{ env: { constructor: 1 } }, "bad_manifest", "env.constructor: must be a text"],
  [JSON.parse('{"env": {"__proto__": null}}'), "bad_manifest", "env.__proto__: must be a text"],
  [{ env: { A: "x".repeat(32 * 1024) } }, "bad_manifest", "env: is larger"],
  [
    { env: Object.fromEntries(Array.from({ length: 129 }, (_, i) => [`A${i}`, ""])) },
    "bad_manifest",
    "env: has more than 128",
  ],
  [{ stdin: 5 }, "bad_manifest", "stdin: "],
  [{ stdin: "\udc00" }, "bad_manifest", "stdin: is not valid Unicode"],
  [{ stdin: "é".repeat(4 * 1024 * 1024 + 1) }, "bad_manifest", "stdin: is larger"],
  [{ outputs: "*.png" }, "bad_manifest", "outputs: "],
  [{ outputs: ["a", "b", "/c"] }, "bad_manifest", "outputs[2]: "],
  [{ outputs: ["a", 5] }, "bad_manifest", "outputs[1]: "],
  [{ timeout: "5" }, "bad_manifest", "timeout: must be a number"],
  [{ timeout: 0.5 }, "bad_manifest", "timeout: must be between 1 and 3600"],
  [{ timeout: 3601 }, "bad_manifest", "timeout: must be between"],
  [{ timeout: Number.POSITIVE_INFINITY }, "bad_manifest", "timeout: "],
  [{ timeout: Number.NaN }, "bad_manifest", "timeout: "],
  [{ memory_mb: 63 }, "bad_manifest", "memory_mb: must be between 64 and 2048"],
  [{ memory_mb: 64.5 }, "bad_manifest", "memory_mb: must be a whole number"],
  [{ cpu_seconds: 601 }, "bad_manifest", "cpu_seconds: must be between 1 and 600"],
  [{ nonce: "x".repeat(129) }, "bad_manifest", "nonce: has more than 128"],
  [{ encrypt_to: ["age1x"] }, "unsupported", "encrypt_to"],
  [{ encrypt_to: null }, "unsupported", "encrypt_to"],
  [{ tty: 1 }, "bad_manifest", "tty"],
];

for (const [json, code, details] of WRONG) {
  test(`refuses ${JSON.stringify(json).slice(0, 50)} and names the field`, () => {
    const refusal = refusalOf(() => parseManifest(json));
    assert.equal(refusal.code, code);
    assert.ok(refusal.details?.startsWith(details), refusal.details);
    assert.doesNotMatch(refusal.details ?? "", /\p{Cc}/u);
  });
}

test("variables may be called as what every object has", () => {
  const env = JSON.parse('{"__proto__": "p", "constructor": "c", "toString": "t"}');
  assert.deepEqual(Object.entries(parseManifest({ env }).env), [
    ["__proto__", "p"],
    ["constructor", "c"],
    ["toString", "t"],
  ]);
});

test("any JSON is read or refused, never a crash", () => {
  const field = fc.constantFrom("entrypoint", "args", "env", "outputs", "timeout", "tty", "stdin");
  fc.assert(
    fc.property(fc.oneof(fc.jsonValue(), fc.dictionary(field, fc.jsonValue())), (json) => {
      try {
        parseManifest(json);
      } catch (error) {
        assert.ok(error instanceof Refusal, String(error));
      }
    }),
    { numRuns: 2000 },
  );
});

test("a JSON schema can be made of it that lists only what is built", () => {
  const schema = toJsonSchema(MANIFEST_SCHEMA, { errorMode: "ignore" });
  assert.deepEqual(Object.keys(schema.properties ?? {}).sort(), [
    "args",
    "cpu_seconds",
    "entrypoint",
    "env",
    "environment",
    "interactive",
    "interpreter",
    "memory_mb",
    "nonce",
    "outputs",
    "stdin",
    "timeout",
    "tty",
  ]);
  assert.equal(schema.additionalProperties, false);
});

test("reads a query string as the same manifest", () => {
  const query = new URLSearchParams(
    "interpreter=js&timeout=5.5&args=a&args=b%20c&env=K=V=W&env=__proto__=x&memory_mb=128&outputs=*.png",
  );
  const request = manifestFromQuery(query);
  assert.equal(request.interpreter, "node");
  assert.equal(request.timeoutSeconds, 5.5);
  assert.equal(request.memoryMb, 128);
  assert.deepEqual(request.args, ["a", "b c"]);
  assert.deepEqual(request.outputs, ["*.png"]);
  assert.deepEqual(Object.entries(request.env), [
    ["K", "V=W"],
    ["__proto__", "x"],
  ]);
});

const WRONG_QUERIES: readonly (readonly [string, RefusalCode, string])[] = [
  ["timeout=", "bad_manifest", "timeout: must be a number"],
  ["timeout=1e3", "bad_manifest", "timeout: must be a number"],
  ["timeout=0x10", "bad_manifest", "timeout: must be a number"],
  ["timeout=NaN", "bad_manifest", "timeout: must be a number"],
  ["timeout=-5", "bad_manifest", "timeout: must be a number"],
  ["timeout=5&timeout=6", "bad_manifest", "timeout: given twice"],
  ["timeout=4000", "bad_manifest", "timeout: must be between"],
  ["interpreter=a&interpreter=b", "bad_manifest", "interpreter: given twice"],
  ["env=K", "bad_manifest", "env: must be NAME=VALUE"],
  ["env==v", "bad_manifest", "env: must be NAME=VALUE"],
  ["env=K=1&env=K=2", "bad_manifest", "env.K: given twice"],
  ["colour=red", "bad_manifest", "colour: there is no such field"],
  ["__proto__=x", "bad_manifest", "__proto__: there is no such field"],
  ["tty=1", "bad_manifest", "tty"],
  ["encrypt_to=age1", "unsupported", "encrypt_to"],
];

for (const [query, code, details] of WRONG_QUERIES) {
  test(`refuses the query ?${query}`, () => {
    const refusal = refusalOf(() => manifestFromQuery(new URLSearchParams(query)));
    assert.equal(refusal.code, code);
    assert.ok(refusal.details?.startsWith(details), refusal.details);
  });
}

function resolve(request: Partial<ManifestRequest>, input: InputTree, available = HERE) {
  return resolveManifest({ ...parseManifest({}), ...request }, input, available);
}

test("fills in the usual limits", () => {
  const manifest = resolve({}, tree("a.py"));
  assert.deepEqual(
    [manifest.entrypoint, manifest.interpreter, manifest.timeoutSeconds, manifest.memoryMb],
    ["a.py", "python3", 300, 512],
  );
});

test("picks the entrypoint: named, else the only file, else the only main at the top", () => {
  assert.equal(resolve({ entrypoint: "b.py" }, tree("a.py", "b.py")).entrypoint, "b.py");
  assert.equal(resolve({}, tree("deep/x.js")).entrypoint, "deep/x.js");
  assert.equal(resolve({}, tree("lib.py", "sub/main.js", "main.py")).entrypoint, "main.py");
});

test("picks the interpreter: named, else by the ending, else by the #! line", () => {
  assert.equal(resolve({ interpreter: "bash" }, tree("a.py")).interpreter, "bash");
  assert.equal(resolve({}, tree("a.ts")).interpreter, "node");
  assert.equal(resolve({}, tree(["run", "#!/bin/bash -e\r\nls"])).interpreter, "bash");
});

test("an environment brings its interpreters along", () => {
  const manifest = resolve({ environment: "science" }, tree("a.rb"));
  assert.equal(manifest.interpreter, "ruby");
  assert.equal(manifest.environment, "science");
});

test("a file called as what every object has is an entrypoint as any other", () => {
  const input = tree("__proto__", "constructor");
  const manifest = resolve({ entrypoint: "__proto__", interpreter: "sh" }, input);
  assert.equal(manifest.entrypoint, "__proto__");
  assert.equal(refusalOf(() => resolve({ entrypoint: "toString" }, input)).code, "bad_manifest");
});

const UNRESOLVED: readonly (readonly [Partial<ManifestRequest>, InputTree, RefusalCode, RegExp])[] =
  [
    [{}, tree(), "bad_manifest", /^entrypoint: there are no files/],
    [{}, tree("a.py", "b.py"), "bad_manifest", /^entrypoint: .*files: a\.py, b\.py$/],
    [{}, tree("main.py", "main.c", "x"), "bad_manifest", /several main files: main\.py, main\.c$/],
    [{}, tree("1", "2", "3", "4", "5", "6"), "bad_manifest", /1, 2, 3, 4, 5, …$/],
    [{ entrypoint: "x.py" }, tree("y.py"), "bad_manifest", /^entrypoint: .*"x\.py"/],
    [{ interpreter: "ruby" }, tree("a"), "unknown_interpreter", /bash, node, python3, sh$/],
    [{ interpreter: "cobol" }, tree("a"), "unknown_interpreter", /"cobol"; available: bash, node/],
    [{}, tree("a.rb"), "unknown_interpreter", /"ruby"; available: bash, node, python3, sh$/],
    [{}, tree("a.xyz"), "bad_manifest", /^interpreter: .*a\.xyz.*bash, node, python3, sh$/],
    [{}, tree(["a", "\u00ff\u0000binary"]), "bad_manifest", /^interpreter: /],
    [{ environment: "no" }, tree("a.py"), "unknown_environment", /"no"; available: science$/],
  ];

for (const [request, input, code, details] of UNRESOLVED) {
  test(`refuses ${JSON.stringify(request)} on ${input.files.map((file) => file.path)}`, () => {
    const refusal = refusalOf(() => resolve(request, input));
    assert.equal(refusal.code, code);
    assert.match(refusal.details ?? "", details);
  });
}

test("this machine's ceilings cut what is usual and refuse what is asked for above them", () => {
  const low = { ...HERE, ceilings: { timeoutSeconds: 10, memoryMb: 128 } };
  const manifest = resolve({}, tree("a.py"), low);
  assert.deepEqual([manifest.timeoutSeconds, manifest.memoryMb], [10, 128]);
  const refusal = refusalOf(() => resolve({ timeoutSeconds: 11 }, tree("a.py"), low));
  assert.equal(refusal.details, "timeout: is at most 10 here");
  assert.equal(
    refusalOf(() => resolve({ memoryMb: 129 }, tree("a.py"), low)).details,
    "memory_mb: is at most 128 here",
  );
});
