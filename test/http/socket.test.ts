import assert from "node:assert/strict";
import { once } from "node:events";
import { connect } from "node:net";
import { describe, it } from "node:test";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import * as v from "valibot";
import { STREAM_LIMITS } from "../../src/core/limits.ts";
import { streamFrameSchema } from "../../src/http/schemas.ts";
import { selfSignedCertificate } from "../../src/http/selfsigned.ts";
import { makeRig, settle } from "../fakes/service.ts";
import { exchange, openSocket, serveRig, until, untilClosed, type WireRig } from "../fakes/wire.ts";
import { bytesOf, submitJob, Talker } from "./live.ts";

function urlOf(rig: WireRig, id: string, rest = ""): string {
  return `ws://127.0.0.1:${rig.port}/logs/${id}${rest}`;
}

/** An upgrade request by hand. */
function handshake(path: string, ...more: string[]): string {
  const lines = [
    `GET ${path} HTTP/1.1`,
    "Host: h",
    "Upgrade: websocket",
    "Connection: Upgrade",
    "Sec-WebSocket-Version: 13",
    "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==",
    ...more,
  ];
  return `${lines.join("\r\n")}\r\n\r\n`;
}

/** A client's frame with the mask 0. */
function clientFrame(firstByte: number, payload: Buffer): Buffer {
  const { length } = payload;
  const head =
    length < 126 ? [firstByte, 0x80 | length] : [firstByte, 0x80 | 126, length >> 8, length & 255];
  return Buffer.concat([Buffer.from([...head, 0, 0, 0, 0]), payload]);
}

/** Of buffers, once those that nobody refers to were let go, which takes a few rounds. */
async function heldBytes(): Promise<number> {
  setFlagsFromString("--expose-gc");
  const collect: () => void = runInNewContext("gc");
  let held = Number.POSITIVE_INFINITY;
  for (let unchanged = 0; unchanged < 3; ) {
    collect();
    await settle();
    const { arrayBuffers } = process.memoryUsage();
    unchanged = arrayBuffers < held ? 0 : unchanged + 1;
    held = Math.min(held, arrayBuffers);
  }
  return held;
}

