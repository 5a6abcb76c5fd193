/** What a result says of its box is what the box said: every bit of the report is read. */
import assert from "node:assert/strict";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { createServer, type Server, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { SandboxFault } from "../../src/core/errors.ts";
import { encodeHeader, encodeRequest, FRAME, LAYERS } from "../../src/core/wire.ts";
import { openLocalRunner } from "../../src/main.ts";
import { Box } from "../../src/sandbox/box.ts";
import { run } from "../support/boxes.ts";

const directory = mkdtempSync(join(tmpdir(), "sandrun-reported-"));
after(() => rmSync(directory, { recursive: true }));

const REQUEST = {
  slot: 0,
  environment: 0,
  workBytes: 4096,
  workInodes: 10,
  tmpBytes: 4096,
  tmpInodes: 10,
  shmBytes: 4096,
};
const ALL = 2 ** LAYERS.length - 1;

interface FakeKeeper {
  readonly path: string;
  /** Bytes that came in, of all connections. */
  received(): number;
  close(): Promise<void>;
}

/** Says READY with those bits to whoever connects. */
async function fakeKeeper(name: string, bits: number): Promise<FakeKeeper> {
  let received = 0;
  const answer = (socket: Socket) => {
    socket.on("error", () => undefined);
    socket.on("data", (chunk: Buffer) => {
      received += chunk.length;
    });
    socket.on("end", () => socket.end());
    const layers = new Uint8Array(4);
    new DataView(layers.buffer).setUint32(0, bits, true);
    socket.write(Buffer.concat([encodeHeader(FRAME.ready, layers.length), layers]));
  };
  const path = join(directory, name);
  const server: Server = createServer({ allowHalfOpen: true }, answer).listen(path);
  await once(server, "listening");
  return {
    path,
    received: () => received,
    close: async () => {
      server.close();
      await once(server, "close");
    },
  };
}

for (const [index, layer] of LAYERS.entries()) {
  test(`S15: a box that reports all layers but ${layer} is not used and gets no byte of a job`, async () => {
    const keeper = await fakeKeeper(layer, ALL & ~(1 << index));
    try {
      await assert.rejects(Box.build(keeper.path, REQUEST), (fault) => {
        assert.ok(fault instanceof SandboxFault);
        assert.equal(fault.step, `the layer ${layer} does not hold`);
        return true;
      });
      assert.equal(keeper.received(), encodeRequest(REQUEST).length);
    } finally {
      await keeper.close();
    }
  });
}

test("S15: a box that reports all of them is used, and they are its isolation", async () => {
  const keeper = await fakeKeeper("whole", ALL);
  try {
    const box = await Box.build(keeper.path, REQUEST);
    assert.deepEqual(box.isolation, [...LAYERS]);
    await box.destroy();
  } finally {
    await keeper.close();
  }
});

test("S15: every result names its layers, also of jobs that fail, time out or are killed", async () => {
  const runner = await openLocalRunner({ environments: {} });
  try {
    const kinds: string[] = [];
    for (const job of [
      { code: "print(1)" },
      { code: "raise SystemExit(3)" },
      { code: "import os\nos.kill(os.getpid(), 9)" },
      { code: "while True: pass", timeoutSeconds: 1 },
    ]) {
      const { outcome, finished } = await run(runner, job);
      kinds.push(outcome.kind);
      assert.deepEqual(finished.isolation, [...LAYERS], outcome.kind);
    }
    assert.deepEqual(kinds, ["exited", "exited", "signalled", "timed_out"]);
  } finally {
    await runner.close();
  }
});
