/** Copies of a job's bytes that an answer was made from do not stay behind it. */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { OutputFile } from "../../src/core/job.ts";
import { inlineFiles, logsAnswer } from "../../src/http/answers.ts";
import { newRecord } from "../../src/store/record.ts";
import { FakeOutputs } from "../fakes/runner.ts";

/** Notes each piece that it gives out. */
class NotedOutputs extends FakeOutputs {
  readonly pieces: Uint8Array[] = [];

  override async *read(file: OutputFile): AsyncGenerator<Uint8Array> {
    for await (const piece of super.read(file)) {
      this.pieces.push(piece);
      yield piece;
    }
  }
}

const isClear = (bytes: Uint8Array) => bytes.every((byte) => byte === 0);

test("S21: files that go into an answer are overwritten where they were read", async () => {
  const outputs = new NotedOutputs({ one: "a".repeat(100_000), two: "b" });
  const { files } = await inlineFiles(outputs);
  assert.equal(Buffer.from(files[0]?.base64 ?? "", "base64").toString(), "a".repeat(100_000));
  assert.ok(outputs.pieces.length >= 3);
  assert.ok(outputs.pieces.every(isClear));
});

test("S21: so is what was printed, both streams of it", () => {
  const job = newRecord("id", { key: "caller", group: undefined }, 0);
  for (const stream of ["stdout", "stderr", "stdout"] as const)
    job.log.append({ stream, bytes: Buffer.from(`to ${stream};`) });
  const whole = job.log.only("stdout");
  assert.equal(whole.toString(), "to stdout;to stdout;");
  assert.ok(
    isClear(new Uint8Array(whole.buffer, whole.length)),
    "the other stream's bytes are gone",
  );
  const copies: Buffer[] = [];
  const noted = {
    ...job,
    log: {
      only: (stream: "stdout" | "stderr") => {
        const copy = job.log.only(stream);
        copies.push(copy);
        return copy;
      },
      truncated: () => false,
    } as unknown as typeof job.log,
  };
  assert.equal(logsAnswer(noted).stderr, "to stderr;");
  assert.ok(copies.length === 2 && copies.every(isClear));
});
