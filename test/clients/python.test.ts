/** The Python package: its own tests, then both of its clients against the service in real boxes. */
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { startService } from "../examples/service.ts";

const PACKAGE = fileURLToPath(new URL("../../clients/python/", import.meta.url));

/** What `python3 -m unittest` says at its end. */
function unittest(words: readonly string[], variables: Record<string, string>): Promise<string> {
  const { SANDRUN_SERVER: _server, SANDRUN_FINGERPRINT: _pin, ...inherited } = process.env;
  const env = { ...inherited, PYTHONPATH: "src", PYTHONDONTWRITEBYTECODE: "1", ...variables };
  const argv = ["-W", "error::ResourceWarning", "-m", "unittest", ...words];
  return new Promise((resolve) => {
    // A failed run is told by its words too, which are better read than a status.
    execFile("/usr/bin/python3", argv, { cwd: PACKAGE, env }, (_error, _stdout, said) =>
      resolve(said),
    );
  });
}

/** @returns how many tests ran */
function allPassed(said: string): number {
  assert.match(said, /\nOK\n$/, said);
  return Number(/^Ran (\d+) tests? in /m.exec(said)?.[1]);
}

test("the Python client keeps its word against a server that behaves badly", async (t) => {
  const ran = allPassed(await unittest(["discover", "-t", ".", "-s", "tests"], {}));
  t.diagnostic(`${ran} Python tests`);
  assert.ok(ran > 90, `${ran} tests`);
});

test("the Python client runs, follows and fetches jobs of the service", async (t) => {
  const words = ["serve", "--port", "8443", "--max-running", "20"];
  const { url, fingerprint } = await startService(t, words);
  const variables = { SANDRUN_SERVER: url, SANDRUN_FINGERPRINT: fingerprint };
  const ran = allPassed(await unittest(["tests.end_to_end"], variables));
  t.diagnostic(`${ran} Python tests`);
  assert.ok(ran > 15, `${ran} tests`);
});
