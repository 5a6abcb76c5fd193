/** The two services that requests are sent to: ours, and one that checks nothing. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { startService } from "../e2e/curl.ts";
import { type ServiceAt, serviceAt } from "./client.ts";

const NAIVE = fileURLToPath(new URL("naive.py", import.meta.url));

export interface RunningService {
  readonly at: ServiceAt;
  stop(): Promise<void>;
}

/** As an operator starts it; the limits of one caller are high, since all cases are one. */
export async function realService(): Promise<RunningService> {
  const options = "--slots 4 --max-running 4 --max-waiting 50 --ram-budget 1G";
  const service = await startService(options.split(" "));
  const port = Number(new URL(service.url).port);
  return {
    at: serviceAt(port, join(service.directory, "cert.pem")),
    stop: async () => {
      await service.stop();
    },
  };
}

export async function naiveService(): Promise<RunningService> {
  const child = spawn("/usr/bin/python3", [NAIVE], { stdio: ["ignore", "pipe", "ignore"] });
  const ended = once(child, "exit");
  const [line] = (await once(child.stdout, "data")) as [Buffer];
  return {
    at: serviceAt(Number(line.toString())),
    stop: async () => {
      child.kill("SIGTERM");
      await ended;
    },
  };
}
