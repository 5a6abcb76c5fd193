/** `serve --piston` with real boxes, and a client from the registry that knows nothing of us. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { piston } from "piston-client";
import WebSocket from "ws";
import { usePlainService } from "./plain.ts";

const url = usePlainService("--piston");

test("a Piston client runs what it finds", async () => {
  const client = piston({ server: url() });
  const runtimes = await client.runtimes();
  const programs = new Map([
    ["python", "import sys; print(6 * 7, sys.argv[1:], input())"],
    ["javascript", "console.log(6 * 7, process.argv.slice(2), 'in')"],
    ["typescript", "const n: number = 42; console.log(n, process.argv.slice(2), 'in')"],
    ["bash", 'echo "$((6 * 7)) [$1 $2] $(cat)"'],
    ["c", '#include <stdio.h>\nint main(int c, char **v) { printf("42 [%s]\\n", v[1]); }'],
    ["c++", '#include <iostream>\nint main(int, char **v) { std::cout << 42 << " " << v[1]; }'],
  ]);
  const here = [...programs].filter(([name]) => runtimes.some(({ language }) => language === name));
  assert.ok(here.length >= 4, "this machine has some of the languages");
  for (const [language, code] of here) {
    const { run, version } = await client.execute(language, code, {
      args: ["a", "b"],
      stdin: "in",
      runTimeout: 20_000,
    });
    assert.match(run.stdout, /^42 .*a/, `${language}: ${run.stderr}`);
    assert.deepEqual([run.code, run.signal], [0, null]);
    assert.match(version, /^\d+\.\d+\.\d+$/);
  }
});

test("ends are told apart", async () => {
  const client = piston({ server: url() });
  const end = async (code: string, options: object = {}) => {
    const { run } = await client.execute("python", code, options);
    return [run.code, run.signal];
  };
  assert.deepEqual(await end("raise SystemExit(7)"), [7, null]);
  assert.deepEqual(await end("import os; os.abort()"), [null, "SIGABRT"]);
  assert.deepEqual(await end("while True: pass", { runTimeout: 1000 }), [null, "SIGKILL"]);
  const much = { runMemoryLimit: 70_000_000 };
  assert.deepEqual(await end("x = 'a' * 10**9", much), [null, "SIGKILL"]);
});

test("a compiler that refuses is heard", async () => {
  const client = piston({ server: url() });
  const runtimes = await client.runtimes();
  assert.ok(runtimes.some(({ language }) => language === "c"));
  const { run } = await client.execute("c", "int main( {");
  assert.equal(run.code, 1);
  assert.match(run.stderr, /error: expected/);
});

test("a conversation with a program over the WebSocket", async () => {
  const ws = new WebSocket(`${url().replace("http:", "ws:")}/api/v2/connect`);
  const printed: string[] = [];
  const types: string[] = [];
  const code = "name = input('name? '); print('hello', name)";
  ws.on("open", () => {
    const wish = { language: "python", version: "*", files: [{ content: code }] };
    ws.send(JSON.stringify({ type: "init", ...wish }));
  });
  ws.on("message", (text) => {
    const message = JSON.parse(String(text));
    if (message.type !== types.at(-1)) types.push(message.type);
    if (message.type !== "data") return;
    printed.push(message.data);
    if (printed.join("") === "name? ")
      ws.send(JSON.stringify({ type: "data", stream: "stdin", data: "Ada\n" }));
  });
  const closed = await new Promise((resolve) => ws.once("close", resolve));
  assert.equal(closed, 4999);
  assert.equal(printed.join(""), "name? hello Ada\n");
  assert.deepEqual(types, ["runtime", "stage", "data", "exit"]);
});
