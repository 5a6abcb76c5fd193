/** Answers that nobody takes: what becomes of them, and who gives way. */
import assert from "node:assert/strict";
import { EventEmitter, once } from "node:events";
import type { IncomingMessage, ServerResponse } from "node:http";
import { describe, it } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { connect } from "node:tls";
import { MIB, SHARING } from "../../src/core/limits.ts";
import { selfSignedCertificate } from "../../src/http/selfsigned.ts";
import { Unread } from "../../src/http/unread.ts";
import { ask, makeRig, post } from "../fakes/service.ts";
import { openSocket, serveRig, until, type WireRig } from "../fakes/wire.ts";

const BODY = '{"code":"1"}';
const RUN = `POST /run HTTP/1.1\r\nHost: h\r\nContent-Type: application/json\r\nContent-Length: ${BODY.length}\r\n\r\n${BODY}`;
/** Printed; the answer has it twice, which is more than the buffers of any connection hold. */
const PRINTED = 10 * MIB;
const SHORT_MS = 200;

async function servedWith(tls?: { cert: string; key: string }): Promise<WireRig> {
  const rig = makeRig();
  rig.runner.script = (run) => {
    run.print(Buffer.alloc(PRINTED, "x"));
    run.end();
  };
  const limits = { stallMs: SHORT_MS, idleMs: 600_000 };
  return serveRig({ limits, unread: rig.unread, ...(tls === undefined ? {} : { tls }) }, rig);
}

async function untilNobodyIsConnected(rig: WireRig): Promise<void> {
  while (rig.server.traffic.connections > 0) await sleep(5);
}

describe("S14: an answer that is not taken", () => {
  it("is cut, and its job and its bytes are gone", async () => {
    const rig = await servedWith();
    const socket = await openSocket(rig.port);
    socket.write(RUN);
    const head = await until(socket, (text) => text.includes("\r\n\r\n"));
    const id = /^sandrun-job-id: (\S+)/im.exec(head)?.[1] ?? assert.fail(head);
    assert.ok(rig.unread.heldBytes > PRINTED / 2);
    assert.notEqual(rig.engine.find(id), undefined);
    await untilNobodyIsConnected(rig);
    assert.equal(rig.unread.heldBytes, 0);
    assert.equal(rig.engine.find(id), undefined);
    socket.destroy();
    await rig.stop();
  });

  it("is cut over TLS, too", async () => {
    const { certPem, keyPem } = selfSignedCertificate("h", Date.now());
    const rig = await servedWith({ cert: certPem, key: keyPem });
    const socket = connect({ port: rig.port, host: "127.0.0.1", rejectUnauthorized: false });
    socket.on("error", () => socket.destroy());
    await once(socket, "secureConnect");
    socket.write(RUN);
    await rig.runner.next();
    while (rig.unread.heldBytes === 0) await sleep(1);
    await untilNobodyIsConnected(rig);
    assert.equal(rig.unread.heldBytes, 0);
    socket.destroy();
    await rig.stop();
  });

  it("is not cut while some of it is taken now and then, and the next one may be waited for", async () => {
    const rig = await servedWith();
    const socket = await openSocket(rig.port);
    socket.write(RUN);
    await rig.runner.next();
    let got = 0;
    // Several times as long as nothing may be taken.
    for await (const chunk of socket.iterator({ destroyOnReturn: false })) {
      got += (chunk as Buffer).length;
      if (got > 2 * PRINTED) break;
      if (got % 7 === 0) await sleep(SHORT_MS / 10);
    }
    while (rig.unread.heldBytes > 0) await sleep(1);
    rig.runner.script = undefined;
    socket.write(RUN);
    const late = await rig.runner.next();
    await sleep(3 * SHORT_MS);
    late.print("late");
    late.end();
    let text = "";
    for await (const chunk of socket) {
      text += String(chunk);
      if (text.includes('"late"')) break;
    }
    assert.match(text, /"late"/);
    await rig.stop();
  });

  it("is cut on its connection, not the job that somebody else asks for", async () => {
    const rig = await servedWith();
    const socket = await openSocket(rig.port);
    socket.write(RUN);
    while (rig.unread.heldBytes === 0) await sleep(1);
    const { status, json } = await post(rig, "/submit", { code: "1" });
    assert.equal(status, 202);
    await untilNobodyIsConnected(rig);
    assert.equal((await ask(rig, `/status/${json?.job_id}`)).json?.status, "completed");
    socket.destroy();
    await rig.stop();
  });
});

describe("S23: answers that are not taken, all together", () => {
  /** A connection of that caller, which holds so much. */
  function held(unread: Unread, caller: string, bytes: number) {
    const events = new EventEmitter();
    const socket = Object.assign(events, {
      destroyed: false,
      remoteAddress: caller,
      timeout: 0,
      setTimeout: () => undefined,
      destroy: (): void => {
        socket.destroyed = true;
        events.emit("close");
      },
    });
    const answer = Object.assign(new EventEmitter(), { writableLength: bytes });
    const request = { socket, headers: {} } as unknown as IncomingMessage;
    unread.made(request, answer as unknown as ServerResponse, { stallMs: 1, idleMs: 1 });
    return { isCut: () => socket.destroyed, taken: () => answer.emit("finish") };
  }

  let nowMs = 0;
  const unreadOf = (totalBytes: number) =>
    new Unread({
      totalBytes,
      nowMs: () => nowMs,
      identify: (address = "") => ({
        key: address,
        group: address.startsWith("net") ? "net" : undefined,
      }),
    });

  it("hold no more than their sum may be: the oldest of whoever holds most is cut", () => {
    const unread = unreadOf(100 * MIB);
    const first = held(unread, "a", 30 * MIB);
    const second = held(unread, "a", 30 * MIB);
    const other = held(unread, "b", 39 * MIB);
    assert.deepEqual([first.isCut(), unread.heldBytes], [false, 99 * MIB]);
    const newcomer = held(unread, "c", 20 * MIB);
    assert.deepEqual(
      [first, second, other, newcomer].map((one) => one.isCut()),
      [true, false, false, false],
    );
    other.taken();
    newcomer.taken();
    assert.equal(unread.heldBytes, 30 * MIB);
  });

  it("are cut first where they are slow, whoever holds most", () => {
    nowMs = 0;
    const unread = unreadOf(100 * MIB);
    const slow = held(unread, "a", 10 * MIB);
    nowMs = (1000 * 11 * MIB) / SHARING.slowBytesPerSecond;
    const large = held(unread, "b", 80 * MIB);
    held(unread, "c", 20 * MIB);
    assert.deepEqual([slow.isCut(), large.isCut()], [true, false]);
  });

  it("count a network as one, and let a single one be as large as it is", () => {
    nowMs = 0;
    const unread = unreadOf(100 * MIB);
    const alone = held(unread, "a", 140 * MIB);
    assert.equal(alone.isCut(), false);
    alone.taken();
    const members = ["net1", "net2", "net3"].map((name) => held(unread, name, 20 * MIB));
    const other = held(unread, "b", 45 * MIB);
    assert.deepEqual(
      [...members, other].map((one) => one.isCut()),
      [true, false, false, false],
    );
    assert.equal(unread.heldBytes, 85 * MIB);
  });
});
