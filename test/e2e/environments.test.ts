/** Prepared trees: the packages that people miss first, and a whole system in the place of the host's. */
import assert from "node:assert/strict";
import { execFile, execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { promisify } from "node:util";
import { useService } from "./curl.ts";

const execute = promisify(execFile);
const directory = mkdtempSync(join(tmpdir(), "sandrun-trees-"));
const science = join(directory, "science");
const other = join(directory, "other");

/** A system whose only program is a shell that says what it sees. */
function makeSystem(): void {
  mkdirSync(join(other, "usr/bin"), { recursive: true });
  const code = `#include <stdio.h>
    #include <unistd.h>
    int main(void) { puts(access("/usr/bin/python3", F_OK) ? "another system" : "the host's"); }`;
  writeFileSync(join(directory, "sh.c"), code);
  const words = ["-static", "-o", join(other, "usr/bin/sh"), join(directory, "sh.c")];
  execFileSync("gcc", words);
}

makeSystem();
execFileSync("/usr/bin/python3", ["-m", "venv", science]);
const pip = ["install", "--quiet", "numpy", "pandas", "matplotlib"];
await execute(join(science, "bin/pip"), pip, { timeout: 240_000 });
after(() => rmSync(directory, { recursive: true }));

const service = useService(
  ...["--environment", `science=${science}`, "--environment", `other=${other}`],
);

async function run(manifest: Record<string, unknown>): Promise<Record<string, unknown>> {
  const { json, url } = service();
  return json("-H", "Content-Type: application/json", "-d", JSON.stringify(manifest), `${url}/run`);
}

test("numpy, pandas and matplotlib compute and draw in an environment", async () => {
  const code = `
import numpy, pandas, matplotlib
matplotlib.use("Agg")
frame = pandas.DataFrame({"x": numpy.arange(10), "y": numpy.arange(10) ** 2})
print(frame["y"].mean(), round(numpy.linalg.det(numpy.eye(3) * 2)))
frame.plot(x="x", y="y").figure.savefig("plot.png")
`;
  const result = await run({ code, environment: "science" });
  assert.deepEqual([result["stderr"], result["stdout"]], ["", "28.5 8\n"]);
  const [plot] = result["files"] as { path: string; base64: string }[];
  assert.equal(plot?.path, "plot.png");
  assert.equal(Buffer.from(plot.base64, "base64").subarray(1, 4).toString(), "PNG");
});

test("the environment's packages are told, and only its jobs have them", async () => {
  const { json, url } = service();
  const { environments } = await json(`${url}/environments`);
  const found = (environments as { name: string; packages: { name: string }[] }[])[0];
  assert.equal(found?.name, "science");
  const names = found.packages.map(({ name }) => name);
  for (const name of ["numpy", "pandas", "matplotlib"]) assert.ok(names.includes(name), name);
  // The host may have a numpy of its own.
  const without = await run({
    code: "import os, sys\nprint(os.listdir('/env'), [p for p in sys.path if 'env' in p])",
  });
  assert.equal(without["stdout"], "[] []\n");
});

test("an environment cannot be written by its jobs", async () => {
  const code = "import sys, os; print(os.access('/env', os.W_OK)); open('/env/bin/x', 'w')";
  const result = await run({ code, environment: "science" });
  assert.equal(result["stdout"], "False\n");
  assert.match(String(result["stderr"]), /Read-only file system/);
});

test("a whole system stands in the place of the host's", async () => {
  const result = await run({ code: "x", interpreter: "sh", environment: "other" });
  assert.equal(result["stdout"], "another system\n");
});

test("an environment that is not there is refused by name, with those that are", async () => {
  const refused = await run({ code: "1", environment: "nothing" });
  assert.equal(refused["code"], "unknown_environment");
  assert.match(String(refused["details"]), /other.*science|science.*other/);
});
