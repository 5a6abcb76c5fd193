/** Programs that tell all that they can about how they were started. */
import type { Job } from "../support/boxes.ts";

const PYTHON_ABOUT_ITSELF = `
import sys, os, json, signal, resource, threading, locale, warnings, inspect, stat
def plain(value): return repr(value)
told = {
  "argv": sys.argv, "orig_argv": sys.orig_argv, "path": sys.path, "flags": plain(sys.flags),
  "modules": sorted(sys.modules), "importers": sorted(map(str, sys.path_importer_cache)),
  "main": sorted(vars(sys.modules["__main__"])), "name": __name__, "file": __file__,
  "loader": type(__loader__).__name__, "spec": plain(__spec__), "doc": __doc__,
  "executable": sys.executable, "prefix": sys.prefix, "hooks": plain(sys.path_hooks), "meta": plain(sys.meta_path),
  "environ": dict(os.environ), "environ_file": open("/proc/self/environ").read(),
  "cmdline": open("/proc/self/cmdline").read(), "comm": open("/proc/self/comm").read(),
  "cwd": os.getcwd(), "umask": os.umask(0), "ids": [os.getuid(), os.geteuid(), os.getgid(), os.getgroups()],
  "fds": sorted(os.listdir("/proc/self/fd"))[:3], "fd_count": len(os.listdir("/proc/self/fd")),
  "kinds": [stat.filemode(os.fstat(n).st_mode) for n in range(3)], "same_output": os.fstat(1).st_ino == os.fstat(2).st_ino,
  "parent": os.getppid(), "leads": [os.getsid(0) == os.getpid(), os.getpgrp() == os.getpid()],
  "signals": [plain(signal.getsignal(n)) for n in range(1, 65) if n not in (32, 33)],
  "mask": plain(signal.pthread_sigmask(signal.SIG_BLOCK, [])), "pending": plain(signal.sigpending()),
  "limits": {n: resource.getrlimit(getattr(resource, n)) for n in dir(resource) if n.startswith("RLIMIT_")},
  "status": [l for l in open("/proc/self/status") if l.split(":")[0] in
     ("Threads", "Uid", "Gid", "Groups", "SigQ", "SigPnd", "SigBlk", "SigIgn", "SigCgt", "CapEff", "CapBnd", "NoNewPrivs", "Seccomp", "TracerPid", "CoreDumping")],
  "cgroup": open("/proc/self/cgroup").read().count("slot-"), "meminfo": open("/proc/meminfo").read(),
  "cpus": [os.cpu_count(), sorted(os.sched_getaffinity(0))], "nice": os.nice(0), "policy": os.sched_getscheduler(0),
  "threads": threading.active_count(), "locale": plain(locale.getlocale()), "encoding": [s.encoding for s in (sys.stdin, sys.stdout, sys.stderr)],
  "errors": [s.errors for s in (sys.stdin, sys.stdout, sys.stderr)], "fs_encoding": sys.getfilesystemencoding(),
  "buffering": [s.line_buffering for s in (sys.stdin, sys.stdout, sys.stderr)], "through": [s.write_through for s in (sys.stdin, sys.stdout, sys.stderr)],
  "tty": [s.isatty() for s in (sys.stdin, sys.stdout, sys.stderr)], "warnings": plain(warnings.filters), "options": sys.warnoptions,
  "frames": [f.filename + f.function for f in inspect.stack()], "outermost": sys._getframe().f_back is None,
  "own_file": open(__file__).read()[:9], "work": os.listdir("/work"), "tmp": os.listdir("/tmp"),
  "own_mode": stat.filemode(os.stat(__file__).st_mode), "own_mtime": os.stat(__file__).st_mtime_ns,
  "oom": open("/proc/self/oom_score_adj").read(), "trace": plain(sys.gettrace()), "recursion": sys.getrecursionlimit(),
  "processes": sorted(int(n) for n in os.listdir("/proc") if n.isdigit()) == [os.getpid()],
  "xoptions": sys._xoptions, "displayhook": plain(sys.displayhook is sys.__displayhook__), "used": __import__("time").process_time() > 0,
}
for key, value in told.items(): print(key, json.dumps(value, default=str))
`;

