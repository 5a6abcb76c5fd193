"""Processes, threads and what they share: what a numeric program starts before it computes."""

import array
import asyncio
import concurrent.futures
import ctypes
import fcntl
import mmap
import multiprocessing
import multiprocessing.shared_memory
import os
import pty
import queue
import select
import signal
import subprocess
import sys
import tempfile
import termios
import threading
import time
import tty


def square(number):
    return number * number


def feed(numbers, lock, total, out):
    while (number := numbers.get()) is not None:
        with lock:
            total.value += number
    out.put(("sum", total.value))


def fill(name):
    shared = multiprocessing.shared_memory.SharedMemory(name)
    shared.buf[:5] = b"hello"
    shared.close()


def wait_for(event, barrier, answers):
    event.wait()
    barrier.wait()
    answers.send(os.getppid() == PARENT)


PARENT = os.getpid()


def pools():
    for method in "fork", "spawn":
        context = multiprocessing.get_context(method)
        with context.Pool(3) as pool:
            print(method, "pool", pool.map(square, range(10)), list(pool.imap(square, range(5), 2)))
            print(method, "async", pool.apply_async(square, (12,)).get(30))
    with concurrent.futures.ProcessPoolExecutor(2) as pool:
        print("futures", sum(pool.map(square, range(100), chunksize=10)))
        try:
            pool.submit(square, "x").result()
        except TypeError as error:
            print("an error of a worker", error)
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        print("threads", sum(pool.map(square, range(1000))))


def queues():
    numbers, out = multiprocessing.Queue(), multiprocessing.SimpleQueue()
    lock, total = multiprocessing.RLock(), multiprocessing.Value("l", 0)
    worker = multiprocessing.Process(target=feed, args=(numbers, lock, total, out))
    worker.start()
    for number in [*range(100), None]:
        numbers.put(number)
    print("queue", out.get())
    worker.join()
    waiting = multiprocessing.JoinableQueue()
    waiting.put(1)
    print("joinable", waiting.get(), waiting.task_done(), waiting.join())
    event, barrier = multiprocessing.Event(), multiprocessing.Barrier(3)
    mine, theirs = multiprocessing.Pipe()
    both = [multiprocessing.Process(target=wait_for, args=(event, barrier, theirs)) for _ in range(2)]
    for process in both:
        process.start()
    event.set()
    barrier.wait()
    print("pipe", mine.recv(), mine.recv(), [process.join() or process.exitcode for process in both])
    end = multiprocessing.Process(target=time.sleep, args=(60,))
    end.start()
    end.terminate()
    end.join()
    print("terminated", end.exitcode)
    semaphore = multiprocessing.BoundedSemaphore(2)
    print("semaphore", semaphore.acquire(), semaphore.acquire(), semaphore.acquire(block=False))


def shared():
    memory = multiprocessing.shared_memory.SharedMemory(create=True, size=1 << 20)
    worker = multiprocessing.Process(target=fill, args=(memory.name,))
    worker.start()
    worker.join()
    print("shared memory", bytes(memory.buf[:5]), os.path.exists("/dev/shm/" + memory.name))
    memory.close()
    memory.unlink()
    listed = multiprocessing.shared_memory.ShareableList([1, "two", 3.0, None, b"four"])
    print("list", list(listed))
    listed.shm.close()
    listed.shm.unlink()
    numbers = multiprocessing.Array("d", [1.5, 2.5])
    numbers[0] *= 2
    print("array", numbers[:])
    anonymous = mmap.mmap(-1, 1 << 16)
    if os.fork() == 0:
        anonymous[:4] = b"fork"
        os._exit(7)
    print("waited", os.waitstatus_to_exitcode(os.wait()[1]), anonymous[:4])
    with tempfile.TemporaryFile() as file:
        file.truncate(1 << 16)
        with mmap.mmap(file.fileno(), 0) as view:
            view[100:104] = b"file"
            view.flush()
            view.madvise(mmap.MADV_SEQUENTIAL)
            view.resize(1 << 17)
        print("mapped", os.pread(file.fileno(), 4, 100), os.fstat(file.fileno()).st_size)
    print("memfd", os.write(os.memfd_create("x"), b"abc"))


def threads():
    local, done = threading.local(), queue.Queue()
    barrier, condition = threading.Barrier(40), threading.Condition()

    def live(number):
        local.number = number
        barrier.wait()
        with condition:
            condition.notify()
        done.put(local.number == number)

    all_threads = [threading.Thread(target=live, args=(n,), daemon=n % 2 == 0) for n in range(40)]
    for thread in all_threads:
        thread.start()
    for thread in all_threads:
        thread.join()
    print("threads", sum(done.get() for _ in all_threads))
    fired = threading.Event()
    threading.Timer(0.01, fired.set).start()
    print("timer", fired.wait(30))


