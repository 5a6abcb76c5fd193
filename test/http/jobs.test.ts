import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { describe, it } from "node:test";
import { gunzipSync } from "node:zlib";
import * as v from "valibot";
import {
  environmentsSchema,
  healthSchema,
  logsSchema,
  outputsSchema,
  serviceSchema,
  statsSchema,
  statusSchema,
  submittedSchema,
} from "../../src/http/schemas.ts";
import { FakeOutputs, type FakeRun } from "../fakes/runner.ts";
import { ask, makeRig, post, type Rig, settle } from "../fakes/service.ts";

async function submitted(rig: Rig): Promise<{ id: string; run: FakeRun }> {
  const { json } = await post(rig, "/submit", { code: "1" });
  const run = await rig.runner.next();
  return { id: String(json?.job_id), run };
}

async function ended(rig: Rig, outputs: FakeOutputs): Promise<string> {
  const { id, run } = await submitted(rig);
  run.end({ outputs });
  await settle();
  return id;
}

describe("POST /submit", () => {
  it("answers 202 with the id and the place in the queue", async () => {
    const rig = makeRig({ maxRunning: 1 });
    for (const position of [1, 1, 2]) {
      const { status, json } = await post(rig, "/submit", { code: "1" });
      assert.equal(status, 202);
      assert.equal(v.parse(submittedSchema, json).queue_position, position);
    }
  });

  it("does not take plain text", async () => {
    assert.equal((await post(makeRig(), "/submit", "print(1)")).status, 415);
  });

  it("takes files as a form, with a manifest", async () => {
    const rig = makeRig();
    const form = new FormData();
    form.append("files", new File(["import lib"], "src/main.py"));
    form.append("files", new File(["x = 1"], "src/lib.py"));
    form.append("manifest", JSON.stringify({ entrypoint: "src/main.py", args: ["-v"] }));
    const { status } = await ask(rig, "/submit", { method: "POST", body: form });
    assert.equal(status, 202);
    const { spec } = await rig.runner.next();
    assert.deepEqual(
      spec.input.files.map(({ path }) => path),
      ["src/main.py", "src/lib.py"],
    );
    assert.deepEqual(spec.manifest.args, ["-v"]);
  });

  it("takes a form without a manifest", async () => {
    const rig = makeRig();
    const form = new FormData();
    form.append("files", new File(["echo hi"], "main.bash"));
    assert.equal((await ask(rig, "/submit", { method: "POST", body: form })).status, 202);
    assert.equal((await rig.runner.next()).spec.manifest.interpreter, "bash");
  });

  it("names the unknown interpreter of a form's manifest", async () => {
    const rig = makeRig();
    const form = new FormData();
    form.append("files", new File(["x"], "main.py"));
    form.append("manifest", '{"interpreter": "cobol"}');
    const { status, json } = await ask(rig, "/submit", { method: "POST", body: form });
    assert.deepEqual([status, json?.code], [400, "unknown_interpreter"]);
  });

  it("refuses the job too many with 429 and when to come back", async () => {
    const rig = makeRig({ maxRunning: 1, maxWaiting: 1 });
    await post(rig, "/submit", { code: "1" });
    await post(rig, "/submit", { code: "1" });
    const { status, json, headers } = await post(rig, "/submit", { code: "1" });
    assert.equal(status, 429);
    assert.equal(json?.code, "caller_busy");
    assert.equal(headers.get("Retry-After"), String(json?.retry_after));
  });

  it("refuses everybody with 503 when the queue is full, and while no box can be built", async () => {
    const rig = makeRig({ maxRunning: 1, queue: 1 });
    await post(rig, "/submit", { code: "1" });
    await post(rig, "/submit", { code: "1" });
    const full = await post(rig, "/submit", { code: "1" });
    assert.deepEqual([full.status, full.json?.code], [503, "queue_full"]);
    rig.runner.state = { healthy: false, reason: "seccomp: errno 22" };
    const sick = await post(rig, "/run", "1");
    assert.deepEqual([sick.status, sick.json?.code], [503, "unhealthy"]);
    assert.equal(sick.json?.details, "seccomp: errno 22");
  });
});

