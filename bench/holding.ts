/** What a service holds of the machine at one moment. */
import { readdirSync, readFileSync } from "node:fs";
import { childrenOf, groupsOf, type WardenOnHost } from "../test/support/host.ts";
import { processesOf } from "./service.ts";

/** Things that can be counted. */
export const COUNTED = [
  "processes",
  "descriptors of the warden",
  "descriptors of the keeper",
  "descriptors of Node",
  "mounts of the warden",
  "mounts of the keeper",
  "control groups",
  "files of the runtime directory",
] as const;
export type Counted = (typeof COUNTED)[number];

export const PROCESSES = ["warden", "keeper", "Node"] as const;

export interface Holding {
  /** Undefined in the moment in which one Node takes over from another. */
  readonly nodePid: number | undefined;
  readonly counts: Readonly<Record<Counted, number>>;
  /** Memory of no file, also where a box that was cloned still shares it. */
  readonly memoryKib: Readonly<Record<(typeof PROCESSES)[number], number>>;
}

function entriesOf(directory: string): number {
  try {
    return readdirSync(directory, { recursive: true }).length;
  } catch {
    // Something that went while it was looked at.
    return 0;
  }
}

function groupsBelow(directory: string): number {
  const below = readdirSync(directory, { withFileTypes: true }).filter((one) => one.isDirectory());
  return below.reduce(
    (sum, { name }) => sum + attempt(() => groupsBelow(`${directory}/${name}`)),
    1,
  );
}

/** 0 for what is gone. */
function attempt(look: () => number): number {
  try {
    return look();
  } catch {
    return 0;
  }
}

export function holdingOf(warden: WardenOnHost): Holding {
  const { pid } = warden;
  const children = childrenOf(pid);
  const isNode = (one: number) =>
    attempt(() => Number(readFileSync(`/proc/${one}/cmdline`, "utf8").includes("serve-run"))) === 1;
  const nodePid = children.find(isNode);
  const keeperPid = children.find((one) => one !== nodePid) ?? 0;
  const descriptors = (one: number | undefined) =>
    attempt(() => readdirSync(`/proc/${one}/fd`).length);
  const mountsOf = (one: number) =>
    attempt(() => readFileSync(`/proc/${one}/mountinfo`, "utf8").split("\n").length - 1);
  const memory = (one: number | undefined) =>
    attempt(() => {
      const text = readFileSync(`/proc/${one}/smaps_rollup`, "utf8");
      return Number(/^Anonymous: *(\d+)/m.exec(text)?.[1]);
    });
  return {
    nodePid,
    counts: {
      processes: processesOf(pid).length,
      "descriptors of the warden": descriptors(pid),
      "descriptors of the keeper": descriptors(keeperPid),
      "descriptors of Node": descriptors(nodePid),
      "mounts of the warden": mountsOf(pid),
      "mounts of the keeper": mountsOf(keeperPid),
      "control groups": groupsOf(warden).reduce((sum, group) => sum + groupsBelow(group), 0),
      "files of the runtime directory": entriesOf(warden.directory),
    },
    memoryKib: { warden: memory(pid), keeper: memory(keeperPid), Node: memory(nodePid) },
  };
}
