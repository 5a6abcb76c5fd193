import assert from "node:assert/strict";
import { createInterface } from "node:readline";
import { PassThrough } from "node:stream";
import { test } from "node:test";
import { dispatch } from "../../src/cli/dispatch.ts";
import { sandrun } from "./harness.ts";

const INITIALIZE = {
  method: "initialize",
  params: {
    protocolVersion: "2025-11-25",
    capabilities: {},
    clientInfo: { name: "agent", version: "1" },
  },
};

function lines(...messages: readonly object[]): string {
  return messages
    .map((message, id) => `${JSON.stringify({ jsonrpc: "2.0", id, ...message })}\n`)
    .join("");
}

test("says to who asked what this machine lacks, and that doctor helps", async () => {
  const [stdin, stdout, stderr] = [new PassThrough(), new PassThrough(), new PassThrough()];
  const call = { method: "tools/call", params: { name: "list_interpreters", arguments: {} } };
  stdin.write(lines(INITIALIZE, call));
  const status = dispatch(["mcp", "--local"], {
    env: {},
    stdin,
    stdinIsLive: true,
    firstInterrupt: { forward: undefined },
    stdout,
    stderr,
    interrupted: new AbortController().signal,
    loadBackend: () => Promise.reject(new Error("user namespaces are off")),
  });
  const answers = [];
  for await (const line of createInterface({ input: stdout })) {
    answers.push(JSON.parse(line));
    if (answers.length === 2) break;
  }
  const [first, second] = answers;
  assert.equal(first.result.serverInfo.name, "sandrun");
  assert.equal(second.result.isError, true);
  assert.match(second.result.content[0].text, /user namespaces are off; .*sandrun doctor/);
  stdin.end();
  assert.equal(await status, 0);
});

test("starts nothing and ends when its client is gone at once", async () => {
  const { status, opened, stdout } = await sandrun(["mcp"], { stdin: "" });
  assert.deepEqual([status, opened.length, stdout.length], [0, 0, 0]);
});

test("refuses what it would not follow", async () => {
  for (const argv of [
    ["mcp", "extra"],
    ["mcp", "--environment", "name"],
    ["mcp", "--server", "https://x.example", "--environment", "a=/b"],
    ["mcp", "--local", "--server", "https://x.example"],
    ["mcp", "--server", "http://x.example"],
  ])
    assert.equal((await sandrun(argv)).status, 125, argv.join(" "));
});

test("tells a person at a terminal what it is", async () => {
  const { stderr } = await sandrun(["mcp"], { stdin: "", terminals: { stdin: true } });
  assert.match(stderr, /speaks with agent programs/);
});
