"""Who am I, and what can I see? Run it with: sandrun examples/hello.py"""

import os
import platform
import shutil
import socket


def attempt(what, action):
    try:
        print(f"  {what}: {action()}")
    except OSError as error:
        print(f"  {what}: {error.strerror}")


def main():
    print("Hello from inside the box.")
    print(f"  Python {platform.python_version()} as uid {os.getuid()} in {os.getcwd()}")
    free = shutil.disk_usage(".").free // 2**20
    print(f"  {free} MB of RAM-backed space, gone when this program ends")

    print("What is not here:")
    attempt("the host's users", lambda: open("/etc/passwd").readline())
    attempt("a network", lambda: socket.socket())
    processes = [name for name in os.listdir("/proc") if name.isdigit()]
    print(f"  other people's processes: I see {len(processes)}, all of this job")


main()