const NODE_ABOUT_ITSELF = `
const fs = require("fs"), os = require("os"), v8 = require("v8");
const status = fs.readFileSync("/proc/self/status", "utf8").split("\\n").filter((line) =>
  /^(Uid|Gid|SigPnd|SigBlk|SigIgn|SigCgt|CapEff|NoNewPrivs|Seccomp|Threads)/.test(line));
const told = {
  argv: process.argv, argv0: process.argv0, execArgv: process.execArgv, execPath: process.execPath, title: process.title,
  env: process.env, main: require.main === module, filename: __filename, dirname: __dirname, paths: module.paths,
  id: module.id, parent: module.parent, loaded: module.loaded, cache: Object.keys(require.cache), cwd: process.cwd(), umask: process.umask(),
  ppid: process.ppid, uid: process.getuid(), cmdline: fs.readFileSync("/proc/self/cmdline", "utf8"),
  environ: fs.readFileSync("/proc/self/environ", "utf8"), heap: v8.getHeapStatistics().heap_size_limit,
  total: os.totalmem(), constrained: process.constrainedMemory(), cpus: os.cpus().length, parallel: os.availableParallelism(),
  tty: [process.stdin.isTTY, process.stdout.isTTY, process.stderr.isTTY], globals: Object.getOwnPropertyNames(globalThis).sort(),
  versions: process.versions, features: process.features, status, listeners: process.eventNames().map(String),
  warnings: process.noDeprecation, mode: fs.statSync(__filename).mode, stack: new Error("here").stack,
  same: fs.fstatSync(1).ino === fs.fstatSync(2).ino, locale: Intl.DateTimeFormat().resolvedOptions(),
  handles: process.getActiveResourcesInfo(), fds: fs.readdirSync("/proc/self/fd").length, builtin: require("module").builtinModules.length,
};
for (const [key, value] of Object.entries(told)) console.log(key, JSON.stringify(value));
`;

const python = (code: string, more: Partial<Job> = {}): Job => ({ code, ...more });
const node = (code: string, more: Partial<Job> = {}): Job => ({
  code,
  interpreter: "node",
  ...more,
});
const sh = (code: string, more: Partial<Job> = {}): Job => ({ code, interpreter: "sh", ...more });

