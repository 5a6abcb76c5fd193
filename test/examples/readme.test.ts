/**
 * Every command of ours that README shows, run as it stands there: in a shell, in a directory that
 * looks like the checkout. A command without an expectation here fails the test.
 */
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { existsSync, readFileSync, symlinkSync } from "node:fs";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { fileURLToPath } from "node:url";
import { scratch } from "../cli/files.ts";
import { startService } from "./service.ts";

const ROOT = fileURLToPath(new URL("../../", import.meta.url));

/** The commands in the fenced shell blocks. */
function commands(): string[] {
  const fences = readFileSync(join(ROOT, "README.md"), "utf8").matchAll(/^```sh\n([\s\S]*?)^```/gm);
  return [...fences].flatMap(([, body = ""]) => body.split("\n").filter((line) => line !== ""));
}

interface Ran {
  readonly status: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

async function shell(command: string, cwd: string): Promise<Ran> {
  const { SANDRUN_SERVER: _server, ...env } = process.env;
  const child = spawn("sh", ["-c", command], { cwd, env, stdio: ["ignore", "pipe", "pipe"] });
  const [stdout, stderr, status] = await Promise.all([
    new Response(asWeb(child.stdout)).text(),
    new Response(asWeb(child.stderr)).text(),
    new Promise<number | null>((resolve) => child.on("close", resolve)),
  ]);
  return { status, stdout, stderr };
}

function asWeb(stream: AsyncIterable<Uint8Array>): ReadableStream<Uint8Array> {
  return ReadableStream.from(stream);
}

/** A directory in which `./sandrun` and `examples` are there and outputs do no harm. */
async function likeTheCheckout(t: TestContext): Promise<string> {
  const dir = await scratch(t);
  for (const name of ["sandrun", "examples", "package.json"])
    symlinkSync(join(ROOT, name), join(dir, name));
  return dir;
}

/** What each command prints; `then` looks at what it left. */
const EXPECTED: ReadonlyMap<string, { stdout: RegExp; leaves?: string }> = new Map([
  ["./sandrun examples/hello.py", { stdout: /^Hello from inside the box/ }],
  [`echo 'print("hello")' | ./sandrun --lang python`, { stdout: /^hello\n$/ }],
  ["./sandrun --timeout 5 --memory 256M examples/sudoku.c", { stdout: /^5 3 4 6 7 8 9 1 2\n/ }],
  [
    "./sandrun examples/json-shape.mjs < package.json",
    { stdout: /^object\n {2}"name": string of 7/ },
  ],
  [
    "./sandrun --out report examples/sales-report",
    { stdout: /the best was 2025-02\n$/, leaves: "report/results/chart.svg" },
  ],
  ["./sandrun --json examples/hello.py", { stdout: /"outcome":\{"kind":"exited","exit_code":0\}/ }],
  ["./sandrun --help", { stdout: /--timeout S/ }],
]);

const CURLS: ReadonlyMap<string, RegExp> = new Map([
  ["text/plain", /^Hello from sandbox\n$/],
  ["/submit", /"job_id":"[0-9a-f-]{36}"/],
  [
    "/logs/ID",
    // Python's text and its line break are two writes, which come in one event or in two.
    /"data":"42[\s\S]*\n\nid: 4\ndata: \{"seq":4,"end":\{"kind":"exited","exit_code":0\}/,
  ],
  ["--json", /"stdout":"42\\n"/],
  ["-F files", /"stdout":"array of 2\\n/],
]);

/** Run by tests of their own. */
const ELSEWHERE: readonly string[] = ["sudo ./sandrun serve --web"];

const local = commands().filter((line) => /\.\/sandrun/.test(line) && !/ serve /.test(line));
const curls = commands().filter((line) => line.startsWith("curl "));
const serve = commands().find((line) => / serve /.test(line)) ?? "";

test("README shows no command that is not run here", () => {
  const others = commands().filter(
    (line) => ![...local, ...curls, ...ELSEWHERE, serve, "npm test"].includes(line),
  );
  assert.deepEqual(others, []);
  assert.ok(local.length > 5 && curls.length > 2 && serve !== "");
});

for (const command of local) {
  test(`README: ${command}`, async (t) => {
    const [, expected] = [...EXPECTED].find(([start]) => command.startsWith(start)) ?? [];
    assert.ok(expected !== undefined, "there is an expectation");
    const dir = await likeTheCheckout(t);
    const ran = await shell(command, dir);
    assert.equal(ran.stderr, "");
    assert.match(ran.stdout, expected.stdout);
    assert.equal(ran.status, 0);
    if (expected.leaves !== undefined) assert.ok(existsSync(join(dir, expected.leaves)));
  });
}

test(`README: ${serve} and what curl asks of it`, async (t) => {
  const words = serve.replace("sudo ./sandrun ", "").split(" ");
  const { port } = await startService(t, words);
  let id = "";
  for (const command of curls) {
    const [, answer] = [...CURLS].find(([part]) => command.includes(part)) ?? [];
    assert.ok(answer !== undefined, `there is an expectation for ${command}`);
    const dir = await likeTheCheckout(t);
    const line = command.replace("curl", "curl -sS").replace("8443", port).replace("/ID", `/${id}`);
    const ran = await shell(line, dir);
    id = /"job_id":"([^"]*)"/.exec(ran.stdout)?.[1] ?? id;
    assert.equal(ran.stderr, "");
    assert.match(ran.stdout, answer);
  }
});
