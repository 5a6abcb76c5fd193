import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { test } from "node:test";
import { examine, type Report } from "../../src/doctor/examine.ts";
import type { Finding } from "../../src/doctor/verdict.ts";
import {
  DEBIAN_12_ROOT,
  DOCKER_DEFAULT,
  KERNEL_5_4,
  type MadeUp,
  madeUpHost,
  mountinfo,
  UBUNTU_24_USER,
  VERSION_1,
  WSL,
} from "./hosts.ts";

const BROKEN = "the sandbox could not be set up: a step: Operation not permitted";

/** Where no box can be built. */
function look(told: MadeUp): Promise<Report> {
  return examine({ host: madeUpHost(told), tryBox: () => Promise.resolve(BROKEN) });
}

function lookWithBox(told: MadeUp): Promise<Report> {
  return examine({ host: madeUpHost(told), tryBox: () => Promise.resolve(undefined) });
}

function found(report: Report, id: string): Finding {
  const finding = report.findings.find((other) => other.id === id);
  assert.ok(finding !== undefined, `nothing is said about ${id}`);
  return finding;
}

function ids(report: Report, level: string): readonly string[] {
  return report.findings.filter((finding) => finding.level === level).map(({ id }) => id);
}

test("a Debian 12 server with all that is asked for is fine, but for what cannot be known", async () => {
  const report = await lookWithBox(DEBIAN_12_ROOT);
  assert.deepEqual(ids(report, "error"), []);
  assert.deepEqual(ids(report, "warning"), []);
  assert.deepEqual(ids(report, "hint"), ["hardening.updates", "network.certificate"]);
  assert.equal(report.status, "hint");
  assert.ok(!report.findings.some(({ id }) => id === "users.devices"), "root makes devices");
  assert.equal(report.findings.at(-1)?.id, "box.built");
});

test("an ordinary user of Ubuntu 24.04 gets a profile for sandrun alone, and newuidmap", async () => {
  const report = await look(UBUNTU_24_USER);
  assert.deepEqual(ids(report, "error"), ["users.apparmor", "users.helpers", "box.built"]);
  assert.deepEqual(found(report, "users.apparmor").commands, [
    `printf '%s\\n' 'abi <abi/4.0>,' 'include <tunables/global>' 'profile sandrun "/opt/sandrun/native/build/sandrun-native" flags=(unconfined) {' '  userns,' '}' | sudo tee /etc/apparmor.d/sandrun && sudo apparmor_parser -r /etc/apparmor.d/sandrun`,
  ]);
  assert.deepEqual(found(report, "users.helpers").commands, ["sudo apt-get install uidmap"]);
  assert.match(found(report, "machine.core").says, /apport; never for jobs/);
  assert.equal(found(report, "machine.core").level, "fine");
  assert.equal(found(report, "users.devices").level, "hint");
  assert.match(found(report, "machine.swap").says, /swap\.img/);
  assert.match(found(report, "kernel.age").says, /built on 2024-04-20, 772 days ago/);
  assert.match(found(report, "hardening.init_on_free").commands?.[0] ?? "", /^sudo sed -i /);
});

test("Docker's defaults are told one by one, each with its option", async () => {
  const report = await look(DOCKER_DEFAULT);
  assert.deepEqual(ids(report, "error"), [
    "container.proc",
    "container.capabilities",
    "container.profile",
    "cgroups.right",
    "box.built",
  ]);
  const option = (id: string) => found(report, id).commands?.join("\n");
  assert.equal(option("container.proc"), "docker run --security-opt systempaths=unconfined …");
  assert.match(found(report, "container.proc").says, /: \/proc\/bus, \/proc\/acpi, \/proc\/kcore$/);
  assert.equal(option("container.capabilities"), "docker run --cap-add SYS_ADMIN …");
  assert.equal(option("container.profile"), "docker run --security-opt apparmor=unconfined …");
  assert.equal(option("cgroups.right"), "docker run -v /sys/fs/cgroup:/sys/fs/cgroup:rw …");
  assert.equal(found(report, "container.filter").level, "hint");
  assert.equal(option("container.filter"), "docker run --security-opt seccomp=unconfined …");
});

test("a mark of Docker on a machine that hides nothing is no fault", async () => {
  const report = await lookWithBox({ files: { "/.dockerenv": "" } });
  assert.equal(found(report, "container.marks").level, "fine");
  assert.deepEqual(ids(report, "error"), []);
});