describe("GET /status and /logs", () => {
  it("follows a job from the queue to its end", async () => {
    const rig = makeRig({ maxRunning: 1 });
    const first = await submitted(rig);
    const second = String((await post(rig, "/submit", { code: "2" })).json?.job_id);
    rig.clock.advance(1500);
    const waiting = v.parse(statusSchema, (await ask(rig, `/status/${second}`)).json);
    assert.equal(waiting.status, "queued");
    assert.equal(waiting.queue_position, 1);
    assert.equal(waiting.metrics.queue_seconds, 1.5);
    first.run.start();
    rig.clock.advance(500);
    const running = v.parse(statusSchema, (await ask(rig, `/status/${first.id}`)).json);
    assert.equal(running.status, "running");
    assert.deepEqual(running.metrics, {
      wall_seconds: 0.5,
      queue_seconds: 0,
      throttled_seconds: 0,
    });
    first.run.end({ outputs: new FakeOutputs({ a: "1", b: "2" }) });
    await settle();
    const done = v.parse(statusSchema, (await ask(rig, `/status/${first.id}`)).json);
    assert.equal(done.status, "completed");
    assert.equal(done.output_files, 2);
    assert.equal(done.expires_at, new Date(rig.clock.nowMs() + 60_000).toISOString());
  });

  it("waits for the end when asked to, and no longer than asked", async () => {
    const rig = makeRig();
    const { id, run } = await submitted(rig);
    const early = ask(rig, `/status/${id}?wait=5`);
    await settle();
    rig.clock.advance(5000);
    assert.equal((await early).json?.status, "running");
    const last = ask(rig, `/status/${id}?wait=5`);
    await settle();
    run.end();
    assert.equal((await last).json?.status, "completed");
    assert.equal((await ask(rig, `/status/${id}?wait=5`)).json?.status, "completed");
    assert.equal((await ask(rig, `/status/${id}?wait=-1`)).json?.code, "bad_request");
  });

  it("tells who waits that the job was destroyed", async () => {
    const rig = makeRig();
    const { id } = await submitted(rig);
    const asked = ask(rig, `/status/${id}?wait=5`);
    await settle();
    await ask(rig, `/jobs/${id}`, { method: "DELETE" });
    assert.equal((await asked).json?.code, "not_found");
  });

  it("shows what was printed so far, as JSON or plain", async () => {
    const rig = makeRig();
    const { id, run } = await submitted(rig);
    run.print("a");
    run.print("b", "stderr");
    run.print("c");
    const { json } = await ask(rig, `/logs/${id}`);
    assert.deepEqual(v.parse(logsSchema, json), {
      stdout: "ac",
      stderr: "b",
      stdout_truncated: false,
      stderr_truncated: false,
    });
    const plain = await ask(rig, `/logs/${id}`, { headers: { Accept: "text/plain" } });
    assert.equal(plain.text, "abc");
    assert.equal(plain.headers.get("Content-Type"), "text/plain; charset=utf-8");
    for (const accept of ["*/*", "application/json, text/plain", "text/html"]) {
      const answer = await ask(rig, `/logs/${id}`, { headers: { Accept: accept } });
      assert.equal(answer.headers.get("Content-Type"), "application/json");
    }
  });

  it("refuses receipts as unsupported", async () => {
    const rig = makeRig();
    const { id } = await submitted(rig);
    const { status, json } = await ask(rig, `/receipt/${id}`);
    assert.deepEqual([status, json?.code], [400, "unsupported"]);
  });

  it("keeps a failed job's status and log, and says why its files are gone", async () => {
    const rig = makeRig();
    const { id, run } = await submitted(rig);
    run.print("Traceback", "stderr");
    run.end({ outcome: { kind: "timed_out" }, outputs: new FakeOutputs({ a: "1" }) });
    await settle();
    assert.equal((await ask(rig, `/status/${id}`)).json?.status, "failed");
    assert.equal((await ask(rig, `/logs/${id}`)).json?.stderr, "Traceback");
    assert.deepEqual((await ask(rig, `/outputs/${id}`)).json?.files, []);
    const download = await ask(rig, `/download/${id}`);
    assert.equal(download.status, 404);
    assert.match(String(download.json?.details), /failed/);
  });
});

