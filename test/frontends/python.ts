/** Programs of the venv that `npm run test:python` makes, and of the system's Python. */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { type AddressInfo, createServer } from "node:net";
import type { TestContext } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import type { Served } from "../e2e/curl.ts";

export const FRONTENDS = fileURLToPath(new URL("../../frontends/streamlit/", import.meta.url));
const CLIENT = fileURLToPath(new URL("../../clients/python/src", import.meta.url));

/** @throws when it was not started by `npm run test:python`, which names the venv */
export function venvPython(): string {
  const python = process.env["SANDRUN_TEST_PYTHON"];
  if (python === undefined) throw new Error("run this by npm run test:python");
  return python;
}

/** What a page needs to find the service and to trust its certificate. */
export function pageVariables({ url, directory }: Served): Record<string, string> {
  const { SANDRUN_FINGERPRINT: _pin, ...inherited } = process.env;
  const cert = `${directory}/cert.pem`;
  return {
    ...(inherited as Record<string, string>),
    SANDRUN_SERVER: url,
    SSL_CERT_FILE: cert,
    REQUESTS_CA_BUNDLE: cert,
    PYTHONPATH: CLIENT,
    PYTHONDONTWRITEBYTECODE: "1",
  };
}

/** A web server on a free port of this machine, gone when the test ends. @returns its address */
export async function serve(
  t: TestContext,
  python: string,
  argv: (port: string) => readonly string[],
  options: { readonly cwd: string; readonly env: Record<string, string> },
): Promise<string> {
  const port = await freePort();
  const child = spawn(python, argv(port), { ...options, stdio: ["ignore", "pipe", "pipe"] });
  const said = collect(child);
  const ended = once(child, "close");
  t.after(async () => {
    // Asked to end, a web server waits for the browser, which is closed later.
    child.kill("SIGKILL");
    await ended;
  });
  const url = `http://127.0.0.1:${port}`;
  while (!(await answers(url))) {
    if (child.exitCode !== null) throw new Error(`it ended: ${said()}`);
    await sleep(50);
  }
  return url;
}

function collect(child: ChildProcess): () => string {
  let said = "";
  for (const stream of [child.stdout, child.stderr])
    stream?.on("data", (chunk: Buffer) => {
      said += chunk.toString();
    });
  return () => said;
}

async function answers(url: string): Promise<boolean> {
  try {
    const response = await fetch(url);
    await response.body?.cancel();
    return response.ok;
  } catch (error) {
    if (error instanceof TypeError) return false;
    throw error;
  }
}

async function freePort(): Promise<string> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return String(port);
}
