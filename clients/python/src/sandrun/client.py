"""The API for programs that wait. ``aio.py`` has the same verbs for asyncio."""

from __future__ import annotations

import os
import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, TypeVar

from . import _calls
from ._calls import Call, Request
from ._events import LogFollower
from ._files import OutputDirectory, new_archive, write_all
from ._gather import LOOK_SECONDS, Patience, bounded, gathered, writable
from ._sockets import KEEP_MOST, Connection
from ._tls import endpoint
from ._wire import Head
from .errors import NotFound, SandrunError, Silent, Unreachable
from .models import (
    Environments,
    Health,
    JobStatus,
    LogEvent,
    Logs,
    OutputFile,
    RunResult,
    Stats,
    Submitted,
)

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from ._jobs import JobFields

T = TypeVar("T")


class Client:
    """A Sandrun service. May be used from several threads; ``close`` it, or use it in ``with``.

    ``server``: for example ``https://sandrun.example.com:8443``; a path below it is kept. Left out,
    ``SANDRUN_SERVER`` and ``SANDRUN_FINGERPRINT`` are used.
    ``fingerprint``: SHA-256 of the one certificate that is trusted, in place of the authorities.
    ``ca_file``: PEM file of the authorities that are trusted, in place of the system's.
    ``idle_seconds``: how long the server may say nothing; ``/run`` alone waits 50 s.
    """

    def __init__(
        self,
        server: str | None = None,
        *,
        fingerprint: str | None = None,
        ca_file: str | os.PathLike[str] | None = None,
        idle_seconds: float = 90.0,
    ) -> None:
        self._endpoint = endpoint(server, fingerprint, ca_file)
        self._idle_seconds = idle_seconds
        self._wait_seconds = _calls.wait_seconds(idle_seconds)
        self._kept: deque[Connection] = deque()

    def __enter__(self) -> Client:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        while True:
            try:
                self._kept.pop().close()
            except IndexError:
                return

    def run(self, code: str | None = None, **job: Unpack[JobFields]) -> RunResult:
        """Runs a job and waits for its end, however long that takes.

        When it is interrupted the job is cancelled. Raises ``ApiError`` when the server refuses.
        """
        answer = self._call(_calls.run(code, job, self._wait_seconds))
        if isinstance(answer, RunResult):
            return answer
        try:
            return self.wait(answer.job_id)
        except BaseException:
            # What we started must not run on; if this fails too, its time limit ends it.
            with suppress(SandrunError):
                self.cancel(answer.job_id)
            raise

    def submit(self, code: str | None = None, **job: Unpack[JobFields]) -> Submitted:
        """Queues a job. Raises ``ApiError`` when the server refuses."""
        return self._call(_calls.submit(code, job))

    def wait(self, job_id: str) -> RunResult:
        """Waits for the end of a job and fetches its result; the files come without contents."""
        return gathered(
            self._ended(job_id),
            self.logs(job_id),
            self._call(_calls.output(job_id)),
            self.outputs(job_id),
        )

    def status(self, job_id: str, *, wait_seconds: float = 0.0) -> JobStatus:
        """How a job stands: once it has ended, or after ``wait_seconds`` at the latest."""
        return self._call(_calls.status(job_id, wait_seconds))

    def logs(self, job_id: str) -> Logs:
        """What was printed so far."""
        return self._call(_calls.logs(job_id))

    def follow(self, job_id: str) -> Iterator[LogEvent]:
        """What the job prints, from its start and as it happens; the last event is ``Ended``.

        A connection that breaks is made again and goes on where it was.
        """
        follower = LogFollower()
        patience = Patience()
        while not follower.ended:
            try:
                with self._open(_calls.follow(job_id, follower.headers)) as (head, body):
                    _calls.check_type(head, "text/event-stream")
                    for chunk in body:
                        for event in follower.feed(chunk):
                            patience.renew()
                            yield event
                        if follower.ended:
                            return
                raise Unreachable("The log ended before the job did.")
            except Unreachable as error:
                time.sleep(patience.pause(error))
                follower.reconnect()

    def outputs(self, job_id: str) -> tuple[OutputFile, ...]:
        """The output files of an ended job."""
        return self._call(_calls.outputs(job_id))

    def read_file(self, job_id: str, path: str, most_bytes: int = _calls.OUTPUT_BYTES) -> bytes:
        """One output file in memory; the job stays."""
        return b"".join(bounded(self.stream_file(job_id, path), most_bytes))

    def stream_file(self, job_id: str, path: str) -> Iterator[bytes]:
        """One output file, piece by piece; the job stays. The caller counts what he takes."""
        with self._open(_calls.one_file(job_id, path)) as (_, body):
            yield from body

    def download(
        self,
        job: str | RunResult,
        directory: str | os.PathLike[str],
        *,
        force: bool = False,
        keep: bool = False,
    ) -> list[Path]:
        """Writes all output files below ``directory``; the server then destroys the job.

        Neither the server nor the job is trusted: no file lands outside, through a link or, without
        ``force``, over another; sizes and checksums are compared. Files get no execute bit.
        Raises ``NotWritten`` at the first file that cannot be written; the job then stays.
        ``keep`` leaves the job until it expires.
        """
        job_id, files = (job.job_id, job.files) if isinstance(job, RunResult) else (job, None)
        whole = writable(self.outputs(job_id) if files is None else files)
        target = OutputDirectory(directory, force)
        try:
            for file in whole:
                with target.new_file(file) as writer:
                    for chunk in self._content(job_id, file):
                        writer.add(chunk)
        finally:
            target.close()
        if not keep:
            # A result whose files all came with it belongs to a job that is gone already.
            with suppress(NotFound):
                self.cancel(job_id)
        return [target.path_of(file) for file in whole]

    def download_archive(
        self, job_id: str, path: str | os.PathLike[str], *, force: bool = False
    ) -> Path:
        """Writes all output files as one ``.tar.gz``; the server then destroys the job.

        Whoever unpacks it must not trust the names in it.
        """
        request = _calls.archive(job_id)
        with self._open(request) as (_, body), new_archive(path, force) as descriptor:
            for chunk in bounded(body, _calls.ARCHIVE_BYTES):
                write_all(descriptor, chunk, str(path))
        return Path(path)

    def cancel(self, job_id: str) -> None:
        """Ends the job if it waits or runs, and destroys all of it."""
        self._call(_calls.cancel(job_id))

    def environments(self) -> Environments:
        """The interpreters that are here, and the prepared environments with their packages."""
        return self._call(_calls.environments())

    def stats(self) -> Stats:
        return self._call(_calls.stats())

    def health(self) -> Health:
        """Answers for a service that is not healthy too."""
        return self._call(_calls.health())

    def _ended(self, job_id: str) -> JobStatus:
        patience = Patience()
        while True:
            began = time.monotonic()
            try:
                status = self.status(job_id, wait_seconds=self._wait_seconds)
            except Unreachable as error:
                time.sleep(patience.pause(error))
                continue
            if status.outcome is not None:
                return status
            patience.renew()
            time.sleep(max(0.0, LOOK_SECONDS - (time.monotonic() - began)))

    def _content(self, job_id: str, file: OutputFile) -> Iterator[bytes]:
        if file.content is not None:
            return iter((file.content,))
        return self.stream_file(job_id, file.path)

    def _call(self, call: Call[T]) -> T:
        with self._open(call.request) as (head, body):
            answer = b"".join(bounded(body, call.most_bytes))
        return call.read(head.status, answer)

    @contextmanager
    def _open(self, request: Request) -> Iterator[tuple[Head, Iterator[bytes]]]:
        """Raises the server's refusal. The connection is kept only when all was read."""
        connection, head = self._ask(request)
        try:
            if head.status not in request.takes:
                answer = b"".join(bounded(connection.body(), _calls.REFUSAL_BYTES))
                raise _calls.refusal(head, answer)
            yield head, connection.body()
        finally:
            # After a refusal the server may close, since it need not have read all that we sent.
            is_done = connection.is_reusable and head.status in request.takes
            if is_done and len(self._kept) < KEEP_MOST:
                self._kept.append(connection)
            else:
                connection.close()

    def _ask(self, request: Request) -> tuple[Connection, Head]:
        # One that the server closes just now fails, and what starts a job is not sent twice.
        kept = None if request.method == "POST" else self._take_kept()
        if kept is not None:
            try:
                return kept, kept.ask(self._endpoint, request)
            except BaseException as error:
                kept.close()
                if not isinstance(error, Unreachable) or isinstance(error, Silent):
                    raise
        connection = Connection(self._endpoint, self._idle_seconds)
        try:
            return connection, connection.ask(self._endpoint, request)
        except BaseException:
            connection.close()
            raise

    def _take_kept(self) -> Connection | None:
        while True:
            try:
                connection = self._kept.pop()
            except IndexError:
                return None
            if connection.is_fresh:
                return connection
            connection.close()
