import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import {
  existsSync,
  linkSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { OutputDirectory } from "../../src/cli/outdir.ts";
import { scratch } from "./files.ts";
import { sandrun } from "./harness.ts";

async function* chunks(...parts: readonly string[]): AsyncGenerator<Uint8Array> {
  for (const part of parts) yield Buffer.from(part);
}

/** What a job or a server claims of these bytes, truthfully. */
function incoming(path: string, content: string) {
  const sha256 = createHash("sha256").update(content).digest("hex");
  return { path, sizeBytes: Buffer.byteLength(content), sha256 };
}

/** Writes one file honestly announced; resolves to the failure's words or undefined. */
async function place(root: string, path: string, force = false): Promise<string | undefined> {
  const directory = OutputDirectory.open(root, force);
  try {
    await directory.write(incoming(path, "new"), chunks("n", "ew"));
    return undefined;
  } catch (error) {
    assert.ok(error instanceof Error);
    return error.message;
  } finally {
    directory.close();
  }
}

test("writes files and their directories, without any execute permission", async (t) => {
  const root = join(await scratch(t), "made", "here");
  assert.equal(await place(root, "a/b/c.txt"), undefined);
  assert.equal(readFileSync(join(root, "a/b/c.txt"), "utf8"), "new");
  assert.equal(lstatSync(join(root, "a/b/c.txt")).mode & 0o111, 0);
});

const CLIMBERS = ["../x", "a/../../x", "/etc/x", "", ".", "..", "a//b", "a/./b", "a/", "a\0b"];

for (const path of CLIMBERS) {
  test(`writes nothing for the path ${JSON.stringify(path)}`, async (t) => {
    const outer = await scratch(t);
    assert.match((await place(join(outer, "root"), path)) ?? "", /leave the directory/);
    assert.deepEqual(readdirSync(outer), ["root"]);
    assert.deepEqual(readdirSync(join(outer, "root")), []);
  });
}

for (const force of [false, true]) {
  const how = force ? "with --force" : "without --force";

  test(`follows no link to a directory that lay there, ${how}`, async (t) => {
    const outer = await scratch(t);
    mkdirSync(join(outer, "root"));
    mkdirSync(join(outer, "elsewhere"));
    symlinkSync("../elsewhere", join(outer, "root", "results"));
    assert.match((await place(join(outer, "root"), "results/x", force)) ?? "", /in the way/);
    assert.deepEqual(readdirSync(join(outer, "elsewhere")), []);
  });

  test(`follows no link to a file that lay there, ${how}`, async (t) => {
    const outer = await scratch(t);
    mkdirSync(join(outer, "root"));
    writeFileSync(join(outer, "precious"), "old");
    symlinkSync("../precious", join(outer, "root", "x"));
    symlinkSync("../dangling", join(outer, "root", "y"));
    assert.notEqual(await place(join(outer, "root"), "x", force), undefined);
    assert.notEqual(await place(join(outer, "root"), "y", force), undefined);
    assert.equal(readFileSync(join(outer, "precious"), "utf8"), "old");
    assert.ok(!existsSync(join(outer, "dangling")));
  });

  test(`a directory in a file's place stays, ${how}`, async (t) => {
    const root = await scratch(t);
    mkdirSync(join(root, "x"));
    assert.notEqual(await place(root, "x", force), undefined);
    assert.ok(lstatSync(join(root, "x")).isDirectory());
    assert.deepEqual(readdirSync(root), ["x"]);
  });
}

test("replaces nothing without --force", async (t) => {
  const root = await scratch(t);
  writeFileSync(join(root, "x"), "old");
  assert.match((await place(root, "x")) ?? "", /exists already/);
  assert.equal(readFileSync(join(root, "x"), "utf8"), "old");
});

test("with --force replaces the file, never the bytes of another name of it", async (t) => {
  const outer = await scratch(t);
  const root = join(outer, "root");
  mkdirSync(root);
  writeFileSync(join(outer, "precious"), "old");
  linkSync(join(outer, "precious"), join(root, "x"));
  assert.equal(await place(root, "x", true), undefined);
  assert.equal(readFileSync(join(root, "x"), "utf8"), "new");
  assert.equal(readFileSync(join(outer, "precious"), "utf8"), "old");
  assert.deepEqual(readdirSync(root), ["x"], "no temporary file is left");
});

const LIES: readonly (readonly [string, readonly string[], RegExp])[] = [
  ["more bytes than announced", ["ne", "w and more"], /more bytes/],
  ["fewer bytes than announced", ["n"], /incomplete/],
  ["other bytes than announced", ["old"], /checksum/],
];

for (const [what, parts, words] of LIES) {
  for (const force of [false, true]) {
    test(`leaves nothing of a file that came with ${what}${force ? ", with --force" : ""}`, async (t) => {
      const root = await scratch(t);
      const directory = OutputDirectory.open(root, force);
      await assert.rejects(directory.write(incoming("x", "new"), chunks(...parts)), words);
      directory.close();
      assert.deepEqual(readdirSync(root), []);
    });
  }
}

test("says which files it could not write, writes the others, and exits with 125", async (t) => {
  const dir = await scratch(t);
  const out = join(dir, "out");
  mkdirSync(out);
  writeFileSync(join(out, "taken"), "old");
  writeFileSync(join(dir, "a.py"), "");
  const files = { taken: "1", good: "2", "../bad\u001b]0;x\u0007": "3" };
  const ran = await sandrun(["--out", out, join(dir, "a.py")], { script: { files } });
  assert.equal(ran.status, 125);
  assert.match(ran.stderr, /did not write taken: it exists already/);
  assert.match(ran.stderr, /did not write \.\.\/bad\\x1b/);
  assert.ok(!ran.stderr.includes("\u001b"));
  assert.equal(readFileSync(join(out, "good"), "utf8"), "2");
  assert.deepEqual(readdirSync(out).sort(), ["good", "taken"]);
});

test("a program's own status stays when files could not be written", async (t) => {
  const dir = await scratch(t);
  writeFileSync(join(dir, "a.py"), "");
  const script = { files: { "../x": "" }, outcome: { kind: "exited", exitCode: 7 } } as const;
  assert.equal((await sandrun(["-o", dir, join(dir, "a.py")], { script })).status, 7);
});
