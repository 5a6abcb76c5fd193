import assert from "node:assert/strict";
import { describe, it } from "node:test";
import * as v from "valibot";
import { resultSchema, statusSchema } from "../../src/http/schemas.ts";
import { FakeOutputs } from "../fakes/runner.ts";
import { ask, echo, makeRig, post, settle } from "../fakes/service.ts";

describe("POST /run with text", () => {
  it("answers what was printed, byte for byte, and tells the end in headers", async () => {
    const rig = makeRig();
    rig.runner.script = (run) => {
      run.start();
      run.print(Buffer.from([0xff, 0x00, 0x41]));
      run.end({ outcome: { kind: "exited", exitCode: 3 } });
    };
    const response = await rig.app.request("/run", {
      method: "POST",
      headers: { "Content-Type": "text/plain;charset=UTF-8" },
      body: 'print("Hello from sandbox")',
    });
    assert.equal(response.status, 200);
    assert.deepEqual(Buffer.from(await response.arrayBuffer()), Buffer.from([0xff, 0x00, 0x41]));
    assert.equal(response.headers.get("Sandrun-Outcome"), "exited");
    assert.equal(response.headers.get("Sandrun-Exit-Code"), "3");
    assert.match(response.headers.get("Sandrun-Job-Id") ?? "", /^[0-9a-f-]{36}$/);
    assert.equal(response.headers.get("Content-Type"), "text/plain; charset=utf-8");
  });

  it("runs python3 unless told otherwise, with one pipe for both streams", async () => {
    const rig = makeRig();
    rig.runner.script = echo;
    assert.equal((await post(rig, "/run", "print(1)")).text, "print(1)");
    const { manifest, mergeStreams } = rig.runner.runs[0]?.spec ?? assert.fail();
    assert.equal(manifest.interpreter, "python3");
    assert.equal(manifest.entrypoint, "main.py");
    assert.equal(mergeStreams, true);
    await post(rig, "/run?interpreter=javascript&args=a&args=b&timeout=7", "console.log(1)");
    const second = rig.runner.runs[1]?.spec.manifest ?? assert.fail();
    assert.equal(second.interpreter, "node");
    assert.equal(second.entrypoint, "main.js");
    assert.deepEqual(second.args, ["a", "b"]);
    assert.equal(second.timeoutSeconds, 7);
  });

  it("takes the code's bytes as they are, whatever charset is claimed", async () => {
    const rig = makeRig();
    rig.runner.script = (run) => {
      run.print(Uint8Array.from(run.spec.input.files[0]?.bytes ?? []));
      run.end();
    };
    const response = await rig.app.request("/run", {
      method: "POST",
      headers: { "Content-Type": "text/plain; charset=utf-16" },
      body: Buffer.from([0x80, 0xfe, 0x0a]),
    });
    assert.deepEqual(Buffer.from(await response.arrayBuffer()), Buffer.from([0x80, 0xfe, 0x0a]));
  });

  it("destroys the job once it was answered", async () => {
    const rig = makeRig();
    rig.runner.script = echo;
    const { headers } = await post(rig, "/run", "1");
    assert.equal((await ask(rig, `/status/${headers.get("Sandrun-Job-Id")}`)).status, 404);
  });

  it("keeps a job whose files had no place in the answer", async () => {
    const rig = makeRig();
    rig.runner.script = (run) => run.end({ outputs: new FakeOutputs({ "a.txt": "x" }) });
    const { headers } = await post(rig, "/run", "1");
    const id = headers.get("Sandrun-Job-Id");
    assert.deepEqual((await ask(rig, `/outputs/${id}`)).json?.files, ["a.txt"]);
    rig.clock.advance(60_000);
    assert.equal((await ask(rig, `/outputs/${id}`)).status, 404);
  });

  it("says that output was cut", async () => {
    const rig = makeRig();
    rig.runner.script = (run) => run.end({ dropped: { stdout: 1, stderr: 0 } });
    assert.equal((await post(rig, "/run", "1")).headers.get("Sandrun-Truncated"), "true");
  });

  it("answers 500 with the step when the sandbox failed, since plain text cannot say it", async () => {
    const rig = makeRig();
    rig.runner.script = (run) => run.end({ outcome: { kind: "sandbox_error", step: "clone3" } });
    const { status, json } = await post(rig, "/run", "1");
    assert.equal(status, 500);
    assert.deepEqual(json, {
      error: "The sandbox failed.",
      code: "sandbox_error",
      details: "clone3",
    });
  });
});

