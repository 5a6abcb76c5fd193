import assert from "node:assert/strict";
import { test } from "node:test";
import { Stop, type StopSignal } from "../../src/core/stop.ts";

function noted(signal: StopSignal) {
  const reasons: unknown[] = [];
  const note = () => reasons.push(signal.reason);
  signal.addEventListener("abort", note, { once: true });
  return { reasons, note };
}

test("who listens is told once, and why; only the first reason counts", () => {
  const stop = new Stop();
  const { reasons } = noted(stop);
  assert.equal(stop.aborted, false);
  stop.abort("evicted");
  stop.abort("cancelled");
  assert.deepEqual(reasons, ["evicted"]);
  assert.equal(stop.aborted, true);
  assert.equal(stop.reason, "evicted");
});

test("who listens no more is told nothing, nor is who comes too late", () => {
  const stop = new Stop();
  const gone = noted(stop);
  const stays = noted(stop);
  stop.removeEventListener("abort", gone.note);
  stop.abort("cancelled");
  assert.deepEqual(gone.reasons, []);
  assert.deepEqual(stays.reasons, ["cancelled"]);
  assert.deepEqual(noted(stop).reasons, []);
});

test("who stops listening while it is told changes nothing for the others", () => {
  const stop = new Stop();
  const second = { told: false };
  const first = () => stop.removeEventListener("abort", first);
  stop.addEventListener("abort", first);
  stop.addEventListener("abort", () => {
    second.told = true;
  });
  stop.abort();
  assert.ok(second.told);
});
