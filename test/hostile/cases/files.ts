/** Files of the host: by name, by other names for the same, by what was left open. */
import { type Case, checked, says, verdictOf } from "../case.ts";
import { withBait } from "../host.ts";
import { bash, c, python } from "../programs.ts";

const READ_BAIT = python(`
path, secret = sys.argv[1], None
up = "../" * 40
shapes = [path, "/proc/self/root" + path, "/proc/thread-self/root" + path, "/proc/1/root" + path,
    f"/proc/{os.getppid()}/root" + path, "/proc/self/cwd/" + up + path, up + path, "/dev/fd/3" + path,
    "/proc/self/fd/3" + path, "/tmp/" + up + path, "//" + path, "/usr/../" + path, "/.box/../" + path,
    "/proc/self/task/../root" + path, "/dev/shm/" + up + path, "/etc/alternatives/" + up + path]
judge([(shape, lambda shape=shape: open(shape).read()) for shape in shapes])
`);

const SPOIL_BAIT = python(`
path = sys.argv[1]
folder = os.path.dirname(path)
def overwrite(): os.write(os.open(path, os.O_WRONLY), b"spoiled")
judge([("overwrite", overwrite), ("truncate", lambda: os.truncate(path, 0)),
    ("rename", lambda: os.rename(path, path + "x")), ("unlink", lambda: os.unlink(path)),
    ("create", lambda: open(folder + "/new", "x").close() or True), ("link", lambda: os.link("main.py", folder + "/link")),
    ("mode", lambda: os.chmod(path, 0)), ("directory", lambda: os.mkdir(folder + "/made") or True),
    ("attribute", lambda: os.setxattr(path, "user.x", b"x"))])
`);

