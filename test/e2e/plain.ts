/** The service as a reverse proxy finds it: plain HTTP on loopback. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { after, before } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { PROGRAM } from "../support/program.ts";

/** Started before the tests of a file, healthy, and stopped behind them. @returns its address */
export function usePlainService(...options: readonly string[]): () => string {
  let url = "";
  let stop = async (): Promise<void> => undefined;
  before(async () => {
    const words = ["serve", "--behind-proxy", "--port", "0", ...options];
    const child = spawn(PROGRAM, words, { stdio: ["ignore", "ignore", "pipe"] });
    const ended = once(child, "exit");
    stop = async () => {
      child.kill("SIGTERM");
      await ended;
    };
    let said = "";
    url = await new Promise<string>((resolve, reject) => {
      child.stderr.on("data", (chunk: Buffer) => {
        said += chunk.toString();
        const address = /listening on (http:\/\/127\.0\.0\.1:\d+)/.exec(said)?.[1];
        if (address !== undefined) resolve(address);
      });
      child.once("exit", () => reject(new Error(`the service ended: ${said}`)));
    });
    while ((await fetch(`${url}/health`)).status !== 200) await sleep(20);
  });
  after(() => stop());
  return () => url;
}
