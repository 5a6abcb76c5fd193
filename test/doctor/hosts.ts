/** Machines that do not exist, told by the files that one would find on them. */
import type { Host } from "../../src/doctor/host.ts";

export interface MadeUp {
  readonly uid?: number;
  readonly userName?: string | undefined;
  readonly release?: string;
  readonly arch?: string;
  /** `undefined` takes a file of the usual machine away. */
  readonly files?: Readonly<Record<string, string | undefined>>;
  readonly links?: Readonly<Record<string, string>>;
  readonly programs?: readonly string[];
  /** Places where this user may write; root may everywhere but where it says `closed`. */
  readonly writable?: readonly string[];
  readonly closed?: readonly string[];
  readonly modes?: Readonly<Record<string, number>>;
  readonly env?: Readonly<Record<string, string>>;
  readonly kernelConfig?: string;
  readonly directory?: string;
}

export const NOW_MS = Date.parse("2026-06-01T00:00:00Z");

export const ALL_CAPABILITIES = "000001ffffffffff";

/** `pid parent major:minor root place options - type source superOptions`, a line for each. */
export function mountinfo(lines: readonly string[]): string {
  return lines.map((line, index) => `${30 + index} 1 0:${20 + index} ${line}\n`).join("");
}

export const MOUNTS_V2: readonly string[] = [
  "/ / rw,relatime shared:1 - ext4 /dev/sda1 rw",
  "/ /proc rw,nosuid,nodev,noexec,relatime shared:12 - proc proc rw",
  "/ /proc/sys/fs/binfmt_misc rw,relatime shared:13 - autofs systemd-1 rw,fd=29",
  "/ /sys rw,nosuid,nodev,noexec,relatime shared:7 - sysfs sysfs rw",
  "/ /sys/fs/cgroup rw,nosuid,nodev,noexec,relatime shared:9 - cgroup2 cgroup2 rw,nsdelegate",
];

function namespaceFiles(): Record<string, string> {
  const kinds = ["user", "pid", "mnt", "net", "ipc", "uts", "cgroup", "time"];
  return Object.fromEntries(
    kinds.flatMap((kind) => [
      [`/proc/self/ns/${kind}`, ""],
      [`/proc/sys/user/max_${kind}_namespaces`, "62853\n"],
    ]),
  );
}

/** Debian 12 on a server of one's own, updated last week, with all that can be asked for. */
const USUAL: Readonly<Record<string, string>> = {
  ...namespaceFiles(),
  "/etc/os-release": 'PRETTY_NAME="Debian GNU/Linux 12 (bookworm)"\nID=debian\nVERSION_ID="12"\n',
  "/proc/version":
    "Linux version 6.1.0-38-amd64 (debian-kernel@lists.debian.org) (gcc-12) #1 SMP PREEMPT_DYNAMIC Debian 6.1.147-1 (2026-05-20)\n",
  "/proc/cmdline": "BOOT_IMAGE=/boot/vmlinuz-6.1.0-38-amd64 root=UUID=1 ro quiet init_on_free=1\n",
  "/proc/filesystems": "nodev\tproc\nnodev\ttmpfs\nnodev\toverlay\n\text4\n",
  "/proc/sys/kernel/seccomp/actions_avail":
    "kill_process kill_thread trap errno user_notif trace log allow\n",
  "/proc/sys/kernel/unprivileged_userns_clone": "1\n",
  "/proc/sys/kernel/core_pattern": "core\n",
  "/proc/sys/kernel/unprivileged_bpf_disabled": "2\n",
  "/proc/sys/kernel/dmesg_restrict": "1\n",
  "/proc/sys/kernel/kptr_restrict": "1\n",
  "/proc/sys/kernel/yama/ptrace_scope": "1\n",
  "/proc/self/status": `Name:\tnode\nCapEff:\t${ALL_CAPABILITIES}\nSeccomp:\t0\n`,
  "/proc/self/limits":
    "Limit                     Soft Limit           Hard Limit           Units     \n" +
    "Max open files            1024                 524288               files     \n" +
    "Max locked memory         8388608              8388608              bytes     \n",
  "/proc/self/uid_map": "         0          0 4294967295\n",
  "/proc/self/gid_map": "         0          0 4294967295\n",
  "/proc/self/mountinfo": mountinfo(MOUNTS_V2),
  "/proc/self/cgroup": "0::/user.slice/user-0.slice/session-1.scope\n",
  "/sys/fs/cgroup/cgroup.controllers": "cpuset cpu io memory hugetlb pids rdma misc\n",
  "/sys/fs/cgroup/user.slice/user-0.slice/session-1.scope/cgroup.procs": "1\n",
  "/sys/fs/cgroup/system.slice/memory.max": "max\n",
  "/sys/fs/cgroup/system.slice/memory.peak": "1\n",
  "/sys/fs/cgroup/system.slice/memory.swap.max": "max\n",
  "/sys/module/apparmor/parameters/enabled": "Y\n",
  "/sys/devices/system/cpu/vulnerabilities/meltdown": "Not affected\n",
  "/sys/devices/system/cpu/vulnerabilities/mds": "Mitigation: Clear CPU buffers; SMT disabled\n",
  "/proc/swaps": "Filename\t\t\t\tType\t\tSize\t\tUsed\t\tPriority\n",
  "/proc/meminfo": "MemTotal:       16303428 kB\n",
  "/proc/net/tcp": "  sl  local_address rem_address   st\n",
  "/proc/net/tcp6": "  sl  local_address rem_address   st\n",
  "/etc/passwd": "root:x:0:0:root:/root:/bin/bash\n",
  "/etc/subuid": "ada:100000:65536\n",
  "/etc/subgid": "ada:100000:65536\n",
  "/etc/default/grub": 'GRUB_CMDLINE_LINUX=""\n',
  "/usr/bin/python3": "",
  "/run/systemd/system/a": "",
};