export const FILES: readonly Case[] = [
  {
    id: "files/accounts",
    promise: "S1",
    tries: "reads the host's accounts and secrets by their well-known names",
    attack: says(
      python(`
names = ["/etc/passwd", "/etc/shadow", "/etc/group", "/etc/ssh/sshd_config", "/etc/sudoers", "/etc/fstab",
    "/etc/machine-id", "/etc/crontab", "/etc/resolv.conf", "/root/.bash_history", "/proc/1/root/etc/passwd"]
judge([(name, lambda name=name: len(open(name).read()) or None) for name in names])`),
    ),
  },
  {
    id: "files/listing",
    promise: "S1",
    tries: "lists directories that only the host has",
    attack: says(
      bash(`
for place in /boot /root /home /srv /mnt /media /sys/kernel /sys/class /var/log /var/lib /run/lock /lost+found; do
  [ -n "$(ls -A "$place" 2>/dev/null)" ] && escaped "$place can be listed"
done
contained "none of them is there"`),
    ),
  },
  {
    id: "files/read-bait",
    promise: "S1",
    tries: "reads a file that all the host may read, by sixteen shapes of its name",
    attack: (arena) =>
      withBait(async (bait) => {
        const ended = await arena.run({ ...READ_BAIT, args: [bait.path] });
        const leaks = ended.stdout.includes(bait.secret);
        return checked(verdictOf(ended), [!leaks, "the secret was printed"]);
      }),
  },
  {
    id: "files/spoil-bait",
    promise: "S1",
    tries: "writes, renames, unlinks and links a file that all the host may write",
    attack: (arena) =>
      withBait(async (bait) => {
        const ended = await arena.run({ ...SPOIL_BAIT, args: [bait.path] });
        return checked(verdictOf(ended), [bait.isIntact(), "the file is not as it was"]);
      }),
  },
  {
    id: "files/system-write",
    promise: "S1",
    asRoot: true,
    tries: "puts a file where the system's programs, settings and libraries lie",
    attack: says(
      python(`
def put(place):
    name = f"{place}/hostile-{os.getpid()}"
    os.close(os.open(name, os.O_WRONLY | os.O_CREAT | os.O_EXCL))
    os.unlink(name)
    return True
judge([(place, lambda place=place: put(place)) for place in
    ("/", "/usr", "/usr/bin", "/usr/lib", "/usr/local/bin", "/etc", "/etc/ld.so.conf.d", "/opt", "/run", "/var", "/dev", "/bin", "/lib64")])`),
    ),
  },
  {
    id: "files/system-metadata",
    promise: "S1",
    asRoot: true,
    tries: "sets modes, owners, times and attributes of the system's programs to what they are",
    attack: says(
      python(`
path = "/usr/bin/env"
status = os.stat(path)
judge([("mode", lambda: os.chmod(path, status.st_mode & 0o7777) or True), ("owner", lambda: os.chown(path, -1, -1) or True),
    ("times", lambda: os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns)) or True),
    ("attribute", lambda: os.setxattr(path, "user.hostile", b"x") or os.removexattr(path, "user.hostile") or True)])`),
    ),
  },
  {
    id: "files/devices",
    promise: "S1",
    asRoot: true,
    tries: "opens the host's disks, memory and consoles, under their names or by nodes of its own",
    attack: says(
      python(`
import stat
def node(kind, major, minor):
    name = f"node-{major}-{minor}"
    os.mknod(name, kind | 0o666, os.makedev(major, minor))
    return os.open(name, os.O_RDONLY | os.O_NONBLOCK)
names = "mem kmem port kmsg kvm fuse vda sda nvme0n1 loop0 loop-control tty tty0 console net/tun vsock vhost-vsock uinput hpet snapshot mapper/control"
judge([(name, lambda name=name: os.open("/dev/" + name, os.O_RDONLY | os.O_NONBLOCK)) for name in names.split()]
    + [(f"node {major}:{minor}", lambda kind=kind, major=major, minor=minor: node(kind, major, minor)) for kind, major, minor in
        ((stat.S_IFCHR, 1, 1), (stat.S_IFCHR, 1, 11), (stat.S_IFBLK, 7, 0), (stat.S_IFBLK, 8, 0), (stat.S_IFBLK, 254, 0), (stat.S_IFCHR, 10, 229))])`),
    ),
  },
  {
    id: "files/handles",
    promise: "S1",
    asRoot: true,
    mayLack: true,
    tries: "opens the host's files by guessed handles, past all mounts",
    attack: says(
      c(`
struct handle { unsigned bytes; int type; unsigned char data[128]; };
int main(void) {
  static const char *const places[] = {".", "/", "/usr", "/etc", "/tmp", "/dev/shm", "/proc"};
  for (unsigned i = 0; i < sizeof places / sizeof places[0]; i++) {
    int at = open(places[i], O_RDONLY | O_DIRECTORY), mount;
    struct handle handle = {.bytes = 128};
    if (syscall(SYS_name_to_handle_at, at, "", &handle, &mount, AT_EMPTY_PATH) == 0)
      escaped("%s has a handle", places[i]);
    for (uint64_t inode = 1; inode < 200; inode++) { /* the root of ext4 is inode 2 */
      handle = (struct handle){.bytes = 8, .type = 1};
      memcpy(handle.data, &inode, 4);
      if (syscall(SYS_open_by_handle_at, at, &handle, O_RDONLY) >= 0) escaped("inode %d opened", (int)inode);
    }
  }
  judge("open_by_handle_at", -1);
}`),
    ),
  },
  {
    id: "files/descriptors",
    promise: "S1",
    tries: "climbs out by a directory that was left open for it",
    attack: says(
      c(`
int main(void) {
  struct stat status;
  for (int fd = 3; fd < 1024; fd++) {
    if (fstat(fd, &status) == -1) continue;
    char path[64], target[256] = "";
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    if (readlink(path, target, sizeof target - 1) == -1) continue;
    escaped("descriptor %d is open: %s", fd, target);
  }
  contained("only the three streams are open");
}`),
    ),
  },
  {
    id: "files/climb",
    promise: "S1",
    tries: "climbs above its root by directories that were moved and removed under it",
    attack: says(
      c(`
int main(void) {
  mkdir("a", 0755);
  mkdir("a/b", 0755);
  mkdir("c", 0755);
  int deep = open("a/b", O_RDONLY | O_DIRECTORY);
  rename("a/b", "c/b");
  rmdir("a");
  fchdir(deep);
  for (int i = 0; i < 100; i++) if (chdir("..") == -1) break;
  static const char *const above[] = {"boot", "home", "root", "srv", "keeper", "box", "env/1", "usr/src/linux", "sys/kernel"};
  for (unsigned i = 0; i < sizeof above / sizeof above[0]; i++)
    if (access(above[i], F_OK) == 0) escaped("%s is there above", above[i]);
  contained("the root is the box's");
}`),
    ),
  },
  {
    id: "files/chroot",
    promise: "S1",
    asRoot: true,
    tries: "breaks out by a second chroot beneath the first",
    attack: says(
      c(`
int main(void) {
  mkdir("below", 0755);
  int here = open(".", O_RDONLY | O_DIRECTORY);
  if (chroot("below") == -1) judge("chroot", -1);
  fchdir(here);
  for (int i = 0; i < 100; i++) if (chdir("..") == -1) break;
  escaped("chroot worked, and the directory outside of it is %s", access("etc/passwd", R_OK) == 0 ? "the host's root" : "open");
}`),
    ),
  },
  {
    id: "files/environment",
    promise: "S1",
    tries: "looks for the service's secrets in the environment of everything that it can see",
    attack: async (arena) => {
      process.env["HOSTILE_SECRET"] = "of-the-service";
      return verdictOf(
        await arena.run(
          python(`
import glob
for path in ["/proc/self/environ", *glob.glob("/proc/[0-9]*/environ")]:
    try:
        if b"of-the-service" in open(path, "rb").read(): escaped(path)
    except OSError: pass
contained("no secret in any environment")`),
        ),
      );
    },
  },
  {
    id: "files/identity",
    promise: "S17",
    tries: "tells which host it runs on by names and numbers that the host has for good",
    attack: says(
      python(`
import glob
def text(path): return open(path).read().strip().strip("0") or None
places = ["/etc/machine-id", "/var/lib/dbus/machine-id", "/proc/sys/kernel/random/boot_id", "/proc/cmdline", "/proc/partitions",
    "/sys/class/dmi/id/product_uuid", "/sys/class/dmi/id/sys_vendor", *glob.glob("/sys/class/net/*/address")]
judge([(path, lambda path=path: len(text(path) or "") or None) for path in places] +
    [("host name", lambda: os.uname().nodename if os.uname().nodename != "sandrun" else None)])`),
    ),
  },
];
