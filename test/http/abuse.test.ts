/**
 * What would somebody send to break it? Every request here must get an answer of its kind (never
 * a 5xx) or a closed connection, soon, and leave the service as it was.
 */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { TRANSFER_LIMITS } from "../../src/core/limits.ts";
import { ask, makeRig } from "../fakes/service.ts";

interface Abuse {
  readonly name: string;
  readonly path?: string;
  readonly method?: string;
  readonly type?: string | null;
  readonly headers?: Record<string, string>;
  readonly body?: string | Uint8Array;
  readonly status: number;
  readonly code: string;
  /** What the details must name. */
  readonly names?: RegExp;
}

const JSON_TYPE = "application/json";
const FORM = "multipart/form-data; boundary=b";
const part = (disposition: string, content: string) =>
  `--b\r\nContent-Disposition: form-data; ${disposition}\r\n\r\n${content}\r\n`;

const ABUSES: readonly Abuse[] = [
  { name: "an empty body", body: "", status: 400, code: "bad_request" },
  {
    name: "no content type",
    type: null,
    body: Buffer.from("1"),
    status: 415,
    code: "unsupported_media_type",
  },
  {
    name: "a form as curl -d sends it",
    type: "application/x-www-form-urlencoded",
    body: "print(1)",
    status: 415,
    code: "unsupported_media_type",
    names: /Content-Type: text\/plain/,
  },
  {
    name: "a page as code",
    type: "text/html",
    body: "x",
    status: 415,
    code: "unsupported_media_type",
  },
  {
    name: "a content type of nonsense",
    type: ";;;",
    body: "x",
    status: 415,
    code: "unsupported_media_type",
  },
  {
    name: "a compressed body",
    headers: { "Content-Encoding": "gzip" },
    body: "x",
    status: 415,
    code: "unsupported_media_type",
  },
  {
    name: "Brotli",
    headers: { "Content-Encoding": "br" },
    body: "x",
    status: 415,
    code: "unsupported_media_type",
  },
  {
    name: "two encodings",
    headers: { "Content-Encoding": "identity, br" },
    body: "x",
    status: 415,
    code: "unsupported_media_type",
  },
  {
    name: "a declared length over the limit",
    headers: { "Content-Length": "9000000" },
    body: "x",
    status: 413,
    code: "too_large",
  },
  {
    name: "a declared length beyond numbers",
    headers: { "Content-Length": "9".repeat(400) },
    body: "",
    status: 400,
    code: "bad_request",
  },
  {
    name: "a query field that does not exist",
    path: "/run?colour=red",
    body: "1",
    status: 400,
    code: "bad_manifest",
    names: /colour/,
  },
  {
    name: "a query field given twice",
    path: "/run?timeout=1&timeout=2",
    body: "1",
    status: 400,
    code: "bad_manifest",
    names: /timeout/,
  },
  {
    name: "an interpreter given twice",
    path: "/run?interpreter=node&interpreter=bash",
    body: "1",
    status: 400,
    code: "bad_manifest",
    names: /interpreter/,
  },
  {
    name: "an interpreter that is not there",
    path: "/run?interpreter=cobol",
    body: "1",
    status: 400,
    code: "unknown_interpreter",
    names: /python3/,
  },
  {
    name: "an interpreter from Object.prototype",
    path: "/run?interpreter=constructor",
    body: "1",
    status: 400,
    code: "unknown_interpreter",
  },
  {
    name: "a known interpreter that this machine lacks",
    path: "/run?interpreter=perl",
    body: "1",
    status: 400,
    code: "unknown_interpreter",
  },
  {
    name: "an entrypoint for text",
    path: "/run?entrypoint=/etc/passwd",
    body: "1",
    status: 400,
    code: "bad_manifest",
    names: /entrypoint/,
  },
  {
    name: "a time out of range",
    path: "/run?timeout=0",
    body: "1",
    status: 400,
    code: "bad_manifest",
    names: /timeout/,
  },
  {
    name: "a time in words",
    path: "/run?timeout=1e9",
    body: "1",
    status: 400,
    code: "bad_manifest",
  },
  {
    name: "memory below zero",
    path: "/run?memory_mb=-64",
    body: "1",
    status: 400,
    code: "bad_manifest",
  },
  {
    name: "a wait of nonsense",
    path: "/run?wait=soon",
    body: "1",
    status: 400,
    code: "bad_request",
    names: /wait/,
  },
  { name: "a wait below zero", path: "/run?wait=-1", body: "1", status: 400, code: "bad_request" },
  { name: "a wait for ever", path: "/run?wait=301", body: "1", status: 400, code: "bad_request" },
  { name: "two waits", path: "/run?wait=1&wait=2", body: "1", status: 400, code: "bad_request" },
  {
    name: "an infinite wait",
    path: "/run?wait=Infinity",
    body: "1",
    status: 400,
    code: "bad_request",
  },
  {
    name: "a query that cannot be decoded",
    path: "/run?%ff=%fe",
    body: "1",
    status: 400,
    code: "bad_manifest",
  },
  {
    name: "tty that is no truth value",
    path: "/run?tty=1",
    body: "1",
    status: 400,
    code: "bad_manifest",
    names: /tty/,
  },
  { name: "JSON cut off", type: JSON_TYPE, body: '{"code":', status: 400, code: "bad_request" },
  { name: "JSON that is a list", type: JSON_TYPE, body: "[]", status: 400, code: "bad_request" },
  { name: "JSON that is null", type: JSON_TYPE, body: "null", status: 400, code: "bad_request" },
  {
    name: "JSON that is not UTF-8",
    type: JSON_TYPE,
    body: Buffer.from([0x7b, 0xff, 0x7d]),
    status: 400,
    code: "bad_request",
  },
  { name: "an empty JSON body", type: JSON_TYPE, body: "", status: 400, code: "bad_request" },
  {
    name: "JSON nested a million deep",
    type: JSON_TYPE,
    body: '{"code":'.repeat(1) + "[".repeat(1_000_000),
    status: 400,
    code: "bad_request",
  },
  {
    name: "valid JSON nested deep",
    type: JSON_TYPE,
    body: `{"code":${"[".repeat(100_000)}${"]".repeat(100_000)}}`,
    status: 400,
    code: "bad_manifest",
    names: /code/,
  },
  {
    name: "JSON without code",
    type: JSON_TYPE,
    body: "{}",
    status: 400,
    code: "bad_manifest",
    names: /code/,
  },
  {
    name: "code that is a number",
    type: JSON_TYPE,
    body: '{"code":1}',
    status: 400,
    code: "bad_manifest",
    names: /code/,
  },
  {
    name: "code that is null",
    type: JSON_TYPE,
    body: '{"code":null}',
    status: 400,
    code: "bad_manifest",
  },
  {
    name: "an unknown field",
    type: JSON_TYPE,
    body: '{"code":"1","cmd":"id"}',
    status: 400,
    code: "bad_manifest",
    names: /cmd/,
  },
  {
    name: "a field called __proto__",
    type: JSON_TYPE,
    body: '{"code":"1","__proto__":{"tty":true}}',
    status: 400,
    code: "bad_manifest",
    names: /__proto__/,
  },
  {
    name: "a field called constructor",
    type: JSON_TYPE,
    body: '{"code":"1","constructor":{"prototype":{}}}',
    status: 400,
    code: "bad_manifest",
    names: /constructor/,
  },
  {
    name: "encrypt_to, which is not built",
    type: JSON_TYPE,
    body: '{"code":"1","encrypt_to":["age1"]}',
    status: 400,
    code: "unsupported",
    names: /encrypt_to/,
  },
  {
    name: "an entrypoint beside code",
    type: JSON_TYPE,
    body: '{"code":"1","entrypoint":"x.py"}',
    status: 400,
    code: "bad_manifest",
    names: /entrypoint/,
  },
  {
    name: "a null interpreter",
    type: JSON_TYPE,
    body: '{"code":"1","interpreter":null}',
    status: 400,
    code: "bad_manifest",
    names: /interpreter/,
  },
  {
    name: "files that are a list",
    type: JSON_TYPE,
    body: '{"code":"1","files":["a"]}',
    status: 400,
    code: "bad_manifest",
    names: /files/,
  },
  {
    name: "a file that is a number",
    type: JSON_TYPE,
    body: '{"code":"1","files":{"a":1}}',
    status: 400,
    code: "bad_manifest",
    names: /files\["a"\]/,
  },
  {
    name: "a file of broken base64",
    type: JSON_TYPE,
    body: '{"code":"1","files":{"a":{"base64":"a*b="}}}',
    status: 400,
    code: "bad_manifest",
    names: /base64/,
  },
  {
    name: "a file that climbs out",
    type: JSON_TYPE,
    body: '{"code":"1","files":{"../a":"x"}}',
    status: 400,
    code: "bad_path",
    names: /\.\.\/a/,
  },
  {
    name: "an absolute file",
    type: JSON_TYPE,
    body: '{"code":"1","files":{"/etc/passwd":"x"}}',
    status: 400,
    code: "bad_path",
  },
  {
    name: "a file named with NUL",
    type: JSON_TYPE,
    body: '{"code":"1","files":{"a\\u0000b":"x"}}',
    status: 400,
    code: "bad_path",
  },
  {
    name: "a file without a name",
    type: JSON_TYPE,
    body: '{"code":"1","files":{"":"x"}}',
    status: 400,
    code: "bad_path",
  },
  {
    name: "one file twice",
    type: JSON_TYPE,
    body: '{"code":"1","files":{"a":"x","./a":"y"}}',
    status: 400,
    code: "bad_path",
    names: /twice/,
  },
  {
    name: "a file that is also a directory",
    type: JSON_TYPE,
    body: '{"code":"1","files":{"a":"x","a/b":"y"}}',
    status: 400,
    code: "bad_path",
  },
  {
    name: "a file where code is placed",
    type: JSON_TYPE,
    body: '{"code":"1","files":{"main.py":"x"}}',
    status: 400,
    code: "bad_path",
    names: /main\.py/,
  },
  {
    name: "a thousand files and more",
    type: JSON_TYPE,
    body: JSON.stringify({
      code: "1",
      files: Object.fromEntries(Array.from({ length: 1001 }, (_, i) => [`f${i}`, ""])),
    }),
    status: 413,
    code: "too_large",
  },
  {
    name: "manifest fields in the query of a JSON job",
    path: "/run?timeout=1",
    type: JSON_TYPE,
    body: '{"code":"1"}',
    status: 400,
    code: "bad_request",
    names: /query/,
  },
  {
    name: "an environment that is not there",
    type: JSON_TYPE,
    body: '{"code":"1","environment":"../science"}',
    status: 400,
    code: "unknown_environment",
    names: /science/,
  },
  {
    name: "a variable with a bad name",
    type: JSON_TYPE,
    body: '{"code":"1","env":{"A=B":"x"}}',
    status: 400,
    code: "bad_manifest",
    names: /env/,
  },
  {
    name: "an argument with NUL",
    type: JSON_TYPE,
    body: '{"code":"1","args":["a\\u0000"]}',
    status: 400,
    code: "bad_manifest",
    names: /args/,
  },
  {
    name: "an output pattern that climbs",
    type: JSON_TYPE,
    body: '{"code":"1","outputs":["../*"]}',
    status: 400,
    code: "bad_manifest",
    names: /outputs/,
  },
  {
    name: "a form without a boundary",
    type: "multipart/form-data",
    body: "x",
    status: 400,
    code: "bad_request",
  },
  {
    name: "a form that never ends",
    type: FORM,
    body: part('name="files"; filename="a.py"', "x"),
    status: 400,
    code: "bad_request",
  },
  {
    name: "a form with nothing in it",
    type: FORM,
    body: "--b--\r\n",
    status: 400,
    code: "bad_manifest",
  },
  {
    name: "a form with an unknown part",
    type: FORM,
    body: `${part('name="evil"', "x")}--b--\r\n`,
    status: 400,
    code: "bad_request",
    names: /evil/,
  },
  {
    name: "a form with a manifest of nonsense",
    type: FORM,
    body: `${part('name="files"; filename="a.py"', "x")}${part('name="manifest"', "{")}--b--\r\n`,
    status: 400,
    code: "bad_manifest",
  },
  {
    name: "a form with a null manifest",
    type: FORM,
    body: `${part('name="files"; filename="a.py"', "x")}${part('name="manifest"', "null")}--b--\r\n`,
    status: 400,
    code: "bad_manifest",
  },
  {
    name: "a form whose file climbs out",
    type: FORM,
    body: `${part('name="files"; filename="../../a.py"', "x")}--b--\r\n`,
    status: 400,
    code: "bad_path",
  },
  {
    name: "a form whose archive is none",
    type: FORM,
    body: `${part('name="files"; filename="a.zip"', "PK")}--b--\r\n`,
    status: 400,
    code: "bad_archive",
  },
  { name: "GET on /run", path: "/run", method: "GET", status: 405, code: "method_not_allowed" },
  {
    name: "PUT on /run",
    path: "/run",
    method: "PUT",
    body: "x",
    status: 405,
    code: "method_not_allowed",
  },
  {
    name: "DELETE on a status",
    path: "/status/x",
    method: "DELETE",
    status: 405,
    code: "method_not_allowed",
  },
  {
    name: "an invented method",
    path: "/health",
    method: "BREW",
    status: 405,
    code: "method_not_allowed",
  },
  {
    name: "an address that is not there",
    path: "/admin",
    method: "GET",
    status: 404,
    code: "no_route",
  },
  {
    name: "an address below one that is",
    path: "/run/x",
    method: "POST",
    body: "x",
    status: 404,
    code: "no_route",
  },
  { name: "an address of slashes", path: "//////", method: "GET", status: 404, code: "no_route" },
  { name: "an id of NUL", path: "/status/%00", method: "GET", status: 404, code: "not_found" },
  {
    name: "an id that cannot be decoded",
    path: "/status/%E0%A4%A",
    method: "GET",
    status: 404,
    code: "not_found",
  },
];

