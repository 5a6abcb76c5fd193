/** Whether the kernel has what boxes are made of. */
import { DOCTOR_LIMITS } from "../core/limits.ts";
import { bootParameters, type Host } from "./host.ts";
import { installerOf } from "./mends.ts";
import { type Check, error, fine, hint, type Mend, type Verdict } from "./verdict.ts";

/**
 * clone3 5.3 · openat2 and time namespaces 5.6 · close_range 5.9 · overlays in user namespaces
 * 5.11 · mount_setattr 5.12. A v2 cgroup's memory.peak (5.19) is looked for by itself, since some
 * distributions brought it to older kernels.
 */
const LEAST = { major: 5, minor: 12 } as const;

/** The kernel of Windows' subsystem for Linux names its maker. */
export function isWsl(host: Host): boolean {
  return /microsoft/i.test(host.release);
}

function osRelease(host: Host, key: string): string | undefined {
  const text = host.read("/etc/os-release") ?? "";
  const value = new RegExp(`^${key}=(.*)$`, "m").exec(text)?.[1]?.replaceAll(/^["']|["']$/g, "");
  return value === "" ? undefined : value;
}

/** What the system calls itself. */
export function systemName(host: Host): string {
  return osRelease(host, "PRETTY_NAME") ?? "Linux";
}

/** How to come by a newer kernel, where there is one way that is known to work. */
export function newerKernel(host: Host): Mend {
  if (isWsl(host))
    return { advice: "In Windows, in a terminal of its own:", commands: ["wsl --update"] };
  const version = osRelease(host, "VERSION_ID") ?? "";
  if (osRelease(host, "ID") === "ubuntu" && /^(20|22)\.04$/.test(version)) {
    const sudo = host.uid === 0 ? "" : "sudo ";
    const name = `linux-generic-hwe-${version}`;
    return {
      advice: "Then restart the machine.",
      commands: [`${sudo}apt-get install --install-recommends ${name}`],
    };
  }
  return {
    advice: "Move to a release of your distribution with a newer kernel, such as Debian 12.",
  };
}

function lookAtRelease(host: Host): Verdict {
  const [, major, minor] = /^(\d+)\.(\d+)/.exec(host.release) ?? [];
  const least = `${LEAST.major}.${LEAST.minor}`;
  if (major === undefined || minor === undefined)
    return hint(`the kernel calls itself ${host.release}; Linux ${least} or newer is needed`);
  const isEnough =
    Number(major) > LEAST.major || (Number(major) === LEAST.major && Number(minor) >= LEAST.minor);
  if (isEnough) return fine(`${host.release}; at least ${least} is needed`);
  return error(
    `${host.release} is too old: boxes need mount_setattr and overlays in user namespaces, which is Linux ${least}`,
    newerKernel(host),
  );
}

const DAY_MS = 86_400_000;

/** When the running kernel was built: Debian writes the date in brackets, others as `date` does. */
function buildDateMs(version: string): number | undefined {
  const iso = /\((\d{4}-\d\d-\d\d)\)/.exec(version)?.[1];
  const [, month, day, year] =
    /[A-Z][a-z]{2} ([A-Z][a-z]{2}) +(\d+) [\d:]{8} [A-Z+\d]+ (\d{4})/.exec(version) ?? [];
  const ms = Date.parse(iso ?? `${day} ${month} ${year} UTC`);
  return Number.isNaN(ms) ? undefined : ms;
}

/** How to look for updates: whether there are any cannot be known without asking the network. */
export function howToLookForUpdates(host: Host): Mend {
  const sudo = host.uid === 0 ? "" : "sudo ";
  switch (installerOf(host)?.family) {
    case "debian":
      return { commands: [`${sudo}apt-get update && apt list --upgradable`] };
    case "fedora":
      return { commands: ["dnf check-update"] };
    case "suse":
      return { commands: ["zypper list-updates"] };
    case "arch":
      return { commands: ["checkupdates"] };
    case "alpine":
      return { commands: [`${sudo}apk update && apk version`] };
    case undefined:
      return { advice: "Look in your distribution's way." };
  }
}

function lookAtAge(host: Host): Verdict {
  const builtMs = buildDateMs(host.read("/proc/version") ?? "");
  if (builtMs === undefined) return hint("the kernel does not say when it was built");
  const days = Math.floor((host.nowMs - builtMs) / DAY_MS);
  const date = new Date(builtMs).toISOString().slice(0, 10);
  if (days <= DOCTOR_LIMITS.kernelDays) return fine(`built on ${date}`);
  return hint(
    `built on ${date}, ${days} days ago: what was mended in Linux since then is not in it`,
    howToLookForUpdates(host),
  );
}

function lookAtArchitecture(host: Host): Verdict {
  if (host.arch === "x64" || host.arch === "arm64") return fine(host.arch);
  return error(`there is no system call table for ${host.arch}, only for x64 and arm64`);
}

const NAMESPACES = ["user", "pid", "mnt", "net", "ipc", "uts", "cgroup", "time"] as const;

function lookAtNamespaces(host: Host): Verdict {
  const missing = NAMESPACES.filter((name) => !host.exists(`/proc/self/ns/${name}`));
  if (missing.length === 0) return fine(NAMESPACES.join(", "));
  return error(`the kernel was built without namespaces of this kind: ${missing.join(", ")}`, {
    advice: "Use a kernel of your distribution, which has them.",
  });
}

/** Zero forbids them to everybody, root included (namespaces(7)). */
function lookAtAllowance(host: Host): Verdict | undefined {
  const forbidden = NAMESPACES.filter(
    (name) => host.read(`/proc/sys/user/max_${name}_namespaces`)?.trim() === "0",
  );
  const [first] = forbidden;
  if (first === undefined) return fine("no kind is forbidden");
  const settings = forbidden.map((name) => `user.max_${name}_namespaces`);
  const file = "/etc/sysctl.d/99-sandrun-namespaces.conf";
  const lines = settings.map((key) => `'${key} = 10000'`).join(" ");
  const sudo = host.uid === 0 ? "" : "sudo ";
  return error(`forbidden to everybody: ${settings.map((key) => `${key} is 0`).join(", ")}`, {
    commands: [`printf '%s\\n' ${lines} | ${sudo}tee ${file} && ${sudo}sysctl -p ${file}`],
  });
}

function lookAtSeccomp(host: Host): Verdict {
  const actions = host.read("/proc/sys/kernel/seccomp/actions_avail")?.trim().split(" ");
  if (actions === undefined) {
    if (/^Seccomp:/m.test(host.read("/proc/self/status") ?? ""))
      return fine("the kernel has filters; which actions it knows cannot be seen here");
    return error("the kernel has no filters for system calls (CONFIG_SECCOMP_FILTER)", {
      advice: "Use a kernel of your distribution, which has them.",
    });
  }
  const missing = ["allow", "errno", "kill_process"].filter((action) => !actions.includes(action));
  if (missing.length === 0) return fine("filters with the actions that boxes use");
  return error(`the kernel's filters lack the actions ${missing.join(", ")}`, newerKernel(host));
}

function lookAtOverlay(host: Host): Verdict {
  if (/\toverlay$/m.test(host.read("/proc/filesystems") ?? "")) return fine("the kernel has it");
  const modules = `/lib/modules/${host.release}`;
  if (host.names(`${modules}/kernel/fs/overlayfs`).some((name) => name.startsWith("overlay.ko")))
    return fine("a module, loaded when it is first used");
  if (isModuleless(host))
    return error("the kernel has no overlay file system and loads no modules");
  if (!host.exists(modules))
    return hint("not loaded yet, and whether there is a module cannot be seen here");
  return error("the kernel has no overlay file system, and there is no module of it", {
    advice: `Install all modules of ${host.release}, or use a kernel of your distribution.`,
  });
}

function isModuleless(host: Host): boolean {
  return (
    bootParameters(host).includes("nomodule") ||
    host.read("/proc/sys/kernel/modules_disabled")?.trim() === "1"
  );
}

export const KERNEL_CHECKS: readonly Check[] = [
  { id: "kernel.release", title: "release", look: lookAtRelease },
  { id: "kernel.age", title: "age", look: lookAtAge },
  { id: "kernel.architecture", title: "architecture", look: lookAtArchitecture },
  { id: "kernel.namespaces", title: "namespaces", look: lookAtNamespaces },
  { id: "kernel.allowance", title: "namespace limits", look: lookAtAllowance },
  { id: "kernel.seccomp", title: "seccomp", look: lookAtSeccomp },
  { id: "kernel.overlay", title: "overlay", look: lookAtOverlay },
];
