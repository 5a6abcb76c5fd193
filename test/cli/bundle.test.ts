/** The bundle that `./sandrun` runs, made by the real bundler from a copy of the sources. */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import {
  cpSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { fileURLToPath } from "node:url";
import { scratch } from "./files.ts";

const ROOT = fileURLToPath(new URL("../../", import.meta.url));

/** Set up already, but for the bundle; sources and scripts are its own. */
async function checkout(t: TestContext): Promise<string> {
  const dir = join(await scratch(t), "checkout");
  for (const name of ["src", "scripts", "package.json", "package-lock.json", "sandrun"])
    cpSync(join(ROOT, name), join(dir, name), { recursive: true, preserveTimestamps: true });
  for (const name of ["node_modules", "native"]) symlinkSync(join(ROOT, name), join(dir, name));
  mkdirSync(join(dir, ".runtime"));
  writeFileSync(join(dir, ".runtime/ready"), `${process.execPath}\n`);
  return dir;
}

function sandrun(dir: string, ...words: readonly string[]) {
  const command = ["-c", 'umask 077; exec "$0" "$@"', join(dir, "sandrun"), ...words];
  return spawnSync("sh", command, { encoding: "utf8" });
}

/** The file's dates stay what they were. */
function edit(path: string, from: string, to: string): void {
  const { atime, mtime } = statSync(path);
  const text = readFileSync(path, "utf8");
  assert.ok(text.includes(from));
  writeFileSync(path, text.replace(from, to));
  utimesSync(path, atime, mtime);
}

const version = (dir: string) => join(dir, "src/cli/version.ts");

test("an edited source is what runs", async (t) => {
  const dir = await checkout(t);
  assert.match(sandrun(dir, "--version").stdout, /^sandrun \d/);
  edit(version(dir), "`sandrun $", "`EDITED! $");
  assert.match(sandrun(dir, "--version").stdout, /^EDITED! \d/);
  edit(version(dir), "`EDITED! $", "`sandrun $");
  assert.match(sandrun(dir, "--version").stdout, /^sandrun \d/);
});

test("a service of another uid can read it, whatever the umask of whoever made it", async (t) => {
  const dir = await checkout(t);
  assert.equal(sandrun(dir, "--version").status, 0);
  const [name = ""] = readdirSync(join(dir, ".runtime")).filter((entry) => /^program-/.test(entry));
  const made = join(dir, ".runtime", name);
  assert.equal(statSync(made).mode & 0o777, 0o755);
  const files = readdirSync(made);
  assert.ok(files.includes("program.js"));
  for (const file of files) assert.equal(statSync(join(made, file)).mode & 0o777, 0o644, file);
});

test("a source that breaks, and one that would not be noticed, are told and do not run", async (t) => {
  const dir = await checkout(t);
  edit(version(dir), '{ put } from "./io.ts"', '{ put } from "./nothing.ts"');
  const broken = sandrun(dir, "--version");
  assert.equal(broken.status, 125);
  assert.match(
    broken.stderr,
    /nothing\.ts[\s\S]*\nsandrun: could not bundle the program in src\/ /,
  );
  mkdirSync(join(dir, "src/cli/deep"));
  writeFileSync(join(dir, "src/cli/deep/nothing.ts"), 'export * from "../io.ts";\n');
  edit(version(dir), '"./nothing.ts"', '"./deep/nothing.ts"');
  const deep = sandrun(dir, "--version");
  assert.equal(deep.status, 125);
  assert.match(deep.stderr, /src\/cli\/deep\/nothing\.ts would change without being noticed/);
});
