/**
 * What the hostile programs begin with, in each language: how they say their verdict. A program
 * prints one line, by what happened, and ends.
 */
import type { Job } from "../support/boxes.ts";

const PYTHON = `
import ctypes, errno, os, sys
BARE = "HOSTILE_BARE" in os.environ
libc = ctypes.CDLL(None, use_errno=True)
def verdict(word, why):
    line = " ".join(f"{word}: {why}".split())[:400] + "\\n"
    os.write(1, line.encode("utf-8", "backslashreplace"))
    os._exit(0)
def contained(why): verdict("contained", why)
def escaped(why): verdict("ESCAPED", why)
def call(number, *words):
    "A system call by its number on x86-64; OSError when the kernel or a filter refuses it."
    ctypes.set_errno(0)
    got = libc.syscall(ctypes.c_long(number), *(ctypes.c_long(w) if isinstance(w, int) else w for w in words))
    if got == -1: raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    return got
def judge(attempts, fine=()):
    "Each attempt is a name and a call: what returns anything but None or False got through."
    through, refused = [], set()
    for name, attempt in attempts:
        try:
            got = attempt()
            if got is not None and got is not False: through.append(f"{name}: {got}" if got is not True else name)
            else: refused.add("nothing there")
        except (OSError, ValueError, OverflowError) as error:
            code = getattr(error, "errno", None)
            if code in fine: through.append(f"{name}: the kernel answered {errno.errorcode[code]}")
            else: refused.add(getattr(error, "strerror", None) or str(error))
    if through: escaped(", ".join(through))
    contained(", ".join(sorted(refused)) or "there is nothing to try")
def private_mounts():
    "Without a box the host's own mounts must not change: a namespace of our own, or nothing is tried."
    try:
        call(272, 0x20000)
        call(165, None, b"/", None, 0x44000, None)
    except OSError as error:
        if BARE: contained(error.strerror)
`;

const C = `
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>
static void verdict(const char *word, const char *how, va_list list) {
  char why[300];
  vsnprintf(why, sizeof why, how, list);
  dprintf(1, "%s: %s\\n", word, why);
  _exit(0);
}
static void contained(const char *how, ...) { va_list list; va_start(list, how); verdict("contained", how, list); }
static void escaped(const char *how, ...) { va_list list; va_start(list, how); verdict("ESCAPED", how, list); }
/* What a call answered: an error is containment, unless it shows that the kernel looked further. */
static void judge(const char *name, long got) {
  if (got >= 0) escaped("%s gave %ld", name, got);
  contained("%s: %s", name, strerror(errno));
}
static int is_bare(void) { return getenv("HOSTILE_BARE") != NULL; }
`;

const NODE = `
const verdict = (word, why) => {
  require("node:fs").writeSync(1, word + ": " + String(why).replace(/\\s+/g, " ").slice(0, 300) + "\\n");
  process.exit(0);
};
const contained = (why) => verdict("contained", why);
const escaped = (why) => verdict("ESCAPED", why);
`;

const SHELL = `
contained() { printf 'contained: %s\\n' "$*"; exit 0; }
escaped() { printf 'ESCAPED: %s\\n' "$*"; exit 0; }
`;

type More = Omit<Job, "code" | "interpreter">;

export function python(code: string, more: More = {}): Job {
  return { ...more, interpreter: "python3", code: `${PYTHON}${code}` };
}

/** C is compiled where it runs, so a compiler's memory is the least that it needs. */
export function c(code: string, more: More = {}): Job {
  return { ...more, interpreter: "gcc", code: `${C}${code}` };
}

export function node(code: string, more: More = {}): Job {
  return { ...more, interpreter: "node", code: `${NODE}${code}` };
}

export function bash(code: string, more: More = {}): Job {
  return { ...more, interpreter: "bash", code: `${SHELL}${code}` };
}
