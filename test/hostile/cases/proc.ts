/** What /proc tells and takes. */
import { type Case, checked, says, verdictOf } from "../case.ts";
import { withVictim } from "../host.ts";
import { python } from "../programs.ts";

export const PROC: readonly Case[] = [
  {
    id: "proc/others",
    promise: "S2",
    tries: "reads command lines, environments and maps of processes that are not its own",
    attack: says(
      python(`
def own(pid):
    while pid > 1:
        if pid == os.getpid(): return True
        try: pid = int(open(f"/proc/{pid}/stat").read().rpartition(")")[2].split()[1])
        except FileNotFoundError: return True # it has ended meanwhile: not one to read
    return False
others = [int(name) for name in os.listdir("/proc") if name.isdigit() and not own(int(name))]
judge([(f"/proc/{pid}/{name}", lambda pid=pid, name=name: len(open(f"/proc/{pid}/{name}", "rb").read()) or None)
    for pid in others[:50] for name in ("cmdline", "environ", "maps", "status", "stat")])`),
    ),
  },
  {
    id: "proc/unlisted",
    promise: "S2",
    tries: "asks /proc for processes that are not listed, by their numbers",
    attack: (arena) =>
      withVictim(async ({ pid, secret }) => {
        const job = python(
          `
pids = [1, 2, os.getppid(), int(sys.argv[1]), *range(3, 60)]
judge([(f"{pid}/{name}", lambda pid=pid, name=name: len(open(f"/proc/{pid}/{name}", "rb").read()) or None)
    for pid in pids if pid not in (0, os.getpid()) for name in ("status", "cmdline", "stat", "wchan", "mountinfo", "cgroup", "limits")])`,
          { args: [`${pid}`] },
        );
        const ended = await arena.run(job);
        return checked(verdictOf(ended), [!ended.stdout.includes(secret), "its argument was read"]);
      }),
  },
  {
    id: "proc/first",
    promise: "S2",
    tries:
      "opens memory, root, directory, program and namespaces of the first process and of its parent",
    attack: says(
      python(`
judge([(f"{pid}/{name}", lambda pid=pid, name=name: os.open(f"/proc/{pid}/{name}", os.O_RDONLY | os.O_NONBLOCK))
    for pid in {1, os.getppid()} - {0} for name in ("mem", "root", "cwd", "exe", "fd", "ns/mnt", "ns/user", "ns/net", "map_files", "auxv", "pagemap", "stack", "syscall")])`),
    ),
  },
  {
    id: "proc/write-memory",
    promise: "S2",
    tries: "opens the memory of the process that started it, to write",
    attack: says(
      python(`
judge([(f"/proc/{pid}/mem", lambda pid=pid: os.open(f"/proc/{pid}/mem", os.O_RDWR)) for pid in {1, os.getppid()} - {0}]
    + [(f"/proc/{pid}/clear_refs", lambda pid=pid: os.open(f"/proc/{pid}/clear_refs", os.O_WRONLY)) for pid in {1, os.getppid()} - {0}])`),
    ),
  },
  {
    id: "proc/switches",
    promise: "S4",
    asRoot: true,
    tries:
      "opens the kernel's switches to write: sysrq, core_pattern, modprobe, drop_caches and all others",
    attack: says(
      python(`
found = []
for place in ("/proc/sys", "/proc/irq", "/proc/fs", "/proc/driver", "/proc/acpi", "/proc/scsi", "/proc/bus", "/proc/sysvipc"):
    for folder, _, names in os.walk(place): found += [f"{folder}/{name}" for name in names]
for name in ("sysrq-trigger", "mtrr", "timer_list", "slabinfo", "kcore", "kmsg", "latency_stats", "pressure/cpu", "swaps", "self/loginuid"): found.append(f"/proc/{name}")
through = []
for path in found:
    try: os.close(os.open(path, os.O_WRONLY | os.O_NONBLOCK))
    except OSError: continue
    if path != "/proc/self/loginuid" or BARE: through.append(path)
if through: escaped(f"{len(through)} can be written, {through[0]} first")
contained(f"none of {len(found)} can be written")`),
    ),
  },
  {
    id: "proc/kernel-memory",
    promise: "S4",
    asRoot: true,
    tries: "reads the kernel's memory, log, addresses, modules, keys and page frames",
    attack: says(
      python(`
def some(path):
    with open(path, "rb", buffering=0) as file: return len(file.read(64)) or None
def addresses():
    for line in open("/proc/kallsyms"):
        if int(line.split()[0], 16): return line.split()[2]
judge([(name, lambda name=name: some("/proc/" + name)) for name in ("kcore", "kpagecount", "kpageflags", "kpagecgroup", "vmallocinfo",
    "slabinfo", "iomem", "ioports", "modules", "keys", "key-users", "interrupts", "timer_list", "sched_debug", "config.gz", "buddyinfo", "pagetypeinfo", "zoneinfo", "vmstat", "diskstats", "schedstat", "locks")]
    + [("kallsyms", addresses)])`),
    ),
  },
  {
    id: "proc/frames",
    promise: "S4",
    asRoot: true,
    tries: "learns which frames of the host's RAM hold its pages",
    attack: says(
      python(`
import mmap, struct
page = mmap.mmap(-1, 4096)
page[0] = 1
address = ctypes.addressof(ctypes.c_char.from_buffer(page))
def frame():
    with open("/proc/self/pagemap", "rb", buffering=0) as file:
        file.seek(address // 4096 * 8)
        return struct.unpack("<Q", file.read(8))[0] & (1 << 55) - 1 or None
judge([("frame", frame)])`),
    ),
  },
  {
    id: "proc/mounts",
    promise: "S1",
    tries: "reads in its list of mounts where the host's disks and directories are",
    attack: says(
      python(`
told = []
for line in open("/proc/self/mountinfo"):
    mine, _, theirs = line.partition(" - ")
    kind, source, options = theirs.split()[:3]
    if source.startswith("/dev/") or kind in ("ext4", "xfs", "btrfs", "9p", "zfs", "nfs", "virtiofs") or "upperdir=" in options: told.append(f"{kind} {source}")
    told += [part for part in options.split(",") if part.startswith("lowerdir=") and any(
        not lower.startswith(("/usr", "/env", "/empty", "/shown", "/hidden", "/skeleton")) for lower in part[9:].split(":"))]
if told: escaped(", ".join(told[:3]))
contained("nothing of the host's disks")`),
    ),
  },
  {
    id: "proc/sysfs",
    promise: "S17",
    tries: "reads hardware, devices and control groups in /sys",
    attack: says(
      python(`
judge([(path, lambda path=path: len(os.listdir(path)) or None) for path in
    ("/sys", "/sys/class/net", "/sys/block", "/sys/devices/system/cpu", "/sys/fs/cgroup", "/sys/kernel", "/sys/firmware", "/sys/module", "/proc/acpi", "/proc/bus")])`),
    ),
  },
  {
    id: "proc/groups",
    promise: "S5",
    asRoot: true,
    tries: "finds its control group's files and opens its own limits to raise them",
    attack: says(
      python(`
mounts = [line.split()[4] for line in open("/proc/self/mountinfo") if " - cgroup" in line]
places = [*mounts, "/sys/fs/cgroup", "/sys/fs/cgroup/memory", "/sys/fs/cgroup/unified", "/cgroup"]
judge([(f"{place}/{name}", lambda place=place, name=name: os.open(f"{place}/{name}", os.O_WRONLY)) for place in places
    for name in ("cgroup.procs", "memory.max", "memory.limit_in_bytes", "pids.max", "cpu.max", "cgroup.subtree_control", "release_agent")])`),
    ),
  },
  {
    id: "proc/own-files",
    promise: "S4",
    asRoot: true,
    tries:
      "maps itself to root by its own uid_map, gid_map and projid_map, in a namespace of its own if it gets one",
    attack: says(
      python(`
try: call(272, 0x10000000)
except OSError: pass
def put(name, text):
    with open("/proc/self/" + name, "w") as file: file.write(text)
    return True
judge([("setgroups", lambda: put("setgroups", "deny")), ("uid_map", lambda: put("uid_map", "0 0 1")),
    ("gid_map", lambda: put("gid_map", "0 0 1")), ("projid_map", lambda: put("projid_map", "0 0 1"))])`),
    ),
  },
];
