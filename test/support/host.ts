/** What stands on this host, seen from outside of the boxes. */
import { spawn } from "node:child_process";
import { existsSync, readdirSync, readFileSync, readlinkSync } from "node:fs";
import { patient } from "./patience.ts";

/** Fixed in native/identity.h: so many ids are a slot's; the first is PID 1's, the next the program's. */
const IDS_PER_SLOT = 16;

export interface OnHost {
  readonly status: number | null;
  readonly signal: string | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs a program as a plain process of this host: what a box would be without its layers. */
export async function onHost(command: string, args: readonly string[]): Promise<OnHost> {
  const child = spawn(command, args, { stdio: ["pipe", "pipe", "pipe"] });
  child.stdin.end();
  const textOf = async (stream: AsyncIterable<Buffer>) => {
    const chunks: Buffer[] = [];
    for await (const chunk of stream) chunks.push(chunk);
    return Buffer.concat(chunks).toString();
  };
  const ended = new Promise<[number | null, string | null]>((resolve, reject) => {
    child.once("error", reject);
    child.once("close", (status, signal) => resolve([status, signal]));
  });
  const [stdout, stderr, [status, signal]] = await Promise.all([
    textOf(child.stdout),
    textOf(child.stderr),
    ended,
  ]);
  return { status, signal, stdout, stderr };
}

/** The same Python that boxes have. */
export function pythonOnHost(code: string): Promise<OnHost> {
  return onHost("/usr/bin/python3", ["-c", code]);
}

/** Its words, each with a zero byte behind it; empty when it is gone. */
export function commandOf(pid: number): string {
  return procText(pid, "cmdline") ?? "";
}

/** What it calls itself; empty when it is gone. */
export function nameOf(pid: number): string {
  return (procText(pid, "comm") ?? "").trimEnd();
}

/** Text of a file of /proc; undefined when the process is gone. */
function procText(pid: number, name: string): string | undefined {
  try {
    return readFileSync(`/proc/${pid}/${name}`, "utf8");
  } catch {
    return undefined;
  }
}

export function allPids(): number[] {
  return readdirSync("/proc").map(Number).filter(Number.isInteger);
}

export function childrenOf(pid: number): number[] {
  return allPids().filter((one) =>
    new RegExp(`^PPid:\t${pid}$`, "m").test(procText(one, "status") ?? ""),
  );
}

/** Real uid of a process, by the host's count. */
function uidOf(pid: number): number | undefined {
  const uid = /^Uid:\t(\d+)/m.exec(procText(pid, "status") ?? "")?.[1];
  return uid === undefined ? undefined : Number(uid);
}

/** False for one that is dead and only waits for its parent to ask how it ended. */
export function isAlive(pid: number): boolean {
  return /^State:\t[^ZX]/m.test(procText(pid, "status") ?? "");
}

/** Ids that a warden's processes have, by the host's count. */
interface Ids {
  readonly first: number;
  /** The first one of slot 0. */
  readonly slots: number;
  readonly end: number;
}

/** A warden on this host, and what belongs to it. */
export interface WardenOnHost {
  readonly pid: number;
  /** Number of the range of ids that it holds. */
  readonly range: number;
  /** The file whose lock says that the range is taken. */
  readonly lock: string;
  /** Its runtime directory. */
  readonly directory: string;
  /** Those of its range; undefined of one that had no keeper when it was looked at. */
  readonly ids: Ids | undefined;
}

function keepersBelow(warden: number): number[] {
  return childrenOf(warden).filter(
    (pid) => procText(pid, "cmdline")?.startsWith("keeper\0") === true,
  );
}

/** How many namespaces of processes a process is in. */
function depthOf(pid: number): number {
  return /^NSpid:\s+(.*)$/m.exec(procText(pid, "status") ?? "")?.[1]?.split(/\s+/).length ?? 0;
}

/**
 * The map of ids of a warden's keeper, as the kernel tells it: the one place that says which they
 * are for root, who has a block of ids reserved, and for an ordinary user, who has those of
 * /etc/subuid.
 */
function idsBelow(warden: number): Ids | undefined {
  const maps = keepersBelow(warden).map((pid) =>
    procText(pid, "uid_map")?.trim().split(/\s+/).map(Number),
  );
  const [, first, , , slots, count] = maps[0] ?? [];
  if (first === undefined || slots === undefined || count === undefined) return undefined;
  return { first, slots, end: slots + count };
}

/** Nothing could be said of processes whose ids are not known, least of all that none is left. */
function idsOf({ pid, ids }: WardenOnHost): Ids {
  if (ids === undefined) throw new Error(`warden ${pid} had no keeper when it was looked at`);
  return ids;
}

/** The wardens that a process started. */
export function ownWardens(parent = process.pid): WardenOnHost[] {
  return childrenOf(parent).flatMap((pid) => {
    // Another build of it, such as the sanitized one, has a longer name; the kernel keeps 15 bytes.
    if (!/^sandrun-native-?$/.test(nameOf(pid))) return [];
    const found = descriptorsOf(pid)
      .map((path) => /^(.*)\/range-(\d+)\.lock$/.exec(path))
      .find((one) => one !== null);
    if (found === undefined) return [];
    const [lock, place, range] = found;
    const directory = `${place}/${range}`;
    return [{ pid, range: Number(range), lock, directory, ids: idsBelow(pid) }];
  });
}

/** The warden that this process started, undefined when there is none. */
export function ownWarden(): WardenOnHost | undefined {
  return ownWardens()[0];
}

/** What each of its descriptors is; none of a process that is gone. */
export function descriptorsOf(pid: number): string[] {
  try {
    return readdirSync(`/proc/${pid}/fd`).flatMap((name) => {
      const path = linkText(`/proc/${pid}/fd/${name}`);
      return path === undefined ? [] : [path];
    });
  } catch {
    return [];
  }
}

/** Undefined for a descriptor that was closed since it was listed. */
function linkText(path: string): string | undefined {
  try {
    return readlinkSync(path);
  } catch {
    return undefined;
  }
}

/** Living processes that have an id of that warden's range. */
export function processesOf(warden: WardenOnHost): number[] {
  const { first, end } = idsOf(warden);
  return allPids().filter((pid) => {
    const uid = uidOf(pid) ?? 0;
    return uid >= first && uid < end && isAlive(pid);
  });
}

/** Those that are in a box: neither the keeper nor who waits to bear boxes. */
export function processesInBoxesOf(warden: WardenOnHost): number[] {
  const [keeper = 0] = keepersBelow(warden.pid);
  return processesOf(warden).filter((pid) => depthOf(pid) > depthOf(keeper));
}

/** Those that bear the boxes of a slot each (native/steward.c). */
export function stewardsOf(warden: WardenOnHost): number[] {
  return processesOf(warden).filter((pid) => nameOf(pid) === "sandrun-steward");
}

/** Those of them whose id is that one of a slot's. */
function processesWith(warden: WardenOnHost, id: number): number[] {
  const { slots } = idsOf(warden);
  return processesInBoxesOf(warden).filter((pid) => {
    const offset = (uidOf(pid) ?? 0) - slots;
    return offset >= 0 && offset % IDS_PER_SLOT === id;
  });
}

/** The program and its descendants: uid 1000 of a box, by the host's count. */
export function jobProcessesOf(warden: WardenOnHost): number[] {
  return processesWith(warden, 1);
}

/** PID 1 of each box: uid 0 there. */
export function boxProcessesOf(warden: WardenOnHost): number[] {
  return processesWith(warden, 0);
}

/** Directories of the warden's groups, in every hierarchy that is mounted. */
export function groupsOf(warden: WardenOnHost): string[] {
  const name = `sandrun-${process.getuid?.() ?? 0}-${warden.range}`;
  const own = readFileSync("/proc/self/cgroup", "utf8").trim().split("\n");
  const above = own.flatMap((line) => prefixesOf(line.replace(/^[^:]*:[^:]*:/, "")));
  return mounts()
    .filter((line) => / - cgroup2? /.test(line))
    .flatMap((line) => {
      const place = line.split(" ")[4] ?? "";
      return [...new Set(above)].map((path) => `${place}${path}/${name}`);
    })
    .map((path) => path.replaceAll(/\/+/g, "/"))
    .filter((path) => existsSync(path));
}

/** A group's path and those of all above it. */
function prefixesOf(path: string): string[] {
  const names = path.split("/").filter((name) => name !== "");
  return ["/", ...names.map((_, index) => `/${names.slice(0, index + 1).join("/")}`)];
}

export function mounts(): string[] {
  return readFileSync("/proc/self/mountinfo", "utf8").trim().split("\n");
}

/** Waits for something that no event of ours tells; fails when it does not come in 20 seconds. */
export async function until(what: string, holds: () => boolean): Promise<void> {
  const giveUpAt = Date.now() + patient(20_000);
  while (!holds()) {
    if (Date.now() > giveUpAt) throw new Error(`waited in vain: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}
