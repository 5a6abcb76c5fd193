import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { gunzipSync } from "node:zlib";
import { readWebFiles } from "../../src/http/web.ts";
import { ask, makeRig } from "../fakes/service.ts";

const directory = mkdtempSync(join(tmpdir(), "sandrun-web-"));
after(() => rmSync(directory, { recursive: true }));
mkdirSync(join(directory, "assets"));
writeFileSync(join(directory, "index.html"), "<!doctype html><title>page</title>");
writeFileSync(join(directory, "assets/index-1.js"), "export {};");
writeFileSync(join(directory, "secret.key"), "not a kind of file that a page has");

const web = readWebFiles(directory);
const browser = { headers: { accept: "text/html,application/xhtml+xml,*/*;q=0.8" } };

test("a browser gets the page at /, a program the facts about the service", async () => {
  const rig = makeRig({ web });
  const page = await ask(rig, "/", browser);
  assert.match(page.text, /<title>page<\/title>/);
  assert.equal(page.headers.get("content-type"), "text/html; charset=utf-8");
  assert.match(page.headers.get("vary") ?? "", /Accept/);
  assert.match((await ask(rig, "/")).text, /"service":"sandrun"/);
});

test("the page's policy lets in no script, style or markup but its own files", async () => {
  const { headers } = await ask(makeRig({ web }), "/", browser);
  const policy = headers.get("content-security-policy") ?? "";
  for (const part of [
    "default-src 'none'",
    "script-src 'self'",
    "style-src 'self'",
    "require-trusted-types-for 'script'",
    "trusted-types 'none'",
    "frame-ancestors 'none'",
    "base-uri 'none'",
  ])
    assert.ok(policy.split("; ").includes(part), part);
  assert.doesNotMatch(policy, /unsafe|sandbox/);
  assert.equal(headers.get("x-content-type-options"), "nosniff");
  assert.equal(headers.get("referrer-policy"), "no-referrer");
});

test("what the API answers keeps the headers that make no page, for browsers too", async () => {
  const rig = makeRig({ web });
  for (const path of ["/environments", "/status/none", "/nothing", "/index.htm"]) {
    const { headers } = await ask(rig, path, browser);
    assert.equal(headers.get("content-security-policy"), "sandbox; default-src 'none'", path);
  }
});

test("only the page's own files are served, by their exact names", async () => {
  const rig = makeRig({ web });
  assert.equal((await ask(rig, "/assets/index-1.js")).text, "export {};");
  const cache = (await ask(rig, "/assets/index-1.js")).headers.get("cache-control");
  assert.equal(cache, "public, max-age=31536000, immutable");
  for (const path of [
    "/secret.key",
    "/assets",
    "/assets/",
    "/assets/..%2findex.html",
    "/assets/%2e%2e/secret.key",
    "//index.html",
    "/INDEX.HTML",
  ])
    assert.equal((await ask(rig, path)).status, 404, path);
});

test("HEAD and other methods are what they are elsewhere", async () => {
  const rig = makeRig({ web });
  const head = await ask(rig, "/", { ...browser, method: "HEAD" });
  assert.deepEqual([head.status, head.text], [200, ""]);
  assert.equal((await ask(rig, "/", { method: "POST" })).status, 405);
});

test("the page comes compressed to who takes that, and as it is to others", async () => {
  const rig = makeRig({ web });
  const get = (encoding: string) =>
    rig.app.request("/assets/index-1.js", { headers: { "accept-encoding": encoding } });
  const small = await get("br, gzip;q=0.5");
  assert.equal(small.headers.get("content-encoding"), "gzip");
  assert.equal(gunzipSync(await small.bytes()).toString(), "export {};");
  assert.match(small.headers.get("vary") ?? "", /Accept-Encoding/);
  for (const encoding of ["", "br", "gzip;q=0", "gzip; q=0.000"]) {
    const whole = await get(encoding);
    assert.equal(whole.headers.get("content-encoding"), null, encoding);
    assert.equal(await whole.text(), "export {};");
  }
});

test("without --web there is no page", async () => {
  const { text } = await ask(makeRig(), "/", browser);
  assert.match(text, /"service":"sandrun"/);
  assert.equal((await ask(makeRig(), "/index.html")).status, 404);
});

test("a page that was not built is told in one sentence", () => {
  assert.throws(() => readWebFiles(join(directory, "nowhere")), /the web page is not built/);
  assert.throws(() => readWebFiles(join(directory, "assets")), /the web page is not built/);
});