const PROGRAMS: readonly string[] = [
  ...["apt-get", "update-grub", "systemd-run", "gcc", "make", "git"],
  ...["newuidmap", "newgidmap"],
];

export function madeUpHost(told: MadeUp = {}): Host {
  const all = Object.entries({ ...USUAL, ...told.files });
  const files = new Map(all.filter((entry): entry is [string, string] => entry[1] !== undefined));
  const links = { "/bin": "usr/bin", ...told.links };
  const uid = told.uid ?? 0;
  const programs = told.programs ?? PROGRAMS;
  const names = (path: string) => [
    ...new Set(
      [...files.keys()]
        .filter((file) => file.startsWith(`${path}/`))
        .map((file) => file.slice(path.length + 1).split("/")[0] ?? ""),
    ),
  ];
  const exists = (path: string) => files.has(path) || path in links || names(path).length > 0;
  return {
    uid,
    userName: "userName" in told ? told.userName : uid === 0 ? "root" : "ada",
    release: told.release ?? "6.1.0-38-amd64",
    arch: told.arch ?? "x64",
    nowMs: NOW_MS,
    directory: told.directory ?? "/opt/sandrun",
    native: `${told.directory ?? "/opt/sandrun"}/native/build/sandrun-native`,
    env: told.env ?? {},
    kernelConfig: told.kernelConfig,
    read: (path) => files.get(path),
    exists,
    names,
    linkTarget: (path) => new Map(Object.entries(links)).get(path),
    mode: (path) => told.modes?.[path] ?? 0o755,
    isWritable: (path) =>
      uid === 0 ? told.closed?.includes(path) !== true : told.writable?.includes(path) === true,
    find: (program) => (programs.includes(program) ? `/usr/bin/${program}` : undefined),
    freeDiskBytes: () => 5e9,
  };
}

export const DEBIAN_12_ROOT: MadeUp = {};

/** As installed, with an ordinary user at a login. */
export const UBUNTU_24_USER: MadeUp = {
  uid: 1000,
  release: "6.8.0-31-generic",
  files: {
    "/etc/os-release":
      'PRETTY_NAME="Ubuntu 24.04 LTS"\nID=ubuntu\nID_LIKE=debian\nVERSION_ID="24.04"\n',
    "/proc/version":
      "Linux version 6.8.0-31-generic (buildd@lcy02) (x86_64-linux-gnu-gcc-13) #31-Ubuntu SMP PREEMPT_DYNAMIC Sat Apr 20 00:40:06 UTC 2024\n",
    "/proc/cmdline":
      "BOOT_IMAGE=/vmlinuz-6.8.0-31-generic root=/dev/mapper/vg-lv ro quiet splash\n",
    "/proc/sys/kernel/unprivileged_userns_clone": "1\n",
    "/proc/sys/kernel/apparmor_restrict_unprivileged_userns": "1\n",
    "/proc/sys/kernel/core_pattern": "|/usr/share/apport/apport -p%p -s%s -c%c -d%d -P%P\n",
    "/proc/self/status": "Name:\tnode\nCapEff:\t0000000000000000\nSeccomp:\t0\n",
    "/proc/self/attr/apparmor/current": "unconfined\n",
    "/proc/self/cgroup":
      "0::/user.slice/user-1000.slice/user@1000.service/app.slice/org.gnome.Terminal.slice/vte-spawn-1.scope\n",
    "/sys/fs/cgroup/user.slice/user-1000.slice/user@1000.service/cgroup.controllers":
      "cpu memory pids\n",
    "/run/user/1000/systemd/private": "",
    "/etc/passwd": "root:x:0:0:root:/root:/bin/bash\nada:x:1000:1000:Ada,,,:/home/user:/bin/bash\n",
    "/proc/swaps":
      "Filename\t\t\t\tType\t\tSize\t\tUsed\t\tPriority\n/swap.img                               file\t\t4194300\t\t0\t\t-2\n",
    "/proc/sys/kernel/kptr_restrict": "1\n",
  },
  kernelConfig: "CONFIG_SECURITY_APPARMOR=y\nCONFIG_INIT_ON_FREE_DEFAULT_ON is not set\n",
  programs: ["apt-get", "update-grub", "systemd-run", "gcc", "make", "git"],
};