describe("S20: a job over a WebSocket", () => {
  it("tells all of it with one end, then closes, at both addresses", async () => {
    const rig = await serveRig();
    const id = await submitJob(rig);
    const run = await rig.runner.next();
    run.print("a");
    const talkers = [
      await new Talker(urlOf(rig, id)).open(),
      await new Talker(urlOf(rig, id, "/stream")).open(),
    ];
    await talkers[1]?.until(({ data }) => data === "a");
    run.print(Buffer.from([0xff]), "stderr");
    run.end({ outcome: { kind: "exited", exitCode: 3 } });
    for (const [index, talker] of talkers.entries()) {
      const frames = await talker.rest();
      for (const frame of frames) v.parse(streamFrameSchema, frame);
      const ends = frames.filter(({ end }) => end !== undefined);
      assert.deepEqual(
        ends.map(({ end, seq }) => [seq, end]),
        [[3, { kind: "exited", exit_code: 3 }]],
      );
      assert.equal(frames.at(-1), ends[0]);
      assert.deepEqual([...bytesOf(frames)], index === 0 ? [0x61, 0xff] : [0xff]);
      assert.equal(talker.closed, 1000);
    }
    await rig.stop();
  });

  it("goes on after a number", async () => {
    const rig = await serveRig();
    const id = await submitJob(rig);
    const run = await rig.runner.next();
    run.print("abcdef");
    run.end();
    await settle();
    assert.equal(bytesOf(await new Talker(urlOf(rig, id, "?from=4")).rest()).toString(), "ef");
    const done = new Talker(urlOf(rig, id, "?from=7"));
    assert.deepEqual(await done.rest(), []);
    assert.equal(done.closed, 1000);
    await rig.stop();
  });

  it("works over TLS", async () => {
    const { certPem, keyPem } = selfSignedCertificate("h", Date.now());
    const rig = await serveRig({ tls: { cert: certPem, key: keyPem } });
    const id = await submitJob(rig);
    (await rig.runner.next()).end();
    const url = `wss://127.0.0.1:${rig.port}/logs/${id}`;
    const frames = await new Talker(url, { rejectUnauthorized: false }).rest();
    assert.ok(frames.at(-1)?.end);
    await rig.stop();
  });

  it("passes on input, its end and signals, and says what was taken", async () => {
    const rig = await serveRig();
    const id = await submitJob(rig, { interactive: true });
    const run = await rig.runner.next();
    const talker = await new Talker(urlOf(rig, id)).open();
    talker.send({ stdin: "before the start\n" });
    talker.send({ signal: "SIGINT" });
    assert.equal((await talker.until(({ error }) => error !== undefined)).code, "not_running");
    run.start();
    assert.equal(
      (await talker.until(({ stdin_taken }) => stdin_taken !== undefined)).stdin_taken,
      17,
    );
    talker.send({ stdin: "w6k=", encoding: "base64" });
    talker.send({ stdin_end: true });
    talker.send({ signal: "SIGUSR1" });
    talker.send({ resize: [120, 40] });
    await talker.until(({ stdin_taken }) => stdin_taken === 19);
    talker.send({ stdin: "late" });
    assert.equal((await talker.until(({ error }) => error !== undefined)).code, "stdin_closed");
    assert.deepEqual(
      run.told,
      ["before the start\n", "é", "end", "SIGUSR1", "120x40"].toSorted(byOrder(run.told)),
    );
    run.end();
    await talker.until(({ end }) => end !== undefined);
    await rig.stop();
  });

  it("keeps input that came before the start, also when its sender left", async () => {
    const rig = await serveRig(undefined, makeRig({ maxRunning: 1 }));
    await submitJob(rig);
    const first = await rig.runner.next();
    const id = await submitJob(rig, { interactive: true });
    const talker = await new Talker(urlOf(rig, id)).open();
    talker.send({ stdin: "hello" });
    talker.send({ stdin_end: true });
    talker.send({ signal: "SIGINT" });
    await talker.until(({ error }) => error !== undefined);
    talker.ws.close();
    await talker.rest();
    first.end();
    const run = await rig.runner.next();
    run.start();
    await settle();
    assert.deepEqual(run.told.toSorted(), ["end", "hello"]);
    await rig.stop();
  });

  it("gives no input to a job that was not made for it", async () => {
    const rig = await serveRig();
    const id = await submitJob(rig);
    const run = await rig.runner.next();
    run.start();
    const talker = await new Talker(urlOf(rig, id)).open();
    talker.send({ stdin: "x" });
    assert.equal((await talker.until(({ error }) => error !== undefined)).code, "stdin_closed");
    assert.deepEqual(run.told, []);
    await rig.stop();
  });

  it("stops reading a flood that the program does not read, and still takes the job's end", async () => {
    const rig = await serveRig();
    const id = await submitJob(rig, { interactive: true });
    const run = await rig.runner.next();
    run.gate = new Promise(() => undefined);
    run.start();
    const talker = await new Talker(urlOf(rig, id)).open();
    const piece = JSON.stringify({ stdin: "x".repeat(32 * 1024) });
    for (let i = 0; i < 2000; i++) talker.send(piece);
    while (talker.ws.bufferedAmount === 0) await settle();
    let before = -1;
    // What was sent is 64 MB; once no more of it leaves, the rest stays with the sender.
    while (before !== talker.ws.bufferedAmount) {
      before = talker.ws.bufferedAmount;
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
    assert.ok(before > 32 * 1024 * 1024, String(before));
    run.end();
    assert.ok(await talker.until(({ end }) => end !== undefined));
    talker.ws.terminate();
    await rig.stop();
  });

  it("ends the connection for what is none of its messages, and says so once", async () => {
    const rig = await serveRig();
    const id = await submitJob(rig, { interactive: true });
    (await rig.runner.next()).start();
    const bad = [
      "",
      "{",
      "null",
      "[]",
      "1",
      "{}",
      '{"stdin":1}',
      '{"stdin":"a","signal":"SIGINT"}',
      '{"stdin_end":false}',
      '{"signal":"SIGSEGV"}',
      '{"signal":9}',
      '{"resize":[0,1]}',
      '{"resize":[1,1001]}',
      '{"resize":[1.5,1]}',
      '{"resize":[1]}',
      '{"resize":[1,2,3]}',
      '{"signal":"constructor"}',
      '{"stdin":"a","encoding":"hex"}',
      '{"stdin":"a","encoding":"base64"}',
      '{"stdin":"\\ud800"}',
      '{"__proto__":{"stdin":"a"}}',
      `{"stdin":"${"[".repeat(1000)}`,
    ];
    for (const text of bad) {
      const talker = await new Talker(urlOf(rig, id)).open();
      for (let i = 0; i < 50; i++) talker.send(text);
      const errors = (await talker.rest()).filter(({ error }) => error !== undefined);
      assert.deepEqual(
        errors.map(({ code }) => code),
        ["bad_request"],
        text,
      );
      assert.equal(talker.closed, 1008, text);
    }
    const binary = await new Talker(urlOf(rig, id)).open();
    binary.ws.send(Buffer.from('{"stdin":"a"}'));
    await binary.rest();
    assert.equal(binary.closed, 1008);
    await rig.stop();
  });

  it("does not gather refusals for a client that does not read them", async () => {
    const rig = await serveRig();
    const id = await submitJob(rig);
    const talker = await new Talker(urlOf(rig, id)).open();
    for (let i = 0; i < 20_000; i++) talker.send({ stdin: "x" });
    const errors = (await talker.rest()).filter(({ error }) => error !== undefined);
    assert.ok(errors.length < 20_000, String(errors.length));
    assert.equal(talker.closed, 1008);
    await rig.stop();
  });

  it("refuses a message that is too long, in one piece or in many", async () => {
    const rig = await serveRig();
    const id = await submitJob(rig, { interactive: true });
    const large = await new Talker(urlOf(rig, id)).open();
    large.send({ stdin: "x".repeat(STREAM_LIMITS.messageBytes) });
    await large.rest();
    assert.equal(large.closed, 1009);
    const pieces = await new Talker(urlOf(rig, id)).open();
    for (let i = 0; i < 1000; i++) pieces.ws.send(" ", { fin: false });
    await pieces.rest();
    assert.equal(pieces.closed, 1008);
    await rig.stop();
  });

  it("tells who follows that the job was destroyed, and no end", async () => {
    const rig = await serveRig();
    const id = await submitJob(rig);
    const talker = await new Talker(urlOf(rig, id)).open();
    await talker.next();
    const gone = rig.engine.destroy(id);
    const frames = await talker.rest();
    assert.deepEqual(
      frames.map(({ code }) => code),
      ["not_found"],
    );
    assert.equal(talker.closed, 1001);
    await gone;
    await rig.stop();
  });

  it("refuses a handshake in the API's own form and closes", async () => {
    const rig = await serveRig();
    const id = await submitJob(rig);
    const cases: [string, number, string][] = [
      [handshake("/logs/00000000-0000-4000-8000-000000000000"), 404, "not_found"],
      [handshake("/logs/x/stream"), 404, "not_found"],
      [handshake("/logs/%2e%2e"), 404, "not_found"],
      [handshake(`/logs/${id}?from=99`), 400, "bad_request"],
      [`${handshake(`/logs/${id}`, "Content-Length: 5")}hello`, 400, "bad_request"],
      [`${handshake(`/logs/${id}`, "Transfer-Encoding: chunked")}0\r\n\r\n`, 400, "bad_request"],
      [handshake(`/logs/${id}`).replace("Version: 13", "Version: 1"), 400, "bad_request"],
      [handshake(`/logs/${id}`).replace("AAAA==", "=="), 400, "bad_request"],
      [handshake(`/logs/${id}`).replace("Host: h\r\n", ""), 400, "bad_request"],
      [handshake(`/logs/${id}`).replace("GET", "POST"), 405, "method_not_allowed"],
    ];
    for (const [request, status, code] of cases) {
      // What would be a request of its own if the connection were kept.
      const text = await exchange(rig.port, `${request}GET /health HTTP/1.1\r\nHost: h\r\n\r\n`);
      assert.match(text, new RegExp(`^HTTP/1\\.1 ${status} `), request);
      assert.equal(text.match(/HTTP\/1\.1 \d/g)?.length, 1, text);
      const body = JSON.parse(text.slice(text.indexOf("\r\n\r\n") + 4));
      assert.equal(body.code, code, request);
    }
    await rig.stop();
  });

  it("stays HTTP for every other address and protocol", async () => {
    const rig = await serveRig();
    const id = await submitJob(rig);
    const h2c = `GET /logs/${id} HTTP/1.1\r\nHost: h\r\nUpgrade: h2c\r\nConnection: Upgrade, close\r\n\r\n`;
    assert.match(await exchange(rig.port, h2c), /^HTTP\/1\.1 200 .*"stdout"/s);
    const elsewhere = handshake("/health").replace("Upgrade\r\n", "Upgrade, close\r\n");
    assert.match(await exchange(rig.port, elsewhere), /^HTTP\/1\.1 200 .*healthy/s);
    await rig.stop();
  });

  it("counts WebSockets and event streams together, and frees what was refused", async () => {
    const rig = await serveRig();
    const id = await submitJob(rig);
    for (let i = 0; i < 2 * STREAM_LIMITS.perCaller; i++) {
      await exchange(rig.port, handshake(`/logs/${id}`).replace("Version: 13", "Version: 1"));
    }
    const talkers = [];
    for (let i = 0; i < STREAM_LIMITS.perCaller; i++) {
      talkers.push(await new Talker(urlOf(rig, id)).open());
    }
    assert.match(await exchange(rig.port, handshake(`/logs/${id}`)), /^HTTP\/1\.1 429 /);
    talkers[0]?.ws.terminate();
    let answer = "";
    while (!answer.startsWith("HTTP/1.1 101")) {
      const socket = await openSocket(rig.port);
      socket.write(handshake(`/logs/${id}`));
      answer = await until(socket, (text) => text.includes("\r\n\r\n"));
      socket.destroy();
    }
    await rig.stop();
  });

  it("holds no more than a little for a reader that never reads, and the others go on", async () => {
    const rig = await serveRig();
    const id = await submitJob(rig);
    const run = await rig.runner.next();
    const sleeper = connect(rig.port, "127.0.0.1");
    await once(sleeper, "connect");
    sleeper.write(handshake(`/logs/${id}`));
    sleeper.pause();
    const reader = await new Talker(urlOf(rig, id)).open();
    const before = await heldBytes();
    let printed = 0;
    while (printed < 9 * 1024 * 1024) {
      run.print(Buffer.alloc(60_000, "x"));
      printed += 60_000;
      await settle();
    }
    await reader.until(({ seq }) => (seq ?? 0) >= printed);
    // The log itself is 9 MB; a copy for the sleeper would be as much again.
    const grown = (await heldBytes()) - before;
    assert.ok(grown < 14 * 1024 * 1024, String(grown));
    run.end();
    await reader.until(({ end }) => end !== undefined);
    sleeper.destroy();
    await rig.stop();
  });

  it("cuts off who answers no ping: one that is silent, and one that sends half a message", async (t) => {
    t.mock.timers.enable({ apis: ["setInterval"] });
    const rig = await serveRig();
    const id = await submitJob(rig);
    const half = clientFrame(0x81, Buffer.alloc(1000, "x")).subarray(0, 500);
    for (const sent of [Buffer.alloc(0), half]) {
      const socket = await openSocket(rig.port);
      socket.write(handshake(`/logs/${id}`));
      await until(socket, (text) => text.includes("101"));
      const closed = untilClosed(socket);
      for (const byte of sent) socket.write(Buffer.from([byte]));
      await settle();
      t.mock.timers.tick(STREAM_LIMITS.heartbeatMs);
      await settle();
      t.mock.timers.tick(STREAM_LIMITS.heartbeatMs);
      await closed;
    }
    const alive = await new Talker(urlOf(rig, id)).open();
    for (let i = 0; i < 4; i++) {
      const pinged = once(alive.ws, "ping");
      t.mock.timers.tick(STREAM_LIMITS.heartbeatMs);
      await pinged;
      for (let turn = 0; turn < 20; turn++) await settle();
    }
    assert.equal(alive.ws.readyState, alive.ws.OPEN);
    await rig.stop();
  });

  it("sends followers the end when the service stops, and does not wait for those who do not read", async () => {
    const rig = await serveRig();
    const id = await submitJob(rig);
    const run = await rig.runner.next();
    const talker = await new Talker(urlOf(rig, id)).open();
    const sleeper = connect(rig.port, "127.0.0.1");
    await once(sleeper, "connect");
    sleeper.write(handshake(`/logs/${id}`));
    sleeper.pause();
    run.print(Buffer.alloc(8_000_000, "x"));
    await talker.until(({ seq }) => seq === 8_000_000);
    const stopped = Promise.all([rig.server.close(), rig.close()]);
    const frames = await talker.rest();
    assert.ok(frames.some(({ end, code }) => end !== undefined || code === "not_found"));
    await stopped;
    sleeper.destroy();
  });
});

/** The order in which a list has its items; for comparing sets of things told. */
function byOrder(list: readonly string[]): (a: string, b: string) => number {
  return (a, b) => list.indexOf(a) - list.indexOf(b);
}
