/** The service with a certificate made as an operator makes one, and curl as its client. */
import { execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { promisify } from "node:util";
import { PROGRAM } from "../support/program.ts";

const execute = promisify(execFile);

export interface Served {
  readonly url: string;
  /** A directory of the test's own, removed afterwards. */
  readonly directory: string;
  /** What curl printed; it checks the certificate and fails on nothing but a broken transfer. */
  curl(...words: readonly string[]): Promise<string>;
  json(...words: readonly string[]): Promise<Record<string, unknown>>;
  /** Of the warden. */
  readonly pid: number;
  /** What it has written to stdout and stderr so far. */
  log(): string;
  /** Ends the service as an operator does; resolves with its exit status. */
  stop(): Promise<number | null>;
}

async function makeCertificate(directory: string): Promise<void> {
  const words = "req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=localhost";
  const names = ["-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"];
  const files = ["-keyout", join(directory, "key.pem"), "-out", join(directory, "cert.pem")];
  await execute("openssl", [...words.split(" "), ...names, ...files]);
}

/**
 * Resolves when it is healthy; whoever starts it stops it.
 * @param log a descriptor that the log goes to, instead of being kept for `log()`
 */
export async function startService(options: readonly string[], log?: number): Promise<Served> {
  const directory = await mkdtemp(join(tmpdir(), "sandrun-e2e-"));
  await makeCertificate(directory);
  const cert = join(directory, "cert.pem");
  const files = ["--cert", cert, "--key", join(directory, "key.pem")];
  // The form of the seeds: options without a command. Port 0 takes a free one.
  const child = spawn(PROGRAM, ["--port", "0", "--listen", "127.0.0.1", ...files, ...options], {
    stdio: ["ignore", log ?? "pipe", "pipe"],
  });
  const ended = once(child, "exit");
  let said = "";
  child.stdout?.on("data", (chunk: Buffer) => {
    said += chunk.toString();
  });
  const url = await new Promise<string>((resolve, reject) => {
    child.stderr?.on("data", (chunk: Buffer) => {
      said += chunk.toString();
      const port = /listening on https:\/\/[^\s]*:(\d+)/.exec(said)?.[1];
      if (port !== undefined) resolve(`https://localhost:${port}`);
    });
    child.once("exit", () => reject(new Error(`the service ended: ${said}`)));
  });
  const curl = async (...words: readonly string[]): Promise<string> => {
    const all = ["--silent", "--show-error", "--cacert", cert, ...words];
    return (await execute("curl", all, { maxBuffer: 64 << 20 })).stdout;
  };
  const json = async (...words: readonly string[]) =>
    JSON.parse(await curl(...words)) as Record<string, unknown>;
  while ((await json(`${url}/health`))["status"] !== "healthy") await sleep(20);
  return {
    url,
    directory,
    pid: child.pid ?? 0,
    log: () => said,
    curl,
    json,
    stop: async () => {
      child.kill("SIGTERM");
      const [status] = (await ended) as [number | null];
      await rm(directory, { recursive: true, force: true });
      return status;
    },
  };
}

/** One service for all tests of a file. */
export function useService(...options: readonly string[]): () => Served {
  let served: Served | undefined;
  before(async () => {
    served = await startService(options);
  });
  after(async () => {
    await served?.stop();
  });
  return () => {
    if (served === undefined) throw new Error("the service has not started");
    return served;
  };
}
