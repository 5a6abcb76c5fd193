/** Becoming more than it is: ids, capabilities, set-uid files, namespaces. */
import { type Case, says } from "../case.ts";
import { c, python } from "../programs.ts";

/** Runs a copy of itself, as nobody, that was given rights by its file. */
function byFile(give: string): string {
  return `
#include <linux/capability.h>
#include <sys/xattr.h>
#include <grp.h>
static unsigned effective(void) {
  struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
  struct __user_cap_data_struct data[2] = {0};
  syscall(SYS_capget, &header, data);
  return data[0].effective;
}
int main(int argc, char **argv) {
  if (argc > 1) {
    if (geteuid() == 0) escaped("effective uid 0");
    if (effective() != 0) escaped("capabilities %08x", effective());
    contained("uid %d and no capability", geteuid());
  }
  char copy[] = "copy", buffer[65536];
  int in = open("/proc/self/exe", O_RDONLY), out = open(copy, O_WRONLY | O_CREAT, 0755);
  for (ssize_t got; (got = read(in, buffer, sizeof buffer)) > 0;) if (write(out, buffer, got) != got) return 1;
  close(out);
  int error = 0;
  ${give}
  chmod(".", 0755);
  if (geteuid() == 0 && (setgroups(0, NULL) == -1 || setresgid(65534, 65534, 65534) == -1 || setresuid(65534, 65534, 65534) == -1)) return 1;
  execl(copy, copy, "again", NULL);
  judge("exec", -1);
}`;
}

const NAMESPACES =
  "user:0x10000000 mount:0x20000 pid:0x20000000 net:0x40000000 ipc:0x8000000 uts:0x4000000 cgroup:0x2000000 time:0x80";