describe("ids", () => {
  it("answer the same 404 whether unknown, malformed or destroyed", async () => {
    const rig = makeRig();
    const gone = await ended(rig, new FakeOutputs());
    await ask(rig, `/jobs/${gone}`, { method: "DELETE" });
    const ids = [
      gone,
      randomUUID(),
      "x",
      "..%2f..",
      "%00",
      "%ff",
      gone.toUpperCase(),
      `${gone}%20`,
    ];
    const answers = new Set<string>();
    for (const id of ids) {
      for (const path of ["status", "logs", "outputs", "download"]) {
        const { status, text } = await ask(rig, `/${path}/${id}`);
        assert.equal(status, 404, `/${path}/${id}`);
        answers.add(text);
      }
      const { status, text } = await ask(rig, `/jobs/${id}`, { method: "DELETE" });
      assert.equal(status, 404);
      answers.add(text);
    }
    assert.equal(answers.size, 1);
  });
});

describe("outputs", () => {
  const FILES = { "results/data.csv": "a,b\n1,2\n", "plot.svg": "<svg onload=alert(1)>" };

  it("are listed with size and digest, once the job has ended", async () => {
    const rig = makeRig();
    const { id, run } = await submitted(rig);
    for (const path of [`/outputs/${id}`, `/download/${id}`, `/download/${id}/plot.svg`]) {
      const { status, json } = await ask(rig, path);
      assert.deepEqual([status, json?.code], [409, "not_finished"]);
    }
    run.end({ outputs: new FakeOutputs(FILES) });
    await settle();
    const { json } = await ask(rig, `/outputs/${id}`);
    const { files, details } = v.parse(outputsSchema, json);
    assert.deepEqual(files, Object.keys(FILES));
    assert.equal(details[0]?.size, 8);
  });

  it("leave all together as a tar.gz, after which the job is gone", async () => {
    const rig = makeRig();
    const outputs = new FakeOutputs(FILES);
    const id = await ended(rig, outputs);
    const response = await rig.app.request(`/download/${id}`);
    assert.equal(response.status, 200);
    assert.equal(response.headers.get("Content-Type"), "application/gzip");
    const tar = gunzipSync(await response.bytes()).toString("latin1");
    for (const [path, content] of Object.entries(FILES)) {
      assert.ok(tar.includes(path) && tar.includes(content));
    }
    await settle();
    assert.equal(outputs.destroyed, 1);
    assert.equal((await ask(rig, `/status/${id}`)).status, 404);
  });

  it("stay when the client gives up in the middle", async () => {
    const rig = makeRig();
    const outputs = new FakeOutputs({ "big.bin": Buffer.alloc(3_000_000, "seven") });
    const id = await ended(rig, outputs);
    const response = await rig.app.request(`/download/${id}`);
    const reader = (response.body ?? assert.fail()).getReader();
    await reader.read();
    await reader.cancel();
    await settle();
    assert.equal(outputs.destroyed, 0);
    assert.equal((await ask(rig, `/download/${id}`)).status, 200);
    assert.equal((await ask(rig, `/download/${id}`)).status, 404);
  });

  it("stay when they are only asked for with HEAD", async () => {
    const rig = makeRig();
    const outputs = new FakeOutputs(FILES);
    const id = await ended(rig, outputs);
    for (const path of [`/download/${id}`, `/download/${id}/plot.svg`, `/outputs/${id}`]) {
      const { status, text } = await ask(rig, path, { method: "HEAD" });
      assert.deepEqual([status, text], [200, ""]);
    }
    await settle();
    assert.equal(outputs.destroyed, 0);
    rig.clock.advance(60_000);
    assert.equal(outputs.destroyed, 1, "no lease was left behind");
  });

  it("leave one by one without ending the job, never as a page", async () => {
    const rig = makeRig();
    const id = await ended(rig, new FakeOutputs(FILES));
    for (let i = 0; i < 2; i++) {
      const { status, text, headers } = await ask(rig, `/download/${id}/plot.svg`);
      assert.equal(status, 200);
      assert.equal(text, FILES["plot.svg"]);
      assert.equal(headers.get("Content-Type"), "application/octet-stream");
      assert.match(headers.get("Content-Disposition") ?? "", /^attachment; filename="plot.svg"/);
    }
    const nested = await ask(rig, `/download/${id}/results/data.csv`);
    assert.equal(nested.text, FILES["results/data.csv"]);
    const escaped = await ask(rig, `/download/${id}/results%2Fdata.csv`);
    assert.equal(escaped.status, 200);
  });

  it("answer 404 for names that the job did not make", async () => {
    const rig = makeRig();
    const id = await ended(rig, new FakeOutputs(FILES));
    for (const path of [
      "nope",
      "../../etc/passwd",
      "%2e%2e/%2e%2e/etc/passwd",
      "%ff",
      "results",
      "results/",
      "/plot.svg",
    ]) {
      assert.equal((await ask(rig, `/download/${id}/${path}`)).status, 404, path);
    }
  });

  it("are found under hostile names", async () => {
    const rig = makeRig();
    const names = ["100%.txt", "a b", "é.txt", "q?x#y", 'say "hi"\r\nX: y', "%2e%2e"];
    const id = await ended(
      rig,
      new FakeOutputs(Object.fromEntries(names.map((name) => [name, name]))),
    );
    for (const name of names) {
      const { status, text } = await ask(rig, `/download/${id}/${encodeURIComponent(name)}`);
      assert.deepEqual([status, text], [200, name]);
    }
  });

  it("are cut off, not passed off as whole, when their box dies", async () => {
    const rig = makeRig();
    const outputs = new FakeOutputs({ "big.bin": Buffer.alloc(500_000) });
    const id = await ended(rig, outputs);
    const response = await rig.app.request(`/download/${id}/big.bin`);
    outputs.destroyed = 1;
    await assert.rejects(response.bytes());
    assert.deepEqual(
      rig.logged.filter(({ event }) => event === "fault"),
      [{ event: "fault", error: "SandboxFault", step: "the box is gone", errno: 0 }],
    );
  });
});

