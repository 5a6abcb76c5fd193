/**
 * Which layers hold around a process, judged from outside by what this host's /proc and control
 * groups say: nothing here asks the box.
 */
import { lstatSync, readdirSync, readFileSync, readlinkSync } from "node:fs";
import { join } from "node:path";
import { BOX_LIMITS } from "../../src/core/limits.ts";
import type { LAYERS } from "../../src/core/wire.ts";
import { childrenOf, groupsOf, jobProcessesOf, processesOf, type WardenOnHost } from "./host.ts";

type Layer = (typeof LAYERS)[number];

interface Seen {
  readonly pid: number;
  /** Programs in other boxes, and this process. */
  readonly others: readonly number[];
  readonly keeper: number;
  readonly warden: WardenOnHost;
}

function textOf(pid: number, name: string): string {
  return readFileSync(`/proc/${pid}/${name}`, "utf8");
}

/** Neither this host's nor that of another box, nor the keeper's. */
function ownNamespace(name: string): (seen: Seen) => boolean {
  const of = (pid: number) => readlinkSync(`/proc/${pid}/ns/${name}`);
  // The keeper stays in the network namespace of the slot that had the last box.
  const more = ({ keeper }: Seen) => (name === "net" ? [] : [keeper]);
  return (seen) => [...seen.others, ...more(seen)].every((pid) => of(pid) !== of(seen.pid));
}

function statusIs(line: RegExp): (seen: Seen) => boolean {
  return ({ pid }) => line.test(textOf(pid, "status"));
}

interface Mount {
  readonly options: string;
  readonly type: string;
  readonly superOptions: string;
}

/** What is mounted there; the last one lies on top. */
function mountAt(pid: number, place: string): Mount | undefined {
  const lines = textOf(pid, "mountinfo").trimEnd().split("\n");
  const line = lines.findLast((one) => one.split(" ")[4] === place);
  if (line === undefined) return undefined;
  const [type = "", , superOptions = ""] = (line.split(" - ")[1] ?? "").split(" ");
  return { options: line.split(" ")[5] ?? "", type, superOptions };
}

function rootHolds({ pid }: Seen): boolean {
  const types: readonly (readonly [string, string])[] = [
    ["/", "overlay"],
    ["/usr", "overlay"],
  ];
  const descriptors = readdirSync(`/proc/${pid}/fd`).map(Number);
  return (
    descriptors.every((number) => number < 3) &&
    types.every(([place, type]) => {
      const mount = mountAt(pid, place);
      return mount?.type === type && /^ro,nosuid,nodev\b/.test(mount.options);
    })
  );
}

function isBounded({ pid }: Seen): boolean {
  const { workBytes, workInodes, tmpBytes, tmpInodes, shmBytes } = BOX_LIMITS;
  const places: readonly (readonly [string, number, number])[] = [
    ["/work", workBytes, workInodes],
    ["/tmp", tmpBytes, tmpInodes],
    ["/dev/shm", shmBytes, tmpInodes],
  ];
  return places.every(([place, bytes, inodes]) => {
    const mount = mountAt(pid, place);
    const ceilings = `,size=${bytes / 1024}k,nr_inodes=${inodes},`;
    const isSmall = `${mount?.superOptions},`.includes(ceilings);
    return mount?.type === "tmpfs" && isSmall && /nosuid,nodev/.test(mount.options);
  });
}

/** Of what this kernel's /proc has beside processes, a box finds stand-ins or nothing. */
function procHolds({ pid }: Seen): boolean {
  const shown = /^(\d+|self|thread-self|mounts|net|version|filesystems)$/;
  const place = join(`/proc/${pid}`, "root", "proc");
  const own = lstatSync(place).dev;
  const isHidden = readdirSync("/proc")
    .filter((name) => !shown.test(name))
    .every((name) => lstatSync(`${place}/${name}`, { throwIfNoEntry: false })?.dev !== own);
  const options = mountAt(pid, "/proc")?.superOptions ?? "";
  return isHidden && /hidepid=(2|invisible)/.test(options);
}

const RLIMITS = [
  /^Max core file size +1 +1 /m,
  /^Max open files +256 +256 /m,
  /^Max locked memory +65536 +65536 /m,
  /^Max realtime priority +0 +0 /m,
];

/** In the leaf of a slot, whose memory is limited to what `boxes.ts` asks for. */
function limitsHold({ pid, warden }: Seen): boolean {
  const slot = /\/jobs\/(slot-\d+)$/m.exec(textOf(pid, "cgroup"))?.[1];
  if (slot === undefined) return false;
  const limits = groupsOf(warden).flatMap((group) =>
    ["memory.max", "memory.limit_in_bytes"].flatMap((name) =>
      numberIn(`${group}/jobs/${slot}/${name}`),
    ),
  );
  return limits.length === 1 && limits[0] === 512 * 1024 * 1024;
}

function numberIn(path: string): number[] {
  try {
    return [Number(readFileSync(path, "utf8"))];
  } catch {
    // The file of the other version of control groups, or of another controller.
    return [];
  }
}

const JUDGES: Readonly<Record<Layer, (seen: Seen) => boolean>> = {
  user: ownNamespace("user"),
  pid: ownNamespace("pid"),
  mount: ownNamespace("mnt"),
  network: ownNamespace("net"),
  ipc: ownNamespace("ipc"),
  uts: ownNamespace("uts"),
  cgroup: ownNamespace("cgroup"),
  time: ownNamespace("time"),
  root: rootHolds,
  tmpfs: isBounded,
  proc: procHolds,
  uid: (seen) =>
    jobProcessesOf(seen.warden).includes(seen.pid) && statusIs(/^Uid:\t(\d+)\t\1\t\1\t\1$/m)(seen),
  capabilities: statusIs(/^(Cap(Inh|Prm|Eff|Bnd|Amb):\t0{16}\n){5}/m),
  no_new_privs: statusIs(/^NoNewPrivs:\t1$/m),
  seccomp: statusIs(/^Seccomp:\t2$/m),
  rlimits: ({ pid }) => RLIMITS.every((line) => line.test(textOf(pid, "limits"))),
  limits: limitsHold,
};

/** The layers that hold around each of the programs that run in that warden's boxes. */
export function layersFromOutside(warden: WardenOnHost): readonly string[] {
  const programs = processesOf(warden).filter((pid) => textOf(pid, "cmdline").includes("main.py"));
  const [keeper] = childrenOf(warden.pid);
  if (keeper === undefined || programs.length < 2) throw new Error("there are no two programs");
  const all = programs.map((pid) => {
    const others = [process.pid, ...programs.filter((one) => one !== pid)];
    return { pid, others, keeper, warden };
  });
  return Object.entries(JUDGES).flatMap(([layer, holds]) => (all.every(holds) ? [layer] : []));
}
