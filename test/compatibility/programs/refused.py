"""What Python says where a box differs: an error with its reason, at once, and never a hang."""

import concurrent.futures
import getpass
import grp
import multiprocessing
import multiprocessing.connection
import os
import pwd
import resource
import socket


def told(name, attempt):
    try:
        print(name, "allowed", attempt())
    except (Exception, SystemExit) as error:
        print(name, type(error).__name__, error, sep="|")


def forkserver():
    context = multiprocessing.get_context("forkserver")
    context.Process(target=print).start()


if __name__ == "__main__":
    for family in "AF_INET", "AF_INET6", "AF_UNIX", "AF_NETLINK", "AF_PACKET", "AF_VSOCK":
        told(family, lambda: socket.socket(getattr(socket, family)))
    told("connect", lambda: socket.create_connection(("127.0.0.1", 80)))
    told("listener", multiprocessing.connection.Listener)
    told("manager", multiprocessing.Manager)
    told("forkserver", forkserver)
    told("passwd", lambda: open("/etc/passwd"))
    told("uid", lambda: pwd.getpwuid(os.getuid()))
    told("gid", lambda: grp.getgrgid(os.getgid()))
    print("user", getpass.getuser(), os.path.expanduser("~"), socket.gethostname(), os.getuid())
    print("limits", resource.getrlimit(resource.RLIMIT_NOFILE), resource.getrlimit(resource.RLIMIT_CORE))
    # What to take instead still works after all that.
    with concurrent.futures.ProcessPoolExecutor(2) as pool:
        print("pool", list(pool.map(abs, [-1, -2])))
    left, right = socket.socketpair()
    print("pair", left.send(b"x"), right.recv(1))
    print("done")
