/** Mounts, by the old calls and the new; without a box in a mount namespace of their own. */
import { type Case, checked, says, verdictOf } from "../case.ts";
import { withBait } from "../host.ts";
import { python } from "../programs.ts";

const OLD = `
private_mounts()
os.mkdir("place")
here = os.path.realpath("place").encode()
def mount(source, kind, flags=0, data=None):
    call(165, source, here, kind, flags, data)
    return True
`;

const NEW = `
private_mounts()
def opened(kind):
    context = call(430, kind, 0)
    call(431, context, 6, None, None, 0)
    return call(432, context, 0, 0)
`;

export const MOUNTS: readonly Case[] = [
  {
    id: "mounts/file-systems",
    promise: "S4",
    asRoot: true,
    tries:
      "mounts file systems of memory and of the kernel: tmpfs, proc, sysfs, cgroup, debugfs, overlay",
    attack: says(
      python(`${OLD}
kinds = b"tmpfs ramfs proc sysfs cgroup cgroup2 debugfs tracefs securityfs bpf devpts mqueue fuse binfmt_misc overlay".split()
judge([(kind.decode(), lambda kind=kind: mount(kind, kind)) for kind in kinds])`),
    ),
  },
  {
    id: "mounts/bind",
    promise: "S4",
    asRoot: true,
    tries: "binds the root, /proc and /usr to where it can write",
    attack: says(
      python(`${OLD}
judge([(source.decode(), lambda source=source: mount(source, None, 0x1000 | 0x4000)) for source in (b"/", b"/proc", b"/usr", b"/dev", b"/work")])`),
    ),
  },
  {
    id: "mounts/writable",
    promise: "S4",
    asRoot: true,
    tries: "makes read-only mounts writable again by remount and by mount_setattr",
    attack: says(
      python(`${OLD}
def remount(path):
    call(165, None, path, None, 32 | 4096, None)
    return True
def attributes(path):
    call(442, -100, path, 0, (ctypes.c_uint64 * 4)(0, 1 | 2 | 4, 0, 0), 32)
    return True
places = (b"/", b"/usr", b"/etc", b"/dev", b"/proc")
judge([(f"remount {place}", lambda place=place: remount(place)) for place in places] +
    [(f"mount_setattr {place}", lambda place=place: attributes(place)) for place in places])`),
    ),
  },
  {
    id: "mounts/uncover",
    promise: "S4",
    asRoot: true,
    tries: "unmounts what covers the host's part of /proc and of /usr, to see what is below",
    attack: says(
      python(`
private_mounts()
def uncover(place):
    call(166, place.encode(), 2)
    return True
places = [line.split()[4] for line in open("/proc/self/mountinfo")]
judge([(place, lambda place=place: uncover(place)) for place in reversed(places)])`),
    ),
  },
  {
    id: "mounts/fsopen",
    promise: "S4",
    asRoot: true,
    tries: "makes file systems by fsopen and fsmount, without a place in the tree",
    attack: says(
      python(`${NEW}
judge([(kind.decode(), lambda kind=kind: opened(kind)) for kind in (b"tmpfs", b"ramfs", b"proc", b"sysfs", b"cgroup2", b"devpts", b"mqueue")])`),
    ),
  },
  {
    id: "mounts/move",
    promise: "S4",
    asRoot: true,
    tries: "puts a file system of its own over /tmp by move_mount",
    attack: says(
      python(`${NEW}
def move():
    made = opened(b"tmpfs")
    call(429, made, b"", -100, b"/tmp", 4)
    return True
def beneath():
    call(429, 0, b"", -100, b"/tmp", 4 | 0x200)
    return True
judge([("move_mount", move), ("beneath", beneath)])`),
    ),
  },
  {
    id: "mounts/open-tree",
    promise: "S1",
    asRoot: true,
    tries: "clones the tree by open_tree and looks for a file of the host in the copy",
    attack: (arena) =>
      withBait(async (bait) => {
        const code = `
private_mounts()
def clone(flags, place):
    tree = call(428, -100, place, flags)
    return len(open(f"/proc/self/fd/{tree}/{sys.argv[1]}").read()) if place == b"/" else True
judge([(f"{place} {flags}", lambda flags=flags, place=place: clone(flags, place)) for place in (b"/", b"/usr", b"/proc") for flags in (1, 1 | 0x8000, 0x80001)])`;
        const ended = await arena.run(python(code, { args: [bait.path] }));
        return checked(verdictOf(ended), [!ended.stdout.includes(bait.secret), "it was read"]);
      }),
  },
  {
    id: "mounts/pick",
    promise: "S7",
    asRoot: true,
    tries: "takes the file systems that bound its files, to give them a larger size",
    attack: says(
      python(`
judge([(place.decode(), lambda place=place: call(433, -100, place, 0)) for place in (b"/work", b"/tmp", b"/dev/shm", b"/")])`),
    ),
  },
  {
    id: "mounts/pivot",
    promise: "S4",
    asRoot: true,
    tries: "takes another root by pivot_root",
    attack: says(
      python(`${OLD}
try: mount(b"tmpfs", b"tmpfs")
except OSError: pass
def pivot():
    os.chdir(here)
    call(155, b".", b".")
    return True
judge([("pivot_root", pivot)])`),
    ),
  },
  {
    id: "mounts/list",
    promise: "S1",
    asRoot: true,
    mayLack: true,
    tries: "lists and describes mounts by statmount and listmount, past what /proc shows",
    attack: says(
      python(`
ids = (ctypes.c_uint64 * 100)()
root = (ctypes.c_uint64 * 4)(32, 0xffffffffffffffff, 0, 0)
judge([("listmount", lambda: call(458, root, ids, 100, 0) or None)])`),
    ),
  },
];
