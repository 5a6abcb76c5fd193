/** The service as an operator starts it, and what its processes cost. */
import { spawn } from "node:child_process";
import { readdirSync, readFileSync, readlinkSync } from "node:fs";
import { request } from "node:https";
import { createServer } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";

const PROGRAM = fileURLToPath(new URL("../sandrun", import.meta.url));

export interface Service {
  readonly port: number;
  readonly pid: number;
  stop(): Promise<void>;
}

export async function startService(...options: readonly string[]): Promise<Service> {
  const port = await freePort();
  // Callers are told apart by a header, so that no quota of one of them is what is measured.
  const words = ["serve", "--listen", "127.0.0.1", "--trusted-proxy", "127.0.0.1/32"];
  const child = spawn(PROGRAM, [...words, "--port", `${port}`, ...options], {
    stdio: ["ignore", "ignore", "pipe"],
  });
  const ended = new Promise((resolve) => child.on("close", resolve));
  let said = "";
  child.stderr.on("data", (chunk: Buffer) => {
    said += chunk.toString();
  });
  while (!(await isHealthy(port))) {
    if (child.exitCode !== null) throw new Error(`the service ended: ${said}`);
    await sleep(50);
  }
  return {
    port,
    pid: child.pid ?? 0,
    stop: async () => {
      child.kill("SIGTERM");
      await ended;
    },
  };
}

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address = server.address();
  await new Promise((resolve) => server.close(resolve));
  return typeof address === "object" && address !== null ? address.port : 0;
}

function isHealthy(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    request(`https://127.0.0.1:${port}/health`, { rejectUnauthorized: false }, (response) => {
      response.resume();
      resolve(response.statusCode === 200);
    })
      .once("error", () => resolve(false))
      .end();
  });
}

export interface ProcessCost {
  readonly name: string;
  readonly pid: number;
  /** What it has written and shares with no other process. */
  readonly writtenKib: number;
  /** Beside that pages of files that no other process has mapped, its own program among them. */
  readonly privateKib: number;
  readonly residentKib: number;
  /** Of itself, not of its children. */
  readonly cpuMs: number;
}

/** Clock ticks a second of /proc, the same on every Linux that we run on. */
const TICK_MS = 10;

/** `root` and everything below it; what ends meanwhile is left out. */
export function processesOf(root: number): readonly ProcessCost[] {
  const parents = new Map<number, number>();
  for (const name of readdirSync("/proc")) {
    const fields = /^\d+$/.test(name) ? statOf(Number(name)) : undefined;
    if (fields !== undefined) parents.set(Number(name), Number(fields[1]));
  }
  const isBelow = (pid: number): boolean => {
    const parent = parents.get(pid);
    return pid === root || (parent !== undefined && parent > 1 && isBelow(parent));
  };
  return [...parents.keys()].filter(isBelow).flatMap((pid) => {
    const cost = costOf(pid);
    return cost === undefined ? [] : [cost];
  });
}

/** From the state on, the third field of /proc/PID/stat. */
function statOf(pid: number): readonly string[] | undefined {
  try {
    const text = readFileSync(`/proc/${pid}/stat`, "utf8");
    return text.slice(text.lastIndexOf(")") + 2).split(" ");
  } catch {
    return undefined;
  }
}

function costOf(pid: number): ProcessCost | undefined {
  try {
    const memory = readFileSync(`/proc/${pid}/smaps_rollup`, "utf8");
    const kib = (name: string) => Number(new RegExp(`^${name}: *(\\d+)`, "m").exec(memory)?.[1]);
    const fields = statOf(pid) ?? [];
    return {
      pid,
      name: nameOf(pid),
      writtenKib: kib("Private_Dirty"),
      privateKib: kib("Private_Clean") + kib("Private_Dirty"),
      residentKib: kib("Rss"),
      cpuMs: (Number(fields[11]) + Number(fields[12])) * TICK_MS,
    };
  } catch {
    return undefined;
  }
}

function nameOf(pid: number): string {
  const command = readFileSync(`/proc/${pid}/comm`, "utf8").trim();
  return readlinkSync(`/proc/${pid}/exe`).endsWith("/node") ? "node" : command;
}

/**
 * CPU time of all that the service's groups ever held, boxes and their programs among it.
 * @returns milliseconds
 */
export function groupCpuMs(service: Service): number {
  // Boxes have processes of that name, too; only the service's own is in this group.
  for (const { pid } of processesOf(service.pid).filter(({ name }) => name === "node")) {
    for (const line of readFileSync(`/proc/${pid}/cgroup`, "utf8").split("\n")) {
      const [, controllers = "", path = ""] = line.split(":");
      if (!path.endsWith("/service")) continue;
      const group = path.slice(0, -"/service".length);
      if (controllers.split(",").includes("cpuacct")) {
        return cpuMsOf(`/sys/fs/cgroup/cpuacct${group}`, 1);
      }
      if (controllers === "") return cpuMsOf(`/sys/fs/cgroup${group}`, 2);
    }
  }
  throw new Error("the service's groups were not found");
}

/** CPU time that a group and all below it have used. */
export function cpuMsOf(group: string, version: 1 | 2): number {
  if (version === 1) return Number(readFileSync(`${group}/cpuacct.usage`, "utf8")) / 1e6;
  const usage = /usage_usec (\d+)/.exec(readFileSync(`${group}/cpu.stat`, "utf8"))?.[1];
  return Number(usage) / 1e3;
}
