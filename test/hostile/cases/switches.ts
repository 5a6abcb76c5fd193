/** Calls that change the host as a whole. Their arguments are wrong on purpose: what shows is who answers. */
import { type Case, says } from "../case.ts";
import { c, python } from "../programs.ts";

/** Answers that a call gives only after the kernel found that its caller may make it. */
const REACHED = "fine=(errno.EINVAL, errno.ENOENT, errno.EFAULT, errno.ENOEXEC, errno.EBADF)";

export const SWITCHES: readonly Case[] = [
  {
    id: "switches/modules",
    promise: "S4",
    asRoot: true,
    mayLack: true,
    tries: "loads and removes modules of the kernel",
    attack: says(
      python(
        `judge([("init_module", lambda: call(175, None, 0, b"")), ("finit_module", lambda: call(313, 0, b"", 0xffff)), ("delete_module", lambda: call(176, b"no-such-module", 0))], ${REACHED})`,
      ),
    ),
  },
  {
    id: "switches/kexec",
    promise: "S4",
    asRoot: true,
    tries: "starts another kernel by kexec, or reboots this one",
    attack: says(
      python(
        `judge([("kexec_load", lambda: call(246, 0, 0, None, 0xff)), ("kexec_file_load", lambda: call(320, -1, -1, 0, None, 0xff)), ("reboot", lambda: call(169, 1, 2, 3, None))], ${REACHED})`,
      ),
    ),
  },
  {
    id: "switches/swap",
    promise: "S5",
    asRoot: true,
    tries: "adds swap, removes swap, starts process accounting",
    attack: says(
      python(
        `judge([("swapon", lambda: call(167, b"/no/such/file", 0)), ("swapoff", lambda: call(168, b"/no/such/file")), ("acct", lambda: call(163, b"/no/such/file")), ("quotactl", lambda: call(179, 0x800001 << 8, None, 0, None) + 1)], ${REACHED})`,
      ),
    ),
  },
  {
    id: "switches/clocks",
    promise: "S4",
    tries: "sets and steers the host's clocks",
    attack: says(
      python(`
bad = (ctypes.c_long * 2)(0, -1)
judge([("clock_settime", lambda: call(227, 0, bad) + 1), ("settimeofday", lambda: call(164, bad, None) + 1), ("adjtimex", lambda: call(159, (ctypes.c_char * 256)()) + 1), ("clock_adjtime", lambda: call(305, 0, (ctypes.c_char * 256)()) + 1)], ${REACHED})`),
    ),
  },
  {
    id: "switches/names",
    promise: "S4",
    asRoot: true,
    tries: "gives the host another name and domain",
    attack: says(
      python(`
def rename(number):
    pid = os.fork()
    if pid == 0: # without a box, in a namespace of its own
        try:
            try: call(272, 0x4000000)
            except OSError:
                if BARE: raise
            call(number, b"hostile", 7)
            os._exit(0)
        except OSError as error: os._exit(error.errno)
    code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    if code: raise OSError(code, os.strerror(code))
    return True
judge([("sethostname", lambda: rename(170)), ("setdomainname", lambda: rename(171))])`),
    ),
  },
  {
    id: "switches/ports",
    promise: "S4",
    asRoot: true,
    tries: "takes the right to the machine's ports and to segments of its own",
    attack: says(
      python(`
block = (ctypes.c_char * 256)()
judge([("iopl", lambda: call(172, 3) + 1), ("ioperm", lambda: call(173, 0x80, 1, 1) + 1), ("modify_ldt", lambda: call(154, 0, block, 256) + 1), ("vm86", lambda: call(154, 2, block, 256) + 1)])`),
    ),
  },
  {
    id: "switches/log",
    promise: "S4",
    asRoot: true,
    tries: "reads and clears the kernel's log",
    attack: says(
      python(
        `judge([("size", lambda: call(103, 10, None, 0)), ("read", lambda: call(103, 3, (ctypes.c_char * 64)(), 64) or None), ("device", lambda: os.open("/dev/kmsg", os.O_RDONLY | os.O_NONBLOCK))])`,
      ),
    ),
  },
  {
    id: "switches/hang-up",
    promise: "S4",
    unsafe: "as root it would end the terminal that somebody works at",
    tries: "hangs up the terminal, freezes and trims file systems",
    attack: says(
      python(`
import fcntl
def freeze(place, request):
    fcntl.ioctl(os.open(place, os.O_RDONLY), request, bytes(24))
    return True
judge([("vhangup", lambda: call(153) + 1)] + [(f"{place} {request:x}", lambda place=place, request=request: freeze(place, request))
    for place in ("/work", "/usr", "/etc", "/") for request in (0xc0045877, 0xc0045878, 0xc0185879, 0x8004587d)])`),
    ),
  },
  {
    id: "switches/immutable",
    promise: "S11",
    asRoot: true,
    mayLack: true,
    tries: "makes a file that not even root could remove",
    attack: says(
      c(`
#include <linux/fs.h>
int main(void) {
  int file = open("forever", O_RDWR | O_CREAT, 0644), flags = FS_IMMUTABLE_FL, none = 0;
  int made = ioctl(file, FS_IOC_SETFLAGS, &flags), error = errno;
  if (made == 0) ioctl(file, FS_IOC_SETFLAGS, &none);
  errno = error;
  judge("immutable", made);
}`),
    ),
  },
  {
    id: "switches/security-modules",
    promise: "S4",
    mayLack: true,
    tries: "asks about and changes the host's security modules",
    attack: says(
      python(`
size = ctypes.c_uint32(64)
judge([("list", lambda: call(461, (ctypes.c_uint64 * 8)(), ctypes.byref(size), 0) or None), ("own", lambda: call(459, 100, (ctypes.c_char * 64)(), ctypes.byref(size), 0) + 1)], fine=(errno.E2BIG,))`),
    ),
  },
];