export const PROGRAMS: readonly (readonly [string, Job])[] = [
  ["python, all about itself", python(PYTHON_ABOUT_ITSELF)],
  [
    "python, all about itself, one pipe for both streams",
    python(PYTHON_ABOUT_ITSELF, { mergeStreams: true }),
  ],
  ["python, nothing", python("")],
  [
    "python, an exception",
    python(
      "def f():\n  return 1 / 0\ntry:\n  f()\nexcept ZeroDivisionError as e:\n  raise ValueError('no') from e",
    ),
  ],
  ["python, a syntax error", python("print('before')\nif True\n  pass\n")],
  ["python, bad indentation", python("if 1:\n  a\n b\n")],
  ["python, a null byte", python("print(1)\0\n")],
  [
    "python, latin-1 by its first line",
    python("# -*- coding: latin-1 -*-\nprint(ascii('\u00e9'))\n"),
  ],
  ["python, an unknown encoding", python("# -*- coding: nothing-of-that -*-\nprint(1)\n")],
  ["python, not UTF-8", python("print('\ud800')")],
  ["python, a byte order mark", python("\ufeffprint('bom')\n")],
  ["python, lines that end as on Windows", python("print(1)\r\nprint('''a\r\nb''')\r\n")],
  ["python, sys.exit with a number", python("import sys\nsys.exit(7)")],
  ["python, sys.exit with a text", python("import sys\nsys.exit('over')")],
  ["python, sys.exit with nothing", python("raise SystemExit")],
  [
    "python, os._exit with text in a buffer",
    python(
      "import os, sys\nsys.stdout.reconfigure(write_through=False)\nsys.stdout.write('kept?')\nos._exit(3)",
    ),
  ],
  [
    "python, ends by a signal",
    python("import os, signal\nprint('x')\nos.kill(os.getpid(), signal.SIGTERM)"),
  ],
  [
    "python, ^C",
    python("import os, signal\nos.kill(os.getpid(), signal.SIGINT)\nimport time\ntime.sleep(5)"),
  ],
  [
    "python, atexit and the order of endings",
    python(
      "import atexit, threading\natexit.register(print, 'exit')\nclass A:\n  def __del__(self): print('del')\na = A()\nt = threading.Thread(target=lambda: print('thread'))\nt.start()\nt.join()\nprint('main')",
    ),
  ],
  [
    "python, an exception in a thread",
    python(
      "import threading\nt = threading.Thread(target=lambda: 1/0)\nt.start()\nt.join()\nprint('on')",
    ),
  ],
  [
    "python, reads standard input",
    python("import sys\nprint(sys.stdin.read(), input.__name__)", { stdin: "one\ntwo\n" }),
  ],
  ["python, input() at the end", python("print(input())\ninput()", { stdin: "one\n" })],
  [
    "python, unbuffered output of both streams",
    python(
      "import sys\nfor i in range(5):\n  print('out', i)\n  print('err', i, file=sys.stderr)",
      { mergeStreams: true },
    ),
  ],
  [
    "python, warnings",
    python(
      "import warnings\nwarnings.warn('old', DeprecationWarning)\nwarnings.warn('user')\nprint('\\d')",
    ),
  ],
  [
    "python, multiprocessing by fork",
    python(
      "import multiprocessing as m\nc = m.get_context('fork')\ndef f(x): return x * x\nif __name__ == '__main__':\n  p = c.Process(target=print, args=(f(3),))\n  p.start(); p.join(); print(p.exitcode)",
    ),
  ],
  [
    "python, multiprocessing by spawn",
    python(
      "import multiprocessing as m\ndef f(q): q.put(__name__)\nif __name__ == '__main__':\n  c = m.get_context('spawn')\n  q = c.Queue()\n  p = c.Process(target=f, args=(q,))\n  p.start(); print(q.get()); p.join(); print(p.exitcode)",
    ),
  ],
  [
    "python, becomes another program",
    python(
      "import os\nos.execv('/bin/sh', ['sh', '-c', 'echo $0 $LANG $HOME; readlink /proc/self/exe'])",
    ),
  ],
  [
    "python, starts itself",
    python(
      "import subprocess, sys\nprint(subprocess.run([sys.executable, __file__, 'x'], capture_output=True) if len(sys.argv) == 1 else sys.argv)",
    ),
  ],
  [
    "python, imports what it wrote",
    python(
      "open('/work/neighbour.py', 'w').write('value = 5')\nimport neighbour\nprint(neighbour.value, neighbour.__file__)",
    ),
  ],
  ["python, changes its own file", python("print(open(__file__, 'a').write('#'))")],
  ["python, keeps a new file and not its own", python("open('made', 'w').write('x')")],
  ["python, removes its own file", python("import os\nos.remove('main.py')\nprint(os.listdir())")],
  [
    "python, locks and leases its own file",
    python(
      "import fcntl\nf = open('main.py')\nprint(fcntl.fcntl(f, fcntl.F_GETLEASE), fcntl.flock(f, fcntl.LOCK_EX | fcntl.LOCK_NB))\nf.close()\nf = open('main.py', 'r+')\nprint(fcntl.fcntl(f, fcntl.F_SETLEASE, fcntl.F_WRLCK))",
    ),
  ],
  [
    "python, asyncio",
    python(
      "import asyncio\nasync def f():\n  await asyncio.sleep(0)\n  print('ran')\nasyncio.run(f())",
    ),
  ],
  [
    "python, a recursion without end",
    python("import sys\nsys.stderr = open('/dev/null', 'w')\ndef f(): f()\nf()"),
  ],
  ["python, whose file is a zip archive", python(`PK\u0005\u0006${"\0".repeat(18)}`)],
  ["node, all about itself", node(NODE_ABOUT_ITSELF)],
  [
    "node, all about itself, one pipe for both streams",
    node(NODE_ABOUT_ITSELF, { mergeStreams: true }),
  ],
  ["node, nothing", node("")],
  ["node, an error", node("function f() { throw new TypeError('no') }\nf()")],
  ["node, a syntax error", node("console.log(1)\nlet a = ;\n")],
  ["node, not an Error", node("throw { a: 1 }")],
  ["node, a promise that nobody catches", node("Promise.reject(new Error('lost'))")],
  [
    "node, process.exit",
    node("process.on('exit', (c) => console.log('exit', c)); process.exit(5)"),
  ],
  [
    "node, process.exitCode",
    node("process.exitCode = 6; setTimeout(() => console.log('late'), 5)"),
  ],
  [
    "node, a module by its syntax",
    node(
      "import { readFileSync } from 'node:fs'\nconsole.log(import.meta.url, import.meta.main, import.meta.dirname, readFileSync.length, typeof require, this)\nawait 1",
    ),
  ],
  ["node, an error in a module", node("import 'node:fs'\nawait Promise.reject(new Error('no'))")],
  ["node, an import that is not there", node("import './nothing.js'")],
  ["node, a require that is not there", node("require('./nothing')")],
  [
    "node, requires what it wrote",
    node(
      "require('fs').writeFileSync('/work/a.js', 'exports.a = module.parent.id')\nconsole.log(require('./a'))",
    ),
  ],
  ["node, a byte order mark and #!", node("\ufeffconsole.log(1)")],
  ["node, #! alone", node("#!/usr/bin/env node\nconsole.log(2)")],
  [
    "node, reads standard input",
    node(
      "process.stdin.on('data', (d) => console.log(String(d))).on('end', () => console.log('end'))",
      { stdin: "one\n" },
    ),
  ],
  [
    "node, a worker",
    node(
      "const w = require('worker_threads')\nif (w.isMainThread) new w.Worker(__filename).on('message', console.log)\nelse w.parentPort.postMessage(process.argv)",
    ),
  ],
  [
    "node, child_process.fork",
    node(
      "const c = require('child_process')\nif (process.send) process.send(process.argv)\nelse c.fork(__filename, ['x']).on('message', console.log)",
    ),
  ],
  [
    "node, ends by a signal",
    node("process.kill(process.pid, 'SIGTERM'); setTimeout(() => 0, 5000)"),
  ],
  ["node, a deprecation", node("new Buffer(1); console.log(1)")],
  [
    "sh, all about itself",
    sh(
      "echo \"$0 $# $PPID $- $PWD $HOME $IFS\"; env | sort; umask; ulimit -a; set | grep -v '^_' | sort; tr '\\0' ' ' </proc/$$/cmdline; ls /work /proc/$$/fd",
    ),
  ],
  ["sh, a syntax error", sh("echo a\nif then\n")],
  ["sh, exit and trap", sh("trap 'echo trapped' EXIT\nexit 4")],
  ["sh, reads its input", sh('read a; echo "<$a>"; cat', { stdin: "one\ntwo" })],
  ["sh, a command that is not there", sh("nothing-of-that")],
];
