"""What a script takes from the standard library beside processes: files, data, time, the system."""

import bz2
import ctypes.util
import datetime
import decimal
import faulthandler
import gzip
import hashlib
import hmac
import io
import json
import locale
import lzma
import os
import pathlib
import platform
import random
import resource
import secrets
import select
import shelve
import shutil
import sqlite3
import ssl
import stat
import sys
import sysconfig
import tarfile
import tempfile
import time
import tracemalloc
import unicodedata
import urllib.parse
import uuid
import warnings
import zipfile
import zlib
import zoneinfo


def files():
    top = pathlib.Path(tempfile.mkdtemp())
    (top / "a" / "b").mkdir(parents=True)
    path = top / "a" / "b" / "näme"
    path.write_text("text\n" * 3)
    os.link(path, top / "hard")
    os.symlink("a/b", top / "soft")
    os.chmod(path, 0o640)
    os.utime(path, ns=(5_000_000_001, 6_000_000_002))
    found = os.stat(path)
    print("stat", stat.filemode(found.st_mode), found.st_nlink, found.st_mtime_ns, found.st_size)
    print("walk", sorted(str(p.relative_to(top)) for p in top.rglob("*")))
    os.mkfifo(top / "fifo")
    print("fifo", stat.S_ISFIFO(os.lstat(top / "fifo").st_mode), os.access(top / "fifo", os.R_OK))
    (top / "fifo").unlink()
    os.setxattr(path, "user.note", b"x") if supports_xattr(top) else None
    with open(top / "sparse", "wb") as file:
        os.posix_fallocate(file.fileno(), 0, 4096)
        file.truncate(1 << 30)
        os.sync()
        os.fsync(file.fileno())
    print("sparse", os.path.getsize(top / "sparse"), os.stat(top / "sparse").st_blocks < 100)
    shutil.copytree(top / "a", top / "copy", copy_function=shutil.copy2)
    print("copied", (top / "copy" / "b" / "näme").read_bytes() == path.read_bytes())
    with open(path, "rb") as source, open(top / "sent", "wb") as target:
        print("sendfile", os.sendfile(target.fileno(), source.fileno(), 0, 99),
              os.copy_file_range(source.fileno(), target.fileno(), 5))
    fd = os.open(top, os.O_DIRECTORY)
    print("dirfd", sorted(os.listdir(fd)), os.stat("soft", dir_fd=fd, follow_symlinks=False).st_size)
    print("renamed", os.replace(top / "sent", top / "moved"), os.path.exists(top / "moved"))
    for name, call in (("absent", lambda: open(top / "none")), ("directory", lambda: open(top)),
                       ("root", lambda: os.mkdir("/usr/x")), ("chown", lambda: os.chown(path, 0, 0)),
                       ("setuid", lambda: os.setuid(0)), ("nice", lambda: os.nice(-1))):
        try:
            print(name, call())
        except OSError as error:
            # A read-only root says so; outside it is the lack of rights. Both are refusals.
            print(name, "refused" if name == "root" else error.strerror)
    print("nice", os.nice(1), os.getpriority(os.PRIO_PROCESS, 0))
    shutil.rmtree(top)


def supports_xattr(top):
    try:
        os.setxattr(top, "user.test", b"")
    except OSError:
        return False
    return True


