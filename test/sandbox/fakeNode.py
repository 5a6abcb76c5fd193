#!/usr/bin/python3
"""Stands where Node does, below a real warden: plays one part and tells what it sees on stderr."""
import os
import signal
import socket
import sys
import time

PLAN = """slots 2
processes 50
cpu-percent 100
memory 0
job-memory 67108864
box-memory 16777216
listen tcp 127.0.0.1 0
end
"""
# As in native/succession.c: what comes sooner is out of turn.
ASK_LEAST = 31

# As Node is called, but for its flags and the program: VERB OPTIONS.
command, part = sys.argv[1], sys.argv[2]
if command == "serve-plan":
    sleeps = "sleeps 1\n" if part.startswith("sleep") else ""
    sys.stdout.write(sleeps + PLAN)
    sys.exit(0)

lines = [line.split() for line in os.environ["SANDRUN_HANDOVER"].splitlines()]
descriptors = {line[1]: int(line[2]) for line in lines if line[0] == "fd"}
successor = ["successor", "1"] in lines
talk = socket.socket(fileno=descriptors["talk"])
listener = socket.socket(fileno=descriptors["listen"])
woken = ["woken", "1"] in lines
who = "woken" if woken else "next" if successor else "first"


def tell(what):
    """Before it is done: what others do because of it must not be told first."""
    os.write(2, f"{who} {os.getpid()} {what}\n".encode())


def count_starts():
    """How many of us there were in this place; it lies in the memory that all are given."""
    memory = descriptors["certificate"]
    count = int.from_bytes(os.pread(memory, 4, 0), "little") + 1
    os.pwrite(memory, count.to_bytes(4, "little"), 0)
    return count


def await_go():
    word = talk.recv(1)
    tell("told to go" if word == b"g" else "not listened to")
    return word == b"g"


def stop(*_):
    tell("stopped")
    os._exit(0)


signal.signal(signal.SIGTERM, stop)
tell(f"starts at {time.monotonic_ns() // 1_000_000}")
starts = count_starts()


def serve():
    tell(f"serves on {listener.getsockname()[1]}")
    talk.send(b"s")


def answer():
    listener.setblocking(True)
    while True:
        connection = listener.accept()[0]
        connection.send(who.encode())
        connection.close()


def ask():
    time.sleep(ASK_LEAST)
    tell("asks")
    talk.send(b"i")


if successor:
    if part == "fails" or (part == "sleepFails" and starts < 4):
        sys.exit(3)
    if part == "sleepHangs":
        time.sleep(600)
    if part == "chatters":
        talk.send(b"s")
    else:
        tell("ready")
        talk.send(b"r")
    if await_go():
        # Whoever connects in between must be held, not refused.
        time.sleep(0.3)
        serve()
        if part == "sleepHostile":
            talk.send(b"i")
            sys.exit(0)
        answer()
    time.sleep(600)

if part == "stillborn":
    sys.exit(42)
serve()
if part == "crashes" and starts < 5:
    os.kill(os.getpid(), signal.SIGKILL)
if part == "quits" and starts == 1:
    sys.exit(0)
if part == "floods":
    try:
        while True:
            talk.send(b"i")
    except OSError:
        tell("not listened to")
if part == "sleepCrashes":
    os.kill(os.getpid(), signal.SIGKILL)
if part.startswith("sleep"):
    ask()
    if await_go():
        if part == "sleepChanges":
            tell("is busy")
            talk.send(b"b")
        listener.close()
        tell("leaves")
        sys.exit(0)
if part in ("leaves", "fails", "changes", "chatters", "dies"):
    ask()
    if await_go():
        if part == "changes":
            tell("is busy")
            talk.send(b"b")
        if part == "leaves":
            listener.close()
            tell("leaves")
            sys.exit(0)
        if part == "dies":
            os.kill(os.getpid(), signal.SIGKILL)
time.sleep(600)