test("a privileged container whose group holds a shell is told the option that helps", async () => {
  const files = {
    "/.dockerenv": "",
    "/proc/self/cgroup": "0::/\n",
    "/sys/fs/cgroup/cgroup.type": "domain\n",
  };
  const crowded = { files: { ...files, "/sys/fs/cgroup/cgroup.procs": "1\n7\n" } };
  const alone = { files: { ...files, "/sys/fs/cgroup/cgroup.procs": "1\n" } };
  const finding = found(await look(crowded), "cgroups.right");
  assert.equal(finding.level, "error");
  assert.deepEqual(finding.commands, ["docker run -v /sys/fs/cgroup:/sys/fs/cgroup:rw …"]);
  assert.equal(found(await look(alone), "cgroups.right").level, "fine");
});

test("a setting that cannot be changed from in here is for the machine itself", async () => {
  const path = "/proc/sys/kernel/dmesg_restrict";
  const open = await look({ files: { [path]: "0\n" } });
  assert.equal(found(open, "hardening.dmesg_restrict").advice, undefined);
  const closed = await look({ files: { [path]: "0\n" }, closed: [path] });
  assert.match(found(closed, "hardening.dmesg_restrict").advice ?? "", /machine itself/);
});

test("Podman gets its own option for /proc", async () => {
  const files = { ...DOCKER_DEFAULT.files, "/.dockerenv": undefined, "/run/.containerenv": "" };
  const report = await look({ ...DOCKER_DEFAULT, files });
  assert.deepEqual(found(report, "container.proc").commands, [
    "podman run --security-opt unmask=ALL …",
  ]);
});

test("version 1 groups are fine for root", async () => {
  const report = await lookWithBox(VERSION_1);
  assert.deepEqual(ids(report, "error"), []);
  assert.match(found(report, "cgroups.version").says, /^version 1/);
  assert.equal(found(report, "cgroups.swap").level, "fine");
});

test("a user without sudo, which commands begin with, is told how to do without; nobody else is", async () => {
  const sudo = async (told: MadeUp) =>
    (await look(told)).findings.find(({ id }) => id === "tools.sudo");
  const finding = await sudo({ uid: 1000, programs: ["apt-get"] });
  assert.equal(finding?.level, "hint");
  assert.match(finding?.advice ?? "", /without that word/);
  assert.equal(await sudo({ uid: 1000, programs: ["apt-get", "sudo"] }), undefined);
  assert.equal(await sudo({ programs: ["apt-get"] }), undefined);
});

test("Windows' subsystem gets commands for Windows, not for a boot loader it has not", async () => {
  const report = await look(WSL);
  assert.deepEqual(found(report, "kernel.release").commands, ["wsl --update"]);
  assert.deepEqual(found(report, "cgroups.version").commands, ["wsl --shutdown"]);
  assert.match(found(report, "cgroups.version").says, /only these .*: memory, cpu;/);
  assert.deepEqual(found(report, "tools.python3").commands, ["sudo apt-get install python3"]);
  const all = report.findings.flatMap(({ commands }) => commands ?? []);
  assert.ok(!all.some((command) => command.includes("grub")));
});

test("kernel 5.4 is too old, and Ubuntu has a newer one for that release", async () => {
  const report = await look(KERNEL_5_4);
  assert.deepEqual(ids(report, "error"), [
    "kernel.release",
    "kernel.namespaces",
    "cgroups.swap",
    "box.built",
  ]);
  assert.deepEqual(found(report, "kernel.release").commands, [
    "apt-get install --install-recommends linux-generic-hwe-20.04",
  ]);
  assert.match(found(report, "kernel.namespaces").says, /: time$/);
});

for (const [release, level] of [
  ["5.11.22", "error"],
  ["5.12.0", "fine"],
  ["5.9.99", "error"],
  ["10.0.1", "fine"],
  ["4.19.0-27-amd64", "error"],
  ["next", "hint"],
] as const) {
  test(`a kernel that calls itself ${release} is judged: ${level}`, async () => {
    assert.equal(found(await look({ release }), "kernel.release").level, level);
  });
}

test("version 2 without memory.peak is an error whatever the kernel calls itself", async () => {
  const files = { "/sys/fs/cgroup/system.slice/memory.peak": undefined };
  assert.equal(found(await look({ files }), "cgroups.peak").level, "error");
});

test("a box that was built has the last word over what was foretold", async () => {
  const report = await lookWithBox(UBUNTU_24_USER);
  assert.deepEqual(ids(report, "error"), []);
  assert.equal(found(report, "users.apparmor").level, "hint");
  assert.match(found(report, "users.apparmor").says, /yet a box was built/);
  assert.equal(report.status, "hint");
});