describe("S14: a malformed request", () => {
  for (const abuse of ABUSES) {
    it(`is refused: ${abuse.name}`, async () => {
      const rig = makeRig();
      const { path = "/run", method = "POST", type = "text/plain", status, code, names } = abuse;
      const headers = { ...(type === null ? {} : { "Content-Type": type }), ...abuse.headers };
      const { body } = abuse;
      const answer = await ask(rig, path, {
        method,
        headers,
        ...(body === undefined ? {} : { body }),
      });
      assert.deepEqual([answer.status, answer.json?.code], [status, code], answer.text);
      if (names !== undefined) assert.match(String(answer.json?.details), names);
      assert.equal(typeof answer.json?.error, "string");
      assert.equal(rig.runner.runs.length, 0);
      assert.ok(answer.text.length < 2000);
      assert.ok(rig.logged.every(({ event }) => event !== "fault"));
    });
  }

  it("says which methods an address takes", async () => {
    const { headers } = await ask(makeRig(), "/run");
    assert.equal(headers.get("Allow"), "POST, OPTIONS");
  });

  it("is cut off as soon as it crosses the limit, whatever length it declared", async () => {
    for (const type of ["text/plain", JSON_TYPE, FORM]) {
      const rig = makeRig();
      let sent = 0;
      const body = new ReadableStream<Uint8Array>(
        {
          pull(controller) {
            sent += 1024 * 1024;
            controller.enqueue(Buffer.alloc(1024 * 1024, "a"));
          },
        },
        { highWaterMark: 0 },
      );
      const headers = { "Content-Type": type, "Content-Length": "10" };
      const asked = ask(rig, "/run", {
        method: "POST",
        headers,
        body,
        duplex: "half",
      } as RequestInit);
      const { status, json } = await asked;
      assert.ok(status === 413 || status === 400, `${type}: ${status} ${json?.code}`);
      const most = type === FORM ? TRANSFER_LIMITS.inputBytes : TRANSFER_LIMITS.jsonBodyBytes;
      assert.ok(sent <= most + 3 * 1024 * 1024, `${type}: ${sent} bytes were read`);
    }
  });
});
