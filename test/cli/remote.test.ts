import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import type { IncomingMessage, ServerResponse } from "node:http";
import { createServer } from "node:https";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { gunzipSync } from "node:zlib";
import { unpackTar } from "modern-tar";
import { selfSignedCertificate } from "../../src/http/selfsigned.ts";
import { scratch } from "./files.ts";
import { type Ran, type Setting, sandrun } from "./harness.ts";

const ID = "0f8fad5b-d9cb-469f-a165-70867728950e";

interface Asked {
  readonly line: string;
  readonly body: Buffer;
}

type Answer = (asked: Asked, response: ServerResponse) => void;

interface Server {
  readonly asked: Asked[];
  run(argv: readonly string[], setting?: Setting): Promise<Ran>;
  readonly url: string;
  readonly fingerprint: string;
}

/** A TLS server with a certificate of its own that answers as told. */
async function serve(t: TestContext, answer: Answer): Promise<Server> {
  const { certPem, keyPem, fingerprint } = selfSignedCertificate("localhost", Date.now());
  const asked: Asked[] = [];
  const server = createServer({ cert: certPem, key: keyPem }, async (request, response) => {
    const one = { line: `${request.method} ${request.url}`, body: await bodyOf(request) };
    asked.push(one);
    answer(one, response);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  t.after(() => {
    server.closeAllConnections();
    server.close();
  });
  const { port } = server.address() as AddressInfo;
  const url = `https://127.0.0.1:${port}`;
  const env = { SANDRUN_SERVER: url, SANDRUN_FINGERPRINT: fingerprint };
  const run = (argv: readonly string[], setting: Setting = {}): Promise<Ran> =>
    sandrun(argv, { env, ...setting });
  return { asked, run, url, fingerprint };
}

async function bodyOf(request: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk);
  return Buffer.concat(chunks);
}

function json(response: ServerResponse, value: unknown, status = 200): void {
  response.writeHead(status, { "content-type": "application/json" });
  response.end(JSON.stringify(value));
}

function fact(path: string, content: string) {
  const sha256 = createHash("sha256").update(content).digest("hex");
  return { path, size: Buffer.byteLength(content), sha256 };
}

function result(changes: object = {}): object {
  return {
    job_id: ID,
    status: "completed",
    output: "out\nerr\n",
    stdout: "out\n",
    stderr: "err\n",
    outcome: { kind: "exited", exit_code: 0 },
    metrics: {},
    files: [],
    ...changes,
  };
}

test("runs a directory on a server: one archive, the manifest, the result", async (t) => {
  const server = await serve(t, (_asked, response) => {
    json(response, result({ outcome: { kind: "exited", exit_code: 9 }, status: "failed" }));
  });
  const dir = await scratch(t);
  mkdirSync(join(dir, "lib"));
  writeFileSync(join(dir, "main.sh"), "echo", { mode: 0o755 });
  writeFileSync(join(dir, "lib", "data"), Uint8Array.of(0, 255));
  writeFileSync(join(dir, "job.json"), '{"timeout": 8}');
  const ran = await server.run(["--env", "A=1", dir, "x"], { stdin: "input" });
  assert.equal(ran.status, 9);
  assert.equal(ran.stdout.toString(), "out\n");
  assert.equal(ran.stderr, "err\n");
  const [asked] = server.asked;
  assert.match(asked?.line ?? "", /^POST \/run\?wait=[\d.]+$/);
  const { manifest, archive } = await parts(asked?.body ?? Buffer.alloc(0));
  assert.deepEqual(manifest, { timeout: 8, args: ["x"], env: { A: "1" }, stdin: "input" });
  const entries = await unpackTar(gunzipSync(archive));
  const listed = entries.map(({ header }) => `${header.name} ${header.mode?.toString(8)}`);
  assert.deepEqual(listed.sort(), ["lib/ 755", "lib/data 644", "main.sh 755"]);
});

/** The two parts of a multipart body, read by the platform's own parser. */
async function parts(body: Buffer): Promise<{ manifest: unknown; archive: Buffer }> {
  const boundary = body.subarray(2, body.indexOf("\r\n")).toString();
  const type = `multipart/form-data; boundary=${boundary}`;
  const form = await new Response(body, { headers: { "content-type": type } }).formData();
  const file = form.get("files");
  assert.ok(file instanceof File);
  return {
    manifest: JSON.parse(String(form.get("manifest"))),
    archive: Buffer.from(await file.arrayBuffer()),
  };
}

test("waits for a job that takes longer, gets its files, and has it destroyed", async (t) => {
  const server = await serve(t, ({ line }, response) => {
    if (line.startsWith("POST /run"))
      return json(response, { job_id: ID, status: "queued", queue_position: 1 }, 202);
    // A proxy that lets no WebSocket through: an event stream is enough.
    if (line.startsWith(`GET /logs/${ID}/stream`)) return json(response, {}, 404);
    if (line === `GET /logs/${ID}?from=0`) {
      const frames = [
        { status: "queued", queue_position: 1 },
        { status: "running" },
        { seq: 1, stream: "stdout", data: "a" },
        { seq: 2, stream: "stderr", data: "b" },
        { seq: 3, end: { kind: "timed_out" }, stderr_truncated: true },
      ];
      return response.end(frames.map((frame) => `data: ${JSON.stringify(frame)}\n\n`).join(""));
    }
    if (line === `GET /outputs/${ID}`)
      return json(response, { files: ["r/ü.txt"], details: [fact("r/ü.txt", "content")] });
    if (line === `GET /download/${ID}/r/%C3%BC.txt`) return response.end("content");
    assert.equal(line, `DELETE /jobs/${ID}`);
    response.writeHead(204).end();
  });
  const dir = await scratch(t);
  const ran = await server.run(["--out", dir, "-"], { stdin: "print()" });
  assert.equal(ran.status, 124);
  assert.equal(ran.stdout.toString(), "a");
  assert.equal(ran.stderr, "bsandrun: stderr was cut at the server's limit\nsandrun: timed out\n");
  assert.equal(readFileSync(join(dir, "r", "ü.txt"), "utf8"), "content");
  assert.equal(server.asked.at(-1)?.line, `DELETE /jobs/${ID}`);
});

test("waits for a job that takes longer and prints its result as JSON", async (t) => {
  let polls = 0;
  const server = await serve(t, ({ line }, response) => {
    if (line.startsWith("POST /run"))
      return json(response, { job_id: ID, status: "queued", queue_position: 1 }, 202);
    if (line === `GET /status/${ID}`) {
      polls += 1;
      const ended = { status: "failed", outcome: { kind: "timed_out" } };
      return json(response, { job_id: ID, ...(polls < 2 ? { status: "running" } : ended) });
    }
    if (line === `GET /logs/${ID}`) return json(response, { stdout: "a", stderr: "b" });
    if (line === `GET /outputs/${ID}`) return json(response, { files: [], details: [] });
    assert.equal(line, `DELETE /jobs/${ID}`);
    response.writeHead(204).end();
  });
  const ran = await server.run(["--json", "-"], { stdin: "print()" });
  assert.equal(ran.status, 124);
  const told = JSON.parse(ran.stdout.toString());
  assert.deepEqual([told.stdout, told.outcome.kind, ran.stderr], ["a", "timed_out", ""]);
  assert.equal(server.asked.at(-1)?.line, `DELETE /jobs/${ID}`);
});

test("sends nothing to a server whose certificate is another", async (t) => {
  const server = await serve(t, (_asked, response) => json(response, result()));
  const other = "AB:".repeat(31).concat("AB");
  const ran = await sandrun(["--server", server.url, "--fingerprint", other], { stdin: "secret" });
  assert.equal(ran.status, 125);
  assert.match(ran.stderr, /another fingerprint/);
  assert.deepEqual(server.asked, []);
});

test("sends nothing to a server that nobody vouches for", async (t) => {
  const server = await serve(t, (_asked, response) => json(response, result()));
  const ran = await sandrun(["--server", server.url], { stdin: "secret" });
  assert.equal(ran.status, 125);
  assert.match(ran.stderr, /certificate is not trusted.*--fingerprint/);
  assert.deepEqual(server.asked, []);
});

test("takes a fingerprint in lower case without colons too", async (t) => {
  const server = await serve(t, (_asked, response) => json(response, result()));
  const plain = server.fingerprint.replaceAll(":", "").toLowerCase();
  const ran = await sandrun(["--server", server.url, "--fingerprint", plain], { stdin: "1" });
  assert.equal(ran.status, 0);
});

test("a hostile server cannot write outside --out or past what it announced", async (t) => {
  const base64 = Buffer.from("content").toString("base64");
  const server = await serve(t, ({ line }, response) => {
    if (line.startsWith("DELETE")) {
      response.writeHead(204).end();
      return;
    }
    const files = [
      { ...fact("../climbed", "content"), base64 },
      { ...fact("/absolute", "content"), base64 },
      { ...fact("lied", "content"), size: 3, base64 },
      { ...fact("huge", "content"), size: 1e15, base64 },
      { ...fact("good", "content"), base64 },
    ];
    json(response, result({ files }));
  });
  const outer = await scratch(t);
  const ran = await server.run(["--out", join(outer, "out"), "-"], { stdin: "1" });
  assert.equal(ran.status, 125);
  assert.deepEqual(readdirSync(outer), ["out"]);
  assert.ok(!readdirSync(join(outer, "out")).includes("lied"));
  assert.equal(ran.stderr.match(/did not write/g)?.length, 4, ran.stderr);
  assert.equal(readFileSync(join(outer, "out", "good"), "utf8"), "content");
});

test("a hostile server cannot speak to the terminal", async (t) => {
  const server = await serve(t, (_asked, response) => {
    json(response, { error: "no\u001b]0;owned\u0007\nsandrun: fine", code: "not_found" }, 404);
  });
  const ran = await server.run(["status", ID]);
  assert.equal(ran.status, 125);
  assert.ok(!ran.stderr.includes("\u001b"));
  assert.equal(ran.stderr.split("\n").length, 2);
});

test("a job that is gone before it is destroyed spoils nothing", async (t) => {
  const files = [fact("big", "content")];
  const server = await serve(t, ({ line }, response) => {
    if (line.startsWith("POST")) return json(response, result({ files }));
    json(response, { error: "There is no such job.", code: "not_found" }, 404);
  });
  const ran = await server.run(["-"], { stdin: "1" });
  assert.equal(ran.stderr, "err\n");
  assert.equal(ran.status, 0);
});

test("says when to try again", async (t) => {
  const server = await serve(t, (_asked, response) => {
    json(response, { error: "Busy.", code: "caller_busy", retry_after: 3 }, 429);
  });
  const ran = await server.run(["-"], { stdin: "1" });
  assert.equal(ran.stderr, "sandrun: Busy.\nsandrun: try again in 3 s\n");
  assert.equal(ran.status, 125);
});

test("Ctrl-C while it waits destroys the job on the server", async (t) => {
  const interrupt = new AbortController();
  const server = await serve(t, ({ line }, response) => {
    if (line.startsWith("POST")) return json(response, { job_id: ID, status: "queued" }, 202);
    if (line.startsWith("DELETE")) return response.writeHead(204).end();
    json(response, { job_id: ID, status: "running" });
    interrupt.abort(130);
  });
  const ran = await server.run(["-"], { stdin: "1", interrupt });
  assert.equal(ran.status, 130);
  assert.equal(server.asked.at(-1)?.line, `DELETE /jobs/${ID}`);
});

test("refuses binary standard input for a job on a server, where it is text", async (t) => {
  const server = await serve(t, (_asked, response) => json(response, result()));
  const dir = await scratch(t);
  writeFileSync(join(dir, "a.py"), "");
  const ran = await server.run([join(dir, "a.py")], { stdin: Uint8Array.of(0xff) });
  assert.equal(ran.status, 125);
  assert.match(ran.stderr, /must be UTF-8/);
  assert.deepEqual(server.asked, []);
});

test("refuses plain http to another machine, and directories as a server's environment", async () => {
  const http = await sandrun(["--server", "http://example.com", "-"], { stdin: "1" });
  assert.match(http.stderr, /use https/);
  const environment = ["--server", "https://127.0.0.1:1", "--environment", "a=/tmp", "-"];
  assert.match((await sandrun(environment, { stdin: "1" })).stderr, /only the name/);
});

test("submit prints the id; status, logs, outputs, cancel and download use it", async (t) => {
  const server = await serve(t, ({ line }, response) => {
    if (line === "POST /submit")
      return json(response, { job_id: ID, status: "queued", queue_position: 2 }, 202);
    if (line.startsWith("GET /status"))
      return json(response, { job_id: ID, status: "queued", queue_position: 2 });
    if (line.startsWith("GET /logs")) return json(response, { stdout: "1", stderr: "2" });
    if (line.startsWith("GET /outputs"))
      return json(response, { files: ["a"], details: [fact("a", "xyz")] });
    if (line === `GET /download/${ID}`) return response.end(Uint8Array.of(31, 139, 0));
    response.writeHead(204).end();
  });
  assert.equal((await server.run(["submit", "-"], { stdin: "1" })).stdout.toString(), `${ID}\n`);
  assert.match((await server.run(["status", ID])).stdout.toString(), /^queued, place 2\n/);
  const logs = await server.run(["logs", ID]);
  assert.deepEqual([logs.stdout.toString(), logs.stderr], ["1", "2"]);
  assert.equal((await server.run(["outputs", ID])).stdout.toString(), "3\ta\n");
  assert.deepEqual([...(await server.run(["download", ID])).stdout], [31, 139, 0]);
  assert.equal((await server.run(["cancel", ID])).status, 0);
  assert.equal(server.asked.at(-1)?.line, `DELETE /jobs/${ID}`);
});

test("a job stays on the server when one of its files could not be written", async (t) => {
  const server = await serve(t, ({ line }, response) => {
    if (line.startsWith("GET /outputs"))
      return json(response, { files: ["a"], details: [fact("a", "xyz")] });
    response.end("other");
  });
  const ran = await server.run(["download", ID, "--out", await scratch(t)]);
  assert.equal(ran.status, 125);
  assert.ok(server.asked.every(({ line }) => !line.startsWith("DELETE")));
});
