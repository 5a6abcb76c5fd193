/** Piston's WebSocket: what a client that knows it sends and gets. */
import assert from "node:assert/strict";
import { once } from "node:events";
import { describe, it } from "node:test";
import WebSocket from "ws";
import { STREAM_LIMITS } from "../../src/core/limits.ts";
import { pistonExtensions, pistonSockets } from "../../src/piston/http.ts";
import type { ServiceOptions } from "../../src/service.ts";
import { makeRig, settle } from "../fakes/service.ts";
import { exchange, serveRig, type WireRig } from "../fakes/wire.ts";

const INIT = { type: "init", language: "python", version: "3.x", files: [{ content: "1" }] };

function serve(options: Partial<ServiceOptions> = {}): Promise<WireRig> {
  return serveRig(
    {},
    makeRig({ extensions: pistonExtensions, sockets: pistonSockets, ...options }),
  );
}

interface Message {
  readonly type?: string;
  readonly stage?: string;
  readonly stream?: string;
  readonly data?: string;
  readonly code?: number | null;
  readonly signal?: string | null;
  readonly message?: string;
}

class Talker {
  readonly ws: WebSocket;
  readonly messages: Message[] = [];
  readonly closed: Promise<[number, string]>;
  #wake: (() => void) | undefined;

  constructor(rig: WireRig, path = "/api/v2/connect") {
    this.ws = new WebSocket(`ws://127.0.0.1:${rig.port}${path}`);
    this.ws.on("message", (data) => {
      this.messages.push(JSON.parse(String(data)));
      this.#wake?.();
    });
    this.ws.on("error", () => undefined);
    this.closed = new Promise((resolve) => {
      this.ws.once("close", (code, reason) => resolve([code, String(reason)]));
    });
  }

  async open(): Promise<this> {
    await once(this.ws, "open");
    return this;
  }

  send(message: unknown): void {
    this.ws.send(typeof message === "string" ? message : JSON.stringify(message));
  }

