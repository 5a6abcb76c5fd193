import assert from "node:assert/strict";
import { describe, it, type TestContext } from "node:test";
import { makeRig, post } from "../fakes/service.ts";

/** Every buffer of its own memory that is made while the test runs. */
function watchBuffers(t: TestContext): Buffer[] {
  const made: Buffer[] = [];
  const make = Buffer.allocUnsafeSlow;
  t.mock.method(Buffer, "allocUnsafeSlow", (size: number) => {
    const buffer = make(size).fill(0);
    made.push(buffer);
    return buffer;
  });
  return made;
}

const SECRET = "a secret that nobody may find";

describe("what a request brought in", () => {
  const refused: readonly [string, string, unknown][] = [
    ["code whose manifest is refused", "/run?timeout=0", SECRET],
    ["code for an interpreter that is not there", "/run?interpreter=perl", SECRET],
    ["JSON whose manifest is refused", "/run", { code: SECRET, timeout: 0 }],
    ["JSON that is no job", "/run", { nonsense: SECRET }],
  ];
  for (const [name, path, body] of refused) {
    it(`is overwritten: ${name}`, async (t) => {
      const buffers = watchBuffers(t);
      const { status } = await post(makeRig(), path, body);
      assert.equal(status, 400);
      assert.ok(buffers.length > 0);
      assert.ok(buffers.every((buffer) => !buffer.includes(SECRET)));
    });
  }

  it("is overwritten as the buffer grows, and when it grows too large", async (t) => {
    const buffers = watchBuffers(t);
    const body = ReadableStream.from(
      Array.from({ length: 2000 }, () => Buffer.from(SECRET.repeat(150))),
    );
    const init = { body, duplex: "half" } as RequestInit;
    const headers = { "Content-Type": "text/plain" };
    const { status } = await post(makeRig(), "/run", "", { headers, ...init });
    assert.equal(status, 413);
    assert.ok(buffers.length > 5);
    assert.ok(buffers.every((buffer) => !buffer.includes(SECRET)));
  });

  it("is overwritten once the program starts, while it still runs", async (t) => {
    const buffers = watchBuffers(t);
    const rig = makeRig();
    const asked = post(rig, "/run", SECRET);
    const run = await rig.runner.next();
    assert.ok(
      buffers.some((buffer) => buffer.includes(SECRET)),
      "the box has not got it yet",
    );
    run.start();
    assert.ok(buffers.every((buffer) => !buffer.includes(SECRET)));
    run.end();
    assert.equal((await asked).status, 200);
  });
});
