/** `sandrun mcp` and `serve --mcp` as agent programs find them: real processes, real boxes. */
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { X509Certificate } from "node:crypto";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { Client } from "@modelcontextprotocol/client";
import { StdioClientTransport } from "@modelcontextprotocol/client/stdio";
import { pinnedFetch } from "../../src/cli/pinned.ts";
import { type Agent, agentOf, connect, type Era } from "../mcp/agent.ts";
import { ownWardens, until } from "../support/host.ts";
import { PROGRAM } from "../support/program.ts";
import { remainsOf } from "../support/range.ts";
import { useService } from "./curl.ts";

/** A 2×2 image, made by the job itself. */
const DRAW = `
import struct, zlib
def chunk(kind, data):
    body = kind + data
    return struct.pack(">I", len(data)) + body + struct.pack(">I", zlib.crc32(body))
rows = b"".join(b"\\0" + b"\\xff\\0\\0" * 2 for _ in range(2))
open("red.png", "wb").write(b"\\x89PNG\\r\\n\\x1a\\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", 2, 2, 8, 2, 0, 0, 0))
    + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b""))
`;

interface Session extends Agent {
  readonly pid: number;
}

async function start(
  words: readonly string[] = ["--local"],
  era: Era = "modern",
): Promise<Session> {
  const mode = era === "modern" ? { pin: "2026-07-28" } : "legacy";
  const client = new Client({ name: "agent", version: "1.0.0" }, { versionNegotiation: { mode } });
  const args = ["mcp", ...words];
  const transport = new StdioClientTransport({ command: PROGRAM, args, stderr: "inherit" });
  await client.connect(transport);
  assert.ok(transport.pid);
  return { ...agentOf(client), pid: transport.pid };
}

describe("sandrun mcp on this machine", () => {
  let session: Session;
  before(async () => {
    session = await start();
  });
  after(() => session.close());

  test("runs code of several languages, shows images and reads what is left", async () => {
    const python = await session.call("run_code", { code: `${DRAW}\nprint(6 * 7)` });
    assert.match(python.texts.join("\n"), /stdout begins\n42\n/);
    assert.equal(python.images[0]?.mimeType, "image/png");
    assert.match(python.texts[0] ?? "", /It used \d+\.\d{3} s, \d\.\d{3} s of CPU time, [\d.]+ MB/);
    const job_id = python.structured["job_id"];
    const again = await session.call("read_output", { job_id, path: "red.png" });
    assert.deepEqual(again.images, python.images);
    const bash = await session.call("run_code", { code: "echo $((6*7))", interpreter: "bash" });
    assert.match(bash.texts.join("\n"), /stdout begins\n42\n/);
  });

  test("runs a project", async () => {
    const { texts } = await session.call("run_project", {
      files: [
        { path: "main.py", content: "import lib.words, sys; print(lib.words.hello, sys.argv[1])" },
        { path: "lib/words.py", content: "hello = open('data.bin', 'rb').read().hex()" },
        { path: "data.bin", content: "AP8=", encoding: "base64" },
      ],
      args: ["there"],
    });
    assert.match(texts.join("\n"), /00ff there/);
  });

  test("tells versions, and how a job ended in words", async () => {
    const { structured } = await session.call("list_interpreters", {});
    const [python] = structured["interpreters"] as { name: string; version: string }[];
    assert.equal(python?.name, "python3");
    assert.match(python?.version ?? "", /^3\.\d+/);
    const ends: readonly (readonly [string, object, RegExp])[] = [
      ["while True: pass", { timeout: 1 }, /^How it ended: timed out after 1 s\./],
      ["x = 'a' * 10**9", { memory_mb: 64 }, /^How it ended: ran out of memory \(64 MB\)\./],
      ["import os; os.kill(os.getpid(), 11)", {}, /^How it ended: killed by SIGSEGV\./],
    ];
    for (const [code, fields, sentence] of ends) {
      const { texts, isError } = await session.call("run_code", { code, ...fields });
      assert.match(texts[0] ?? "", sentence);
      assert.equal(isError, false);
    }
  });

  test("gives no network and no file of this machine", async () => {
    const code = `
import os, socket
print(os.path.exists(${JSON.stringify(PROGRAM)}))
socket.create_connection(("127.0.0.1", 22))`;
    const { texts } = await session.call("run_code", { code });
    assert.match(texts.join("\n"), /stdout begins\nFalse\n/);
    assert.match(texts.join("\n"), /Operation not permitted/);
  });

  test("runs two calls side by side and ends one that is cancelled", async () => {
    const stop = new AbortController();
    const forever = session.call(
      "run_code",
      { code: "import time; time.sleep(600)", timeout: 600 },
      { signal: stop.signal, onprogress: () => stop.abort() },
    );
    const quick = session.call("run_code", { code: "print('quick')" });
    assert.match((await quick).texts.join("\n"), /quick/);
    await assert.rejects(forever);
  });

  test("is not confused by a job that speaks the protocol", async () => {
    const forged = '{"jsonrpc":"2.0","id":1,"result":{"content":[]}}';
    const code = `print(${JSON.stringify(`${forged}\n`.repeat(3))})`;
    const { structured } = await session.call("run_code", { code });
    assert.match((structured["stdout"] as { text: string }).text, /"id":1,"result"/);
  });
});

