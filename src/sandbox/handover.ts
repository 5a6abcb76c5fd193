/** What the warden tells the side that uses the keeper: lines of a name and a value, then `end`. */

export interface CgroupPlaces {
  readonly version: 1 | 2;
  /** The service's group in the hierarchy of each controller; the same one on v2. */
  readonly memory: string;
  readonly pids: string;
  readonly cpu: string;
  readonly cpuacct: string;
}

export interface Handover {
  /** Path of the keeper's Unix socket. */
  readonly keeper: string;
  readonly slots: number;
  readonly cgroups: CgroupPlaces;
  /** Descriptors that the warden opened for us, by name. */
  readonly descriptors: ReadonlyMap<string, number>;
}

/** @throws Error when the text lacks something: this program was not started by a warden. */
export function parseHandover(text: string): Handover {
  const values = new Map<string, string>();
  const descriptors = new Map<string, number>();
  for (const line of text.split("\n")) {
    const [name = "", ...rest] = line.split(" ");
    if (name === "fd") descriptors.set(rest[0] ?? "", Number(rest[1]));
    else values.set(name, rest.join(" "));
  }
  const lineOf = (name: string): string => {
    const value = values.get(name);
    if (value === undefined) throw new Error(`the warden's handover lacks "${name}"`);
    return value;
  };
  return {
    keeper: lineOf("keeper"),
    slots: Number(lineOf("slots")),
    descriptors,
    cgroups: {
      version: lineOf("cgroup") === "2" ? 2 : 1,
      memory: lineOf("memory"),
      pids: lineOf("pids"),
      cpu: lineOf("cpu"),
      cpuacct: lineOf("cpuacct"),
    },
  };
}
