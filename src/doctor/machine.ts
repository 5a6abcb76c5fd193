/** The machine around the boxes: what they are made from, and what a job could leave behind. */
import { DOCTOR_LIMITS, JOB_LIMITS, MIB } from "../core/limits.ts";
import type { Host } from "./host.ts";
import { asRoot, install, word } from "./mends.ts";
import { type Check, error, fine, hint, type Verdict, warning } from "./verdict.ts";

/** A box's /bin and /lib lead into its /usr, so the host's must, too. */
function lookAtUsr(host: Host): Verdict {
  const target = host.linkTarget("/bin");
  if (target !== undefined) return fine("merged");
  if (!host.exists("/bin")) return hint("there is no /bin to look at");
  const says = "/bin is a directory of its own; boxes need it to be a link to /usr/bin";
  if (host.find("apt-get") === undefined)
    return error(says, { advice: "Move to a release of your distribution that merged them." });
  return error(says, { commands: [asRoot(host, "apt-get install usrmerge")] });
}

/** A piped handler would be handed a job's memory, but a core limit of 1 keeps it from running. */
function lookAtCorePattern(host: Host): Verdict {
  const pattern = host.read("/proc/sys/kernel/core_pattern")?.trim();
  if (pattern === undefined) return hint("/proc/sys/kernel/core_pattern cannot be read");
  if (!pattern.startsWith("|")) return fine("files; the core limit of jobs keeps them from any");
  const handler = pattern.slice(1).trim().split(/\s+/)[0] ?? "";
  return fine(`handed to ${handler}; never for jobs, whose core limit is 1`);
}

/** RAM (zram), encrypted (device mapper says so), or nothing that we can tell. */
function isSafeSwap(host: Host, path: string): boolean {
  const device = (host.linkTarget(path) ?? path).split("/").at(-1) ?? "";
  if (device.startsWith("zram")) return true;
  return host.read(`/sys/class/block/${device}/dm/uuid`)?.startsWith("CRYPT-") === true;
}

function lookAtSwap(host: Host): Verdict {
  const text = host.read("/proc/swaps");
  if (text === undefined) return hint("/proc/swaps cannot be read");
  const places = text
    .split("\n")
    .slice(1)
    .flatMap((line) => line.split(/\s+/)[0] || [])
    .map((place) => place.replaceAll("\\040", " "));
  if (places.length === 0) return fine("none is in use");
  const plain = places.filter((place) => !isSafeSwap(host, place));
  if (plain.length === 0) return fine("in RAM or encrypted");
  return hint(
    `not known to be encrypted: ${plain.join(", ")}; jobs and the service are kept out of it, other programs are not`,
    { advice: "Encrypt it (crypttab(5)) if what clients of this service hold in memory matters." },
  );
}

function lookAtMemory(host: Host): Verdict {
  const kib = /^MemTotal:\s+(\d+) kB$/m.exec(host.read("/proc/meminfo") ?? "")?.[1];
  if (kib === undefined) return hint("/proc/meminfo cannot be read");
  const bytes = Number(kib) * 1024;
  const says = `${Math.round(bytes / MIB)} MB`;
  if (bytes >= DOCTOR_LIMITS.ramLeastBytes) return fine(says);
  return hint(
    `${says}: a job may use ${JOB_LIMITS.memoryMb.usual} MB when it asks for nothing else`,
  );
}

function lookAtDisk(host: Host): Verdict {
  const bytes = host.freeDiskBytes(host.directory);
  if (bytes === undefined) return hint("the room left cannot be seen");
  const says = `${Math.round(bytes / MIB)} MB free; jobs use none of it`;
  if (bytes >= DOCTOR_LIMITS.diskLeastBytes) return fine(says);
  return hint(`${says}, but updates of this checkout do`);
}

/** The service takes all that it may; systemd usually allows half a million. */
function lookAtOpenFiles(host: Host): Verdict {
  const least = DOCTOR_LIMITS.openFilesLeast;
  const most = /^Max open files +\S+ +(\d+|unlimited)\b/m.exec(
    host.read("/proc/self/limits") ?? "",
  )?.[1];
  if (most === undefined) return hint("how many a process may have cannot be read");
  const says = `${most} for a process at most`;
  if (most === "unlimited" || Number(most) >= least) return fine(says);
  return warning(`${says}: a service with many jobs and connections at once fails some of them`, {
    advice: `Allow ${least}: LimitNOFILE=${least} in a unit of systemd, --ulimit nofile=${least} for a container, /etc/security/limits.conf for a login.`,
  });
}

const TOOLS = [
  ["gcc", "builds the native part, and jobs in C"],
  ["make", "builds the native part"],
  ["git", "brings updates of this checkout"],
] as const;

function lookAtTool(host: Host, program: string, use: string): Verdict {
  const path = host.find(program);
  if (path === undefined) return hint(`not found; it ${use}`, install(host, program));
  return fine(path);
}

/** Boxes see the host's /usr only, and of that not /usr/local. */
function lookAtPython(host: Host): Verdict {
  const path = "/usr/bin/python3";
  if (host.exists(path)) return fine(path);
  return hint(
    `there is no ${path}, which runs jobs that name no language`,
    install(host, "python3"),
  );
}

/** The commands that mend are written for a user who has it. */
function lookAtSudo(host: Host): Verdict | undefined {
  if (host.uid === 0 || host.find("sudo") !== undefined) return undefined;
  return hint("not found, though commands told here begin with it", {
    advice: "Give those in a shell of root (su -), without that word.",
  });
}

/** The service has an id of its own: it reads the checkout as anybody may. */
function lookAtCheckout(host: Host): Verdict | undefined {
  if (host.uid !== 0) return undefined;
  const places = ["", "/src", "/src/main.ts", "/package.json", "/node_modules"];
  const closed = places
    .map((place) => `${host.directory}${place}`)
    .filter((path) => {
      const mode = host.mode(path);
      return mode !== undefined && (mode & 0o004) === 0;
    });
  if (closed.length === 0) return fine("readable to the service, which has an id of its own");
  return warning(`the service, which has an id of its own, cannot read ${closed.join(", ")}`, {
    commands: [`chmod -R o+rX ${word(host.directory)}`],
  });
}

export const MACHINE_CHECKS: readonly Check[] = [
  { id: "machine.usr", title: "/usr", look: lookAtUsr },
  { id: "machine.core", title: "core dumps", look: lookAtCorePattern },
  { id: "machine.swap", title: "swap", look: lookAtSwap },
  { id: "machine.memory", title: "memory", look: lookAtMemory },
  { id: "machine.disk", title: "disk", look: lookAtDisk },
  { id: "machine.files", title: "open files", look: lookAtOpenFiles },
  { id: "machine.checkout", title: "checkout", look: lookAtCheckout },
  ...TOOLS.map(([program, use]) => ({
    id: `tools.${program}`,
    title: program,
    look: (host: Host) => lookAtTool(host, program, use),
  })),
  { id: "tools.sudo", title: "sudo", look: lookAtSudo },
  { id: "tools.python3", title: "python3", look: lookAtPython },
];