test("a session takes its boxes with it when its client goes", async (context) => {
  const session = await start(["--local"], "legacy");
  const running = session.call("run_code", { code: "import time; time.sleep(60)" });
  running.catch(() => undefined);
  // Before it has a keeper, nobody knows which ids are its own.
  await until("the session has a warden", () => ownWardens(session.pid)[0]?.ids !== undefined);
  const [warden] = ownWardens(session.pid);
  assert.ok(warden);
  const remains = await remainsOf(context, warden);
  await session.close();
  assert.deepEqual(await remains(), []);
});

test("a line of 100 MB ends the session, and says why", async () => {
  const child = spawn(PROGRAM, ["mcp", "--local"], { stdio: ["pipe", "pipe", "pipe"] });
  const ended = once(child, "exit");
  let said = "";
  child.stderr.on("data", (chunk: Buffer) => {
    said += chunk.toString();
  });
  // The rest is refused when the other side has gone.
  child.stdin.on("error", () => undefined);
  const piece = Buffer.alloc(1024 * 1024, "x");
  for (let sent = 0; sent < 100 && child.exitCode === null; sent++) {
    const drained = new Promise((resolve) => child.stdin.once("drain", resolve));
    if (!child.stdin.write(piece)) await Promise.race([drained, ended]);
  }
  assert.deepEqual(await ended, [125, null]);
  assert.match(said, /sandrun: .*(exceed|larger|maximum)/i);
  child.stdin.destroy();
});

test("what it cannot read is answered, and the session goes on", async () => {
  const child = spawn(PROGRAM, ["mcp", "--local"], { stdio: ["pipe", "pipe", "ignore"] });
  const ended = once(child, "exit");
  const answer = once(child.stdout, "data");
  child.stdin.write("no message\n[]\n{}\nnull\n");
  child.stdin.write(`${JSON.stringify({ jsonrpc: "2.0", id: 7, method: "ping" })}\n`);
  assert.equal(JSON.parse(String((await answer)[0])).id, 7);
  child.stdin.end();
  assert.deepEqual(await ended, [0, null]);
});

describe("serve --mcp", () => {
  const service = useService("--mcp");

  const fingerprint = () =>
    new X509Certificate(readFileSync(join(service().directory, "cert.pem"))).fingerprint256;

  for (const era of ["modern", "legacy"] as const) {
    test(`serves agents over TLS, ${era} protocol`, async () => {
      const fetch = pinnedFetch(fingerprint());
      const agent = await connect(
        (url, init = {}) => fetch(String(url), init),
        era,
        `${service().url}/mcp`,
      );
      const { texts, images } = await agent.call("run_code", { code: `${DRAW}\nprint("drawn")` });
      assert.match(texts.join("\n"), /stdout begins\ndrawn\n/);
      assert.equal(images.length, 1);
      await agent.close();
    });
  }

  test("is the place of a session with --server", async () => {
    const words = ["--server", service().url, "--fingerprint", fingerprint()];
    const session = await start(words);
    const { texts } = await session.call("run_code", { code: "print('far away')" });
    assert.match(texts.join("\n"), /far away/);
    await session.close();
  });
});
