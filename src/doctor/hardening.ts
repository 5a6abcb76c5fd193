/**
 * What stands behind the boxes: settings that make a hole in the kernel, which all boxes share with
 * the host, harder to use. None of them is needed to run.
 */
import { type Host, readNumber } from "./host.ts";
import { howToLookForUpdates } from "./kernel.ts";
import { install, setBootParameter, setSysctl, sysctlPath } from "./mends.ts";
import { type Check, fine, hint, type Mend, type Verdict, warning } from "./verdict.ts";

function lookAtSecurityModules(host: Host): Verdict {
  const selinux = readNumber(host, "/sys/fs/selinux/enforce");
  if (selinux === 1) return fine("SELinux enforces");
  if (host.read("/sys/module/apparmor/parameters/enabled")?.trim() === "Y") return fine("AppArmor");
  if (selinux === 0)
    return warning("SELinux only complains", {
      advice: "When its complaints are dealt with: SELINUX=enforcing in /etc/selinux/config.",
    });
  const modules = host.read("/sys/kernel/security/lsm")?.trim().split(",") ?? [];
  const other = modules.find((name) => ["smack", "tomoyo"].includes(name));
  if (other !== undefined) return fine(other);
  return warning("neither AppArmor nor SELinux is active", moduleMend(host));
}

/** Debian and its relatives bring AppArmor, Fedora and its relatives SELinux. */
function moduleMend(host: Host): Mend {
  const isDebian = host.find("apt-get") !== undefined;
  const name = isDebian ? "AppArmor" : "SELinux";
  const isBuiltIn = new RegExp(`^CONFIG_SECURITY_${name.toUpperCase()}=y$`, "m");
  if (host.kernelConfig !== undefined && !isBuiltIn.test(host.kernelConfig))
    return { advice: `This kernel was built without ${name}; that of your distribution has it.` };
  const advice = `${name} is on unless the kernel's command line says otherwise (security=, lsm=, ${name.toLowerCase()}=0).`;
  return isDebian ? { advice: `${advice} Its tools:`, ...install(host, "aa-status") } : { advice };
}

const VULNERABILITIES = "/sys/devices/system/cpu/vulnerabilities";

function lookAtProcessor(host: Host): Verdict {
  const off = (host.read("/proc/cmdline") ?? "").match(
    /\b(mitigations=off|nopti|nospectre_v[12])\b/,
  );
  if (off !== null)
    return warning(`${off[0]} stands on the kernel's command line`, {
      advice: "Take it away there and restart the machine.",
    });
  const names = host.names(VULNERABILITIES);
  if (names.length === 0) return hint("the kernel does not tell what its processor is open to");
  const states = names.map(
    (name) => [name, host.read(`${VULNERABILITIES}/${name}`) ?? ""] as const,
  );
  const open = states.filter(([, state]) => state.startsWith("Vulnerable")).map(([name]) => name);
  if (open.length > 0)
    return warning(`the kernel calls the processor open to ${open.join(", ")}`, {
      advice: "Newer firmware or microcode may close it. In the kernel's words:",
      commands: [`grep . ${VULNERABILITIES}/*`],
    });
  const threads = states.filter(([, state]) => state.includes("SMT vulnerable"));
  if (threads.length > 0)
    return hint(
      `jobs on two threads of one core can listen to each other (${threads.map(([name]) => name).join(", ")})`,
      setBootParameter(host, "mitigations=auto,nosmt"),
    );
  return fine("the kernel counters all that it knows of");
}

/** Freed memory is wiped at once: what a job left does not lie in free pages. */
function lookAtInitOnFree(host: Host): Verdict {
  const given = /(?:^|\s)init_on_free=(\S+)/.exec(host.read("/proc/cmdline") ?? "")?.[1];
  if (given !== undefined && /^(1|y|on)/i.test(given)) return fine("init_on_free is on");
  const mend = setBootParameter(host, "init_on_free=1");
  const says = "freed memory keeps what was in it until it is used again (init_on_free is off)";
  if (given !== undefined) return hint(says, mend);
  if (host.kernelConfig === undefined)
    return hint("whether freed memory is wiped cannot be seen (init_on_free)", mend);
  if (/^CONFIG_INIT_ON_FREE_DEFAULT_ON=y$/m.test(host.kernelConfig))
    return fine("init_on_free is on by default");
  return hint(says, mend);
}

interface Setting {
  readonly key: string;
  readonly title: string;
  readonly least: number;
  readonly allows: string;
}

/** Boxes cannot reach what these guard; other programs of the host can. */
const SETTINGS: readonly Setting[] = [
  {
    key: "kernel.unprivileged_bpf_disabled",
    title: "bpf",
    least: 1,
    allows: "every user may load BPF programs into the kernel",
  },
  {
    key: "kernel.dmesg_restrict",
    title: "kernel log",
    least: 1,
    allows: "every user may read the kernel's log",
  },
  {
    key: "kernel.kptr_restrict",
    title: "pointers",
    least: 1,
    allows: "the kernel's addresses may be shown to users",
  },
  {
    key: "kernel.yama.ptrace_scope",
    title: "ptrace",
    least: 1,
    allows: "a program may read the memory of all others of its user",
  },
];

function lookAtSetting(host: Host, setting: Setting): Verdict {
  const value = readNumber(host, sysctlPath(setting.key));
  if (value === undefined) return hint(`the kernel does not show ${setting.key}`);
  if (value >= setting.least) return fine(`${setting.key} is ${value}`);
  return hint(
    `${setting.key} is ${value}: ${setting.allows}`,
    setSysctl(host, setting.key, setting.least),
  );
}

function lookAtUpdates(host: Host): Verdict {
  const request = ["/run/reboot-required", "/var/run/reboot-required"].find((path) =>
    host.exists(path),
  );
  if (request !== undefined)
    return warning(`installed updates wait for a restart (${request})`, {
      advice: "Restart the machine when it suits.",
    });
  return hint("whether updates are pending cannot be known from here", howToLookForUpdates(host));
}

export const HARDENING_CHECKS: readonly Check[] = [
  { id: "hardening.updates", title: "updates", look: lookAtUpdates },
  { id: "hardening.modules", title: "security modules", look: lookAtSecurityModules },
  { id: "hardening.processor", title: "processor", look: lookAtProcessor },
  { id: "hardening.init_on_free", title: "freed memory", look: lookAtInitOnFree },
  ...SETTINGS.map((setting) => ({
    id: `hardening.${setting.key.split(".").at(-1)}`,
    title: setting.title,
    look: (host: Host) => lookAtSetting(host, setting),
  })),
];
