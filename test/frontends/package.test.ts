/** The Python package as others get it: built, installed where nothing else is, typed. */
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { venvPython } from "./python.ts";

const execute = promisify(execFile);
const PACKAGE = fileURLToPath(new URL("../../clients/python", import.meta.url));

test("what is installed has its types, needs nothing else and runs by itself", async (t) => {
  const place = await mkdtemp(join(tmpdir(), "sandrun-package-"));
  t.after(() => rm(place, { recursive: true }));
  const words = ["--no-index", "--no-deps", "--no-build-isolation", "--target", place, PACKAGE];
  await execute(venvPython(), ["-m", "pip", "install", "--quiet", ...words]);
  // -I: no directory of ours, no variable and no package of a user; -S: none of the system.
  const program = `import sys; sys.path.insert(0, ${JSON.stringify(place)})
import sandrun, pathlib, importlib.metadata
print(pathlib.Path(sandrun.__file__).with_name("py.typed").exists(), sandrun.__version__)
print(importlib.metadata.requires("sandrun"), sandrun.Client("https://localhost").close())`;
  const { stdout } = await execute("/usr/bin/python3", ["-I", "-S", "-c", program]);
  assert.equal(stdout, "True 0.1.0\nNone None\n");
});
