/**
 * The limit and accounting files of a job's group. The warden makes the group and puts
 * processes into it; here its limits are set and its counters are read. Small files of the
 * kernel's, read in microseconds: synchronous on purpose, so that a limit is in force before the
 * next line runs.
 */
import { readFileSync, writeFileSync } from "node:fs";
import { SandboxFault } from "../core/errors.ts";
import { MIB } from "../core/limits.ts";
import { Counter, KeptCounters, nameOf } from "./counter.ts";
import type { CgroupPlaces, JobLimits } from "./handover.ts";
import { anyWantsCpu } from "./threads.ts";

const PERIOD_US = 100_000;
/** The kernel's bounds: less than a millisecond a period needs a longer period. */
const QUOTA_LEAST_US = 1000;
const PERIOD_MOST_US = 1_000_000;
/** Slots whose files stay open, as in native/cgroup.h: those that are used most have the lowest numbers. */
const SLOTS_KEPT = 24;

/** Reads what one job's group has used, often and cheaply. */
export interface CpuMeter {
  /** @throws SandboxFault */
  cpuMs(): number;
  close(): void;
}

export class Groups {
  readonly #places: CgroupPlaces;
  readonly #scratch = Counter.makeScratch();
  /** Of the groups of PID 1s, which stay from one box to the next. */
  readonly #boxCpu: KeptCounters;
  /** Of those of jobs, which do so on v1. */
  readonly #jobCpu: KeptCounters;
  readonly #peaks: KeptCounters;

  constructor(places: CgroupPlaces) {
    this.#places = places;
    const name = places.version === 2 ? "usage_usec " : "";
    const cpuOf = (kind: "boxes" | "jobs") =>
      new KeptCounters((slot) => this.#cpuFile(kind, slot), name, this.#scratch);
    this.#boxCpu = cpuOf("boxes");
    this.#jobCpu = cpuOf("jobs");
    this.#peaks = new KeptCounters((slot) => this.#peakFile(slot), "", this.#scratch);
  }

  #file(controller: "memory" | "cpu", slot: number, name: string): string {
    return `${this.#places[controller]}/jobs/slot-${slot}/${name}`;
  }

  /**
   * Sets the limits of a job that are not those with which its group was made, and reads them back:
   * a job never starts under a limit that did not take.
   * @throws SandboxFault naming the file.
   */
  limit(slot: number, { memoryBytes, cpus }: JobLimits): void {
    const { version, made } = this.#places;
    if (memoryBytes !== made.memoryBytes) this.#limitMemory(slot, memoryBytes);
    const quotaUs = Math.round(cpus * PERIOD_US);
    if (quotaUs === Math.round(made.cpus * PERIOD_US)) return;
    if (version === 2) this.#set(this.#file("cpu", slot, "cpu.max"), `${quotaUs} ${PERIOD_US}`);
    else this.#set(this.#file("cpu", slot, "cpu.cfs_quota_us"), `${quotaUs}`);
  }

