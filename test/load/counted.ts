/** What the kernel counts of boxes, read beside the service: its control groups, which end with /jobs/slot-N. */
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { groupsOf, processesOf, type WardenOnHost } from "../support/host.ts";

/** How often the kernel looked at a group that has a limit of CPU time, and how often it held it back. */
export interface HeldBack {
  readonly periods: number;
  readonly throttled: number;
}

export class Counted {
  readonly #warden: WardenOnHost;
  /** One for each hierarchy of cgroup v1. */
  readonly #groups: readonly string[];

  constructor(warden: WardenOnHost) {
    this.#warden = warden;
    this.#groups = groupsOf(warden);
  }

  /** CPU time of programs since the start, those that are gone too; of one slot, since its box was made. */
  cpuMs(slot?: number): number {
    return this.#cpuMs(slot === undefined ? "jobs" : `jobs/slot-${slot}`) ?? 0;
  }

  /** Of what makes boxes ready in them, and relays. */
  boxCpuMs(): number {
    return this.#cpuMs("boxes") ?? 0;
  }

  #cpuMs(group: string): number | undefined {
    const older = this.#text(`${group}/cpuacct.usage`);
    if (older !== undefined) return Number(older) / 1e6;
    const used = /^usage_usec (\d+)/m.exec(this.#text(`${group}/cpu.stat`) ?? "")?.[1];
    return used === undefined ? undefined : Number(used) / 1000;
  }

  /** Of boxes that are there now: the group of one that is gone stays until its slot has another. */
  cpuMsOfAllBut(slots: readonly number[]): number {
    const directory = this.#groups.map((one) => `${one}/jobs`).find((one) => existsSync(one));
    const names = directory === undefined ? [] : readdirSync(directory);
    const others = names
      .map((name) => Number(/^slot-(\d+)$/.exec(name)?.[1] ?? -1))
      .filter((slot) => slot >= 0 && !slots.includes(slot))
      .filter((slot) => this.#text(`jobs/slot-${slot}/cgroup.procs`) !== "");
    return others.reduce((sum, slot) => sum + this.cpuMs(slot), 0);
  }

  heldBack(slot: number): HeldBack {
    const text = this.#text(`jobs/slot-${slot}/cpu.stat`) ?? "";
    const number = (name: string) =>
      Number(new RegExp(`^${name} (\\d+)`, "m").exec(text)?.[1] ?? 0);
    return { periods: number("nr_periods"), throttled: number("nr_throttled") };
  }

  /** Where the program runs that has this word among its arguments. */
  slotOf(word: string): number | undefined {
    for (const pid of processesOf(this.#warden)) {
      try {
        if (!readFileSync(`/proc/${pid}/cmdline`, "utf8").includes(word)) continue;
        const group = readFileSync(`/proc/${pid}/cgroup`, "utf8");
        const slot = /\/jobs\/slot-(\d+)$/m.exec(group)?.[1];
        if (slot !== undefined) return Number(slot);
      } catch {
        // It has ended since it was found.
      }
    }
    return undefined;
  }

  #text(file: string): string | undefined {
    for (const group of this.#groups) {
      try {
        return readFileSync(`${group}/${file}`, "utf8");
      } catch {
        // It is a file of another hierarchy, or its box is gone.
      }
    }
    return undefined;
  }
}
