/** Whole requests that a fuzzer made: every answer is ours, in our form, and never a fault. */
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { REFUSALS } from "../../src/core/errors.ts";
import { Callers } from "../../src/http/caller.ts";
import { FORM_TYPE, form, zip } from "../archive/craft.ts";
import { mutated } from "../archive/mutate.ts";
import { ask, echo, makeRig } from "../fakes/service.ts";
import { runs } from "./runs.ts";

const word = fc.oneof(
  fc.constantFrom(
    "run",
    "submit",
    "status",
    "logs",
    "outputs",
    "download",
    "jobs",
    "receipt",
    "stream",
  ),
  fc.constantFrom(
    "environments",
    "stats",
    "health",
    "openapi.json",
    "",
    "..",
    ".",
    "%2e%2e",
    "%",
    "%ff",
    "%00",
  ),
  fc.string({ unit: "binary-ascii", maxLength: 30 }).map(encodeURIComponent),
);
const query = fc
  .array(
    fc.tuple(
      fc.constantFrom(
        "interpreter",
        "timeout",
        "args",
        "env",
        "follow",
        "since",
        "tty",
        "__proto__",
        "x",
      ),
      fc.string({ unit: "binary", maxLength: 12 }),
    ),
    { maxLength: 3 },
  )
  .map((pairs) => new URLSearchParams(pairs).toString());
const address = fc
  .tuple(fc.array(word, { maxLength: 4 }), query)
  .map(([words, text]) => `http://sandrun.test/${words.join("/")}${text === "" ? "" : `?${text}`}`);

const value = fc.oneof(
  fc.constantFrom(
    "text/plain",
    "application/json",
    FORM_TYPE,
    "multipart/form-data",
    "gzip",
    "identity",
  ),
  fc.constantFrom(
    "bytes=0-1",
    "-1",
    "99999999999999999999",
    "0",
    "chunked",
    "*",
    "127.0.0.1, [::1]:80",
  ),
  fc.string({ unit: "binary-ascii", maxLength: 40 }).filter((text) => /^[\x20-\x7e]*$/.test(text)),
);
const header = fc.tuple(
  fc.constantFrom(
    "content-type",
    "content-encoding",
    "content-length",
    "x-forwarded-for",
    "range",
    "if-none-match",
    "accept",
    "origin",
    "expect",
    "prefer",
  ),
  value,
);

const FORM = form(
  { fileName: "main.py", body: "print()" },
  { name: "manifest", body: '{"timeout": 5}' },
  { fileName: "z.zip", body: zip([{ name: "c", body: "3" }]) },
);
const JSON_JOB = Buffer.from(
  '{"code": "1", "files": {"a": "x", "b": {"base64": "eA=="}}, "args": ["a"]}',
);
const typed = fc.oneof(
  mutated(FORM).map((body) => [FORM_TYPE, body] as const),
  mutated(JSON_JOB).map((body) => ["application/json", body] as const),
  fc.uint8Array({ maxLength: 40 }).map((body) => ["text/plain", Buffer.from(body)] as const),
);

const CODES: ReadonlySet<string> = new Set(Object.keys(REFUSALS));

async function assertOurAnswer(
  url: string,
  init: RequestInit,
  headers: readonly [string, string][],
) {
  const rig = makeRig();
  rig.runner.script = echo;
  const given = new Headers();
  for (const [name, text] of headers) given.set(name, text);
  const answer = await ask(rig, url, { ...init, headers: given });
  const { status, json, text } = answer;
  assert.ok(status < 500, `${status} ${text}`);
  assert.ok(!rig.logged.some((fields) => fields["event"] === "fault"), JSON.stringify(rig.logged));
  assert.equal(answer.headers.get("x-content-type-options"), "nosniff");
  if (status >= 400 && init.method !== "HEAD") {
    assert.ok(typeof json?.code === "string" && CODES.has(json.code), text);
    assert.equal(typeof json.error, "string");
  }
  await rig.close();
}

test("S14: any request to any address is answered in our form and never as a fault of ours", async () => {
  const method = fc.constantFrom("GET", "HEAD", "DELETE", "OPTIONS", "PUT", "PATCH", "PROPFIND");
  await fc.assert(
    fc.asyncProperty(method, address, fc.array(header, { maxLength: 4 }), (name, url, headers) =>
      assertOurAnswer(url, { method: name }, headers),
    ),
    runs(300),
  );
});

test("S12: any body to /run and /submit is a job or refused, never a fault of ours", async () => {
  const target = fc.tuple(fc.constantFrom("/run", "/submit"), query);
  await fc.assert(
    fc.asyncProperty(
      target,
      typed,
      fc.array(header, { maxLength: 2 }),
      ([path, text], [type, body], more) => {
        const headers: [string, string][] = [["content-type", type], ...more];
        return assertOurAnswer(
          `${path}?${text}`,
          { method: "POST", body: new Uint8Array(body) },
          headers,
        );
      },
    ),
    runs(300),
  );
});

test("S18: any X-Forwarded-For gives one of few keys to a stranger: that of the peer", () => {
  const own = new Callers({
    trustedProxies: ["10.0.0.0/8"],
    behindProxy: true,
    nowMs: () => 0,
    remembers: () => false,
  });
  const hop = fc.oneof(
    fc.ipV4(),
    fc.ipV6(),
    fc.constantFrom("10.0.0.1", "unknown", "[::1]:1", "1.2.3.4:5"),
    fc.string(),
  );
  const list = fc.array(hop, { maxLength: 40 }).map((hops) => hops.join(","));
  fc.assert(
    fc.property(list, (forwarded) => {
      assert.match(own.identify("10.1.2.3", forwarded).key, /^[\w-]{16}$/);
      assert.deepEqual(own.identify("192.0.2.1", forwarded), own.identify("192.0.2.1", undefined));
    }),
    runs(500),
  );
});