describe("POST /run with JSON", () => {
  it("answers the whole result", async () => {
    const rig = makeRig();
    rig.runner.script = (run) => {
      run.start();
      run.print("out ");
      run.print(Buffer.from([0xe2, 0x28]), "stderr");
      run.end({ outputs: new FakeOutputs({ "a.txt": "hello" }) });
    };
    const { status, json } = await post(rig, "/run", { code: "1", interpreter: "python" });
    assert.equal(status, 200);
    const result = v.parse(resultSchema, json);
    assert.equal(result.output, "out \ufffd(");
    assert.equal(result.stdout, "out ");
    assert.equal(result.stderr, "\ufffd(");
    assert.deepEqual(result.outcome, { kind: "exited", exit_code: 0 });
    assert.deepEqual(result.isolation, ["pid", "seccomp"]);
    assert.deepEqual(result.metrics, {
      cpu_seconds: 0.12,
      memory_mb: 8,
      wall_seconds: 0.25,
      queue_seconds: 0,
      throttled_seconds: 0,
    });
    assert.equal(Buffer.from(result.files[0]?.base64 ?? "", "base64").toString(), "hello");
    assert.equal(rig.runner.runs[0]?.spec.mergeStreams, false);
    assert.equal((await ask(rig, `/status/${result.job_id}`)).status, 404);
  });

  it("gives every outcome the shape that is documented", async () => {
    const outcomes = [
      [
        { kind: "exited", exitCode: 1 },
        { kind: "exited", exit_code: 1 },
      ],
      [
        { kind: "signalled", signal: "SIGSEGV" },
        { kind: "signalled", signal: "SIGSEGV" },
      ],
      ...(["timed_out", "cpu_limit", "out_of_memory", "output_limit", "evicted"] as const).map(
        (kind) => [{ kind }, { kind }] as const,
      ),
      [
        { kind: "sandbox_error", step: "mount" },
        { kind: "sandbox_error", step: "mount" },
      ],
    ] as const;
    for (const [outcome, expected] of outcomes) {
      const rig = makeRig();
      rig.runner.script = (run) => run.end({ outcome });
      const { status, json } = await post(rig, "/run", { code: "1" });
      assert.equal(status, 200);
      const result = v.parse(resultSchema, json);
      assert.deepEqual(result.outcome, expected);
      assert.equal(result.status, "failed");
    }
  });

  it("places code and files side by side, in text or base64", async () => {
    const rig = makeRig();
    rig.runner.script = (run) => {
      const files = run.spec.input.files.map(
        ({ path, bytes }) => `${path}=${Buffer.from(bytes).toString("hex")}`,
      );
      run.print(files.join(";"));
      run.end();
    };
    const body = {
      code: "é",
      interpreter: "bash",
      files: { "data/a.csv": "1", "b.bin": { base64: "/wA=" } },
    };
    const { json } = await post(rig, "/run", body);
    assert.equal(json?.stdout, "data/a.csv=31;b.bin=ff00;main.bash=c3a9");
  });

  it("runs one of the files when there is no code", async () => {
    const rig = makeRig();
    rig.runner.script = echo;
    const { json } = await post(rig, "/run", {
      files: { "lib.py": "x = 1", "app.py": "import lib" },
      entrypoint: "app.py",
    });
    assert.equal(json?.stdout, "import lib");
  });

  it("treats names such as __proto__ and constructor as names of files", async () => {
    const rig = makeRig();
    rig.runner.script = (run) => {
      run.print(run.spec.input.files.map(({ path }) => path).join(" "));
      run.end();
    };
    const body = '{"code":"1","files":{"__proto__":"a","constructor":"b","toString":"c"}}';
    const { json } = await post(rig, "/run", body, {
      headers: { "Content-Type": "application/json" },
    });
    assert.equal(json?.stdout, "__proto__ constructor toString main.py");
  });

  it("keeps the job for what did not fit into the answer", async () => {
    const rig = makeRig();
    const outputs = new FakeOutputs({
      "small.txt": "s",
      "large.bin": Buffer.alloc(1024 * 1024),
      "tiny.txt": "t",
    });
    rig.runner.script = (run) => run.end({ outputs });
    const { json } = await post(rig, "/run", { code: "1" });
    const { files, job_id: id } = v.parse(resultSchema, json);
    assert.deepEqual(
      files.map(({ path, base64 }) => [path, base64 !== undefined]),
      [
        ["small.txt", true],
        ["large.bin", false],
        ["tiny.txt", true],
      ],
    );
    assert.equal((await ask(rig, `/download/${id}/large.bin`)).status, 200);
    assert.equal(outputs.destroyed, 0);
  });

  it("answers 10 MB that are not UTF-8", async () => {
    const rig = makeRig();
    rig.runner.script = (run) => {
      run.print(Buffer.alloc(10 * 1024 * 1024, 0xff));
      run.print("x", "stderr");
      run.end();
    };
    const { json } = await post(rig, "/run", { code: "1" });
    assert.equal(String(json?.output).length, 10 * 1024 * 1024);
    assert.equal(json?.stderr_truncated, true);
    assert.equal(json?.stdout_truncated, false);
  });
});

describe("POST /run and time", () => {
  it("answers 202 with the id when the wait is over, and the job goes on", async () => {
    const rig = makeRig();
    const asked = post(rig, "/run?wait=5", "1");
    const run = await rig.runner.next();
    run.start();
    await settle();
    rig.clock.advance(5000);
    const { status, json, headers } = await asked;
    assert.equal(status, 202);
    const answer = v.parse(statusSchema, json);
    assert.equal(answer.status, "running");
    assert.equal(headers.get("Sandrun-Job-Id"), answer.job_id);
    run.print("late");
    run.end();
    await settle();
    assert.equal((await ask(rig, `/logs/${answer.job_id}`)).json?.stdout, "late");
  });

  it("waits 50 seconds when nothing is said", async () => {
    const rig = makeRig();
    const asked = post(rig, "/run", "1");
    await settle();
    rig.clock.advance(49_999);
    await settle();
    rig.clock.advance(1);
    assert.equal((await asked).status, 202);
  });

  it("answers at once with wait=0", async () => {
    const rig = makeRig();
    const asked = post(rig, "/run?wait=0", "1");
    await settle();
    rig.clock.advance(0);
    assert.equal((await asked).status, 202);
  });

  it("cancels and forgets the job when the caller hangs up", async () => {
    const rig = makeRig();
    const hangUp = new AbortController();
    const asked = post(rig, "/run", "1", {
      headers: { "Content-Type": "text/plain" },
      body: "1",
      signal: hangUp.signal,
    });
    const run = await rig.runner.next();
    hangUp.abort();
    await asked.catch(() => undefined);
    assert.equal(run.signal.reason, "cancelled");
    assert.deepEqual(rig.engine.totals(), { running: 0, waiting: 0, slots: 4 });
  });
});