export const PRIVILEGES: readonly Case[] = [
  {
    id: "privileges/ids",
    promise: "S4",
    asRoot: true,
    tries: "becomes root by every call that changes ids",
    attack: says(
      python(`
judge([(f"{name} {number}", lambda number=number, words=words: call(number, *words) + 1 if (os.geteuid() == 0 or call(number, *words) == 0) and os.geteuid() == 0 else None)
    for name, number, words in (("setuid", 105, (0,)), ("setreuid", 113, (0, 0)), ("setresuid", 117, (0, 0, 0)), ("setgid", 106, (0,)), ("setregid", 114, (0, 0)), ("setresgid", 119, (0, 0, 0)))]
    + [("setfsuid", lambda: (call(122, 0), call(122, 0))[1] == 0), ("setgroups", lambda: os.setgroups([0]) or True)])`),
    ),
  },
  {
    id: "privileges/capabilities",
    promise: "S4",
    asRoot: true,
    tries: "takes capabilities by capset, the ambient set and kept capabilities",
    attack: says(
      python(`
def held(name):
    return next((line.split()[1].strip("0") or None for line in open("/proc/self/status") if line.startswith(name)), None)
def take():
    header = (ctypes.c_uint32 * 2)(0x20080522, 0)
    call(126, header, (ctypes.c_uint32 * 6)(*[0xffffffff] * 6))
    return True
def ambient():
    call(157, 47, 2, 21, 0, 0)
    return held("CapAmb")
judge([("capset", take), ("ambient", ambient), *[(name, lambda name=name: held(name)) for name in ("CapEff", "CapPrm", "CapInh", "CapBnd", "CapAmb")]])`),
    ),
  },
  {
    id: "privileges/set-uid",
    promise: "S4",
    asRoot: true,
    tries: "makes a file of its own set-uid root and runs it",
    attack: says(
      c(byFile("if (chown(copy, 0, 0) == -1 || chmod(copy, 06755) == -1) error = errno;")),
    ),
  },
  {
    id: "privileges/file-capabilities",
    promise: "S4",
    asRoot: true,
    tries: "gives a file of its own capabilities and runs it",
    attack: says(
      c(
        byFile(`uint32_t all[5] = {0x02000001, 1 << 1 | 1 << 21, 0, 0, 0}, rooted[6] = {0x03000001, 1 << 1 | 1 << 21, 0, 0, 0, 0};
  if (setxattr(copy, "security.capability", all, sizeof all, 0) == -1 && setxattr(copy, "security.capability", rooted, sizeof rooted, 0) == -1) error = errno;`),
      ),
    ),
  },
  {
    id: "privileges/system-set-uid",
    promise: "S4",
    unsafe: "without a box the programs would do what they are for",
    tries: "runs every set-uid program of the system and looks whether one became root",
    attack: says(
      python(`
import glob, stat, subprocess
found = [path for path in glob.glob("/usr/bin/*") + glob.glob("/usr/sbin/*") + glob.glob("/usr/lib/*/*") if os.path.isfile(path) and os.stat(path).st_mode & 0o6000]
for path in found:
    if not os.access(path, os.X_OK): continue
    child = subprocess.Popen([path, "--version"], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try: uids = open(f"/proc/{child.pid}/status").read()
    except OSError: uids = ""
    child.kill()
    child.wait()
    if any(line.startswith(("Uid:", "Gid:")) and "1000" not in line.split()[2] for line in uids.split("\\n")): escaped(path)
    if not os.statvfs(path).f_flag & os.ST_NOSUID: escaped(f"{path} would be honoured")
contained(f"{len(found)} are there, and are ordinary programs")`),
    ),
  },
  {
    id: "privileges/unshare",
    promise: "S4",
    tries: "makes namespaces of each kind by unshare",
    attack: says(
      python(`
def child(flags):
    pid = os.fork()
    if pid == 0:
        try: call(272, flags); os._exit(0)
        except OSError as error: os._exit(error.errno)
    code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    if code: raise OSError(code, os.strerror(code))
    return True
kinds = [part.split(":") for part in "${NAMESPACES}".split()]
judge([(name, lambda flags=flags: child(int(flags, 16))) for name, flags in kinds] + [("user and all", lambda: child(0x7e020000))])`),
    ),
  },
  {
    id: "privileges/clone",
    promise: "S4",
    tries: "makes namespaces of each kind by clone, also with junk in the upper half of the flags",
    attack: says(
      c(`
int main(void) {
  static const unsigned long kinds[] = {0x10000000, 0x20000, 0x20000000, 0x40000000, 0x8000000, 0x4000000, 0x2000000, 0x10020000};
  int refused = 0;
  for (int high = 0; high < 2; high++)
    for (unsigned i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
      long pid = syscall(SYS_clone, kinds[i] | SIGCHLD | (high ? 0xdead00000000UL : 0), 0, 0, 0, 0);
      if (pid == 0) _exit(0);
      if (pid > 0) escaped("clone with %lx", kinds[i]);
      refused = errno;
    }
  contained("clone: %s", strerror(refused));
}`),
    ),
  },
  {
    id: "privileges/clone3",
    promise: "S4",
    tries: "makes namespaces by clone3, whose flags a filter cannot see",
    attack: says(
      c(`
#include <linux/sched.h>
int main(void) {
  struct clone_args arguments = {.flags = CLONE_NEWUSER | CLONE_NEWNS, .exit_signal = SIGCHLD};
  long pid = syscall(SYS_clone3, &arguments, sizeof arguments);
  if (pid == 0) _exit(0);
  judge("clone3", pid);
}`),
    ),
  },
  {
    id: "privileges/setns",
    promise: "S4",
    asRoot: true,
    tries: "enters namespaces of other processes by their files and by process handles",
    attack: says(
      python(`
def enter(pid, name):
    call(308, os.open(f"/proc/{pid}/ns/{name}", os.O_RDONLY), 0)
    return True
def by_handle(pid, flags):
    call(308, os.pidfd_open(pid), flags)
    return True
pids = {1, os.getppid()} - {0}
judge([(f"{pid} {name}", lambda pid=pid, name=name: enter(pid, name)) for pid in [*pids, "self"] for name in ("net", "uts", "ipc", "mnt", "cgroup", "pid", "user")]
    + [(f"handle {pid}", lambda pid=pid: by_handle(pid, 0x4c000000)) for pid in pids])`),
    ),
  },
  {
    id: "privileges/filter",
    promise: "S4",
    tries: "puts a filter of its own over ours, with a listener that answers calls",
    attack: says(
      python(`
import struct
allow = ctypes.create_string_buffer(struct.pack("<HBBI", 6, 0, 0, 0x7fff0000))
program = ctypes.create_string_buffer(struct.pack("<H6xQ", 1, ctypes.addressof(allow)))
def set_by(number, *words):
    try: call(157, 38, 1, 0, 0, 0)
    except OSError: pass
    return call(number, *words) + 1
judge([("listener", lambda: set_by(317, 1, 8, program)), ("seccomp", lambda: set_by(317, 1, 0, program)), ("prctl", lambda: set_by(157, 22, 2, program, 0, 0))])`),
    ),
  },
  {
    id: "privileges/no-new-privs",
    promise: "S4",
    tries: "clears no_new_privs, or finds it unset",
    attack: says(
      python(`
try: call(157, 38, 0, 0, 0, 0)
except OSError: pass
judge([("no_new_privs", lambda: call(157, 39, 0, 0, 0, 0) == 0)])`),
    ),
  },
];
