/** Crowds and floods: many readers, tiny pieces, readers that begin anywhere. */
import assert from "node:assert/strict";
import { once } from "node:events";
import { connect } from "node:net";
import { describe, it } from "node:test";
import { STREAM_LIMITS } from "../../src/core/limits.ts";
import { Places } from "../../src/http/places.ts";
import { LogBuffer } from "../../src/store/log.ts";
import { makeRig, settle } from "../fakes/service.ts";
import { serveRig } from "../fakes/wire.ts";
import { bytesOf, submitJob, Talker } from "./live.ts";

describe("S20: a crowd", () => {
  it("of 1,000 readers, of whom half read nothing, sees all of a job", async () => {
    const rig = await serveRig(undefined, makeRig({ behindProxy: true }));
    const id = await submitJob(rig);
    const run = await rig.runner.next();
    const url = `ws://127.0.0.1:${rig.port}/logs/${id}`;
    // Each from an address of its own, as a proxy tells it; half of them read nothing.
    const readers: Talker[] = [];
    const sleepers = [];
    for (let i = 0; i < 500; i++) {
      const headers = { "X-Forwarded-For": `198.51.${i >> 8}.${i & 255}` };
      readers.push(await new Talker(url, { headers }).open());
      const socket = connect(rig.port, "127.0.0.1");
      await once(socket, "connect");
      const lines = [
        `GET /logs/${id} HTTP/1.1`,
        "Host: h",
        "Upgrade: websocket",
        "Connection: Upgrade",
        "Sec-WebSocket-Version: 13",
        "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==",
        `X-Forwarded-For: 203.0.${i >> 8}.${i & 255}`,
      ];
      socket.write(`${lines.join("\r\n")}\r\n\r\n`);
      socket.pause();
      sleepers.push(socket);
    }
    const printed = 50 * 4000;
    for (let i = 0; i < 50; i++) {
      run.print("x".repeat(4000));
      await settle();
    }
    run.end();
    const ends = await Promise.all(
      readers.map(async (reader) => {
        const frames = await reader.rest();
        assert.equal(bytesOf(frames).length, printed);
        return frames.filter(({ end }) => end !== undefined).length;
      }),
    );
    assert.ok(ends.every((count) => count === 1));
    for (const socket of sleepers) socket.destroy();
    await rig.stop();
  });

  it("looks at a busy job less often the larger it is", () => {
    const places = new Places({ perCaller: 1, total: 1000 });
    const leave = Array.from({ length: 800 }, (_, index) => places.take(String(index)));
    assert.equal(places.restMs, 100);
    for (const one of leave) one();
    assert.equal(places.restMs, 0);
  });

  it("a log of single bytes in turn is read from anywhere, at a cost that does not grow with the place", () => {
    const log = new LogBuffer(1_000_000);
    for (let i = 0; i < 1_000_000; i++) {
      log.append({ stream: i % 2 === 0 ? "stdout" : "stderr", bytes: new Uint8Array([i & 255]) });
    }
    const open = (place: number): number => {
      const begun = performance.now();
      for (let i = 0; i < 200; i++) log.openReader(place + i).peek(STREAM_LIMITS.frameBytes);
      return performance.now() - begun;
    };
    open(1000);
    const near = open(60_000);
    const far = open(990_000);
    assert.ok(far < 20 * near + 50, `${far} against ${near}`);
    const reader = log.openReader(500_001);
    for (let place = 500_001; place < 510_000; place++) {
      const chunk = reader.peek(STREAM_LIMITS.frameBytes);
      assert.deepEqual(
        [chunk?.stream, chunk?.bytes[0], chunk?.bytes.length],
        [place % 2 === 0 ? "stdout" : "stderr", place & 255, 1],
      );
      reader.skip(1);
    }
  });

  it("a log of single bytes in turn reaches a reader whole, while others are served", async () => {
    const rig = await serveRig();
    const id = await submitJob(rig);
    const run = await rig.runner.next();
    for (let i = 0; i < 100_000; i++) run.print("x", i % 2 === 0 ? "stdout" : "stderr");
    run.end();
    await settle();
    const reading = new Talker(`ws://127.0.0.1:${rig.port}/logs/${id}`).rest();
    let isRead = false;
    void reading.then(() => {
      isRead = true;
    });
    let answers = 0;
    while (!isRead) {
      const response = await fetch(`http://127.0.0.1:${rig.port}/health`);
      assert.equal(response.status, 200);
      await response.arrayBuffer();
      answers += 1;
    }
    assert.equal(bytesOf(await reading).length, 100_000);
    assert.ok(answers > 20, String(answers));
    await rig.stop();
  });
});