def programs():
    echo = subprocess.run(["sh", "-c", "cat; echo end >&2; exit 3"], input=b"in", capture_output=True)
    print("run", echo.returncode, echo.stdout, echo.stderr)
    with subprocess.Popen(["sort"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
                          start_new_session=True, cwd="/", env={"LC_ALL": "C"}) as sorting:
        print("popen", sorting.communicate("b\na\n"), sorting.returncode)
    try:
        subprocess.run(["sleep", "60"], timeout=0.05)
    except subprocess.TimeoutExpired as error:
        print("time-out", error.cmd)
    try:
        subprocess.run(["/nowhere"])
    except FileNotFoundError as error:
        print("absent", error.filename)
    killed = subprocess.Popen(["sleep", "60"])
    killed.send_signal(signal.SIGUSR1)
    print("killed", killed.wait())
    print("getoutput", subprocess.getoutput("echo $((6 * 7))"), os.system("exit 4") >> 8)
    print("popen", os.popen("echo popen").read().strip())
    print("spawn", os.waitstatus_to_exitcode(os.waitpid(os.posix_spawnp("true", ["true"], {}), 0)[1]))
    print("handed on", subprocess.run("echo through >&$FD", shell=True, **handed()).returncode, os.read(READ, 99))


READ, WRITE = os.pipe()


def handed():
    return {"pass_fds": [WRITE], "env": {**os.environ, "FD": str(WRITE)}}


async def loops():
    shell = await asyncio.create_subprocess_shell(
        "read line; echo got $line; exit 5", stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE)
    print("asyncio shell", await shell.communicate(b"a line\n"), shell.returncode)
    many = await asyncio.gather(*[asyncio.create_subprocess_exec("true") for _ in range(5)])
    print("asyncio exec", [await process.wait() for process in many])
    print("to thread", await asyncio.to_thread(square, 9))
    loop = asyncio.get_running_loop()
    read, write = os.pipe()
    reader = asyncio.StreamReader()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), os.fdopen(read, "rb"))
    transport, _ = await loop.connect_write_pipe(asyncio.BaseProtocol, os.fdopen(write, "wb"))
    transport.write(b"piped\n")
    print("pipes", await reader.readline())
    transport.close()
    got = loop.create_future()
    loop.add_signal_handler(signal.SIGUSR2, got.set_result, "signal")
    os.kill(os.getpid(), signal.SIGUSR2)
    print("signal", await got)
    try:
        await asyncio.wait_for(asyncio.sleep(60), 0.01)
    except asyncio.TimeoutError:
        print("time-out")
    print("process pool", await loop.run_in_executor(concurrent.futures.ProcessPoolExecutor(1), square, 8))


def signals():
    seen = []
    for number in signal.SIGALRM, signal.SIGTERM:
        signal.signal(number, lambda number, _: seen.append(signal.Signals(number).name))
    # Again and again: one that comes before the pause would end no pause.
    signal.setitimer(signal.ITIMER_REAL, 0.01, 0.01)
    signal.pause()
    signal.setitimer(signal.ITIMER_REAL, 0)
    signal.raise_signal(signal.SIGTERM)
    signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM])
    os.kill(os.getpid(), signal.SIGTERM)
    print("pending", signal.sigpending(), signal.sigwait([signal.SIGTERM]), sorted(set(seen)))
    pidfd = os.pidfd_open(os.getpid())
    signal.pidfd_send_signal(pidfd, 0)
    print("pidfd", select.select([pidfd], [], [], 0)[0])


def terminal():
    pid, master = pty.fork()
    if pid == 0:
        tty.setraw(0)
        print(os.isatty(0), os.ttyname(0).startswith("/dev/pts/"), os.get_terminal_size().columns)
        os._exit(len(termios.tcgetattr(0)))
    fcntl.ioctl(master, termios.TIOCSWINSZ, array.array("H", [24, 80, 0, 0]))
    said = b""
    try:
        # Unbuffered output comes in pieces; the end of a terminal is an error.
        while piece := os.read(master, 100):
            said += piece
    except OSError:
        pass
    os.waitpid(pid, 0)
    print("terminal", said.split()[:2])


def native():
    libc = ctypes.CDLL(None, use_errno=True)
    compare = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.POINTER(ctypes.c_int), ctypes.POINTER(ctypes.c_int))
    numbers = (ctypes.c_int * 5)(5, 1, 4, 2, 3)
    libc.qsort(numbers, 5, 4, compare(lambda a, b: a[0] - b[0]))
    print("ctypes", list(numbers), libc.close(-1), ctypes.get_errno())
    libc.strtod.restype = ctypes.c_double
    print("ctypes", libc.strtod(b"2.5", None), ctypes.CDLL("libm.so.6").abs(-3))
    with open("locked", "w") as file:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        print("locked", subprocess.run([sys.executable, "-c", "import fcntl; fcntl.flock(open('locked'), 6)"],
                                       stderr=subprocess.DEVNULL).returncode)


if __name__ == "__main__":
    sys.stdout.reconfigure(line_buffering=True)
    for part in pools, queues, shared, threads, programs, lambda: asyncio.run(loops()), signals, terminal, native:
        part()
    print("done")
