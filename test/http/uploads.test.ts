import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { Caller } from "../../src/core/caller.ts";
import { Refusal } from "../../src/core/errors.ts";
import { Uploads } from "../../src/http/uploads.ts";
import { echo, makeRig, post, readAnswer, settle } from "../fakes/service.ts";

const [a, b, c] = ["a", "b", "c"].map((key) => ({ key, group: undefined })) as [
  Caller,
  Caller,
  Caller,
];

function codeOf(action: () => unknown): string {
  try {
    action();
  } catch (error) {
    if (error instanceof Refusal) return error.code;
    throw error;
  }
  return "none";
}

describe("Uploads", () => {
  it("gives each caller a few places and takes them back", () => {
    const uploads = new Uploads({ perCaller: 2, total: 10, totalBytes: 1000 });
    const end = uploads.begin(a, 10);
    uploads.begin(a, 10);
    assert.equal(
      codeOf(() => uploads.begin(a, 10)),
      "caller_busy",
    );
    uploads.begin(b, 10);
    end();
    uploads.begin(a, 10);
  });

  it("bounds places and bytes of all callers", () => {
    const few = new Uploads({ perCaller: 2, total: 2, totalBytes: 1000 });
    few.begin(a, 1);
    few.begin(b, 1);
    assert.equal(
      codeOf(() => few.begin(c, 1)),
      "queue_full",
    );
    const small = new Uploads({ perCaller: 2, total: 10, totalBytes: 100 });
    const end = small.begin(a, 60);
    assert.equal(
      codeOf(() => small.begin(b, 41)),
      "queue_full",
    );
    end();
    small.begin(b, 100);
  });
});

describe("bodies under way", () => {
  /** A chunked body that the test ends. */
  function slowBody() {
    const { readable, writable } = new TransformStream<Uint8Array, Uint8Array>();
    return { readable, writer: writable.getWriter() };
  }

  it("are at most two of one caller; small ones that say so do not count", async () => {
    const rig = makeRig();
    rig.runner.script = echo;
    const headers = { "Content-Type": "text/plain" };
    const bodies = [slowBody(), slowBody()];
    const init = (readable: ReadableStream) => ({
      method: "POST",
      headers,
      body: readable,
      duplex: "half" as const,
    });
    const begun = bodies.map(({ readable }) => rig.app.request("/run", init(readable)));
    await settle();
    const third = await readAnswer(await rig.app.request("/run", init(slowBody().readable)));
    assert.deepEqual([third.status, third.json?.code], [429, "caller_busy"]);
    assert.ok(Number(third.json?.retry_after) > 0);
    const small = await post(rig, "/run", "print(1)", {
      headers: { ...headers, "Content-Length": "8" },
    });
    assert.equal(small.status, 200);
    for (const { writer } of bodies) {
      await writer.write(Buffer.from("done"));
      await writer.close();
    }
    for (const answer of await Promise.all(begun)) assert.equal(await answer.text(), "done");
  });

  it("give their place back when they break off or are refused", async () => {
    const rig = makeRig();
    for (let i = 0; i < 5; i++) {
      const broken = slowBody();
      const asked = rig.app.request("/run", {
        method: "POST",
        headers: { "Content-Type": "text/plain" },
        body: broken.readable,
        duplex: "half" as const,
      });
      await broken.writer.write(Buffer.from("x"));
      await broken.writer.abort(new Error("gone"));
      assert.equal((await asked).status, 400);
    }
  });
});
