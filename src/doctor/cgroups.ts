/** Whether boxes can be limited: controllers, the right to make groups, swap accounting. */
import { CONTROLLERS_V2, type Places, placesOf } from "./cgroupPlaces.ts";
import { containerMark, containerOption } from "./container.ts";
import { bootParameters, type Host } from "./host.ts";
import { isWsl, newerKernel } from "./kernel.ts";
import { asRoot, setBootParameter, word } from "./mends.ts";
import { type Check, error, fine, hint, type Mend, type Verdict } from "./verdict.ts";

function mountV2(host: Host): Mend {
  return {
    advice: "systemd mounts them; where nothing does:",
    commands: [asRoot(host, "mount -t cgroup2 cgroup2 /sys/fs/cgroup")],
  };
}

/** On to v2, in a machine that systemd starts by its own parameter, elsewhere by the kernel's. */
function toVersion2(host: Host): Mend {
  const kernels = "cgroup_no_v1=all";
  if (containerMark(host) !== undefined)
    return {
      advice: `On the machine itself, not in here: add systemd.unified_cgroup_hierarchy=1 (without systemd ${kernels}) to the kernel's command line and restart it.`,
    };
  if (!isWsl(host)) {
    const hasSystemd = host.exists("/run/systemd/system");
    return setBootParameter(host, hasSystemd ? "systemd.unified_cgroup_hierarchy=1" : kernels);
  }
  return {
    advice: `In Windows, put the line kernelCommandLine=${kernels} below [wsl2] in the file .wslconfig of your home, then in a terminal:`,
    commands: ["wsl --shutdown"],
  };
}

function lookAtVersion(host: Host): Verdict {
  const places = placesOf(host);
  switch (places.version) {
    case 1: {
      const beside = places.hasV2 ? " (with an unused version 2 beside it)" : "";
      return fine(`version 1${beside}, which works for root`);
    }
    case 2:
      return fine("version 2");
    case "split":
      return error(
        `only these controllers have a version 1 hierarchy: ${places.found.join(", ")}; memory, pids, cpu and cpuacct must all be there, or version 2 alone`,
        toVersion2(host),
      );
    case "none":
      return error("no control groups are mounted here", mountV2(host));
  }
}

function lookAtControllers(host: Host): Verdict | undefined {
  const places = placesOf(host);
  if (places.version === 1) return fine("memory, pids, cpu, cpuacct");
  if (places.version !== 2) return undefined;
  const text = host.read(`${places.top}/cgroup.controllers`);
  if (text === undefined) return hint(`${places.top}/cgroup.controllers cannot be read`);
  const here = text.trim().split(/\s+/);
  const missing = CONTROLLERS_V2.filter((name) => !here.includes(name));
  if (missing.length === 0) return fine(CONTROLLERS_V2.join(", "));
  const says = `the kernel gives no controller for ${missing.join(", ")}`;
  const off = bootParameters(host).find((parameter) => parameter.startsWith("cgroup_disable="));
  if (off !== undefined)
    return error(says, { advice: `Take ${off} from the kernel's command line, then restart.` });
  if (containerMark(host) !== undefined) return error(says, openGroups(host));
  return error(says, {
    advice: "Use a kernel that has it; on version 2 it must not be in use by version 1.",
  });
}

/** Docker and Podman mount them read-only; this shows the machine's own, which can be written. */
function openGroups(host: Host): Mend {
  return containerOption(host, "-v /sys/fs/cgroup:/sys/fs/cgroup:rw");
}

function directoriesOf(places: Places): readonly string[] {
  if (places.version === 1) return [...places.directories.values()];
  return places.version === 2 ? [places.top] : [];
}

/**
 * The topmost group that a container can see is no top: it gives no controllers while it holds
 * processes, and there is none above to go to. (The machine's own top has no cgroup.type.)
 */
function isCrowdedTop(host: Host, places: Places): boolean {
  if (places.version !== 2 || places.own !== places.top) return false;
  const processes = (host.read(`${places.top}/cgroup.procs`) ?? "").trim().split("\n");
  return host.exists(`${places.top}/cgroup.type`) && processes.length > 1;
}

function lookAtRootsRight(host: Host, places: Places): Verdict | undefined {
  if (places.version !== 1 && places.version !== 2) return undefined;
  const closed = directoriesOf(places).filter((directory) => !host.isWritable(directory));
  if (closed.length > 0)
    return error(`no group can be made in ${closed.join(", ")}`, openGroups(host));
  if (isCrowdedTop(host, places))
    return error(
      "the container's own group holds other processes, so it cannot be divided",
      openGroups(host),
    );
  return fine("root may make groups");
}

/** From the own group to the top, as the warden climbs. */
function groupsAbove(own: string, top: string): readonly string[] {
  const all = [own];
  for (let at = own; at.length > top.length; ) {
    at = at.slice(0, at.lastIndexOf("/"));
    all.push(at);
  }
  return all;
}

const USER_DROP_IN = "/etc/systemd/system/user@.service.d/sandrun.conf";