def data():
    text = b"the same text over and over " * 1000
    for module in zlib, gzip, bz2, lzma:
        assert module.decompress(module.compress(text)) == text, module
    with tempfile.TemporaryDirectory() as top:
        with tarfile.open(f"{top}/x.tar.xz", "w:xz") as tar, zipfile.ZipFile(f"{top}/x.zip", "w") as zipped:
            info = tarfile.TarInfo("name")
            info.size = len(text)
            tar.addfile(info, io.BytesIO(text))
            zipped.writestr("name", text, zipfile.ZIP_DEFLATED)
        print("archives", tarfile.open(f"{top}/x.tar.xz").getnames(), zipfile.ZipFile(f"{top}/x.zip").testzip())
        database = sqlite3.connect(f"{top}/x.db", isolation_level=None)
        database.execute("pragma journal_mode=wal")
        database.execute("create table t(a integer primary key, b text)")
        database.executemany("insert into t(b) values (?)", [(str(n),) for n in range(1000)])
        other = sqlite3.connect(f"{top}/x.db")
        print("sqlite", other.execute("select count(*), max(length(b)) from t").fetchone(),
              database.execute("pragma integrity_check").fetchone())
        with shelve.open(f"{top}/shelf") as shelf:
            shelf["key"] = {"a": [1, 2]}
        with shelve.open(f"{top}/shelf") as shelf:
            print("shelf", shelf["key"])
    for name in sorted(hashlib.algorithms_guaranteed - {"shake_128", "shake_256"}):
        print(name, hashlib.new(name, b"abc").hexdigest()[:16])
    print("hmac", hmac.new(b"k", b"m", "sha256").hexdigest()[:16], hashlib.scrypt(b"p", salt=b"s", n=16, r=8, p=1)[:4])
    print("random", random.Random(1).random(), len(secrets.token_bytes(16)), len(os.urandom(32)))
    print("decimal", decimal.Decimal(2).sqrt(decimal.Context(prec=40)))
    print("json", json.dumps({"ä": [1.5, None, True]}), unicodedata.name("ß"), urllib.parse.quote("ä b"))
    print("uuid", uuid.uuid5(uuid.NAMESPACE_DNS, "example.org"), uuid.uuid4().version, uuid.uuid1().version)


def times():
    zone = zoneinfo.ZoneInfo("Europe/Berlin")
    print("zone", datetime.datetime(2024, 7, 1, 12, tzinfo=zone).isoformat(), len(zoneinfo.available_timezones()) > 400)
    os.environ["TZ"] = "America/New_York"
    time.tzset()
    print("tzset", time.tzname, time.strftime("%H:%M", time.localtime(0)))
    for clock in "monotonic", "perf_counter", "process_time", "thread_time", "time":
        assert time.get_clock_info(clock).resolution <= 1e-6, clock
    before = time.monotonic()
    time.sleep(0.01)
    print("slept", time.monotonic() - before >= 0.01, abs(time.time() - datetime.datetime.now().timestamp()) < 5)
    timer = select.epoll()
    print("epoll", timer.poll(0.01))


def system():
    print("locale", locale.setlocale(locale.LC_ALL, ""), locale.getpreferredencoding(), sys.getfilesystemencoding())
    print("platform", platform.system(), platform.machine(), platform.python_implementation(), platform.libc_ver()[0])
    print("release", platform.release() == os.uname().release, platform.freedesktop_os_release()["ID"] if has_release() else "")
    print("ssl", ssl.create_default_context().verify_mode.name, ssl.HAS_TLSv1_3, len(ssl.get_server_certificate.__name__))
    print("limits", resource.getrlimit(resource.RLIMIT_NOFILE)[0], resource.getrusage(resource.RUSAGE_SELF).ru_maxrss > 0)
    resource.setrlimit(resource.RLIMIT_CPU, (500, 500))
    print("lowered", resource.getrlimit(resource.RLIMIT_CPU))
    print("found", ctypes.util.find_library("c"), shutil.which("sh") is not None, sysconfig.get_platform())
    print("space", shutil.disk_usage(tempfile.gettempdir()).free > 0, len(os.sched_getaffinity(0)) > 0, os.getloadavg() is not None)
    with tempfile.TemporaryFile() as file:
        faulthandler.enable(file)
        faulthandler.dump_traceback(file)
        file.seek(0)
        print("faulthandler", b"Current thread" in file.read())
    tracemalloc.start()
    kept = [bytes(1000) for _ in range(100)]
    print("tracemalloc", tracemalloc.get_traced_memory()[0] > 100_000, len(kept))


def has_release():
    try:
        return bool(platform.freedesktop_os_release())
    except OSError:
        return False


if __name__ == "__main__":
    sys.stdout.reconfigure(line_buffering=True)
    warnings.simplefilter("error")
    for part in files, data, times, system:
        part()
    print("done")
