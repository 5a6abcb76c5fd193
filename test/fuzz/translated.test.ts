/** What other protocols' clients send becomes a job of ours, or a refusal in words; nothing else. */
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { Refusal } from "../../src/core/errors.ts";
import { placeOf, uriOf } from "../../src/mcp/files.ts";
import { excerptOf, framed, newMark, visible } from "../../src/mcp/frame.ts";
import { jobOf } from "../../src/mcp/jobs.ts";
import { runCodeInput, runProjectInput, standard } from "../../src/mcp/schemas.ts";
import { Mistake, wantedOf } from "../../src/piston/request.ts";
import { runtimesOf } from "../../src/piston/runtimes.ts";
import { runs } from "./runs.ts";

const NAMES = ["__proto__", "constructor", "toString", "a.py", "../b", "/c", "d/e", "a\0b", ""];
const text = fc.oneof(fc.string(), fc.constantFrom(...NAMES));
const anything = fc.oneof(fc.jsonValue(), text, fc.integer(), fc.constant(-1), fc.constant(1e308));

const file = fc.record(
  {
    name: fc.oneof(text, anything),
    path: fc.oneof(text, anything),
    content: fc.oneof(text, anything),
    encoding: fc.oneof(fc.constantFrom("utf8", "base64", "hex"), anything),
  },
  { requiredKeys: [] },
);

const pistonBody = fc.record(
  {
    language: fc.oneof(fc.constantFrom("python", "js", "c"), anything),
    version: fc.oneof(fc.constantFrom("*", "3.x"), anything),
    files: fc.oneof(fc.array(file), anything),
    args: anything,
    stdin: fc.oneof(text, anything),
    run_timeout: anything,
    compile_timeout: anything,
    run_cpu_time: anything,
    run_memory_limit: anything,
    compile_memory_limit: anything,
  },
  { requiredKeys: [] },
);

const RUNTIMES = runtimesOf([
  { name: "python3", aliases: [], version: "3.11.2", extensions: [".py"] },
  { name: "node", aliases: [], version: "24.0.0", extensions: [".js"] },
  { name: "gcc", aliases: [], version: "12.2.0", extensions: [".c"] },
]);
const CEILINGS = { timeoutSeconds: 3600, memoryMb: 2048 };

test("a body in Piston's form is a job within all limits, or a mistake in words", () => {
  fc.assert(
    fc.property(fc.oneof(pistonBody, anything), (body) => {
      try {
        const { job } = wantedOf(body, RUNTIMES, CEILINGS);
        assert.ok((job.timeout ?? 0) >= 1 && (job.timeout ?? 0) <= 3600);
        assert.ok((job.memory_mb ?? 0) >= 64 && (job.memory_mb ?? 0) <= 2048);
        assert.ok(Object.hasOwn(job.files ?? {}, job.entrypoint ?? ""));
      } catch (error) {
        assert.ok(error instanceof Mistake, String(error));
        assert.ok(error.message.length < 1000);
      }
    }),
    runs(500),
  );
});

test("arguments of a tool are a job with nothing else in it, or a refusal in words", () => {
  const fields = fc.record(
    {
      code: fc.oneof(text, anything),
      files: fc.oneof(fc.array(file), anything),
      env: fc.oneof(fc.dictionary(text, text), anything),
      timeout: anything,
      entrypoint: text,
      ["__proto__x"]: anything,
    },
    { requiredKeys: [] },
  );
  fc.assert(
    fc.property(fields, (given) => {
      for (const schema of [standard(runCodeInput), standard(runProjectInput)]) {
        const result = schema["~standard"].validate(given);
        assert.ok(!(result instanceof Promise));
        if (result.issues !== undefined) {
          assert.ok(result.issues.every(({ message }) => message.length < 1000));
          continue;
        }
        try {
          const known = ["code", "files", "entrypoint", "env", "timeout"];
          assert.ok(Object.keys(jobOf(result.value)).every((name) => known.includes(name)));
        } catch (error) {
          assert.ok(error instanceof Refusal, String(error));
        }
      }
    }),
    runs(500),
  );
});

test("no output ends its frame, and none hides", () => {
  const printed = fc.string({ unit: "binary" });
  fc.assert(
    fc.property(printed, (output) => {
      const mark = newMark();
      const shown = framed(excerptOf(output), "stdout", mark);
      const ours = shown.split("\n").filter((line) => line.includes(mark));
      assert.equal(ours.length, 2);
      assert.doesNotMatch(shown, /(?![\n\t])[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/u);
      assert.equal(visible(visible(output)), visible(output));
    }),
    runs(500),
  );
});

test("the address of a file leads back to it, and to nothing else", () => {
  fc.assert(
    fc.property(fc.string(), fc.string({ unit: "binary" }), (jobId, path) => {
      const found = placeOf(uriOf(jobId, path));
      assert.deepEqual(found, { jobId, path: path.toWellFormed() });
      // Whatever the name, a URL does not resolve it to another place.
      assert.equal(new URL(uriOf("id", `x${path}`)).pathname.split("/").length, 3);
    }),
    runs(500),
  );
});
