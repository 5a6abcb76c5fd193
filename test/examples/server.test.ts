/** The command line and the service together, over TLS, with real boxes. */
import assert from "node:assert/strict";
import { existsSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { gunzipSync } from "node:zlib";
import { scratch } from "../cli/files.ts";
import { type Ran, sandrun } from "./run.ts";
import { startService } from "./service.ts";

const ID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

test("what runs here runs on a server, with the same words and the same end", async (t) => {
  const { url, fingerprint } = await startService(t, ["serve", "--port", "8443"]);
  const there = (words: readonly string[], stdin?: string): Promise<Ran> =>
    sandrun(["--server", url, "--fingerprint", fingerprint, ...words], stdin);
  const on = (command: string, ...words: readonly string[]): Promise<Ran> =>
    sandrun([command, "--server", url, "--fingerprint", fingerprint, ...words]);

  await t.test("a file, with its standard input", async () => {
    const ran = await there(["examples/json-shape.mjs"], "[1]");
    assert.deepEqual(
      [ran.stdout, ran.stderr, ran.status],
      ["array of 1\n  each: number 1\n", "", 0],
    );
  });

  await t.test("a directory whose manifest names its outputs", async () => {
    const out = await scratch(t);
    const ran = await there(["--out", out, "examples/log-report"]);
    assert.equal(ran.stderr, "");
    assert.equal(ran.status, 0);
    assert.deepEqual(readdirSync(out), ["reports"]);
    assert.equal(readdirSync(join(out, "reports")).length, 4);
  });

  await t.test("an end by time, by memory, by signal and by status", async () => {
    const slow = await there(["--timeout", "1", "-"], "import time; time.sleep(60)");
    assert.deepEqual([slow.status, slow.stderr], [124, "sandrun: timed out\n"]);
    const large = await there(["--memory", "64M", "-"], "x = bytearray(10**9)");
    assert.deepEqual([large.status, large.stderr], [137, "sandrun: ran out of memory\n"]);
    const killed = await there(["-l", "sh", "-"], "kill -9 $$");
    assert.equal(killed.status, 137);
    assert.equal((await there(["-l", "sh", "-"], "exit 42")).status, 42);
  });

  await t.test("outputs too large to come with the result are fetched", async () => {
    const out = await scratch(t);
    const code = "open('big', 'wb').write(bytes(3 << 20)); open('small', 'w').write('s')";
    const ran = await there(["--out", out, "-"], code);
    assert.equal(ran.stderr, "");
    assert.equal(readFileSync(join(out, "big")).length, 3 << 20);
    assert.equal(readFileSync(join(out, "small"), "utf8"), "s");
  });

  await t.test("submitted, looked at, downloaded, gone", async () => {
    const submitted = await on("submit", "examples/sales-report");
    const id = submitted.stdout.trim();
    assert.match(id, ID);
    const status = async (): Promise<string> => (await on("status", id)).stdout;
    while (!/^(completed|failed)/.test(await status()));
    assert.match(await status(), /^completed: exited with 0\n/);
    assert.match((await on("logs", id)).stdout, /the best was 2025-02/);
    assert.match((await on("outputs", id)).stdout, /^\d+\tresults\/chart\.svg$/m);
    const out = await scratch(t);
    assert.equal((await on("download", "--out", out, id)).status, 0);
    assert.ok(existsSync(join(out, "results/summary.csv")));
    const gone = await on("status", id);
    assert.equal(gone.status, 125);
    assert.match(gone.stderr, /^sandrun: There is no such job or file\.\n$/);
  });

  await t.test("downloaded as an archive", async () => {
    const dir = await scratch(t);
    writeFileSync(join(dir, "a.sh"), "echo 1 > made");
    const id = (await on("submit", join(dir, "a.sh"))).stdout.trim();
    while (!/^completed/.test((await on("status", id)).stdout));
    const archive = await sandrunBytes([
      "download",
      "--server",
      url,
      "--fingerprint",
      fingerprint,
      id,
    ]);
    assert.match(gunzipSync(archive).toString("latin1"), /^made\0/);
  });
});

async function sandrunBytes(words: readonly string[]): Promise<Buffer> {
  const { stdout } = await sandrun(words, "", "latin1");
  return Buffer.from(stdout, "latin1");
}
