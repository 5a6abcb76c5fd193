"""As ``_sockets.py``, waiting with asyncio."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import suppress
from typing import ParamSpec, TypeVar

from ._calls import Request
from ._sockets import CONNECT_SECONDS, KEEP_SECONDS, message, unreachable
from ._tls import Endpoint
from ._wire import AnswerReader, Head
from .errors import BadAnswer, Silent, Unreachable

P = ParamSpec("P")
T = TypeVar("T")

_READ_BYTES = 64 * 1024


class AsyncConnection:
    """One exchange at a time. Whoever stops in the middle of one closes it."""

    def __init__(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, idle_seconds: float
    ) -> None:
        self._stream = reader
        self._writer = writer
        self._idle_seconds = idle_seconds
        self._reader = AnswerReader()
        self._first: list[bytes] = []
        self._arriving: asyncio.Future[bytes] | None = None
        self._is_cut = False
        self._since = time.monotonic()

    async def ask(self, endpoint: Endpoint, request: Request) -> Head:
        """Sends it and waits for the head of the answer. Raises ``Unreachable``, ``BadAnswer``."""
        self._reader = AnswerReader()
        self._first = []
        # A server that refuses a body answers and closes while we send: so we read meanwhile.
        self._arriving = asyncio.ensure_future(self._stream.read(_READ_BYTES))
        try:
            await self._send(endpoint, request)
        except OSError as error:
            self._is_cut = True
            await self._head_after(error)
        while self._reader.head is None:
            self._first += self._reader.feed(await self._receive())
        return self._reader.head

    async def body(self) -> AsyncIterator[bytes]:
        """Raises ``Unreachable``, ``BadAnswer``."""
        for piece in self._first:
            yield piece
        self._first = []
        while not self._reader.done:
            for piece in self._reader.feed(await self._receive()):
                yield piece
        self._since = time.monotonic()

    @property
    def is_reusable(self) -> bool:
        return self._reader.done and self._reader.reusable and not self._is_cut

    @property
    def is_fresh(self) -> bool:
        """It was not closed meanwhile, and not idle for long."""
        return not self._stream.at_eof() and time.monotonic() - self._since <= KEEP_SECONDS

    def close(self) -> None:
        if self._arriving is not None:
            self._arriving.cancel()
        self._writer.transport.abort()

    async def _send(self, endpoint: Endpoint, request: Request) -> None:
        head, chunks = message(endpoint, request)
        self._writer.write(head)
        while self._reader.head is None:
            # Contents may be read from a disk, which would hold up everything else.
            chunk = await in_thread(_next, chunks)
            if chunk is None:
                break
            self._writer.write(chunk)
            await self._drain()
            if self._arriving is not None and self._arriving.done():
                self._first += self._reader.feed(await self._receive())
                self._is_cut = self._reader.head is not None

    async def _drain(self) -> None:
        try:
            await _within(self._idle_seconds, asyncio.ensure_future(self._writer.drain()))
        except _Late as error:
            raise Silent(f"The server took nothing for {self._idle_seconds:g} s.") from error

    async def _receive(self) -> bytes:
        arriving = self._arriving or asyncio.ensure_future(self._stream.read(_READ_BYTES))
        self._arriving = None
        try:
            return await _within(self._idle_seconds, arriving)
        except _Late as error:
            raise Silent(f"The server said nothing for {self._idle_seconds:g} s.") from error
        except OSError as error:
            raise Unreachable(f"The connection broke: {error}.") from error

    async def _head_after(self, error: OSError) -> None:
        try:
            while self._reader.head is None:
                self._first += self._reader.feed(await self._receive())
        except (BadAnswer, Unreachable):
            raise Unreachable(f"The connection broke: {error}.") from error


async def in_thread(call: Callable[P, T], *args: P.args, **named: P.kwargs) -> T:
    """As ``asyncio.to_thread``, but never left while the call still runs: whoever is cancelled
    closes the file next, and its number may then be that of something else, which the thread would
    write to.
    """
    task = asyncio.ensure_future(asyncio.to_thread(call, *args, **named))
    try:
        return await asyncio.shield(task)
    finally:
        while not task.done():
            with suppress(asyncio.CancelledError):
                await asyncio.wait({task})


class _Late(Exception):
    """The time is over."""


async def _within(seconds: float, future: asyncio.Future[T]) -> T:
    """Not ``asyncio.wait_for``: before Python 3.12 that one can lose a cancellation.

    Raises ``_Late``. The future is cancelled when nobody waits for it any more.
    """
    try:
        done, _ = await asyncio.wait({future}, timeout=seconds)
    finally:
        # Of one that is done this changes nothing.
        future.cancel()
    if not done:
        raise _Late
    return future.result()


def _abort(opening: asyncio.Future[tuple[asyncio.StreamReader, asyncio.StreamWriter]]) -> None:
    if not opening.cancelled() and opening.exception() is None:
        opening.result()[1].transport.abort()


def _next(chunks: Iterator[bytes]) -> bytes | None:
    return next(chunks, None)


async def connect(endpoint: Endpoint, idle_seconds: float) -> AsyncConnection:
    """Raises ``Unreachable``, ``Untrusted``."""
    name = None if endpoint.tls is None else endpoint.host
    opening = asyncio.ensure_future(
        asyncio.open_connection(
            endpoint.host, endpoint.port, ssl=endpoint.tls, server_hostname=name
        )
    )
    try:
        reader, writer = await _within(CONNECT_SECONDS, opening)
    except asyncio.CancelledError:
        # It may have come about in the moment in which nobody wanted it any more.
        opening.add_done_callback(_abort)
        raise
    except _Late as error:
        raise Unreachable("The server cannot be reached: it does not answer.") from error
    except OSError as error:
        raise unreachable(error) from error
    try:
        if endpoint.tls is not None:
            endpoint.check(writer.get_extra_info("ssl_object").getpeercert(binary_form=True))
    except BaseException:
        writer.transport.abort()
        raise
    return AsyncConnection(reader, writer, idle_seconds)