/** What `docker run debian` gives, as Docker 20.10 does on a version 1 host without AppArmor. */
export const DOCKER_DEFAULT: MadeUp = {
  release: "6.18.44",
  env: { HOSTNAME: "0123456789ab" },
  programs: ["apt-get", "gcc", "make", "git"],
  files: {
    "/.dockerenv": "",
    "/proc/self/status": "Name:\tnode\nCapEff:\t00000000a80425fb\nSeccomp:\t2\n",
    "/proc/self/attr/apparmor/current": "docker-default (enforce)\n",
    "/proc/self/mountinfo": mountinfo([
      "/ / rw,relatime - overlay overlay rw,lowerdir=/l",
      "/ /proc rw,nosuid,nodev,noexec,relatime - proc proc rw",
      "/ /sys ro,nosuid,nodev,noexec,relatime - sysfs sysfs ro",
      "/ /sys/fs/cgroup ro,nosuid,nodev,noexec,relatime - cgroup2 cgroup rw,nsdelegate",
      "/bus /proc/bus ro,nosuid,nodev,noexec,relatime - proc proc rw",
      "/ /proc/acpi ro,relatime - tmpfs tmpfs ro",
      "/null /proc/kcore rw,nosuid - tmpfs tmpfs rw",
    ]),
    "/proc/self/cgroup": "0::/\n",
    "/run/systemd/system/a": undefined,
    "/etc/default/grub": undefined,
    "/sys/fs/cgroup/memory.max": "max\n",
    "/sys/fs/cgroup/memory.peak": "1\n",
    "/sys/fs/cgroup/memory.swap.max": "max\n",
  },
  closed: ["/sys/fs/cgroup"],
};

const V1 = ["cpu", "cpuacct", "memory", "pids"] as const;

/** All controllers in version 1, each mounted by itself, and an empty version 2 beside them. */
export const VERSION_1: MadeUp = {
  files: {
    "/proc/self/mountinfo": mountinfo([
      "/ /proc rw,relatime - proc proc rw",
      ...V1.map((name) => `/ /sys/fs/cgroup/${name} rw,relatime - cgroup cgroup rw,${name}`),
      "/ /sys/fs/cgroup/unified rw,relatime - cgroup2 cgroup2 rw",
    ]),
    "/proc/self/cgroup": `${V1.map((name, index) => `${index + 2}:${name}:/login\n`).join("")}0::/\n`,
    ...Object.fromEntries(V1.map((name) => [`/sys/fs/cgroup/${name}/login/tasks`, ""])),
    "/sys/fs/cgroup/memory/login/memory.memsw.limit_in_bytes": "9223372036854771712\n",
  },
};

/** Windows' subsystem for Linux without systemd: some controllers in version 1, some not. */
export const WSL: MadeUp = {
  uid: 1000,
  release: "5.10.16.3-microsoft-standard-WSL2",
  programs: ["apt-get"],
  env: { WSL_DISTRO_NAME: "Debian" },
  files: {
    "/proc/version":
      "Linux version 5.10.16.3-microsoft-standard-WSL2 (x86_64-msft-linux-gcc) #1 SMP Fri Apr 2 22:23:49 UTC 2021\n",
    "/proc/sys/kernel/unprivileged_userns_clone": undefined,
    "/proc/self/status": "Name:\tnode\nCapEff:\t0000000000000000\nSeccomp:\t0\n",
    "/proc/self/mountinfo": mountinfo([
      "/ /proc rw,nosuid,nodev,noexec,noatime - proc proc rw",
      "/ /sys/fs/cgroup/unified rw,relatime - cgroup2 cgroup2 rw",
      "/ /sys/fs/cgroup/memory rw,relatime - cgroup cgroup rw,memory",
      "/ /sys/fs/cgroup/cpu rw,relatime - cgroup cgroup rw,cpu",
    ]),
    "/proc/self/cgroup": "3:memory:/\n2:cpu:/\n0::/\n",
    "/run/systemd/system/a": undefined,
    "/etc/default/grub": undefined,
    "/etc/passwd": "root:x:0:0:root:/root:/bin/bash\nada:x:1000:1000::/home/user:/bin/bash\n",
    "/sys/module/apparmor/parameters/enabled": undefined,
    "/usr/bin/python3": undefined,
  },
};

/** Ubuntu 20.04 as it was released: a kernel from before half of the calls. */
export const KERNEL_5_4: MadeUp = {
  ...VERSION_1,
  release: "5.4.0-26-generic",
  files: {
    ...VERSION_1.files,
    "/etc/os-release": 'PRETTY_NAME="Ubuntu 20.04 LTS"\nID=ubuntu\nVERSION_ID="20.04"\n',
    "/proc/version":
      "Linux version 5.4.0-26-generic (buildd@lcy01) (gcc 9.3.0) #30-Ubuntu SMP Mon Apr 20 16:58:30 UTC 2020\n",
    "/proc/self/ns/time": undefined,
    "/proc/sys/user/max_time_namespaces": undefined,
    "/sys/fs/cgroup/memory/login/memory.memsw.limit_in_bytes": undefined,
  },
};