describe("DELETE /jobs", () => {
  it("ends and destroys a job in whatever state", async () => {
    const rig = makeRig({ maxRunning: 1 });
    const running = await submitted(rig);
    const waiting = String((await post(rig, "/submit", { code: "2" })).json?.job_id);
    for (const id of [waiting, running.id]) {
      const { status, text } = await ask(rig, `/jobs/${id}`, { method: "DELETE" });
      assert.deepEqual([status, text], [204, ""]);
      assert.equal((await ask(rig, `/jobs/${id}`, { method: "DELETE" })).status, 404);
    }
    assert.equal(running.run.signal.reason, "cancelled");
    assert.deepEqual(rig.engine.totals(), { running: 0, waiting: 0, slots: 4 });
  });
});

describe("the service's own routes", () => {
  it("tell what it is, what it has, how it stands", async () => {
    const rig = makeRig({ maxRunning: 1 });
    await submitted(rig);
    await post(rig, "/submit", { code: "2" });
    assert.equal(v.parse(serviceSchema, (await ask(rig, "/")).json).version, "1.2.3");
    const { interpreters, environments } = v.parse(
      environmentsSchema,
      (await ask(rig, "/environments")).json,
    );
    assert.deepEqual(interpreters[0], rig.runner.interpreters[0]);
    assert.deepEqual(environments, rig.runner.environments);
    assert.deepEqual(v.parse(statsSchema, (await ask(rig, "/stats")).json), {
      your_quota: {
        cpu_seconds_used: 0.01,
        cpu_seconds_available: 9.99,
        running: 1,
        waiting: 1,
        refills_in: 0.06,
      },
      system: { queue_length: 1, running: 1, slots: 4 },
    });
  });

  it("answer 503 with the reason while the sandbox is not ready", async () => {
    const rig = makeRig();
    const well = await ask(rig, "/health");
    assert.deepEqual([well.status, v.parse(healthSchema, well.json)], [200, { status: "healthy" }]);
    rig.runner.state = { healthy: false, reason: "cgroup: errno 13" };
    const sick = await ask(rig, "/health");
    assert.equal(sick.status, 503);
    assert.deepEqual(v.parse(healthSchema, sick.json), {
      status: "unhealthy",
      reason: "cgroup: errno 13",
    });
  });
});
