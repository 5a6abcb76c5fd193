"""The API for asyncio: the verbs of ``client.py``, whose words on each hold here too."""

from __future__ import annotations

import asyncio
import os
import time
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing, asynccontextmanager, suppress
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, TypeVar

from . import _calls
from ._asockets import AsyncConnection, connect, in_thread
from ._calls import Call, Request
from ._events import LogFollower
from ._files import OutputDirectory, new_archive, write_all
from ._gather import LOOK_SECONDS, Counter, Patience, gathered, writable
from ._sockets import KEEP_MOST
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


class AsyncClient:
    """As ``Client``, for one event loop. ``aclose`` it, or use it in ``async with``."""

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
        self._kept: deque[AsyncConnection] = deque()

    async def __aenter__(self) -> AsyncClient:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        while self._kept:
            self._kept.pop().close()

    async def run(self, code: str | None = None, **job: Unpack[JobFields]) -> RunResult:
        answer = await self._call(_calls.run(code, job, self._wait_seconds))
        if isinstance(answer, RunResult):
            return answer
        try:
            return await self.wait(answer.job_id)
        except BaseException:
            # What we started must not run on; if this fails too, its time limit ends it.
            with suppress(SandrunError):
                await self.cancel(answer.job_id)
            raise

    async def submit(self, code: str | None = None, **job: Unpack[JobFields]) -> Submitted:
        return await self._call(_calls.submit(code, job))

    async def wait(self, job_id: str) -> RunResult:
        return gathered(
            await self._ended(job_id),
            await self.logs(job_id),
            await self._call(_calls.output(job_id)),
            await self.outputs(job_id),
        )

    async def status(self, job_id: str, *, wait_seconds: float = 0.0) -> JobStatus:
        return await self._call(_calls.status(job_id, wait_seconds))

    async def logs(self, job_id: str) -> Logs:
        return await self._call(_calls.logs(job_id))

    async def follow(self, job_id: str) -> AsyncGenerator[LogEvent, None]:
        follower = LogFollower()
        patience = Patience()
        while not follower.ended:
            try:
                async with self._open(_calls.follow(job_id, follower.headers)) as (head, body):
                    _calls.check_type(head, "text/event-stream")
                    async for chunk in body:
                        for event in follower.feed(chunk):
                            patience.renew()
                            yield event
                        if follower.ended:
                            return
                raise Unreachable("The log ended before the job did.")
            except Unreachable as error:
                await asyncio.sleep(patience.pause(error))
                follower.reconnect()

    async def outputs(self, job_id: str) -> tuple[OutputFile, ...]:
        return await self._call(_calls.outputs(job_id))

    async def read_file(
        self, job_id: str, path: str, most_bytes: int = _calls.OUTPUT_BYTES
    ) -> bytes:
        counter = Counter(most_bytes)
        async with aclosing(self.stream_file(job_id, path)) as body:
            return b"".join([counter.add(chunk) async for chunk in body])

    async def stream_file(self, job_id: str, path: str) -> AsyncGenerator[bytes, None]:
        async with self._open(_calls.one_file(job_id, path)) as (_, body):
            async for chunk in body:
                yield chunk

    async def download(
        self,
        job: str | RunResult,
        directory: str | os.PathLike[str],
        *,
        force: bool = False,
        keep: bool = False,
    ) -> list[Path]:
        job_id, files = (job.job_id, job.files) if isinstance(job, RunResult) else (job, None)
        whole = writable(await self.outputs(job_id) if files is None else files)
        target = OutputDirectory(directory, force)
        try:
            for file in whole:
                with target.new_file(file) as writer:
                    async with aclosing(self._content(job_id, file)) as content:
                        async for chunk in content:
                            await in_thread(writer.add, chunk)
        finally:
            target.close()
        if not keep:
            # A result whose files all came with it belongs to a job that is gone already.
            with suppress(NotFound):
                await self.cancel(job_id)
        return [target.path_of(file) for file in whole]

    async def download_archive(
        self, job_id: str, path: str | os.PathLike[str], *, force: bool = False
    ) -> Path:
        counter = Counter(_calls.ARCHIVE_BYTES)
        async with self._open(_calls.archive(job_id)) as (_, body):
            with new_archive(path, force) as descriptor:
                async for chunk in body:
                    data = counter.add(chunk)
                    await in_thread(write_all, descriptor, data, str(path))
        return Path(path)

    async def cancel(self, job_id: str) -> None:
        await self._call(_calls.cancel(job_id))

    async def environments(self) -> Environments:
        return await self._call(_calls.environments())

    async def stats(self) -> Stats:
        return await self._call(_calls.stats())

    async def health(self) -> Health:
        return await self._call(_calls.health())

    async def _ended(self, job_id: str) -> JobStatus:
        patience = Patience()
        while True:
            began = time.monotonic()
            try:
                status = await self.status(job_id, wait_seconds=self._wait_seconds)
            except Unreachable as error:
                await asyncio.sleep(patience.pause(error))
                continue
            if status.outcome is not None:
                return status
            patience.renew()
            await asyncio.sleep(max(0.0, LOOK_SECONDS - (time.monotonic() - began)))

    async def _content(self, job_id: str, file: OutputFile) -> AsyncGenerator[bytes, None]:
        if file.content is not None:
            yield file.content
            return
        async with aclosing(self.stream_file(job_id, file.path)) as body:
            async for chunk in body:
                yield chunk

    async def _call(self, call: Call[T]) -> T:
        counter = Counter(call.most_bytes)
        async with self._open(call.request) as (head, body):
            answer = b"".join([counter.add(chunk) async for chunk in body])
        return call.read(head.status, answer)

    @asynccontextmanager
    async def _open(self, request: Request) -> AsyncIterator[tuple[Head, AsyncIterator[bytes]]]:
        connection, head = await self._ask(request)
        try:
            if head.status not in request.takes:
                counter = Counter(_calls.REFUSAL_BYTES)
                answer = b"".join([counter.add(chunk) async for chunk in connection.body()])
                raise _calls.refusal(head, answer)
            yield head, connection.body()
        finally:
            # After a refusal the server may close, since it need not have read all that we sent.
            is_done = connection.is_reusable and head.status in request.takes
            if is_done and len(self._kept) < KEEP_MOST:
                self._kept.append(connection)
            else:
                connection.close()

    async def _ask(self, request: Request) -> tuple[AsyncConnection, Head]:
        # One that the server closes just now fails, and what starts a job is not sent twice.
        kept = None if request.method == "POST" else self._take_kept()
        if kept is not None:
            try:
                return kept, await kept.ask(self._endpoint, request)
            except BaseException as error:
                kept.close()
                if not isinstance(error, Unreachable) or isinstance(error, Silent):
                    raise
        connection = await connect(self._endpoint, self._idle_seconds)
        try:
            return connection, await connection.ask(self._endpoint, request)
        except BaseException:
            connection.close()
            raise

    def _take_kept(self) -> AsyncConnection | None:
        while self._kept:
            connection = self._kept.pop()
            if connection.is_fresh:
                return connection
            connection.close()
        return None
