/** What a container keeps from the programs in it, and the option that gives it back. */
import type { Host } from "./host.ts";
import { mountsOf } from "./mounts.ts";
import { type Check, error, fine, hint, type Mend, type Verdict, warning } from "./verdict.ts";

export type Runtime = "docker" | "podman" | "other";

/** By the files that runtimes leave. A mark proves nothing: what is missing is looked for itself. */
export function containerMark(host: Host): { runtime: Runtime; mark: string } | undefined {
  if (host.exists("/run/.containerenv")) return { runtime: "podman", mark: "/run/.containerenv" };
  if (host.exists("/.dockerenv")) return { runtime: "docker", mark: "/.dockerenv" };
  const named = host.env["container"];
  if (named !== undefined && named !== "") return { runtime: "other", mark: `container=${named}` };
  if (host.env["KUBERNETES_SERVICE_HOST"] !== undefined)
    return { runtime: "other", mark: "KUBERNETES_SERVICE_HOST" };
  return undefined;
}

/** The option of whoever runs the container; without a mark, of both that have one. */
export function containerOption(host: Host, docker: string, podman = docker): Mend {
  const runtime = containerMark(host)?.runtime;
  const commands = [
    ...(runtime === "podman" ? [] : [`docker run ${docker} …`]),
    ...(runtime === "docker" ? [] : [`podman run ${podman} …`]),
  ];
  return { advice: "Start the container with this option, beside its others:", commands };
}

function lookAtMark(host: Host): Verdict {
  const found = containerMark(host);
  if (found === undefined) return fine("no sign of one");
  return fine(`there is ${found.mark}; what a container would keep from boxes is looked for here`);
}

/** Always there on a usual host, over a directory that is empty: hides nothing. */
const HARMLESS: readonly string[] = ["/proc/sys/fs/binfmt_misc"];

/** The kernel refuses a new /proc in a user namespace where the old one is not wholly visible. */
function lookAtProc(host: Host): Verdict {
  const mounts = mountsOf(host);
  if (mounts.length === 0) return hint("/proc/self/mountinfo cannot be read");
  const proc = mounts.findLast(({ place }) => place === "/proc");
  const option = containerOption(
    host,
    "--security-opt systempaths=unconfined",
    "--security-opt unmask=ALL",
  );
  const covered = [
    ...new Set(
      mounts
        .map(({ place }) => place)
        .filter((place) => place.startsWith("/proc/") && !HARMLESS.includes(place)),
    ),
  ];
  if (covered.length > 0)
    return error(`parts of /proc are hidden, so boxes get none: ${covered.join(", ")}`, option);
  if (proc?.type === "proc" && proc.options.includes("ro"))
    return error("/proc is mounted read-only, so boxes get none", option);
  return fine("nothing of it is hidden");
}

/** Numbers of capabilities (capabilities(7), linux/capability.h). */
const TO_BUILD = [
  ["CHOWN", 0],
  ["DAC_OVERRIDE", 1],
  ["SETGID", 6],
  ["SETUID", 7],
  ["SYS_ADMIN", 21],
  ["MKNOD", 27],
] as const;
/** To end Node, which has an id of its own, and to take its rights away. */
const TO_SERVE = [
  ["KILL", 5],
  ["SETPCAP", 8],
] as const;

function statusField(host: Host, name: string): string | undefined {
  return new RegExp(`^${name}:\\s*(\\S+)$`, "m").exec(host.read("/proc/self/status") ?? "")?.[1];
}

function lookAtCapabilities(host: Host): Verdict | undefined {
  const text = statusField(host, "CapEff");
  if (host.uid !== 0 || text === undefined) return undefined;
  const held = BigInt(`0x${text}`);
  const lacking = (wanted: readonly (readonly [string, number])[]) =>
    wanted.filter(([, bit]) => ((held >> BigInt(bit)) & 1n) === 0n).map(([name]) => name);
  const options = (names: readonly string[]) =>
    containerOption(host, names.map((name) => `--cap-add ${name}`).join(" "));
  const unbuilt = lacking(TO_BUILD);
  if (unbuilt.length > 0)
    return error(`root here lacks capabilities: ${unbuilt.join(", ")}`, options(unbuilt));
  const unserved = lacking(TO_SERVE);
  if (unserved.length > 0)
    return warning(`the service cannot start without: ${unserved.join(", ")}`, options(unserved));
  return fine("root has those that boxes need");
}

/** A runtime's filter of system calls holds for all that we start; which calls, it does not tell. */
function lookAtFilter(host: Host): Verdict | undefined {
  const mode = statusField(host, "Seccomp");
  if (mode === undefined) return undefined;
  if (mode === "0") return fine("no filter lies on this process");
  return hint(
    "a filter of system calls lies on this process; Docker's usual one refuses pivot_root, without which there is no box",
    containerOption(host, "--security-opt seccomp=unconfined"),
  );
}

function lookAtProfile(host: Host): Verdict | undefined {
  const text =
    host.read("/proc/self/attr/apparmor/current") ?? host.read("/proc/self/attr/current");
  const profile = text?.replaceAll(/[\0\n]/g, "");
  // SELinux writes a context there (user:role:type:level).
  if (profile === undefined || profile === "" || profile.includes(":")) return undefined;
  if (profile === "unconfined") return fine("no AppArmor profile holds this process");
  const option = containerOption(host, "--security-opt apparmor=unconfined");
  if (profile.startsWith("docker-default "))
    return error("Docker's AppArmor profile holds this process, which forbids mounts", option);
  return hint(`an AppArmor profile holds this process: ${profile}`);
}

export const CONTAINER_CHECKS: readonly Check[] = [
  { id: "container.marks", title: "container", look: lookAtMark },
  { id: "container.proc", title: "/proc", look: lookAtProc },
  { id: "container.capabilities", title: "capabilities", look: lookAtCapabilities },
  { id: "container.filter", title: "filter", look: lookAtFilter },
  { id: "container.profile", title: "profile", look: lookAtProfile },
];