/** systemd gives a scope of one's own, with the controllers that the user's manager has. */
function lookAtManager(host: Host, top: string): Verdict {
  const manager = `${top}/user.slice/user-${host.uid}.slice/user@${host.uid}.service`;
  const text = host.read(`${manager}/cgroup.controllers`);
  if (text === undefined)
    return hint("systemd is asked for a group; what it gives on to users cannot be seen here");
  const missing = CONTROLLERS_V2.filter((name) => !text.trim().split(/\s+/).includes(name));
  if (missing.length === 0) return fine("systemd gives each run a group of its own");
  const write = `printf '[Service]\\nDelegate=cpu memory pids\\n' | sudo tee ${USER_DROP_IN}`;
  return error(`systemd does not give users the controllers ${missing.join(", ")}`, {
    advice: "Then restart the machine, or log out everywhere and in again.",
    commands: [
      `sudo mkdir -p ${USER_DROP_IN.slice(0, USER_DROP_IN.lastIndexOf("/"))} && ${write} && sudo systemctl daemon-reload`,
    ],
  });
}

/** The script of a checkout; of an installed program its name. */
function ownProgram(host: Host): string {
  const script = `${host.directory}/sandrun`;
  return host.exists(script) ? script : "sandrun";
}

/** There a process is moved by root or by somebody with its own id, and those in boxes have other ids. */
function refuseVersion1(host: Host): Verdict {
  const says = "on version 1 only root can put boxes into groups, whoever the groups belong to";
  const asRootNow = asRoot(host, `${word(ownProgram(host))} doctor`);
  if (!host.exists("/run/systemd/system"))
    return error(says, {
      advice:
        "Run it as root. Version 2 would not help: without systemd nobody gives users groups.",
      commands: [asRootNow],
    });
  const { advice, commands = [] } = toVersion2(host);
  return error(says, {
    advice: `Run it as root (the first command), which works at once, or move the machine to version 2. ${advice ?? ""}`,
    commands: [asRootNow, ...commands],
  });
}

function lookAtUsersRight(host: Host, places: Places): Verdict | undefined {
  if (places.version === 1) return refuseVersion1(host);
  if (places.version !== 2) return undefined;
  const { own, top } = places;
  const isOurs = (group: string) =>
    host.isWritable(`${group}/cgroup.procs`) && host.isWritable(`${group}/cgroup.subtree_control`);
  if (
    host.exists(`/run/user/${host.uid}/systemd/private`) &&
    host.find("systemd-run") !== undefined
  )
    return lookAtManager(host, top);
  if (groupsAbove(own, top).some(isOurs)) return fine("a group was delegated to this user");
  const says = "no group was delegated to this user";
  if (!host.exists("/run/systemd/system"))
    return error(says, { advice: "Run it as root; without systemd nobody gives users groups." });
  if (host.userName === undefined) return error(says, { advice: "Log in as a local user." });
  return error(`${says}, and no systemd of this user is running to ask for one`, {
    commands: [asRoot(host, `loginctl enable-linger ${word(host.userName)}`)],
  });
}

function lookAtRight(host: Host): Verdict | undefined {
  const places = placesOf(host);
  return host.uid === 0 ? lookAtRootsRight(host, places) : lookAtUsersRight(host, places);
}

/** A group with the memory controller: the top one has no limits to look at. */
function exampleGroup(host: Host, places: Places): string | undefined {
  if (places.version === 1) return places.directories.get("memory");
  if (places.version !== 2) return undefined;
  const { own, top } = places;
  const beside = host.names(top).map((name) => `${top}/${name}`);
  return [...groupsAbove(own, top), ...beside].find((group) => host.exists(`${group}/memory.max`));
}

function lookAtSwapLimit(host: Host): Verdict | undefined {
  const places = placesOf(host);
  if (places.version !== 1 && places.version !== 2) return undefined;
  const file = places.version === 1 ? "memory.memsw.limit_in_bytes" : "memory.swap.max";
  const group = exampleGroup(host, places);
  if (group === undefined) return hint("no group with the memory controller is there to look at");
  if (host.exists(`${group}/${file}`)) return fine("boxes can be kept out of swap");
  return error(
    `${file} is missing: boxes could not be kept out of swap`,
    setBootParameter(host, "swapaccount=1"),
  );
}

function lookAtPeak(host: Host): Verdict | undefined {
  const places = placesOf(host);
  if (places.version !== 2) return undefined;
  const group = exampleGroup(host, places);
  if (group === undefined) return hint("no group with the memory controller is there to look at");
  if (host.exists(`${group}/memory.peak`)) return fine("a job's peak can be read");
  return error(
    `version 2 without memory.peak, which came with Linux 5.19 (this is ${host.release})`,
    newerKernel(host),
  );
}

export const CGROUP_CHECKS: readonly Check[] = [
  { id: "cgroups.version", title: "version", look: lookAtVersion },
  { id: "cgroups.controllers", title: "controllers", look: lookAtControllers },
  { id: "cgroups.right", title: "right to use", look: lookAtRight },
  { id: "cgroups.swap", title: "swap limit", look: lookAtSwapLimit },
  { id: "cgroups.peak", title: "memory peak", look: lookAtPeak },
];
