import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import * as v from "valibot";
import type { StreamName } from "../../src/core/job.ts";
import { STREAM_LIMITS, TRANSFER_LIMITS } from "../../src/core/limits.ts";
import { wholeCharacters } from "../../src/http/frames.ts";
import { streamFrameSchema } from "../../src/http/schemas.ts";
import { ask, makeRig, settle } from "../fakes/service.ts";
import { serveRig } from "../fakes/wire.ts";
import { allFrames, bytesOf, eventsOf, openEvents, submitJob } from "./live.ts";

describe("S20: a job as Server-Sent Events", () => {
  it("tells what is printed as it is printed, with exactly one end, the real one", async () => {
    const rig = makeRig();
    const id = await submitJob(rig);
    const run = await rig.runner.next();
    const events = await openEvents(rig, id);
    const next = async () => (await events.next()).value;
    assert.deepEqual((await next())?.frame, { status: "running" });
    run.start();
    run.print("one ");
    assert.deepEqual(await next(), { id: "4", frame: { seq: 4, stream: "stdout", data: "one " } });
    run.print("two", "stderr");
    assert.deepEqual((await next())?.frame, { seq: 7, stream: "stderr", data: "two" });
    run.end({ outcome: { kind: "signalled", signal: "SIGSEGV" } });
    const rest = await allFrames(events);
    assert.deepEqual(rest, [
      {
        seq: 8,
        end: { kind: "signalled", signal: "SIGSEGV" },
        stdout_truncated: false,
        stderr_truncated: false,
      },
    ]);
  });

  it("gives late joiners all that is kept, and the end", async () => {
    const rig = makeRig();
    const id = await submitJob(rig);
    const run = await rig.runner.next();
    run.print("early");
    run.end();
    await settle();
    const frames = await allFrames(await openEvents(rig, id));
    for (const frame of frames) v.parse(streamFrameSchema, frame);
    assert.equal(bytesOf(frames).toString(), "early");
    assert.deepEqual(frames.at(-1)?.end, { kind: "exited", exit_code: 0 });
  });

  it("goes on after any number that was given out, by header or query", async () => {
    const rig = makeRig();
    const id = await submitJob(rig);
    const run = await rig.runner.next();
    run.print("abc");
    run.print("def", "stderr");
    run.end();
    await settle();
    for (let place = 0; place <= 6; place++) {
      const header = { "Last-Event-ID": String(place) };
      const frames = await allFrames(await openEvents(rig, id, "", header));
      assert.equal(bytesOf(frames).toString(), "abcdef".slice(place), String(place));
      const again = await allFrames(await openEvents(rig, id, `?from=${place}`));
      assert.deepEqual(again, frames);
    }
    const { status, text } = await ask(rig, `/logs/${id}?from=7`, {
      headers: { Accept: "text/event-stream" },
    });
    assert.deepEqual([status, text], [204, ""], "the end was seen");
  });

  it("refuses numbers that were never given out", async () => {
    const rig = makeRig();
    const id = await submitJob(rig);
    const run = await rig.runner.next();
    run.print("abc");
    for (const from of ["4", "-1", "1.5", "1e3", "NaN", "99999999999999999999", "", " 1", "0x1"]) {
      const path = `/logs/${id}?from=${encodeURIComponent(from)}`;
      const { status, json } = await ask(rig, path, { headers: { Accept: "text/event-stream" } });
      assert.deepEqual([status, json?.code], [400, "bad_request"], from);
    }
  });

  it("says where a job waits, and that it runs", async () => {
    const rig = makeRig({ maxRunning: 1 });
    await submitJob(rig);
    const first = await rig.runner.next();
    const id = await submitJob(rig);
    const events = await openEvents(rig, id);
    assert.deepEqual((await events.next()).value?.frame, { status: "queued", queue_position: 1 });
    first.end();
    assert.deepEqual((await events.next()).value?.frame, { status: "running" });
  });

  it("says what was cut, while the job runs and at its end", async () => {
    const rig = makeRig();
    const id = await submitJob(rig);
    const run = await rig.runner.next();
    run.print(Buffer.alloc(TRANSFER_LIMITS.printedBytes, "x"));
    const events = await openEvents(rig, id);
    let printed = 0;
    let isFull = false;
    while (!isFull) {
      const { frame } = (await events.next()).value ?? assert.fail("it ended");
      printed += frame.data?.length ?? 0;
      isFull = frame.log_full === true;
    }
    assert.equal(printed, TRANSFER_LIMITS.printedBytes);
    run.end({ dropped: { stdout: 0, stderr: 5 } });
    const [end, ...more] = await allFrames(events);
    assert.deepEqual([end?.stdout_truncated, end?.stderr_truncated], [false, true]);
    assert.deepEqual(more, []);
  });

  it("tells a reader that the job was destroyed, and invents no end", async () => {
    const rig = makeRig();
    const id = await submitJob(rig);
    const run = await rig.runner.next();
    run.print("some");
    const events = await openEvents(rig, id);
    await events.next();
    const gone = ask(rig, `/jobs/${id}`, { method: "DELETE" });
    const frames = await allFrames(events);
    assert.deepEqual(frames.at(-1)?.code, "not_found");
    assert.ok(frames.every(({ end }) => end === undefined));
    await gone;
  });

  it("tells the same to one who was slower than the job was kept", async () => {
    const rig = makeRig();
    const id = await submitJob(rig);
    const run = await rig.runner.next();
    run.print("x".repeat(3 * STREAM_LIMITS.frameBytes));
    run.end();
    await settle();
    const events = await openEvents(rig, id);
    assert.equal((await events.next()).value?.frame.seq, STREAM_LIMITS.frameBytes);
    await rig.clock.advance(61_000);
    const frames = await allFrames(events);
    assert.equal(frames.at(-1)?.code, "not_found");
    assert.ok(frames.every(({ end }) => end === undefined));
  });

  it("gives bytes that are no UTF-8 exactly, and cuts no character in two", async () => {
    const pieces = fc.array(
      fc.record({
        stream: fc.constantFrom<StreamName>("stdout", "stderr"),
        bytes: fc.oneof(
          fc.uint8Array({ maxLength: 12 }),
          fc.string({ unit: "grapheme", maxLength: 12 }).map((text) => Buffer.from(text)),
          fc.constantFrom(
            Buffer.from([0xe2]),
            Buffer.from([0x82, 0xac]),
            Buffer.from([0xf0, 0x9f]),
          ),
        ),
      }),
      { maxLength: 12 },
    );
    await fc.assert(
      fc.asyncProperty(pieces, fc.boolean(), async (printed, isLive) => {
        const rig = makeRig();
        const id = await submitJob(rig);
        const run = await rig.runner.next();
        const reading = isLive ? allFrames(await openEvents(rig, id)) : undefined;
        for (const { stream, bytes } of printed) {
          run.print(bytes, stream);
          if (isLive) await settle();
        }
        run.end();
        await settle();
        const frames = await (reading ?? allFrames(await openEvents(rig, id)));
        for (const stream of ["stdout", "stderr"]) {
          const wanted = printed.filter((piece) => piece.stream === stream);
          const all = Buffer.concat(wanted.map(({ bytes }) => bytes));
          assert.deepEqual(bytesOf(frames, stream), all);
        }
        const order = Buffer.concat(printed.map(({ bytes }) => bytes));
        assert.deepEqual(bytesOf(frames), order);
        const numbers = frames.flatMap(({ seq }) => (seq === undefined ? [] : [seq]));
        assert.deepEqual(
          numbers,
          [...new Set(numbers)].sort((a, b) => a - b),
        );
        const texts = frames.filter(
          ({ data, encoding }) => data !== undefined && encoding === undefined,
        );
        for (const { data = "" } of texts) assert.ok(data.isWellFormed());
      }),
      { numRuns: 200 },
    );
  });

  it("sends a text as text however it was cut while it was printed", async () => {
    const text = "a€😀é\u0000ß";
    const bytes = Buffer.from(text);
    for (let cut = 1; cut < bytes.length; cut++) {
      const rig = makeRig();
      const id = await submitJob(rig);
      const run = await rig.runner.next();
      const reading = allFrames(await openEvents(rig, id));
      for (const part of [bytes.subarray(0, cut), bytes.subarray(cut)]) {
        run.print(part);
        await settle();
      }
      run.end();
      const frames = await reading;
      assert.ok(
        frames.every(({ encoding }) => encoding === undefined),
        String(cut),
      );
      assert.equal(frames.map(({ data = "" }) => data).join(""), text);
    }
  });

  it("knows whole characters from halves", () => {
    fc.assert(
      fc.property(fc.string({ unit: "grapheme" }), fc.nat(), (text, number) => {
        const bytes = Buffer.from(text);
        const cut = bytes.subarray(0, number % (bytes.length + 1));
        const whole = wholeCharacters(cut);
        assert.ok(cut.length - whole < 4);
        assert.ok(bytes.toString().startsWith(cut.subarray(0, whole).toString()));
      }),
    );
  });

  it("answers HEAD without following", async () => {
    const rig = makeRig();
    const id = await submitJob(rig);
    for (let i = 0; i < STREAM_LIMITS.perCaller + 1; i++) {
      const { status, text } = await ask(rig, `/logs/${id}`, {
        method: "HEAD",
        headers: { Accept: "text/event-stream" },
      });
      assert.deepEqual([status, text], [200, ""]);
    }
    assert.ok(rig.engine.find(id));
  });

  it("lets one caller follow so many jobs and no more, until a reader leaves", async () => {
    const rig = makeRig();
    const id = await submitJob(rig);
    const readers = [];
    for (let i = 0; i < STREAM_LIMITS.perCaller; i++) readers.push(await openEvents(rig, id));
    const refused = await ask(rig, `/logs/${id}`, { headers: { Accept: "text/event-stream" } });
    assert.deepEqual([refused.status, refused.json?.code], [429, "too_many_streams"]);
    assert.ok(Number(refused.headers.get("Retry-After")) > 0);
    await readers[0]?.next();
    await readers[0]?.return(undefined);
    await openEvents(rig, id);
  });

  it("frees the place of a reader that hung up", async () => {
    const rig = await serveRig();
    const id = await submitJob(rig);
    const url = `http://127.0.0.1:${rig.port}/logs/${id}/stream`;
    for (let i = 0; i < 2 * STREAM_LIMITS.perCaller; i++) {
      const hangUp = new AbortController();
      let response = await fetch(url, { signal: hangUp.signal });
      // A hang-up travels: the next reader comes when it has arrived.
      while (response.status === 429) response = await fetch(url, { signal: hangUp.signal });
      assert.equal(response.status, 200, String(i));
      assert.match(response.headers.get("Content-Type") ?? "", /^text\/event-stream/);
      const events = eventsOf(response);
      assert.ok((await events.next()).value);
      hangUp.abort();
      await assert.rejects(events.next());
    }
    await rig.stop();
  });
});
