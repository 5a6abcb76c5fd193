/** Which server is asked when an option, a variable and a settings file disagree. */
import assert from "node:assert/strict";
import { mkdirSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { scratch } from "./files.ts";
import { sandrun } from "./harness.ts";

const ID = "0f8fad5b-d9cb-469f-a165-70867728950e";

/** A server that knows no job; `asked` counts. */
async function server(t: TestContext): Promise<{ url: string; asked: () => number }> {
  let asked = 0;
  const listener = createServer((_request, response) => {
    asked += 1;
    response.writeHead(404, { "content-type": "application/json" });
    response.end(JSON.stringify({ error: "There is no such job.", code: "not_found" }));
  });
  await new Promise<void>((resolve) => listener.listen(0, "127.0.0.1", resolve));
  t.after(() => {
    listener.closeAllConnections();
    listener.close();
  });
  const { port } = listener.address() as AddressInfo;
  return { url: `http://127.0.0.1:${port}`, asked: () => asked };
}

/** A home with these settings. */
async function home(t: TestContext, settings: unknown): Promise<string> {
  const directory = await scratch(t);
  mkdirSync(join(directory, ".config", "sandrun"), { recursive: true });
  const text = typeof settings === "string" ? settings : JSON.stringify(settings);
  writeFileSync(join(directory, ".config", "sandrun", "config.json"), text);
  return directory;
}

test("the settings file names the server; a variable and an option win over it", async (t) => {
  const [file, variable, option] = [await server(t), await server(t), await server(t)];
  const env = { HOME: await home(t, { server: file.url }) };
  await sandrun(["status", ID], { env });
  assert.deepEqual([file.asked(), variable.asked(), option.asked()], [1, 0, 0]);
  await sandrun(["status", ID], { env: { ...env, SANDRUN_SERVER: variable.url } });
  assert.deepEqual([file.asked(), variable.asked(), option.asked()], [1, 1, 0]);
  const both = { ...env, SANDRUN_SERVER: variable.url };
  await sandrun(["status", "--server", option.url, ID], { env: both });
  assert.deepEqual([file.asked(), variable.asked(), option.asked()], [1, 1, 1]);
});

test("--local runs here, whatever server is set", async (t) => {
  const { url, asked } = await server(t);
  const setting = {
    env: { HOME: await home(t, { server: url }), SANDRUN_SERVER: url },
    stdin: "print(1)",
    script: { stdout: "here\n" },
  };
  const ran = await sandrun(["--local"], setting);
  assert.equal(ran.stdout.toString(), "here\n");
  assert.equal(asked(), 0);
  const refused = await sandrun(["--local", "--server", url], setting);
  assert.equal(refused.status, 125);
  assert.match(refused.stderr, /exclude each other/);
});

test("the fingerprint of the file's server is not taken for another's", async (t) => {
  const { url, asked } = await server(t);
  const env = {
    HOME: await home(t, { server: "https://127.0.0.1:1", fingerprint: "ab".repeat(32) }),
  };
  // A fingerprint for plain http would be refused.
  const { stderr } = await sandrun(["status", "--server", url, ID], { env });
  assert.match(stderr, /no such job/);
  assert.equal(asked(), 1);
});

test("a file that cannot be understood stops the command and is named", async (t) => {
  for (const [settings, complaint] of [
    ["{", "is not JSON"],
    ["[]", "is not a JSON object"],
    [{ sever: "https://x" }, "not sever"],
    [{ server: 1 }, "server is not a text"],
    [{ fingerprint: "ab" }, "belongs to a server"],
  ] as const) {
    const env = { HOME: await home(t, settings) };
    const { status, stderr, specs } = await sandrun([], { env, stdin: "print(1)" });
    assert.equal(status, 125, complaint);
    assert.match(stderr, new RegExp(`config\\.json.*${complaint}`));
    assert.equal(specs.length, 0);
  }
  const missing = { SANDRUN_CONFIG: join(await scratch(t), "none.json") };
  const { status, stderr } = await sandrun(["status", ID], { env: missing });
  assert.equal(status, 125);
  assert.match(stderr, /cannot read .*none\.json: ENOENT/);
});
