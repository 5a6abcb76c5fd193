/** The service under load, started as an operator does, and what it holds of the machine. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import {
  boxProcessesOf,
  childrenOf,
  descriptorsOf,
  groupsOf,
  mounts,
  ownWardens,
  processesOf,
  type WardenOnHost,
} from "../support/host.ts";
import { Counted } from "./counted.ts";

const PROGRAM = fileURLToPath(new URL("../../sandrun", import.meta.url));
const BOX_MOUNTS = / - (?:overlay|tmpfs|proc|devpts|mqueue) |\/sandrun/;
/** Jobs that may run at once. */
export const SLOTS = 16;
const OPTIONS = `serve --behind-proxy --port 0 --slots ${SLOTS} --ram-budget 3G --max-waiting 1 --quota-cpu-seconds`;

/** What should be as it was when nothing runs any more. */
export interface Holding {
  readonly "warden, resident MB": number;
  readonly "keeper, resident MB": number;
  readonly "Node, resident MB": number;
  readonly "warden, descriptors": number;
  readonly "keeper, descriptors": number;
  readonly "Node, descriptors": number;
  readonly processes: number;
  readonly boxes: number;
  readonly "mounts of the host": number;
  readonly "mounts of the keeper": number;
  readonly "control groups": number;
}

export interface Logged {
  readonly event: string;
  readonly outcome?: string;
  readonly cpu_ms?: number;
  readonly box_cpu_ms?: number;
}

export interface LoadedService {
  readonly port: number;
  /** Ends that the service has logged. */
  ends(): readonly Logged[];
  faults(): number;
  /** Undefined while its Node is being replaced. */
  holding(): Holding | undefined;
  /** Whether the keeper holds mounts for the next boxes of some slots. */
  hasLeases(): boolean;
  readonly counted: Counted;
  node(): number | undefined;
  stop(): Promise<number | null>;
}

function residentMb(pid: number): number {
  const status = readFileSync(`/proc/${pid}/status`, "utf8");
  return Math.round(Number(/^VmRSS:\s+(\d+)/m.exec(status)?.[1] ?? 0) / 1024);
}

/** With itself; 0 when it is gone, as groups of boxes go at any moment. */
function countBelow(directory: string): number {
  if (!existsSync(directory)) return 0;
  try {
    const all = readdirSync(directory, { withFileTypes: true });
    const below = all.filter((one) => one.isDirectory());
    return below.reduce((sum, { name }) => sum + countBelow(`${directory}/${name}`), 1);
  } catch (error) {
    if (existsSync(directory)) throw error;
    return 0;
  }
}

function keeperOf(warden: WardenOnHost, node?: number): number {
  return childrenOf(warden.pid).find((pid) => pid !== node) ?? 0;
}

function holdingOf(warden: WardenOnHost, node: number): Holding {
  const keeper = keeperOf(warden, node);
  const descriptors = (pid: number) => readdirSync(`/proc/${pid}/fd`).length;
  const mountsOf = (pid: number) =>
    readFileSync(`/proc/${pid}/mountinfo`, "utf8").trim().split("\n").length;
  return {
    "warden, resident MB": residentMb(warden.pid),
    "keeper, resident MB": residentMb(keeper),
    "Node, resident MB": residentMb(node),
    "warden, descriptors": descriptors(warden.pid),
    "keeper, descriptors": descriptors(keeper),
    "Node, descriptors": descriptors(node),
    processes: processesOf(warden).length,
    boxes: boxProcessesOf(warden).length,
    // Of the kinds that boxes have: other programs of the host mount, too.
    "mounts of the host": mounts().filter((line) => BOX_MOUNTS.test(line)).length,
    "mounts of the keeper": mountsOf(keeper),
    "control groups": groupsOf(warden).reduce((sum, group) => sum + countBelow(group), 0),
  };
}

export async function startLoaded(quotaSeconds: number): Promise<LoadedService> {
  const child = spawn(PROGRAM, [...OPTIONS.split(" "), `${quotaSeconds}`], {
    stdio: ["ignore", "pipe", "pipe"],
  });
  const ended = once(child, "exit");
  const logged: Logged[] = [];
  let rest = "";
  child.stdout.on("data", (chunk: Buffer) => {
    const lines = (rest + chunk.toString()).split("\n");
    rest = lines.pop() ?? "";
    for (const line of lines) {
      const told = JSON.parse(line) as Logged;
      if (told.event !== "request") logged.push(told);
    }
  });
  const port = await new Promise<number>((resolve, reject) => {
    let said = "";
    child.stderr.on("data", (chunk: Buffer) => {
      said += chunk.toString();
      const found = /listening on http:\/\/[^\s]*:(\d+)/.exec(said)?.[1];
      if (found !== undefined) resolve(Number(found));
    });
    child.once("exit", () => reject(new Error(`the service ended: ${said}`)));
  });
  while (!(await fetch(`http://127.0.0.1:${port}/health`)).ok) await sleep(50);
  const warden = ownWardens().find(({ pid }) => pid === child.pid);
  if (warden === undefined) throw new Error("the warden cannot be seen");
  const node = () => {
    const nodes = childrenOf(warden.pid).filter((pid) =>
      readFileSync(`/proc/${pid}/cmdline`, "utf8").includes("serve-run"),
    );
    return nodes.length === 1 ? nodes[0] : undefined;
  };
  return {
    port,
    ends: () => logged.filter(({ event }) => event === "job_ended"),
    faults: () => logged.filter(({ event }) => event === "fault").length,
    holding: () => {
      const pid = node();
      return pid === undefined ? undefined : holdingOf(warden, pid);
    },
    hasLeases: () => {
      const all = descriptorsOf(keeperOf(warden, node()));
      // One is its own.
      return all.filter((path) => path.startsWith("mnt:")).length > 1;
    },
    counted: new Counted(warden),
    node,
    stop: async () => {
      child.kill("SIGTERM");
      const [status] = (await ended) as [number | null];
      return status;
    },
  };
}