test("a box that could not be built is an error where all else is fine, in the warden's words", async () => {
  const report = await look(DEBIAN_12_ROOT);
  assert.deepEqual(ids(report, "error"), ["box.built"]);
  assert.equal(found(report, "box.built").says, BROKEN);
  assert.equal(report.status, "error");
});

test("Debian's switch and a limit of zero stop root, too", async () => {
  const files = {
    "/proc/sys/kernel/unprivileged_userns_clone": "0\n",
    "/proc/sys/user/max_user_namespaces": "0\n",
    "/proc/sys/user/max_net_namespaces": "0\n",
  };
  const report = await look({ files });
  assert.deepEqual(ids(report, "error"), ["kernel.allowance", "users.debian", "box.built"]);
  assert.deepEqual(found(report, "kernel.allowance").commands, [
    "printf '%s\\n' 'user.max_user_namespaces = 10000' 'user.max_net_namespaces = 10000' | tee /etc/sysctl.d/99-sandrun-namespaces.conf && sysctl -p /etc/sysctl.d/99-sandrun-namespaces.conf",
  ]);
});

const RANGES: readonly (readonly [
  string,
  string,
  string,
  RegExp,
  readonly string[] | undefined,
])[] = [
  [
    "none at all: the first that is free in both files",
    "bob:100000:65536\n",
    "bob:165536:65536\n",
    /no range for ada/,
    ["sudo usermod --add-subuids 231072-296607 --add-subgids 231072-296607 ada"],
  ],
  [
    "one file only: the same range in the other",
    "ada:300000:65536\n",
    "",
    /no range for ada in \/etc\/subgid/,
    ["sudo usermod --add-subgids 300000-365535 ada"],
  ],
  [
    "the other file only, beside a large range",
    "",
    "bob:1:900000\nada:900001:65536\n",
    /no range for ada in \/etc\/subuid/,
    ["sudo usermod --add-subuids 900001-965536 ada"],
  ],
  ["different ones", "ada:1:65536\n", "ada:2:65536\n", /different ranges/, undefined],
  ["too few", "ada:100000:1000\n", "ada:100000:1000\n", /1000 ids; 1024 are needed/, undefined],
];

for (const [what, subuid, subgid, sentence, commands] of RANGES) {
  test(`a user's range of ids: ${what}`, async () => {
    const files = { "/etc/subuid": subuid, "/etc/subgid": subgid };
    const finding = found(await look({ uid: 1000, files }), "users.ids");
    assert.equal(finding.level, "error");
    assert.match(finding.says, sentence);
    assert.deepEqual(finding.commands, commands);
  });
}

test("a range that others have got in one file is not handed out a second time", async () => {
  const files = { "/etc/subuid": "ada:300000:65536\n", "/etc/subgid": "bob:300000:65536\n" };
  const finding = found(await look({ uid: 1000, files }), "users.ids");
  assert.equal(finding.level, "error");
  assert.equal(finding.commands, undefined);
});

test("a user whom /etc/passwd does not know is told so", async () => {
  const finding = found(await look({ uid: 1000, userName: undefined }), "users.ids");
  assert.match(finding.says, /no line in \/etc\/passwd/);
});

for (const [line, level] of [
  ["bob:1879048191:1", "fine"],
  ["bob:1879048191:2", "error"],
  ["bob:1879572479:1", "error"],
  ["bob:1879572480:65536", "fine"],
  ["bob:0:4294967295", "error"],
] as const) {
  test(`ids given away as ${line} beside the reserved block: ${level}`, async () => {
    const report = await look({ files: { "/etc/subgid": `${line}\n` } });
    assert.equal(found(report, "users.ids").level, level);
  });
}

test("root of a container with few ids of its own cannot give boxes theirs", async () => {
  const files = { "/proc/self/gid_map": "0 1000 1\n1 100000 65536\n" };
  assert.equal(found(await look({ files }), "users.map").level, "error");
});

test("a user whom systemd does not give the cpu controller gets the drop-in for it", async () => {
  const files = {
    ...UBUNTU_24_USER.files,
    "/sys/fs/cgroup/user.slice/user-1000.slice/user@1000.service/cgroup.controllers":
      "memory pids\n",
  };
  const finding = found(await look({ ...UBUNTU_24_USER, files }), "cgroups.right");
  assert.equal(finding.level, "error");
  assert.match(finding.says, /controllers cpu$/);
  assert.deepEqual(finding.commands, [
    "sudo mkdir -p /etc/systemd/system/user@.service.d && printf '[Service]\\nDelegate=cpu memory pids\\n' | sudo tee /etc/systemd/system/user@.service.d/sandrun.conf && sudo systemctl daemon-reload",
  ]);
});

