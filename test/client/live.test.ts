import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { SandrunClient } from "../../src/client/client.ts";
import { ApiError } from "../../src/client/errors.ts";
import type { LiveEvent } from "../../src/client/frames.ts";
import { CLIENT_LIMITS } from "../../src/core/limits.ts";
import { settle } from "../fakes/service.ts";
import { serveRig, type WireRig } from "../fakes/wire.ts";
import { submitJob } from "../http/live.ts";

function clientOf(rig: WireRig, fetch?: (url: string, init: RequestInit) => Promise<Response>) {
  const server = `http://127.0.0.1:${rig.port}`;
  return new SandrunClient(fetch === undefined ? { server } : { server, fetch });
}

function printedIn(events: readonly LiveEvent[]): string {
  return events.map((event) => (event.kind === "printed" ? event.text : "")).join("");
}

/** A client whose server answers every request for the stream with the next of these. */
function scripted(...answers: (() => Response)[]): { client: SandrunClient; asked: string[] } {
  const asked: string[] = [];
  const fetch = async (url: string) => {
    asked.push(new URL(url).search);
    return (answers.shift() ?? (() => Response.error()))();
  };
  return { client: new SandrunClient({ server: "http://box.example", fetch }), asked };
}

function eventStream(...frames: (object | string)[]): () => Response {
  const text = frames
    .map((frame) => `data: ${typeof frame === "string" ? frame : JSON.stringify(frame)}\n\n`)
    .join("");
  return () => new Response(text, { headers: { "content-type": "text/event-stream" } });
}

const ID = "0f8fad5b-d9cb-469f-a165-70867728950e";
const END = { seq: 9, end: { kind: "exited", exit_code: 0 } };

