import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { SandboxFault } from "../../src/core/errors.ts";
import { faultFields, jsonLog } from "../../src/http/log.ts";
import { FakeOutputs } from "../fakes/runner.ts";
import { ask, makeRig, post, settle } from "../fakes/service.ts";

/** Everything that may ever stand in a line; a new field has to be thought about here. */
const FIELDS = new Set([
  "event",
  "method",
  "route",
  "status",
  "duration_ms",
  "outcome",
  "step",
  "errno",
  "error",
  "at",
  "cpu_ms",
  "box_cpu_ms",
  "wall_ms",
  "queue_ms",
  "memory_bytes",
]);

describe("S18: the service log", () => {
  it("is one JSON object a line, with its time", () => {
    const lines: string[] = [];
    const log = jsonLog(
      (line) => lines.push(line),
      () => 0,
    );
    log({ event: "request", route: "/run", status: 200 });
    assert.deepEqual(lines, [
      '{"time":"1970-01-01T00:00:00.000Z","event":"request","route":"/run","status":200}',
    ]);
  });

  it("tells nothing of what a caller sent or a job made", async () => {
    const rig = makeRig({ behindProxy: true });
    const marker = "MARKER7f3a";
    rig.runner.script = (run) => {
      run.print(marker);
      run.end({ outputs: new FakeOutputs({ [`${marker}.txt`]: marker }) });
    };
    const headers = {
      "Content-Type": "application/json",
      "X-Forwarded-For": "203.0.113.77",
      "User-Agent": marker,
    };
    const { json } = await post(
      rig,
      "/submit",
      { code: marker, args: [marker], env: { MARKER7f3a: marker }, files: { [marker]: marker } },
      { headers },
    );
    const id = String(json?.job_id);
    await settle();
    await ask(rig, `/status/${id}`);
    await ask(rig, `/download/${id}/${marker}.txt`);
    await ask(rig, `/${marker}?${marker}`);
    await ask(rig, "/run", { method: marker });
    await post(rig, "/run", { [marker]: marker });
    await ask(rig, `/jobs/${id}`, { method: "DELETE" });
    const text = JSON.stringify(rig.logged);
    assert.ok(rig.logged.length >= 7);
    assert.ok(!text.includes(marker) && !text.includes(id) && !text.includes("203.0.113.77"));
    for (const fields of rig.logged) {
      for (const name of Object.keys(fields)) assert.ok(FIELDS.has(name), name);
    }
  });

  it("names routes by their pattern", async () => {
    const rig = makeRig();
    await ask(rig, "/status/abc");
    await ask(rig, "/nowhere");
    assert.deepEqual(
      rig.logged.map(({ route, status }) => [route, status]),
      [
        ["/status/:id", 404],
        ["/*", 404],
      ],
    );
  });

  it("tells how a job ended", async () => {
    const rig = makeRig();
    rig.runner.script = (run) => run.end({ outcome: { kind: "sandbox_error", step: "mount" } });
    await post(rig, "/run", { code: "1" });
    assert.deepEqual(rig.logged[0], {
      event: "job_ended",
      outcome: "sandbox_error",
      step: "mount",
      cpu_ms: 120,
      box_cpu_ms: 0,
      wall_ms: 250,
      queue_ms: 0,
      memory_bytes: 8 * 1024 * 1024,
    });
  });

  it("tells of a fault its kind and place, never its message", () => {
    const fault = faultFields(new TypeError("secret"));
    assert.equal(fault.error, "TypeError");
    assert.ok(!JSON.stringify(fault).includes("secret"));
    assert.deepEqual(faultFields(new SandboxFault("clone3", 11)), {
      event: "fault",
      error: "SandboxFault",
      step: "clone3",
      errno: 11,
    });
    assert.deepEqual(faultFields("secret"), { event: "fault", error: "string" });
  });
});
