/** Programs of which something shows at their end, or could. */

/** By what they leave behind; the last that each does is to come to its end. */
export const ENDINGS: Readonly<Record<string, string>> = {
  nothing: "print('x')",
  "an object with __del__": "class A:\n def __del__(self): print('gone')\na = A()",
  "one that the collector does not know":
    "class A:\n __slots__ = ()\n def __del__(self): print('gone')\na = A()",
  "a class that got its __del__ later":
    "class A: pass\na = A()\nA.__del__ = lambda self: print('gone')",
  "a list with __del__": "class A(list):\n def __del__(self): print('gone')\na = A()",
  "an exception with __del__": "class A(Exception):\n def __del__(self): print('gone')\na = A()",
  "a class whose own class has __del__":
    "class M(type):\n def __del__(cls): print('gone')\nclass A(metaclass=M): pass",
  "an object on a function":
    "class A:\n def __del__(self): print('gone')\ndef f(): pass\nf.held = A()",
  "a class of Python's own that was changed":
    "import os\nos._Environ.__del__ = lambda self: print('gone')",
  "a cycle": "class A:\n def __del__(self): print('gone')\na = A(); a.self = a; del a",
  "bytes in a file": "f = open('made', 'w'); f.write('words')",
  "bytes in a file of bytes": "f = open('made', 'wb'); f.write(b'words')",
  "a file that was closed": "with open('made', 'w') as f: f.write('words')",
  "a file in the place of one that is gone":
    "import sys\nsys.stdin = sys.__stdin__ = None\nf = open('made', 'w'); f.write('words')",
  "a generator in a finally": "def g():\n try: yield\n finally: print('left')\nx = g(); next(x)",
  "a context that was entered":
    "from contextlib import contextmanager\n@contextmanager\ndef c():\n try: yield\n finally: print('left')\nx = c(); x.__enter__()",
  "a coroutine": "async def f(): pass\nc = f()",
  "a loop that has run": "import asyncio\nasync def f(): print('ran')\nasyncio.run(f())",
  "a weak reference that calls back":
    "import weakref\nclass A: pass\na = A(); r = weakref.ref(a, lambda r: print('gone'))",
  "one that calls a builtin": "import _weakref\nclass A: pass\na = A(); r = _weakref.ref(a, print)",
  "a finalizer": "import weakref\nclass A: pass\na = A(); weakref.finalize(a, print, 'gone')",
  "a function for the end": "import atexit; atexit.register(print, 'end')",
  "a function for the end that fails": "import atexit\ndef f(): 1 / 0\natexit.register(f)",
  "a thread":
    "import threading, time\nthreading.Thread(target=lambda: (time.sleep(.05), print('late'))).start()",
  "an audit hook":
    "import sys\nsys.addaudithook(lambda name, _: print(name) if 'Clear' in name else None)",
  "a directory that is for the moment":
    "import os, tempfile\nd = tempfile.TemporaryDirectory(dir='.')",
  "a directory that was not read to its end":
    "import os, warnings\nwarnings.simplefilter('always')\ns = os.scandir('/'); next(s)",
  "warnings about all that is open":
    "import warnings\nwarnings.simplefilter('always')\nf = open('main.py')",
  "something for the collector to tell":
    "import gc\ngc.callbacks.append(lambda phase, _: print(phase))",
  "garbage that is warned of":
    "import gc, warnings\nwarnings.simplefilter('always')\ngc.garbage.append([])",
  "a stream of its own":
    "import sys\nclass W:\n def write(self, text): sys.stderr.write(text)\n def flush(self): sys.stderr.write('flushed')\nsys.stdout = W(); print('x')",
  "no stream": "import sys\nsys.stdout = None",
  "a stream that was closed": "import sys\nprint('x'); sys.stdout.close()",
  "a stream that cannot be flushed":
    "import os, sys\nsys.stdout = open(1, 'w', closefd=False); print('x'); os.close(1)",
  "a buffer around its output":
    "import io, sys\nsys.stdout = io.TextIOWrapper(io.BufferedWriter(io.FileIO(1, 'w', closefd=False)), write_through=False); print('late')",
  "bytes in the buffer of C": "import ctypes\nctypes.CDLL(None).printf(b'words')",
  "a status": "import sys; sys.exit(3)",
  "no status": "import sys; sys.exit()",
  "a message as its status": "raise SystemExit('words')",
  "its exit in a function": "def f(n): exit(n)\nf(7)",
  "an exit that was caught": "try: exit(5)\nexcept SystemExit: pass",
  "an error": "1 / 0",
  "an error that a hook hid":
    "import sys\ndef hook(*_): del sys.last_type, sys.last_value, sys.last_traceback\nsys.excepthook = hook\n1 / 0",
  "an error that its end hid":
    "import atexit, sys\ndef f(): del sys.last_type\natexit.register(f)\n1 / 0",
  "an error of its text": "def",
  "an error that nobody could catch": "class A:\n def __del__(self): 1 / 0\nA()",
  "an interrupt": "raise KeyboardInterrupt",
  "a handler of its own":
    "import signal\nsignal.signal(signal.SIGINT, lambda *_: None); signal.raise_signal(signal.SIGINT)",
  "an interrupt that is let pass": "import signal\nsignal.signal(signal.SIGINT, signal.SIG_IGN)",
  "children that came to the same end":
    "import os\nfor n in range(3):\n if os.fork() == 0: print('child', n); break\n os.wait()\nelse: print('parent')",
  "a child with a status":
    "import os\nif os.fork() == 0: exit(9)\nprint(os.waitstatus_to_exitcode(os.wait()[1]))",
  "an end at once": "import os\nprint('x', flush=True); os._exit(4)",
  "many modules":
    "import json, re, math, collections, random, datetime, functools, enum, typing, pathlib, csv, copy, heapq\nprint(json.dumps(re.findall('.', 'ab')))",
  "many objects":
    "class A:\n def __init__(self, n): self.n = n\nx = [A(n) for n in range(50000)]\nprint(len(x))",
  "objects of all ages":
    "x = []\nfor n in range(300000): x.append([n])\nclass A:\n def __del__(self): print('gone')\na = A()\nfor n in range(300000): x.append([n])\nprint(len(x))",
  "a profile":
    "import sys\nsys.setprofile(lambda f, event, what: sys.stderr.write(event + getattr(what, '__name__', '')))",
  "a new prompt": "import os\nos.environ['PYTHONINSPECT'] = '1'",
  "an interrupt of a text, caught":
    "try: exec('raise KeyboardInterrupt')\nexcept KeyboardInterrupt: print('caught')",
  "an interrupt of a text like a named tuple's":
    "try: eval(\"lambda _cls, x: _tuple_new(_cls, (x)), exec('raise KeyboardInterrupt')\")\nexcept KeyboardInterrupt: print('caught')",
  "a file that the collector was told to leave alone":
    "import gc\nf = open('made', 'w'); f.write('words'); gc.freeze()",
  "something for the collector to tell, and no module of it":
    "import gc, sys\ngc.callbacks.append(lambda phase, _: print(phase))\ngc.freeze(); del gc, sys.modules['gc']",
  "a collector that tells what it does": "import gc\ngc.set_debug(gc.DEBUG_STATS); gc.freeze()",
  "a collector's count": "import gc; print(gc.get_count(), len(gc.get_objects()))",
  "an own flush on its stream":
    "import os, sys\nsys.stdout.flush = lambda: os.write(1, b'flushed')",
  "an own close on what is below its stream":
    "import os, sys\nsys.stdout.buffer.close = lambda: os.write(1, b'closed')\nsys.stdout.buffer.flush = lambda: os.write(1, b'flushed')",
  "a stream without what is below it":
    "import sys, warnings\nwarnings.simplefilter('always')\nsys.stdin.detach(); f = open('main.py', 'rb', 0)",
  "names in `sys` that are asked":
    "import sys\nclass K(str):\n def __eq__(self, o): sys.__stdout__.write('asked'); return str.__eq__(self, o)\n __hash__ = str.__hash__\nfor n in ('path', 'argv', 'meta_path'): sys.__dict__[K(n)] = sys.__dict__.pop(n)",
  "a module's name that is asked":
    "import sys, types\nclass K(str):\n def __hash__(self): sys.__stdout__.write('asked'); return 5\nm = types.ModuleType('m'); sys.modules['m'] = m; m.__dict__[K('_a')] = 1",
  "slices in slices, more than Python's stack is for":
    "x = None\nfor n in range(1000000): x = slice(x)\nprint('x')",
  "methods of methods, more than that":
    "import types\ndef f(): pass\nx = 1\nfor n in range(1000000): x = types.MethodType(f, x)\nprint('x')",
};
