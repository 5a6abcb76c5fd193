/** Bars for transfers: shown to a person for what takes a while, never in the way of anything. */
import assert from "node:assert/strict";
import { createServer } from "node:https";
import type { AddressInfo } from "node:net";
import { PassThrough } from "node:stream";
import { test } from "node:test";
import { Bar } from "../../src/cli/bar.ts";
import type { Io } from "../../src/cli/io.ts";
import { pinnedFetch } from "../../src/cli/pinned.ts";
import { showingFetch } from "../../src/cli/sending.ts";
import { selfSignedCertificate } from "../../src/http/selfsigned.ts";

/** An Io of which only stderr is looked at. */
function terminal(isTTY: boolean): { io: Io; shown: () => string } {
  const stderr = Object.assign(new PassThrough(), { isTTY });
  let text = "";
  stderr.on("data", (chunk: Buffer) => {
    text += chunk.toString();
  });
  return { io: { stderr } as Partial<Io> as Io, shown: () => text };
}

/** A clock that a test moves. */
function clock(): { nowMs: () => number; pass(ms: number): void } {
  let now = 0;
  return {
    nowMs: () => now,
    pass: (ms) => {
      now += ms;
    },
  };
}

test("a bar appears when a transfer takes long, tells the part that is done, and goes away", () => {
  const { io, shown } = terminal(true);
  const { nowMs, pass } = clock();
  const bar = new Bar(io, "sending", 20e6, nowMs);
  bar.add(1e6);
  assert.equal(shown(), "");
  pass(1000);
  bar.add(4e6);
  assert.match(shown(), /sending █{6}░{18} 25% {2}5\.0 of 20\.0 MB$/);
  bar.stop();
  assert.ok(shown().endsWith("\r\u001b[K"));
});

test("more than was announced is a full bar, an unknown size a number", () => {
  const { nowMs, pass } = clock();
  const long = terminal(true);
  const over = new Bar(long.io, "receiving", 10, nowMs);
  const open = terminal(true);
  const unknown = new Bar(open.io, "receiving", undefined, nowMs);
  pass(1000);
  over.add(1e6);
  unknown.add(1e6);
  assert.match(long.shown(), /█{24}100%/);
  assert.match(open.shown(), /receiving 1\.0 MB$/);
});

test("a pipe never sees a bar", () => {
  const { io, shown } = terminal(false);
  const { nowMs, pass } = clock();
  const bar = new Bar(io, "sending", 10, nowMs);
  pass(1000);
  bar.add(5);
  bar.stop();
  assert.equal(shown(), "");
});

test("a reader that stops in the middle takes the bar away", async () => {
  const { io, shown } = terminal(true);
  const { nowMs, pass } = clock();
  const bar = new Bar(io, "receiving", 10, nowMs);
  async function* chunks() {
    for (let i = 0; i < 3; i++) {
      pass(1000);
      yield new Uint8Array(1);
    }
  }
  for await (const _ of bar.around(chunks())) break;
  assert.ok(shown().endsWith("\r\u001b[K"));
});

test("a large body arrives whole and with its length, over a pinned connection too", async (t) => {
  const { certPem, keyPem, fingerprint } = selfSignedCertificate("localhost", Date.now());
  const came: { bytes: number; sum: number; length: string | undefined }[] = [];
  const server = createServer({ cert: certPem, key: keyPem }, async (request, response) => {
    let [bytes, sum] = [0, 0];
    for await (const chunk of request as AsyncIterable<Buffer>) {
      bytes += chunk.length;
      for (const byte of chunk) sum += byte;
    }
    came.push({ bytes, sum, length: request.headers["content-length"] });
    response.end("ok");
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  t.after(() => {
    server.closeAllConnections();
    server.close();
  });
  const url = `https://127.0.0.1:${(server.address() as AddressInfo).port}/`;
  const { io } = terminal(true);
  const send = showingFetch(pinnedFetch(fingerprint), io);
  for (const size of [1000, 3_000_001]) {
    const answer = await send(url, { method: "POST", body: new Uint8Array(size).fill(7) });
    assert.equal(await answer.text(), "ok");
    assert.deepEqual(came.pop(), { bytes: size, sum: 7 * size, length: String(size) });
  }
});
