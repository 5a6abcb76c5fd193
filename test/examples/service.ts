/** The service, started by the script as an operator does, and stopped when the test ends. */
import { spawn } from "node:child_process";
import { request } from "node:https";
import { type AddressInfo, createServer } from "node:net";
import type { TestContext } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";

const PROGRAM = fileURLToPath(new URL("../../sandrun", import.meta.url));

export interface RunningService {
  readonly port: string;
  readonly url: string;
  /** Of the certificate that it made for itself. */
  readonly fingerprint: string;
}

/** @param words for example `serve --port 8443`; the port is replaced by a free one */
export async function startService(
  t: TestContext,
  words: readonly string[],
): Promise<RunningService> {
  const port = await freePort();
  const taken = words.map((word) => (word === "8443" ? port : word));
  const child = spawn(PROGRAM, taken, { stdio: ["ignore", "ignore", "pipe"] });
  const ended = new Promise((resolve) => child.on("close", resolve));
  t.after(async () => {
    child.kill("SIGTERM");
    await ended;
  });
  const said = await new Promise<string>((resolve, reject) => {
    let text = "";
    child.stderr.on("data", (chunk: Buffer) => {
      text += chunk.toString();
      if (/SHA-256 [0-9A-F:]{95}/.test(text)) resolve(text);
    });
    child.on("close", () => reject(new Error(`the service ended: ${text}`)));
  });
  await untilHealthy(port);
  const fingerprint = /SHA-256 ([0-9A-F:]{95})/.exec(said)?.[1] ?? "";
  return { port, url: `https://localhost:${port}`, fingerprint };
}

async function freePort(): Promise<string> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return String(port);
}

/** It tries its boxes out first and says by 503 that it is not ready. */
async function untilHealthy(port: string): Promise<void> {
  while ((await healthStatus(port)) !== 200) await sleep(20);
}

function healthStatus(port: string): Promise<number | undefined> {
  return new Promise((resolve, reject) => {
    const url = `https://localhost:${port}/health`;
    request(url, { rejectUnauthorized: false }, (response) => {
      response.resume();
      resolve(response.statusCode);
    })
      .once("error", reject)
      .end();
  });
}
