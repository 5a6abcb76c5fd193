/** What the warden tells the side that uses the keeper: lines of a name and a value, then `end`. */
import { SERVICE_LIMITS } from "../core/limits.ts";

/** What a job gets of what its group can limit. */
export interface JobLimits {
  readonly memoryBytes: number;
  readonly cpus: number;
}

export interface CgroupPlaces {
  readonly version: 1 | 2;
  /** The service's group in the hierarchy of each controller; the same one on v2. */
  readonly memory: string;
  readonly pids: string;
  readonly cpu: string;
  readonly cpuacct: string;
  /** Limits with which the warden makes each job's group; a box is there only if they hold. */
  readonly made: JobLimits;
}

/** In every box at /opt/node · at /env where asked for · in the place of the host's system. */
export type TreeKind = "everywhere" | "named" | "root";

export interface Handover {
  /** Path of the keeper's Unix socket. */
  readonly keeper: string;
  readonly slots: number;
  readonly cgroups: CgroupPlaces;
  /** What each tree of the plan is: a whole system, or something for /env. */
  readonly trees: readonly TreeKind[];
  /** Descriptors that the warden opened for us, by name. */
  readonly descriptors: ReadonlyMap<string, number>;
  /** This one gets ready and waits for its word: another process serves still, or none does. */
  readonly isSuccessor: boolean;
  /** None serves, and somebody waits. */
  readonly isWoken: boolean;
}

/** @throws Error for what is not a whole number from `least` to `most`. */
function numberOf(name: string, text: string, least: number, most: number): number {
  const number = /^\d{1,16}$/.test(text) ? Number(text) : Number.NaN;
  if (number >= least && number <= most) return number;
  throw new Error(`the warden's handover has no usable "${name}"`);
}

function kindOf(text: string | undefined): TreeKind {
  return text === "root" || text === "everywhere" ? text : "named";
}

/** @throws Error when the text lacks something: this program was not started by a warden. */
export function parseHandover(text: string): Handover {
  const values = new Map<string, string>();
  const descriptors = new Map<string, number>();
  const trees: TreeKind[] = [];
  for (const line of text.split("\n")) {
    const [name = "", ...rest] = line.split(" ");
    if (name === "tree") trees.push(kindOf(rest[0]));
    else if (name === "fd") {
      descriptors.set(rest[0] ?? "", numberOf("fd", rest[1] ?? "", 3, 1023));
    } else values.set(name, rest.join(" "));
  }
  const lineOf = (name: string): string => {
    const value = values.get(name);
    if (value === undefined) throw new Error(`the warden's handover lacks "${name}"`);
    return value;
  };
  return {
    keeper: lineOf("keeper"),
    slots: numberOf("slots", lineOf("slots"), 1, SERVICE_LIMITS.slotsMost + 1),
    descriptors,
    trees,
    isSuccessor: values.has("successor"),
    isWoken: values.has("woken"),
    cgroups: {
      version: numberOf("cgroup", lineOf("cgroup"), 1, 2) === 2 ? 2 : 1,
      memory: lineOf("memory"),
      pids: lineOf("pids"),
      cpu: lineOf("cpu"),
      cpuacct: lineOf("cpuacct"),
      made: {
        memoryBytes: numberOf("job-memory", lineOf("job-memory"), 1, 2 ** 40),
        cpus: numberOf("job-cpu-percent", lineOf("job-cpu-percent"), 1, 102_400) / 100,
      },
    },
  };
}
