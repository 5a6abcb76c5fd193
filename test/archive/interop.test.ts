import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import {
  chmodSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { test } from "node:test";
import { InputBudget } from "../../src/archive/budget.ts";
import { type ArchiveKind, unpack } from "../../src/archive/unpack.ts";

const FILES: Readonly<Record<string, string>> = {
  "main.py": "print('hello')",
  "d/sub/data.csv": "1,2\n".repeat(5000),
  "naïve 日本.txt": "x",
  empty: "",
  [`${"long/".repeat(10)}${"n".repeat(95)}`]: "long",
};

/** Real tools, run on a folder with the files above. */
function run(folder: string, program: string, ...args: string[]): void {
  const ran = spawnSync(program, args, { cwd: folder, encoding: "utf8" });
  assert.equal(ran.status, 0, ran.stderr);
}

async function inFolder(check: (folder: string) => Promise<void>): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), "sandrun-interop-"));
  try {
    for (const [name, text] of Object.entries(FILES)) {
      mkdirSync(join(folder, "in", dirname(name)), { recursive: true });
      writeFileSync(join(folder, "in", name), text);
      utimesSync(join(folder, "in", name), 1_700_000_000, 1_700_000_000);
    }
    chmodSync(join(folder, "in/main.py"), 0o755);
    await check(folder);
  } finally {
    rmSync(folder, { recursive: true });
  }
}

async function readsAll(kind: ArchiveKind, archive: string): Promise<void> {
  const { files } = await unpack(kind, readFileSync(archive), new InputBudget());
  const texts = files.map(({ path, bytes }) => [path, Buffer.from(bytes).toString()]);
  assert.deepEqual(Object.fromEntries(texts), FILES);
  assert.ok(files.every(({ mtimeSeconds }) => mtimeSeconds === 1_700_000_000));
  assert.deepEqual(
    files.filter(({ executable }) => executable).map(({ path }) => path),
    ["main.py"],
  );
}

for (const format of ["gnu", "pax", "ustar"]) {
  test(`reads what tar writes in the ${format} format, plain and packed`, async () => {
    await inFolder(async (folder) => {
      for (const [kind, flags] of [
        ["tar", "-cf"],
        ["tar.gz", "-czf"],
      ] as const) {
        run(folder, "tar", `--format=${format}`, flags, "out", "-C", "in", ".");
        await readsAll(kind, join(folder, "out"));
      }
    });
  });
}

test("refuses the links that tar keeps", async () => {
  await inFolder(async (folder) => {
    symlinkSync("/etc/passwd", join(folder, "in/planted"));
    run(folder, "tar", "-cf", "out", "-C", "in", ".");
    const reading = unpack("tar", readFileSync(join(folder, "out")), new InputBudget());
    await assert.rejects(reading, {
      code: "bad_archive",
      details: '"./planted": is a symbolic link',
    });
  });
});

const ZIP_SCRIPT = `
import os, sys, zipfile
with zipfile.ZipFile("out", "w", zipfile.ZIP_DEFLATED) as archive:
    for folder, _, names in os.walk("in"):
        for name in names:
            path = os.path.join(folder, name)
            archive.write(path, os.path.relpath(path, "in"))
`;

test("reads what Python's zipfile writes", async () => {
  await inFolder(async (folder) => {
    const script = spawnSync("python3", ["-c", ZIP_SCRIPT], {
      cwd: folder,
      // Zip knows local time only; it is read as UTC.
      env: { ...process.env, TZ: "UTC" },
      encoding: "utf8",
    });
    assert.equal(script.status, 0, script.stderr);
    await readsAll("zip", join(folder, "out"));
  });
});
