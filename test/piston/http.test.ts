/** Piston's API: a client from the registry, unchanged, and what its documentation promises. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { piston } from "piston-client";
import type { Outcome } from "../../src/core/job.ts";
import { pistonExtensions } from "../../src/piston/http.ts";
import type { ServiceOptions } from "../../src/service.ts";
import { FakeOutputs } from "../fakes/runner.ts";
import { ask, echo, makeRig, type Rig, settle } from "../fakes/service.ts";
import { serveRig } from "../fakes/wire.ts";

function makePistonRig(options: Partial<ServiceOptions> = {}): Rig {
  return makeRig({ extensions: pistonExtensions, ...options });
}

interface Answer {
  readonly status: number;
  readonly message: unknown;
  readonly run: Record<string, unknown>;
  readonly retryAfter: string | null;
  readonly all: Record<string, unknown>;
}

async function execute(rig: Rig, body: unknown, init: RequestInit = {}): Promise<Answer> {
  const { status, text, headers } = await ask(rig, "/api/v2/execute", {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: typeof body === "string" ? body : JSON.stringify(body),
    ...init,
  });
  const all: Record<string, unknown> = JSON.parse(text);
  const run = all["run"] as Record<string, unknown>;
  return { status, message: all["message"], run, retryAfter: headers.get("Retry-After"), all };
}

const PYTHON = { language: "python", version: "3.x", files: [{ content: "print(1)" }] };

describe("a Piston client from the registry", () => {
  it("lists runtimes and runs code without a change", async () => {
    const wire = await serveRig({}, makePistonRig());
    wire.runner.script = echo;
    const client = piston({ server: `http://127.0.0.1:${wire.port}` });
    const runtimes = await client.runtimes();
    assert.deepEqual(runtimes[0], {
      language: "python",
      version: "3.11.2",
      aliases: ["py", "py3", "python3"],
    });
    const done = await client.execute("python", "print('Hello World!')");
    assert.equal(done.language, "python");
    assert.equal(done.version, "3.11.2");
    assert.equal(done.run.output, "print('Hello World!')");
    assert.deepEqual([done.run.code, done.run.signal], [0, null]);
    // Its own defaults.
    const { manifest } = wire.runner.runs[0]?.spec ?? assert.fail();
    assert.deepEqual(manifest.args, ["1", "2", "3"]);
    assert.equal(manifest.timeoutSeconds, 3);
    await wire.stop();
  });
});

describe("GET /api/v2/runtimes", () => {
  it("lists languages by the names that clients know", async () => {
    const rig = makePistonRig();
    const sh = { name: "sh", aliases: [], version: "POSIX", extensions: [".sh"] };
    const gcc = { name: "g++", aliases: [], version: "12.2.0", extensions: [".cpp"] };
    rig.runner.interpreters = [...rig.runner.interpreters, sh, gcc];
    for (const path of ["/api/v2/runtimes", "/api/v2/piston/runtimes"]) {
      const { text } = await ask(rig, path);
      const names = JSON.parse(text).map(
        ({ language, runtime }: { language: string; runtime?: string }) => `${language}:${runtime}`,
      );
      assert.deepEqual(names, [
        "python:undefined",
        "javascript:node",
        "typescript:node",
        "bash:undefined",
        "c++:gcc",
      ]);
    }
  });
});

describe("POST /api/v2/execute", () => {
  it("gives stage results as Piston does", async () => {
    const rig = makePistonRig();
    rig.runner.script = (run) => {
      run.start();
      run.print("a");
      run.print("b", "stderr");
      run.print("c");
      run.end({ outcome: { kind: "exited", exitCode: 3 } });
    };
    const { status, all } = await execute(rig, PYTHON);
    assert.equal(status, 200);
    assert.deepEqual(all, {
      run: {
        stdout: "ac",
        stderr: "b",
        code: 3,
        signal: null,
        status: "RE",
        message: "exited with error status 3",
        output: "abc",
        memory: 8 * 1024 * 1024,
        cpu_time: 120,
        wall_time: 250,
      },
      language: "python",
      version: "3.11.2",
    });
  });

  const ends: readonly (readonly [Outcome, readonly unknown[]])[] = [
    [{ kind: "exited", exitCode: 0 }, [0, null, null]],
    [{ kind: "signalled", signal: "SIGSEGV" }, [null, "SIGSEGV", "SG"]],
    [{ kind: "timed_out" }, [null, "SIGKILL", "TO"]],
    [{ kind: "cpu_limit" }, [null, "SIGKILL", "TO"]],
    [{ kind: "out_of_memory" }, [null, "SIGKILL", "SG"]],
    [{ kind: "sandbox_error", step: "mount /usr" }, [null, "SIGKILL", "XX"]],
  ];
  for (const [outcome, [code, signal, word]] of ends) {
    it(`tells the end ${outcome.kind}`, async () => {
      const rig = makePistonRig();
      rig.runner.script = (run) => run.end({ outcome });
      const { run } = await execute(rig, PYTHON);
      assert.deepEqual([run["code"], run["signal"], run["status"]], [code, signal, word]);
    });
  }

  it("says that output was cut", async () => {
    const rig = makePistonRig();
    rig.runner.script = (run) => run.end({ dropped: { stdout: 0, stderr: 5 } });
    const { run } = await execute(rig, PYTHON);
    assert.deepEqual([run["code"], run["status"]], [0, "EL"]);
  });

  it("hands files, arguments, input and limits to the job", async () => {
    const rig = makePistonRig();
    let seen = "";
    rig.runner.script = (run) => {
      const { files } = run.spec.input;
      seen = files.map(({ path, bytes }) => `${path}=${Buffer.from(bytes)}`).join(" ");
      run.end({ outputs: new FakeOutputs({ "made.txt": "1" }) });
    };
    await execute(rig, {
      language: "js",
      version: "*",
      files: [
        { name: "data.bin", content: "YWI=", encoding: "base64" },
        { name: "__proto__", content: "6162", encoding: "hex" },
        { content: "main" },
        { name: "lib/b.js", content: "lib", encoding: "utf8" },
      ],
      args: ["x"],
      stdin: "typed",
      run_timeout: 1500,
      run_cpu_time: 2500,
      compile_timeout: 90_000,
      run_memory_limit: 100 * 1024 * 1024,
    });
    assert.equal(seen, "data.bin=ab __proto__=ab file2.js=main lib/b.js=lib");
    const { manifest } = rig.runner.runs[0]?.spec ?? assert.fail();
    assert.equal(manifest.entrypoint, "file2.js");
    assert.equal(manifest.interpreter, "node");
    assert.deepEqual(manifest.args, ["x"]);
    assert.equal(manifest.timeoutSeconds, 1.5);
    assert.equal(manifest.cpuSeconds, 2.5);
    assert.equal(manifest.memoryMb, 100);
    assert.deepEqual(manifest.outputs, []);
  });

  it("gives a compiled language the time of both stages, and at least a second", async () => {
    const rig = makePistonRig();
    rig.runner.interpreters = [
      { name: "gcc", aliases: [], version: "12.2.0", extensions: [".c"] },
      { name: "python3", aliases: [], version: "3.11.2", extensions: [".py"] },
    ];
    rig.runner.script = echo;
    const files = [{ content: "int main(){}" }];
    const limits = { run_timeout: 500, compile_timeout: 7000, run_memory_limit: -1 };
    await execute(rig, { language: "c", version: "12", files, ...limits });
    await execute(rig, { language: "python", version: "3", files, ...limits });
    const [first, second] = rig.runner.runs.map(({ spec }) => spec.manifest);
    assert.deepEqual([first?.timeoutSeconds, first?.memoryMb], [7.5, 512]);
    assert.equal(second?.timeoutSeconds, 1);
    assert.equal(first?.entrypoint, "file0.c");
  });

  it("keeps nothing behind and stops when the client hangs up", async () => {
    const rig = makePistonRig();
    const hangUp = new AbortController();
    const asked = execute(rig, PYTHON, { signal: hangUp.signal });
    const run = await rig.runner.next();
    hangUp.abort();
    await asked.catch(() => undefined);
    assert.equal(run.signal.reason, "cancelled");
    assert.deepEqual(rig.engine.totals(), { running: 0, waiting: 0, slots: 4 });
  });

  it("gives up a job that waits too long", async () => {
    const rig = makePistonRig();
    const asked = execute(rig, PYTHON);
    const run = await rig.runner.next();
    await settle();
    rig.clock.advance(300_000);
    const { status, message } = await asked;
    assert.equal(status, 503);
    assert.match(String(message), /queue is full/);
    assert.equal(run.signal.reason, "cancelled");
  });
});

const wrong: readonly (readonly [unknown, string | RegExp])[] = [
  [{}, "language is required as a string"],
  [null, "language is required as a string"],
  [[], "language is required as a string"],
  [{ language: 5 }, "language is required as a string"],
  [{ language: "python" }, "version is required as a string"],
  [{ language: "python", version: "*" }, "files is required as an array"],
  [{ language: "python", version: "*", files: {} }, "files is required as an array"],
  [{ ...PYTHON, files: [{}] }, "files[0].content is required as a string"],
  [{ ...PYTHON, files: [null] }, "files[0].content is required as a string"],
  [{ ...PYTHON, files: [] }, "files must include at least one utf8 encoded file"],
  [
    { ...PYTHON, files: [{ content: "", encoding: "base64" }] },
    "files must include at least one utf8 encoded file",
  ],
  [{ ...PYTHON, version: "2.7.1" }, "python-2.7.1 runtime is unknown"],
  [{ ...PYTHON, language: "__proto__" }, "__proto__-3.x runtime is unknown"],
  [{ ...PYTHON, language: "x".repeat(9999) }, /^x{199,200}….* runtime is unknown$/],
  [{ ...PYTHON, run_timeout: "3" }, "If specified, run_timeout must be a number"],
  [{ ...PYTHON, run_timeout: -5 }, "run_timeout must be non-negative"],
  [{ ...PYTHON, run_timeout: 1e9 }, "run_timeout cannot exceed the configured limit of 120000"],
  [{ ...PYTHON, run_memory_limit: 1e15 }, /^run_memory_limit cannot exceed the configured limit/],
  [{ ...PYTHON, run_cpu_time: {} }, "If specified, run_cpu_time must be a number"],
  [{ ...PYTHON, stdin: 5 }, "stdin must be a string"],
  [{ ...PYTHON, args: "x" }, /args/],
  [{ ...PYTHON, args: [{}] }, /args\[0\]/],
  [{ ...PYTHON, args: Array(1000).fill("x") }, /args: has more than 256 items/],
  [{ ...PYTHON, files: [{ name: "../x", content: "" }] }, /climbs/],
  [{ ...PYTHON, files: [{ name: "/etc/passwd", content: "" }] }, /absolute/],
  [{ ...PYTHON, files: [{ name: {}, content: "" }] }, "files[0].name must be a string"],
  [
    { ...PYTHON, files: [0, 1].map(() => ({ name: "a", content: "" })) },
    "files[1].name is given twice",
  ],
  [
    { ...PYTHON, files: [{ content: "" }, { content: "5", encoding: "hex" }] },
    "files[1].content is not hex",
  ],
  [{ ...PYTHON, files: Array(1001).fill({ content: "" }) }, "files may have 1000 entries"],
  ["{", /not valid JSON/],
];

describe("S14 a wrong request in Piston's form", () => {
  for (const [body, sentence] of wrong) {
    it(`is told: ${sentence}`, async () => {
      const rig = makePistonRig();
      const { status, message } = await execute(rig, body);
      assert.equal(status, 400);
      if (typeof sentence === "string") assert.equal(message, sentence);
      else assert.match(String(message), sentence);
      assert.equal(rig.runner.runs.length, 0);
    });
  }

  it("is told of its type, size, coding and method", async () => {
    const rig = makePistonRig();
    const headers = (more: Record<string, string>) => ({ headers: more });
    const form = headers({ "Content-Type": "application/x-www-form-urlencoded" });
    assert.equal((await execute(rig, "a=b", form)).status, 415);
    const packed = headers({ "Content-Type": "application/json", "Content-Encoding": "gzip" });
    assert.equal((await execute(rig, PYTHON, packed)).status, 415);
    assert.equal((await execute(rig, `"${"x".repeat(8 << 20)}"`)).status, 413);
    assert.equal((await ask(rig, "/api/v2/execute")).status, 405);
    assert.equal((await ask(makeRig(), "/api/v2/runtimes")).status, 404);
  });

  it("counts for who asked, not for the proxy between", async () => {
    const rig = makePistonRig({ behindProxy: true, maxRunning: 1, maxWaiting: 1 });
    const from = (address: string) =>
      execute(rig, PYTHON, {
        headers: { "Content-Type": "application/json", "X-Forwarded-For": address },
      });
    const calls = ["192.0.2.1", "192.0.2.1", "192.0.2.2", "192.0.2.2"].map(from);
    for (let turn = 0; turn < 500 && rig.engine.totals().waiting < 2; turn++) await settle();
    const { running, waiting } = rig.engine.totals();
    assert.deepEqual([running, waiting], [2, 2]);
    assert.equal((await from("192.0.2.1")).status, 429);
    await rig.close();
    await Promise.allSettled(calls);
  });

  it("is told of quotas and of a service that is not ready, with Piston's form", async () => {
    const rig = makePistonRig({ maxRunning: 1, maxWaiting: 1 });
    const calls = [execute(rig, PYTHON), execute(rig, PYTHON)];
    while (rig.engine.totals().waiting === 0) await settle();
    const busy = await execute(rig, PYTHON);
    assert.equal(busy.status, 429);
    assert.match(String(busy.message), /as many jobs here as one caller may have/);
    assert.ok(Number(busy.retryAfter) > 0);
    rig.runner.state = { healthy: false, reason: "no boxes" };
    assert.equal((await ask(rig, "/api/v2/runtimes")).status, 503);
    assert.equal((await execute(rig, PYTHON)).status, 503);
    await rig.close();
    await Promise.allSettled(calls);
  });
});