  async until(wanted: (message: Message) => boolean): Promise<Message> {
    for (;;) {
      const found = this.messages.find(wanted);
      if (found !== undefined) return found;
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
  }
}

async function gone(rig: WireRig): Promise<void> {
  while (rig.engine.totals().running + rig.engine.totals().waiting > 0) await settle();
}

describe("WebSocket /api/v2/connect", () => {
  for (const path of ["/api/v2/connect", "/api/v2/piston/connect"]) {
    it(`holds a conversation with a program, at ${path}`, async () => {
      const rig = await serve();
      const talker = await new Talker(rig, path).open();
      talker.send(INIT);
      const run = await rig.runner.next();
      run.start();
      run.print("name? ");
      await talker.until(({ data }) => data === "name? ");
      talker.send({ type: "data", stream: "stdin", data: "Ada\n" });
      talker.send({ type: "signal", signal: "SIGINT" });
      while (run.told.length < 2) await settle();
      assert.deepEqual([...run.told].sort(), ["Ada\n", "SIGINT"]);
      assert.equal(run.spec.manifest.interactive, true);
      run.print("bye", "stderr");
      run.end({ outcome: { kind: "exited", exitCode: 2 } });
      assert.deepEqual(await talker.closed, [4999, "Job Completed"]);
      assert.deepEqual(talker.messages, [
        { type: "runtime", language: "python", version: "3.11.2" },
        { type: "stage", stage: "run" },
        { type: "data", stream: "stdout", data: "name? " },
        { type: "data", stream: "stderr", data: "bye" },
        {
          type: "exit",
          stage: "run",
          code: 2,
          signal: null,
          status: "RE",
          message: "exited with error status 2",
        },
      ]);
      await rig.stop();
    });
  }

  it("tells the stage of a program that ended before anybody looked", async () => {
    const rig = await serve();
    rig.runner.script = (run) => {
      run.start();
      run.end({ outcome: { kind: "timed_out" } });
    };
    const talker = await new Talker(rig).open();
    talker.send(INIT);
    assert.deepEqual(await talker.closed, [4999, "Job Completed"]);
    const types = talker.messages.map(({ type }) => type);
    assert.deepEqual(types, ["runtime", "stage", "exit"]);
    assert.equal(talker.messages[2]?.signal, "SIGKILL");
    await rig.stop();
  });

  it("keeps input that comes with the wish until there is a program", async () => {
    const rig = await serve({ maxRunning: 1 });
    const first = await new Talker(rig).open();
    first.send(INIT);
    const running = await rig.runner.next();
    const second = await new Talker(rig).open();
    second.send(INIT);
    second.send({ type: "data", stream: "stdin", data: "early" });
    while (rig.engine.totals().waiting === 0) await settle();
    running.end();
    const run = await rig.runner.next();
    run.start();
    while (run.told.length === 0) await settle();
    assert.deepEqual(run.told, ["early"]);
    run.end();
    await second.closed;
    await rig.stop();
  });

  it("ends the job when the client goes, running or waiting, and leaves nothing", async () => {
    const rig = await serve({ maxRunning: 1 });
    const talkers = [await new Talker(rig).open(), await new Talker(rig).open()];
    for (const talker of talkers) talker.send(INIT);
    const run = await rig.runner.next();
    while (rig.engine.totals().waiting === 0) await settle();
    talkers[1]?.ws.terminate();
    while (rig.engine.totals().waiting > 0) await settle();
    talkers[0]?.ws.terminate();
    await gone(rig);
    assert.equal(run.signal.reason, "cancelled");
    await rig.stop();
  });

  it("leaves no job behind when the client goes at once", async () => {
    const rig = await serve();
    for (let turn = 0; turn < 10; turn++) {
      const talker = await new Talker(rig).open();
      talker.send(INIT);
      talker.ws.terminate();
      await talker.closed;
    }
    await settle();
    await gone(rig);
    await rig.stop();
  });
});

const closes: readonly (readonly [string, readonly unknown[], number])[] = [
  ["two wishes", [INIT, INIT], 4000],
  ["input before the wish", [{ type: "data", stream: "stdin", data: "x" }], 4003],
  ["a signal before the wish", [{ type: "signal", signal: "SIGINT" }], 4003],
  ["output to a stream", [INIT, { type: "data", stream: "stdout", data: "x" }], 4004],
  ["a signal that there is not", [INIT, { type: "signal", signal: "SIGSEGV" }], 4005],
  ["a signal that is none", [INIT, { type: "signal", signal: { toString: "SIGINT" } }], 4005],
  ["input that is no text", [INIT, { type: "data", stream: "stdin", data: 5 }], 4002],
  ["no JSON", ["{"], 4002],
  ["no object", ["[1]"], 4002],
  ["no JSON later", [INIT, "{"], 4002],
  ["a language that there is not", [{ ...INIT, language: "__proto__" }], 4002],
  ["a wish that the API refuses", [{ ...INIT, args: [{}] }], 4002],
  ["a path that climbs", [{ ...INIT, files: [{ name: "../x", content: "" }] }], 4002],
  ["a message that is too long", ["x".repeat(STREAM_LIMITS.messageBytes + 1)], 1009],
];

describe("S14 a wrong conversation in Piston's form", () => {
  for (const [name, messages, code] of closes) {
    it(`ends with ${code} at ${name}`, async () => {
      const rig = await serve();
      const talker = await new Talker(rig).open();
      for (const message of messages) talker.send(message);
      assert.equal((await talker.closed)[0], code);
      if (code === 4002) assert.equal(talker.messages.at(-1)?.type, "error");
      await gone(rig);
      await rig.stop();
    });
  }

  it("may not say nothing for long", async (t) => {
    t.mock.timers.enable({ apis: ["setTimeout"] });
    const rig = await serve();
    const talker = await new Talker(rig).open();
    await settle();
    t.mock.timers.tick(10_000);
    assert.deepEqual(await talker.closed, [4001, "Initialization Timeout"]);
    t.mock.timers.reset();
    await rig.stop();
  });

  it("stops reading input that the program does not take", async () => {
    const rig = await serve();
    const talker = await new Talker(rig).open();
    talker.send(INIT);
    const run = await rig.runner.next();
    const gate = Promise.withResolvers<void>();
    run.gate = gate.promise;
    run.start();
    const piece = { type: "data", stream: "stdin", data: "x".repeat(32 * 1024) };
    for (let sent = 0; sent < 64; sent++) talker.send(piece);
    run.print("still here");
    await talker.until(({ data }) => data === "still here");
    assert.equal(run.told.length, 0);
    gate.resolve();
    while (run.told.length < 64) await settle();
    run.end();
    assert.equal((await talker.closed)[0], 4999);
    await rig.stop();
  });

  it("counts for the caller: quota and places", async () => {
    const rig = await serve({ maxRunning: 1, maxWaiting: 1 });
    const talkers = [];
    for (let nth = 0; nth < 3; nth++) {
      const talker = await new Talker(rig).open();
      talker.send(INIT);
      talkers.push(talker);
      if (nth < 2)
        while (rig.engine.totals().running + rig.engine.totals().waiting <= nth) await settle();
    }
    assert.equal((await talkers[2]?.closed)?.[0], 4002);
    assert.match(
      talkers[2]?.messages[0]?.message ?? "",
      /as many jobs here as one caller may have/,
    );
    const more = [];
    for (let nth = 0; nth < STREAM_LIMITS.perCaller + 1; nth++) more.push(new Talker(rig));
    const codes = await Promise.all(
      more.map(({ ws }) =>
        Promise.race([
          once(ws, "open").then(() => 101),
          once(ws, "unexpected-response").then(([, response]) => response.statusCode),
        ]),
      ),
    );
    assert.ok(codes.includes(429), String(codes));
    for (const { ws } of [...more, ...talkers]) ws.terminate();
    await gone(rig);
    await rig.stop();
  });

  it("is no WebSocket when it is off, and no other way when it is on", async () => {
    const lines = (path: string) =>
      `GET ${path} HTTP/1.1\r\nHost: h\r\nConnection: close, Upgrade\r\nUpgrade: websocket\r\n` +
      "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n";
    const off = await serveRig();
    assert.match(await exchange(off.port, lines("/api/v2/connect")), /^HTTP\/1\.1 404 /);
    await off.stop();
    const on = await serve();
    assert.match(await exchange(on.port, lines("/api/v2/connect/x")), /^HTTP\/1\.1 404 /);
    const body = lines("/api/v2/connect").replace("\r\n\r\n", "\r\nContent-Length: 5\r\n\r\nhello");
    assert.match(await exchange(on.port, body), /^HTTP\/1\.1 400 /);
    assert.equal((await fetch(`http://127.0.0.1:${on.port}/api/v2/connect`)).status, 404);
    await on.stop();
  });
});
