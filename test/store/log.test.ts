import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import type { StreamName } from "../../src/core/job.ts";
import { LogBuffer } from "../../src/store/log.ts";

function print(log: LogBuffer, stream: StreamName, text: string): void {
  log.append({ stream, bytes: Buffer.from(text) });
}

describe("LogBuffer", () => {
  it("keeps the order of both streams and each stream alone", () => {
    const log = new LogBuffer(100);
    print(log, "stderr", "warn ");
    print(log, "stdout", "one ");
    print(log, "stdout", "two ");
    print(log, "stderr", "end");
    assert.equal(log.both().toString(), "warn one two end");
    assert.equal(log.only("stdout").toString(), "one two ");
    assert.equal(log.only("stderr").toString(), "warn end");
  });

  it("gives back what was printed, however it was cut into chunks", () => {
    const chunk = fc.record({
      stream: fc.constantFrom<StreamName>("stdout", "stderr"),
      bytes: fc.uint8Array({ maxLength: 700 }),
    });
    fc.assert(
      fc.property(
        fc.array(chunk, { maxLength: 40 }),
        fc.integer({ min: 0, max: 9000 }),
        (chunks, limit) => {
          const log = new LogBuffer(limit);
          for (const { stream, bytes } of chunks) log.append({ stream, bytes: Buffer.from(bytes) });
          let room = limit;
          const kept = chunks.map(({ stream, bytes }) => {
            const part = bytes.subarray(0, room);
            room -= part.length;
            return { stream, bytes: part, cut: part.length < bytes.length };
          });
          assert.deepEqual(log.both(), Buffer.concat(kept.map(({ bytes }) => bytes)));
          for (const stream of ["stdout", "stderr"] as const) {
            const own = kept.filter((part) => part.stream === stream);
            assert.deepEqual(
              Buffer.from(log.only(stream)),
              Buffer.concat(own.map(({ bytes }) => bytes)),
            );
            assert.equal(
              log.truncated(stream),
              own.some(({ cut }) => cut),
            );
          }
        },
      ),
    );
  });

  it("keeps a long run's length", () => {
    const log = new LogBuffer(1_000_000);
    print(log, "stdout", "x".repeat(300_000));
    print(log, "stderr", "!");
    print(log, "stdout", "y");
    assert.equal(log.only("stdout").length, 300_001);
    assert.equal(log.only("stderr").toString(), "!");
  });

  it("cuts at the limit and says which stream was cut", () => {
    const log = new LogBuffer(5);
    print(log, "stdout", "123");
    print(log, "stderr", "45678");
    assert.equal(log.both().toString(), "12345");
    assert.equal(log.truncated("stderr"), true);
    assert.equal(log.truncated("stdout"), false);
    print(log, "stdout", "9");
    assert.equal(log.truncated("stdout"), true);
    assert.equal(log.lengthBytes, 5);
  });

  it("overwrites the chunk that it was given", () => {
    const log = new LogBuffer(3);
    const bytes = Buffer.from("secret");
    log.append({ stream: "stdout", bytes });
    assert.deepEqual(bytes, Buffer.alloc(6));
  });

  it("holds nothing after it was wiped, also of what is printed later", () => {
    const log = new LogBuffer(100);
    print(log, "stdout", "secret");
    print(log, "stderr", "secret");
    log.wipe();
    print(log, "stdout", "late");
    assert.equal(log.lengthBytes, 0);
    assert.equal(log.both().length, 0);
    assert.equal(log.only("stderr").length, 0);
  });

  it("keeps a million one-byte chunks that alternate", () => {
    const log = new LogBuffer(1_000_000);
    for (let i = 0; i < 1_000_000; i++) {
      log.append({ stream: i % 2 === 0 ? "stdout" : "stderr", bytes: new Uint8Array([i & 1]) });
    }
    assert.deepEqual(log.only("stdout"), Buffer.alloc(500_000, 0));
    assert.deepEqual(log.only("stderr"), Buffer.alloc(500_000, 1));
  });
});
