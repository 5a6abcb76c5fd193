/** One stream to a box, held against a keeper that lies: a plain socket of the test's. */
import assert from "node:assert/strict";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { createServer, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { SandboxFault } from "../../src/core/errors.ts";
import { BOX_LIMITS } from "../../src/core/limits.ts";
import { encodeHeader, FRAME, LAYERS } from "../../src/core/wire.ts";
import { Box } from "../../src/sandbox/box.ts";

const REQUEST = { slot: 0, environment: 0, ...BOX_LIMITS };

function frame(type: number, payload: Uint8Array): Buffer {
  return Buffer.concat([encodeHeader(type, payload.length), payload]);
}

function numberFrame(type: number, number: number): Buffer {
  const payload = Buffer.alloc(4);
  payload.writeUInt32LE(number);
  return frame(type, payload);
}

const READY = numberFrame(FRAME.ready, 2 ** LAYERS.length - 1);
const FAULT = frame(FRAME.fault, Buffer.from("\u0001\0\0\0mount /usr"));

/** A keeper that does `serve` with each connection. */
async function keeperOf(context: TestContext, serve: (socket: Socket) => void): Promise<string> {
  const directory = mkdtempSync(join(tmpdir(), "sandrun-box-"));
  const path = join(directory, "keeper");
  const server = createServer({ allowHalfOpen: true }, (socket) => {
    socket.on("error", () => undefined);
    serve(socket);
  });
  server.listen(path);
  await once(server, "listening");
  context.after(() => {
    server.close();
    rmSync(directory, { recursive: true });
  });
  return path;
}

async function stepOf(attempt: Promise<unknown>): Promise<string> {
  const error: unknown = await attempt.then(
    () => assert.fail("it did not fail"),
    (reason: unknown) => reason,
  );
  assert.ok(error instanceof SandboxFault);
  return error.step;
}

for (const [title, answer, step] of [
  ["a fault", FAULT, "mount /usr"],
  ["a layer that does not hold", numberFrame(FRAME.ready, 1), "the layer pid does not hold"],
  ["something else than READY", numberFrame(FRAME.started, 0), "wait for the box"],
] as const) {
  test(`a box that answers with ${title} is given back before building fails`, async (context) => {
    let isGivenBack = false;
    const path = await keeperOf(context, (socket) => {
      socket.write(answer);
      socket.once("end", () => {
        isGivenBack = true;
        socket.end();
      });
      socket.resume();
    });
    assert.equal(await stepOf(Box.build(path, REQUEST)), step);
    assert.ok(isGivenBack);
  });
}

test("a keeper that is not there is a fault", async () => {
  assert.equal(await stepOf(Box.build("/nonexistent/keeper", REQUEST)), "reach the keeper");
});

test("nothing that comes from a box after it was destroyed is believed", async (context) => {
  const path = await keeperOf(context, (socket) => {
    socket.write(READY);
    // What a program printed, cut where its own bytes look like the end of the job.
    socket.once("end", () => socket.end(frame(FRAME.exited, Buffer.alloc(32))));
    socket.resume();
  });
  const box = await Box.build(path, REQUEST);
  const waiting = stepOf(box.next());
  await box.destroy();
  assert.equal(await waiting, "the box was destroyed");
  assert.equal(await stepOf(box.next()), "the box was destroyed");
});
