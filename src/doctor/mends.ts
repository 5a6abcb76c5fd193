/**
 * Commands that mend. They are for copying into a shell, so every word that comes from the host is
 * quoted, and each does nothing worse when it is run twice.
 */
import type { Host } from "./host.ts";
import type { Mend } from "./verdict.ts";

/** One word of a shell command. */
export function word(text: string): string {
  return /^[\w./:=@%+,-]+$/.test(text) ? text : `'${text.replaceAll("'", `'\\''`)}'`;
}

/** Root has no need of sudo, and in a container seldom has it. */
export function asRoot(host: Host, command: string): string {
  return host.uid === 0 ? command : `sudo ${command}`;
}

/** Sets a kernel setting now and for later starts, in a file of its own. */
export function setSysctl(host: Host, key: string, value: number): Mend {
  const file = `/etc/sysctl.d/99-sandrun-${key}.conf`;
  const write = `echo '${key} = ${value}' | ${asRoot(host, `tee ${file}`)}`;
  const commands = [`${write} && ${asRoot(host, `sysctl -p ${file}`)}`];
  const isOutOfReach = host.uid === 0 && !host.isWritable(sysctlPath(key));
  return isOutOfReach ? { advice: "On the machine itself, not in here:", commands } : { commands };
}

/** Where the kernel shows a setting. */
export function sysctlPath(key: string): string {
  return `/proc/sys/${key.replaceAll(".", "/")}`;
}

/** Adds a parameter to the kernel's command line, in the way that this host has. */
export function setBootParameter(host: Host, parameter: string): Mend {
  const name = parameter.split("=")[0] ?? parameter;
  const later = "It holds after the next restart.";
  if (host.find("grubby") !== undefined) {
    const command = asRoot(host, `grubby --update-kernel=ALL --args=${parameter}`);
    return { advice: later, commands: [command] };
  }
  if (host.find("update-grub") !== undefined && host.exists("/etc/default/grub")) {
    // Not a second time where it stands already.
    const edit = `sed -i '/${name}=/!s/^GRUB_CMDLINE_LINUX="/&${parameter} /' /etc/default/grub`;
    const commands = [`${asRoot(host, edit)} && ${asRoot(host, "update-grub")}`];
    return { advice: later, commands };
  }
  return { advice: `Add ${parameter} to the kernel's command line and restart the machine.` };
}

type Family = "debian" | "fedora" | "suse" | "arch" | "alpine";

const INSTALLERS: readonly (readonly [string, Family, string])[] = [
  ["apt-get", "debian", "apt-get install"],
  ["dnf", "fedora", "dnf install"],
  ["zypper", "suse", "zypper install"],
  ["pacman", "arch", "pacman -S"],
  ["apk", "alpine", "apk add"],
];

/** Packages whose name is not the program's. */
const PACKAGES: Readonly<Record<string, Readonly<Partial<Record<Family, string>>>>> = {
  newuidmap: {
    debian: "uidmap",
    fedora: "shadow-utils",
    suse: "shadow",
    arch: "shadow",
    alpine: "shadow-uidmap",
  },
  "aa-status": { debian: "apparmor", suse: "apparmor-utils", arch: "apparmor" },
  python3: { arch: "python" },
};

export function installerOf(host: Host): { family: Family; command: string } | undefined {
  const found = INSTALLERS.find(([program]) => host.find(program) !== undefined);
  return found === undefined ? undefined : { family: found[1], command: found[2] };
}

/** Installs the package that has a program. */
export function install(host: Host, program: string): Mend {
  const installer = installerOf(host);
  if (installer === undefined) return { advice: `Install the package that has ${program}.` };
  const name = PACKAGES[program]?.[installer.family] ?? program;
  return { commands: [asRoot(host, `${installer.command} ${name}`)] };
}