  #limitMemory(slot: number, bytes: number): void {
    const { version, made } = this.#places;
    if (version === 2) {
      this.#set(this.#file("memory", slot, "memory.max"), `${bytes}`);
      return;
    }
    const memory = this.#file("memory", slot, "memory.limit_in_bytes");
    const withSwap = this.#file("memory", slot, "memory.memsw.limit_in_bytes");
    // Memory must never be above memory and swap, whichever way the limit moves.
    const order = bytes > made.memoryBytes ? [withSwap, memory] : [memory, withSwap];
    for (const file of order) this.#set(file, `${bytes}`);
  }

  /**
   * What the own processes of boxes on that slot have used, this one's and those before it.
   * @throws SandboxFault naming the file.
   */
  boxCpuMs(slot: number): number {
    return this.#boxCpu.read(slot) / this.#perMs;
  }

  /**
   * Memory that one job, or all of them, hold. Pages of files in it can be dropped and so are not
   * held; they are looked at only when it is more than `enough` with them.
   * @throws SandboxFault naming the file.
   */
  memoryBytes(enough: number, slot?: number): number {
    const isV2 = this.#places.version === 2;
    const leaf = slot === undefined ? "" : `/slot-${slot}`;
    const directory = `${this.#places.memory}/jobs${leaf}`;
    const whole = Number(
      this.#read(`${directory}/${isV2 ? "memory.current" : "memory.usage_in_bytes"}`),
    );
    if (whole <= enough) return whole;
    // Files in RAM are counted among both, and cannot be dropped.
    const pages = isV2 ? "file" : "total_cache";
    const shared = isV2 ? "shmem" : "total_shmem";
    const stat = `${directory}/memory.stat`;
    return Math.max(0, whole - this.#field(stat, pages) + this.#field(stat, shared));
  }

  /** Of CPU alone, of a job that runs. @throws SandboxFault naming the file. */
  limitCpus(slot: number, cpus: number): void {
    const atLeastUs = Math.round(cpus * PERIOD_US);
    const isTiny = atLeastUs < QUOTA_LEAST_US;
    const periodUs = isTiny
      ? Math.min(PERIOD_MOST_US, Math.round(QUOTA_LEAST_US / cpus))
      : PERIOD_US;
    const quotaUs = isTiny ? QUOTA_LEAST_US : atLeastUs;
    if (this.#places.version === 2) {
      this.#set(this.#file("cpu", slot, "cpu.max"), `${quotaUs} ${periodUs}`);
      return;
    }
    this.#set(this.#file("cpu", slot, "cpu.cfs_period_us"), `${periodUs}`);
    this.#set(this.#file("cpu", slot, "cpu.cfs_quota_us"), `${quotaUs}`);
  }

  /**
   * Holds the file open: reading costs a sixth of opening too, and a program that leaves this
   * process no descriptors cannot use time uncounted.
   * @throws SandboxFault naming the file.
   */
  meter(slot: number): CpuMeter {
    if (this.#isKept(slot)) {
      this.#jobCpu.keep(slot);
      return { cpuMs: () => this.#jobCpu.read(slot) / this.#perMs, close: () => undefined };
    }
    const counter = Counter.open(this.#cpuFile("jobs", slot), this.#scratch);
    const name = this.#places.version === 2 ? "usage_usec " : "";
    return { cpuMs: () => counter.read(name) / this.#perMs, close: () => counter.close() };
  }

  /** What the kernel counts CPU time in: microseconds, or nanoseconds. */
  get #perMs(): number {
    return this.#places.version === 2 ? 1e3 : 1e6;
  }

  #cpuFile(kind: "boxes" | "jobs", slot: number): string {
    const { version, cpu, cpuacct } = this.#places;
    return version === 2
      ? `${cpu}/${kind}/slot-${slot}/cpu.stat`
      : `${cpuacct}/${kind}/slot-${slot}/cpuacct.usage`;
  }

  #peakFile(slot: number): string {
    const name = this.#places.version === 2 ? "memory.peak" : "memory.max_usage_in_bytes";
    return this.#file("memory", slot, name);
  }

  #isKept(slot: number): boolean {
    return this.#places.version === 1 && slot < SLOTS_KEPT;
  }

  /** Whether any thread of a job runs or waits for a processor at this moment; false when nobody tells. */
  wantsCpu(slot: number): boolean {
    const name = this.#places.version === 2 ? "cgroup.threads" : "tasks";
    return anyWantsCpu(this.#file("cpu", slot, name));
  }

  /**
   * Most memory that the job's group had, in whole mebibytes: the kernel charges ahead for each
   * processor, and a group that is used again may hold a little of the last job (native/slot.c), of
   * which nobody is to be told. @throws SandboxFault naming the file.
   */
  memoryPeakBytes(slot: number): number {
    return Math.ceil(this.#peak(slot) / MIB) * MIB;
  }

  #peak(slot: number): number {
    if (this.#isKept(slot)) return this.#peaks.read(slot);
    const counter = Counter.open(this.#peakFile(slot), this.#scratch);
    try {
      return counter.read();
    } finally {
      counter.close();
    }
  }

  /** Processes of the job that the kernel killed for want of memory. */
  oomKills(slot: number): number {
    const name = this.#places.version === 2 ? "memory.events" : "memory.oom_control";
    return this.#field(this.#file("memory", slot, name), "oom_kill");
  }

  /** Keeps no file open any more. */
  close(): void {
    for (const counters of [this.#boxCpu, this.#jobCpu, this.#peaks]) counters.close();
  }

  #read(file: string): string {
    try {
      return readFileSync(file, "utf8").trim();
    } catch (cause) {
      throw new SandboxFault(`read ${nameOf(file)} of a job`, 0, { cause });
    }
  }

  #set(file: string, value: string): void {
    try {
      writeFileSync(file, value);
    } catch (cause) {
      throw new SandboxFault(`set ${nameOf(file)} of a job`, 0, { cause });
    }
    if (this.#read(file) !== value) throw new SandboxFault(`${nameOf(file)} of a job did not hold`);
  }

  #field(file: string, name: string): number {
    for (const line of this.#read(file).split("\n")) {
      const [key, value] = line.split(" ");
      if (key === name) return Number(value);
    }
    throw new SandboxFault(`find ${name} in ${nameOf(file)}`);
  }
}
