"""forked.py N P: forks this Python N times, P at once; each fork prints a number and ends as any program.

What a job of Python cannot cost less than, whatever it runs in. Tells nanoseconds from the first fork to the
last end, and CPU time of all forks.
"""

import os
import resource
import sys
import time

count, at_once = int(sys.argv[1]), int(sys.argv[2])
begun = time.monotonic_ns()
running = 0
for _ in range(count):
    if running == at_once:
        os.wait()
        running -= 1
    if os.fork() == 0:
        os.dup2(os.open("/dev/null", os.O_WRONLY), 1)
        exec(compile("print(1)\n", "main.py", "exec"))
        sys.exit()
    running += 1
for _ in range(running):
    os.wait()
took = time.monotonic_ns() - begun
used = resource.getrusage(resource.RUSAGE_CHILDREN)
print(took, round((used.ru_utime + used.ru_stime) * 1e9))
