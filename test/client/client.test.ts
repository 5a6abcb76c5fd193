import assert from "node:assert/strict";
import { test } from "node:test";
import { type Fetch, SandrunClient } from "../../src/client/client.ts";
import { ApiError } from "../../src/client/errors.ts";

const ID = "0f8fad5b-d9cb-469f-a165-70867728950e";
const SHA = "0".repeat(64);

interface Sent {
  readonly url: string;
  readonly init: RequestInit;
}

/** A client whose server answers the same to everything, and what it was sent. */
function client(answer: () => Response, server = "https://box.example"): [SandrunClient, Sent[]] {
  const sent: Sent[] = [];
  const fetch: Fetch = async (url, init) => {
    sent.push({ url, init });
    return answer();
  };
  return [new SandrunClient({ server, fetch }), sent];
}

const RESULT = {
  job_id: ID,
  status: "failed",
  output: "ab",
  stdout: "a",
  stderr: "b",
  stdout_truncated: false,
  stderr_truncated: true,
  outcome: { kind: "exited", exit_code: 3 },
  metrics: { cpu_seconds: 0.1, memory_mb: 9, wall_seconds: 0.2, queue_seconds: 0 },
  isolation: ["user"],
  files: [{ path: "r", size: 1, sha256: SHA, base64: "YQ==" }],
};

test("sends code as JSON and reads the result", async () => {
  const [sandrun, sent] = client(() => Response.json(RESULT));
  const answer = await sandrun.run({ code: "print(1)", timeout: 5 }, { waitSeconds: 2 });
  assert.ok(answer.finished);
  assert.equal(answer.result.outcome.exit_code, 3);
  assert.equal(answer.result.stderr_truncated, true);
  assert.equal(sent[0]?.url, "https://box.example/run?wait=2");
  assert.deepEqual(JSON.parse(String(sent[0]?.init.body)), { code: "print(1)", timeout: 5 });
});

test("asks for a status at once, or when the job has ended", async () => {
  const [sandrun, sent] = client(() => Response.json({ job_id: ID, status: "running" }));
  await sandrun.status(ID);
  await sandrun.status(ID, { waitSeconds: 1 });
  assert.deepEqual(
    sent.map(({ url }) => url),
    [`https://box.example/status/${ID}`, `https://box.example/status/${ID}?wait=1`],
  );
});

test("tells a job that goes on from one that ended", async () => {
  const queued = { job_id: ID, status: "queued", queue_position: 1 };
  const [sandrun] = client(() => Response.json(queued, { status: 202 }));
  const answer = await sandrun.run({ code: "" });
  assert.ok(!answer.finished);
  assert.equal(answer.job.job_id, ID);
});

test("sends files as multipart, the manifest first and paths kept", async () => {
  const [sandrun, sent] = client(() => Response.json({ job_id: ID, status: "queued" }));
  const files = [{ name: "lib/a.py", bytes: Uint8Array.of(0, 255) }];
  await sandrun.submit({ files, manifest: { timeout: 2 } });
  const body = sent[0]?.init.body;
  assert.ok(body instanceof FormData);
  assert.deepEqual([...body.keys()], ["manifest", "files"]);
  assert.equal(body.get("manifest"), '{"timeout":2}');
  const file = body.get("files");
  assert.ok(file instanceof File);
  assert.equal(file.name, "lib/a.py");
  assert.deepEqual([...(await file.bytes())], [0, 255]);
});

test("keeps a path that the server's address has", async () => {
  const [sandrun, sent] = client(() => Response.json({ status: "healthy" }), "https://x/y?z#w");
  await sandrun.health();
  assert.equal(sent[0]?.url, "https://x/y/health");
});

test("never sends a job on to where a redirect points", async () => {
  const [sandrun, sent] = client(() => Response.json(RESULT));
  await sandrun.run({ code: "secret" });
  assert.equal(sent[0]?.init.redirect, "error");
  assert.equal(sent[0]?.init.credentials, "omit");
});

test("a hostile job id or path cannot name another address", async () => {
  const [sandrun, sent] = client(() => new Response("x"));
  await sandrun.downloadFile("../health?", "a/b c/%2e#?");
  assert.equal(sent[0]?.url, "https://box.example/download/..%2Fhealth%3F/a/b%20c/%252e%23%3F");
  for (const bad of ["..", ".", ""]) await assert.rejects(sandrun.status(bad), TypeError);
  await assert.rejects(sandrun.downloadFile(ID, "a/../../health"), TypeError);
  await assert.rejects(sandrun.downloadFile(ID, "\ud800"), TypeError);
});

test("a refusal keeps its code, status, details and when to try again", async () => {
  const refusal = { error: "Busy.", code: "caller_busy", details: "2 jobs", retry_after: 4 };
  const [sandrun] = client(() => Response.json(refusal, { status: 429 }));
  await assert.rejects(sandrun.status(ID), (error) => {
    assert.ok(error instanceof ApiError);
    assert.deepEqual(
      [error.message, error.code, error.status, error.details, error.retryAfter],
      ["Busy.", "caller_busy", 429, "2 jobs", 4],
    );
    return true;
  });
});

const BAD: readonly (readonly [string, string])[] = [
  ["a web page", "<html>"],
  ["a list", "[]"],
  ["nothing", ""],
  ["another object", "{}"],
  ["a wrong number", JSON.stringify({ ...RESULT, metrics: { cpu_seconds: -1 } })],
  ["a wrong kind", JSON.stringify({ ...RESULT, outcome: { kind: "won" } })],
  ["a path that is no text", JSON.stringify({ ...RESULT, files: [{ path: {}, size: 1 }] })],
  ["a prototype", '{"__proto__": {"job_id": "x"}}'],
];

for (const [what, body] of BAD) {
  for (const status of [200, 500]) {
    test(`an answer ${status} that is ${what} is told as a bad answer`, async () => {
      const [sandrun] = client(() => new Response(body, { status }));
      await assert.rejects(sandrun.run({ code: "" }), (error) => {
        assert.ok(error instanceof ApiError);
        assert.equal(error.code, "bad_answer");
        assert.equal(error.status, status);
        return true;
      });
    });
  }
}

test("stops reading an answer that has no end", async () => {
  let cancelled = false;
  const chunk = new Uint8Array(1 << 20).fill(0x20);
  const endless = new ReadableStream<Uint8Array>({
    pull: (controller) => controller.enqueue(chunk),
    cancel: () => {
      cancelled = true;
    },
  });
  const [sandrun] = client(() => new Response(endless));
  await assert.rejects(sandrun.logs(ID), /not of this API/);
  assert.ok(cancelled);
});

test("a service that is not healthy still answers", async () => {
  const body = { status: "unhealthy", reason: "no cgroup" };
  const [sandrun] = client(() => Response.json(body, { status: 503 }));
  assert.deepEqual({ ...(await sandrun.health()) }, body);
});

test("an aborted call rejects and hands the signal on", async () => {
  const fetch: Fetch = (_url, init) =>
    new Promise((_resolve, reject) => {
      init.signal?.addEventListener("abort", () => reject(init.signal?.reason));
    });
  const stop = new AbortController();
  const pending = new SandrunClient({ server: "https://x", fetch }).run(
    { code: "" },
    { signal: stop.signal },
  );
  stop.abort(new Error("enough"));
  await assert.rejects(pending, /enough/);
});

test("downloads arrive as a stream of the very bytes", async () => {
  const [sandrun] = client(() => new Response(Uint8Array.of(1, 0, 255)));
  const bytes = await new Response(await sandrun.download(ID)).bytes();
  assert.deepEqual([...bytes], [1, 0, 255]);
});
