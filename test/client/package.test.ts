/** The client as others import it: JavaScript and declarations that need nothing else. */
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { cp, mkdir, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { gzipSync } from "node:zlib";
import { build, type Rolldown } from "vite";

const MOST_GZIPPED_BYTES = 6 * 1024;
const checkout = fileURLToPath(new URL("../../", import.meta.url));
const tsc = join(checkout, "node_modules/typescript/bin/tsc");
const run = promisify(execFile);

/** A project with the built package among its own. */
let project = "";
before(async () => {
  project = await mkdtemp(join(tmpdir(), "sandrun-consumer-"));
  const place = join(project, "node_modules/sandrun");
  await mkdir(place, { recursive: true });
  await cp(join(checkout, "package.json"), join(place, "package.json"));
  const outDir = join(place, "dist");
  await run(process.execPath, [
    tsc,
    "-p",
    join(checkout, "tsconfig.client.json"),
    "--outDir",
    outDir,
  ]);
  await writeFile(join(project, "package.json"), '{"type": "module"}');
});
after(() => rm(project, { recursive: true }));

test("a project imports the client and its errors, and runs them", async () => {
  const code = `
    import { SandrunClient } from "sandrun/client";
    import { ApiError } from "sandrun/client/errors";
    const fetch = async () => new Response('{"error": "No.", "code": "queue_full", "retry_after": 3}', { status: 503 });
    const client = new SandrunClient({ server: "https://localhost", fetch });
    const refused = await client.submit({ code: "1" }).catch((error) => error);
    console.log(refused instanceof ApiError, refused.code, refused.retryAfter);`;
  await writeFile(join(project, "main.js"), code);
  const { stdout } = await run(process.execPath, [join(project, "main.js")]);
  assert.equal(stdout, "true queue_full 3\n");
});

test("a project's types are checked against the declarations", async () => {
  const source = (name: string) => `
    import { SandrunClient } from "sandrun/client";
    const client = new SandrunClient({ server: "https://localhost" });
    export const id: Promise<string> = client.submit({ code: "1" }).then((job) => job.${name});`;
  const options = ["--noEmit", "--strict", "--module", "nodenext", "--target", "esnext"];
  await writeFile(join(project, "good.ts"), source("job_id"));
  await writeFile(join(project, "bad.ts"), source("jobId"));
  await run(process.execPath, [tsc, ...options, "good.ts"], { cwd: project });
  await assert.rejects(run(process.execPath, [tsc, ...options, "bad.ts"], { cwd: project }));
});

test("it imports nothing but its own files", async () => {
  const place = join(project, "node_modules/sandrun/dist");
  const names = (await readdir(place, { recursive: true })).filter((name) => name.endsWith(".js"));
  assert.ok(names.includes("client/client.js"));
  for (const name of names) {
    const text = await readFile(join(place, name), "utf8");
    const imports = text.matchAll(/(?:from|import)\s*\(?\s*"([^"]+)"/g);
    for (const [, from = ""] of imports) assert.match(from, /^\.\.?\//, `${name}: ${from}`);
  }
});

test("it is at most 6 KB compressed", async () => {
  const built = (await build({
    root: project,
    configFile: false,
    logLevel: "silent",
    build: {
      write: false,
      lib: { entry: join(project, "node_modules/sandrun/dist/client/client.js"), formats: ["es"] },
    },
  })) as Rolldown.RolldownOutput[];
  const code = built[0]?.output[0].code ?? "";
  const bytes = gzipSync(code).length;
  assert.ok(bytes > 1000 && bytes <= MOST_GZIPPED_BYTES, `${bytes} bytes`);
});