describe("follow", () => {
  it("gives what is printed, as bytes and as text, and the end", async () => {
    const rig = await serveRig();
    const id = await submitJob(rig);
    const run = await rig.runner.next();
    run.print(Buffer.from([0xe2, 0x82]));
    run.print("!", "stderr");
    run.print(Buffer.from([0xac, 0xff]));
    run.end({ outcome: { kind: "timed_out" } });
    await settle();
    const events = await Array.fromAsync(clientOf(rig).follow(id));
    const out = events.filter((event) => event.kind === "printed" && event.stream === "stdout");
    assert.equal(printedIn(out), "€\ufffd");
    const bytes = out.flatMap((event) => (event.kind === "printed" ? [...event.bytes] : []));
    assert.deepEqual(bytes, [0xe2, 0x82, 0xac, 0xff]);
    const last = events.at(-1);
    assert.ok(last?.kind === "ended");
    assert.deepEqual(last.outcome.kind, "timed_out");
    await rig.stop();
  });

  it("goes on where it was when the connection breaks, and repeats nothing", async () => {
    const rig = await serveRig();
    const id = await submitJob(rig);
    const run = await rig.runner.next();
    let cuts = 0;
    const asked: string[] = [];
    const client = clientOf(rig, async (url, init) => {
      asked.push(new URL(url).search);
      const cut = new AbortController();
      const signal = AbortSignal.any([init.signal ?? cut.signal, cut.signal]);
      const response = await fetch(url, { ...init, signal });
      if (cuts++ < 3) setTimeout(() => cut.abort(new TypeError("network")), 50);
      return response;
    });
    const reading = Array.fromAsync(client.follow(id));
    for (let i = 0; i < 40; i++) {
      run.print(`${i} `);
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
    while (cuts < 4) await new Promise((resolve) => setTimeout(resolve, 10));
    run.end();
    const events = await reading;
    assert.equal(printedIn(events), Array.from({ length: 40 }, (_, i) => `${i} `).join(""));
    assert.equal(events.filter(({ kind }) => kind === "ended").length, 1);
    assert.ok(new Set(asked).size > 1, String(asked));
    await rig.stop();
  });

  it("asks again after a stream that just stopped, from the last number", async () => {
    const { client, asked } = scripted(
      eventStream({ seq: 2, stream: "stdout", data: "ab" }),
      eventStream({ seq: 4, stream: "stdout", data: "cd" }, END),
    );
    assert.equal(printedIn(await Array.fromAsync(client.follow(ID))), "abcd");
    assert.deepEqual(asked, ["?from=0", "?from=2"]);
  });

  it("gives up at once when the server says no, or was never there", async () => {
    const gone = () => Response.json({ error: "e", code: "not_found" }, { status: 404 });
    const first = scripted(gone);
    await assert.rejects(Array.fromAsync(first.client.follow(ID)), { code: "not_found" });
    const later = scripted(eventStream({ seq: 1, stream: "stdout", data: "a" }), gone);
    await assert.rejects(Array.fromAsync(later.client.follow(ID)), { code: "not_found" });
    assert.equal(later.asked.length, 2);
    const nobody = new SandrunClient({
      server: "http://box.example",
      fetch: () => Promise.reject(new TypeError("fetch failed")),
    });
    await assert.rejects(Array.fromAsync(nobody.follow(ID)), TypeError);
  });

  it("tells that the job was destroyed", async () => {
    const { client } = scripted(eventStream({ error: "Gone.", code: "not_found" }));
    await assert.rejects(Array.fromAsync(client.follow(ID)), (error) => {
      return error instanceof ApiError && error.code === "not_found";
    });
  });

  it("believes nothing that is not of the contract", async () => {
    const bad = [
      "{",
      "1",
      "null",
      '"a"',
      { seq: 1, stream: "stdin", data: "x" },
      { seq: "1", stream: "stdout", data: "x" },
      { seq: 1, stream: "stdout", data: 1 },
      { seq: 0, stream: "stdout", data: "x" },
      { seq: 1, stream: "stdout", data: "*", encoding: "base64" },
      { seq: 1, end: { kind: "won" } },
      { seq: 1, end: 0 },
      { seq: 1.5, stream: "stdout", data: "x" },
      { queue_position: -1 },
      { error: 1 },
    ];
    for (const frame of bad) {
      const { client } = scripted(eventStream(frame));
      await assert.rejects(
        Array.fromAsync(client.follow(ID)),
        { code: "bad_answer" },
        JSON.stringify(frame),
      );
    }
    const back = scripted(
      eventStream({ seq: 5, stream: "stdout", data: "x" }, { seq: 5, stream: "stdout", data: "x" }),
    );
    await assert.rejects(Array.fromAsync(back.client.follow(ID)), { code: "bad_answer" });
    const long = scripted(eventStream("x".repeat(CLIENT_LIMITS.frameCharacters + 1)));
    await assert.rejects(Array.fromAsync(long.client.follow(ID)), { code: "bad_answer" });
    const unknown = scripted(eventStream({ of: "tomorrow" }, { status: "new" }, END));
    assert.equal((await Array.fromAsync(unknown.client.follow(ID))).length, 1);
  });

  it("ends with its reader: the connection goes and the job stays", async () => {
    const rig = await serveRig();
    const id = await submitJob(rig);
    (await rig.runner.next()).print("a");
    for (let i = 0; i < 3; i++) {
      for await (const event of clientOf(rig).follow(id)) if (event.kind === "printed") break;
    }
    const stop = new AbortController();
    const reading = Array.fromAsync(clientOf(rig).follow(id, { signal: stop.signal }));
    stop.abort(new Error("enough"));
    await assert.rejects(reading, /enough/);
    assert.equal(rig.engine.find(id)?.state, "running");
    await rig.stop();
  });
});

describe("attach", () => {
  it("talks with a job", async () => {
    const rig = await serveRig();
    const id = await submitJob(rig, { interactive: true });
    const run = await rig.runner.next();
    const job = await clientOf(rig).attach(id);
    job.signal("SIGINT");
    await job.write("hé");
    await job.write(Uint8Array.of(0x21));
    await job.end();
    const events: LiveEvent[] = [];
    for await (const event of job) {
      events.push(event);
      if (event.kind === "refused") {
        assert.equal(event.error.code, "not_running");
        run.start();
        job.signal("SIGTERM");
        run.print("ok");
      }
      if (event.kind !== "printed") continue;
      while (!run.told.includes("SIGTERM")) await settle();
      run.end();
    }
    assert.deepEqual(run.told.toSorted(), ["!", "SIGTERM", "end", "hé"]);
    assert.equal(events.at(-1)?.kind, "ended");
    await rig.stop();
  });

  it("holds its writer back while the program does not read, and never a signal", async () => {
    const rig = await serveRig();
    const id = await submitJob(rig, { interactive: true });
    const run = await rig.runner.next();
    const gate = Promise.withResolvers<void>();
    run.gate = gate.promise;
    run.start();
    const job = await clientOf(rig).attach(id);
    let isWritten = false;
    const writing = job.write("x".repeat(1_000_000)).then(() => {
      isWritten = true;
    });
    while (!run.told.includes("SIGUSR1")) {
      job.signal("SIGUSR1");
      await settle();
    }
    assert.equal(isWritten, false);
    gate.resolve();
    await writing;
    await job.end();
    while (!run.told.includes("end")) await settle();
    assert.equal(run.told.filter((word) => word.startsWith("x")).join("").length, 1_000_000);
    job.close();
    await rig.stop();
  });

  it("tells when the connection is lost, also to a writer that waits", async () => {
    const rig = await serveRig();
    const id = await submitJob(rig, { interactive: true });
    const run = await rig.runner.next();
    run.gate = new Promise(() => undefined);
    run.start();
    const job = await clientOf(rig).attach(id);
    const writing = job.write("x".repeat(1_000_000));
    const reading = Array.fromAsync(job);
    const destroyed = rig.engine.destroy(id);
    await assert.rejects(reading, { code: "not_found" });
    await assert.rejects(writing, { code: "connection_lost" });
    await destroyed;
    await assert.rejects(clientOf(rig).attach(id), { code: "connection_lost" });
    await rig.stop();
  });
});