test("a user without a systemd of its own: a delegated group will do, else lingering mends it", async () => {
  const own = "/sys/fs/cgroup/user.slice/user-0.slice/session-1.scope";
  const alone = found(await look({ uid: 1000 }), "cgroups.right");
  assert.deepEqual(alone.commands, ["sudo loginctl enable-linger ada"]);
  const writable = [`${own}/cgroup.procs`, `${own}/cgroup.subtree_control`];
  assert.equal(found(await look({ uid: 1000, writable }), "cgroups.right").level, "fine");
});

test("a /proc that is read-only or covered by a file is seen, binfmt_misc is not mistaken for it", async () => {
  const proc = "/ /proc rw - proc proc rw";
  const cases = [
    [[proc, "/ /proc/sys/fs/binfmt_misc rw - binfmt_misc none rw"], "fine"],
    [["/ /proc ro - proc proc rw"], "error"],
    [[proc, "/cpuinfo /proc/cpuinfo rw - fuse.lxcfs lxcfs rw"], "error"],
    [[proc, "/ /procession rw - tmpfs tmpfs rw"], "fine"],
  ] as const;
  for (const [lines, level] of cases) {
    const report = await look({ files: { "/proc/self/mountinfo": mountinfo(lines) } });
    assert.equal(found(report, "container.proc").level, level, lines.join());
  }
});

test("too few open files for a service are told, with how to allow more", async () => {
  const cases = [
    ["1024                 1024 ", "warning"],
    ["8191                 8191 ", "warning"],
    ["1024                 8192 ", "fine"],
    ["unlimited            unlimited", "fine"],
    ["1048576              nonsense", "hint"],
  ] as const;
  for (const [limits, level] of cases) {
    const files = { "/proc/self/limits": `Max open files            ${limits}  files\n` };
    const finding = found(await look({ files }), "machine.files");
    assert.equal(finding.level, level, limits);
    assert.equal(
      finding.advice?.includes("LimitNOFILE=8192") ?? false,
      level === "warning",
      limits,
    );
  }
});

test("what cannot be read is told as not known, never as fine", async () => {
  const files = Object.fromEntries(
    [
      "/proc/self/mountinfo",
      "/proc/version",
      "/proc/swaps",
      "/proc/meminfo",
      "/proc/self/limits",
      "/proc/net/tcp",
      "/proc/net/tcp6",
      "/proc/sys/kernel/core_pattern",
      "/proc/sys/kernel/kptr_restrict",
      "/sys/devices/system/cpu/vulnerabilities/meltdown",
      "/sys/devices/system/cpu/vulnerabilities/mds",
    ].map((path) => [path, undefined]),
  );
  const report = await look({ files: { ...files, "/proc/cmdline": "quiet\n" } });
  for (const id of [
    ...["container.proc", "kernel.age", "machine.swap", "machine.memory", "machine.files"],
    "network.ports",
    ...["machine.core", "hardening.kptr_restrict", "hardening.processor"],
    "hardening.init_on_free",
  ])
    assert.notEqual(found(report, id).level, "fine", id);
});

test("a file full of nonsense is no reason to fall over", async () => {
  const nonsense = "\0\u001b[31m - - : : % {{{\n".repeat(50);
  const names = Object.keys({ ...madeUpFiles() });
  for (const path of names) await look({ files: { [path]: nonsense } });
  for (const path of names) await look({ uid: 1000, files: { [path]: "" } });
});

function madeUpFiles(): Readonly<Record<string, string | undefined>> {
  return {
    ...DOCKER_DEFAULT.files,
    ...UBUNTU_24_USER.files,
    ...VERSION_1.files,
    "/proc/cmdline": "",
    "/proc/filesystems": "",
    "/proc/self/uid_map": "",
    "/etc/subuid": "",
    "/etc/subgid": "",
  };
}

test("every command is one that a shell can read", async () => {
  const hosts = [DEBIAN_12_ROOT, UBUNTU_24_USER, DOCKER_DEFAULT, VERSION_1, WSL, KERNEL_5_4];
  const odd = { directory: "/srv/it's $(here)", modes: { "/srv/it's $(here)": 0o700 } };
  const reports = await Promise.all([...hosts, odd].map((told) => look({ ...told })));
  const commands = reports.flatMap(({ findings }) => findings.flatMap((one) => one.commands ?? []));
  assert.ok(commands.length > 20);
  for (const command of commands) execFileSync("sh", ["-n", "-c", command]);
  assert.ok(commands.includes("chmod -R o+rX '/srv/it'\\''s $(here)'"));
});
