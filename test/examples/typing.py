"""Runs a command at a terminal of its own: argv is a JSON list of [words, [[seen, typed], ...]].

Types each text once what comes before it was seen; prints what was shown and the exit status.
"""
import json
import os
import pty
import sys

words, steps = json.loads(sys.argv[1])
pid, terminal = pty.fork()
if pid == 0:
    os.execvp(words[0], words)
shown = b""
while True:
    try:
        piece = os.read(terminal, 65536)
    except OSError:
        break
    if not piece:
        break
    shown += piece
    if steps and steps[0][0].encode() in shown:
        shown_before, typed = steps.pop(0)
        os.write(terminal, typed.encode())
_, status = os.waitpid(pid, 0)
print(json.dumps([shown.decode(errors="replace"), os.waitstatus_to_exitcode(status)]))
