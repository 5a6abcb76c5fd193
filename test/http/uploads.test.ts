import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { Caller } from "../../src/core/caller.ts";
import { Refusal } from "../../src/core/errors.ts";
import { SHARING, TRANSFER_LIMITS } from "../../src/core/limits.ts";
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

const STEP = TRANSFER_LIMITS.uploadStepBytes;
let nowMs = 0;
const reserved: number[] = [];

function uploadsOf(limits: { total: number; totalBytes: number }): Uploads {
  const reserve = (bytes: number) => void reserved.push(bytes);
  return new Uploads({ perCaller: 2, nowMs: () => nowMs, reserve, ...limits });
}

describe("Uploads", () => {
  it("gives each caller a few places and takes them back", () => {
    const uploads = uploadsOf({ total: 10, totalBytes: 1000 });
    const upload = uploads.begin(a, 10);
    uploads.begin(a, 10);
    assert.equal(
      codeOf(() => uploads.begin(a, 10)),
      "caller_busy",
    );
    uploads.begin(b, 10);
    upload.end();
    uploads.begin(a, 10);
  });

  it("bounds places and bytes of all callers", () => {
    const few = uploadsOf({ total: 2, totalBytes: 1000 });
    few.begin(a, 1);
    few.begin(b, 1);
    assert.equal(
      codeOf(() => few.begin(c, 1)),
      "queue_full",
    );
    const small = uploadsOf({ total: 10, totalBytes: 100 });
    const upload = small.begin(a, 50);
    assert.equal(
      codeOf(() => small.begin(b, 51)),
      "queue_full",
    );
    assert.equal(small.heldBytes, 50);
    upload.end();
    upload.end();
    small.begin(b, 100);
    assert.equal(small.heldBytes, 100);
  });

  it("asks for room in memory before a byte is read", () => {
    reserved.length = 0;
    uploadsOf({ total: 2, totalBytes: 1000 }).begin(a, 70);
    assert.deepEqual(reserved, [70]);
    const full = new Uploads({
      perCaller: 2,
      total: 2,
      totalBytes: 1000,
      nowMs: () => 0,
      reserve: () => {
        throw new Refusal("queue_full");
      },
    });
    assert.equal(
      codeOf(() => full.begin(a, 1)),
      "queue_full",
    );
    assert.equal(full.heldBytes, 0);
  });

  it("gives a newcomer the place, or the bytes, of whoever holds more than it would", () => {
    const few = uploadsOf({ total: 3, totalBytes: 1000 });
    const [kept, lost] = [few.begin(a, 1), few.begin(a, 1)];
    few.begin(b, 1);
    few.begin(c, 1);
    assert.equal(kept.gaveWay.aborted, false);
    assert.equal(lost.gaveWay.aborted, true);
    assert.ok(lost.gaveWay.reason instanceof Refusal);
    lost.end();
    assert.equal(
      codeOf(() => few.begin(c, 1)),
      "queue_full",
      "among equals nobody gives way",
    );
    assert.equal(few.heldBytes, 3);
    const small = uploadsOf({ total: 10, totalBytes: 100 });
    const large = small.begin(a, 90);
    small.begin(b, 40);
    assert.equal(large.gaveWay.aborted, true);
    assert.equal(small.heldBytes, 40);
  });

  it("gives a newcomer the place of one that is slow, not of one that is not", () => {
    nowMs = 0;
    const quickBytes = 10 * SHARING.slowBytesPerSecond;
    const few = uploadsOf({ total: 2, totalBytes: 3 * quickBytes });
    const [slow, quick] = [few.begin(a, quickBytes), few.begin(b, quickBytes)];
    nowMs = 10_000;
    quick.count(quickBytes);
    slow.count(quickBytes - 1);
    few.begin(c, quickBytes);
    assert.equal(slow.gaveWay.aborted, true);
    assert.equal(quick.gaveWay.aborted, false);
  });

  it("gives one of undeclared length memory in steps, as its bytes come", () => {
    reserved.length = 0;
    const uploads = uploadsOf({ total: 2, totalBytes: 10 * STEP });
    const upload = uploads.begin(a, undefined);
    assert.deepEqual(reserved, [STEP], "some before a byte is read");
    upload.count(STEP);
    assert.equal(uploads.heldBytes, STEP);
    upload.count(1);
    upload.count(STEP - 1);
    assert.equal(uploads.heldBytes, 2 * STEP);
    upload.count(2 * STEP + 1);
    assert.deepEqual(reserved, [STEP, STEP, 3 * STEP]);
    upload.end();
    assert.equal(uploads.heldBytes, 0);
  });

  it("refuses one that grows beyond all room, and takes room from whoever holds more", () => {
    const uploads = uploadsOf({ total: 10, totalBytes: 4 * STEP });
    const [grows, holds] = [uploads.begin(a, undefined), uploads.begin(b, 3 * STEP)];
    grows.count(2 * STEP);
    assert.equal(holds.gaveWay.aborted, true);
    const other = uploads.begin(c, 2 * STEP);
    assert.equal(
      codeOf(() => grows.count(1)),
      "queue_full",
      "it would hold most itself",
    );
    assert.equal(
      codeOf(() => grows.count(5 * STEP)),
      "queue_full",
    );
    assert.equal(other.gaveWay.aborted, false);
    assert.equal(uploads.heldBytes, 4 * STEP);
    holds.count(9 * STEP);
    assert.equal(uploads.heldBytes, 4 * STEP, "who gave way holds nothing more");
  });

  it("counts a network as four callers", () => {
    const many = uploadsOf({ total: 100, totalBytes: 1000 });
    const member = (i: number) => ({ key: `m${i}`, group: "net" });
    for (let i = 0; i < 8; i++) many.begin(member(i), 1);
    assert.equal(
      codeOf(() => many.begin(member(9), 1)),
      "caller_busy",
    );
    many.begin(a, 1);
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

  it("of undeclared length fit where memory is short, as far as they are small", async () => {
    const rig = makeRig({ ramBudgetBytes: 64 * STEP });
    rig.runner.script = echo;
    const sent = (bytes: number) => {
      const { readable, writer } = slowBody();
      const boundary = "--b\r\nContent-Disposition: form-data; name=";
      const head = `${boundary}"manifest"\r\n\r\n{"interpreter":"python3","entrypoint":"a.py"}\r\n`;
      const write = async () => {
        await writer.write(Buffer.from(`${head}${boundary}"files"; filename="a.py"\r\n\r\nhello`));
        for (let left = bytes; left > 0; left -= 65_536) await writer.write(Buffer.alloc(65_536));
        await writer.write(Buffer.from("\r\n--b--\r\n"));
        await writer.close();
      };
      write().catch(() => undefined);
      const headers = { "Content-Type": "multipart/form-data; boundary=b" };
      const init = { method: "POST", headers, body: readable, duplex: "half" as const };
      return rig.app.request("/run", init);
    };
    const small = await readAnswer(await sent(0));
    assert.deepEqual([small.status, small.json?.stdout], [200, "hello"]);
    // Of a quarter of the budget, for all uploads.
    const large = await readAnswer(await sent(20 * STEP));
    assert.deepEqual([large.status, large.json?.code], [503, "queue_full"]);
    assert.ok(Number(large.json?.retry_after) > 0);
    assert.equal((await readAnswer(await sent(0))).status, 200, "it holds nothing any more");
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
