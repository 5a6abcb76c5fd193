"""A server that says what a test wants, byte for byte, and the two clients behind one face."""

from __future__ import annotations

import asyncio
import json
import socket
import ssl
import threading
import unittest
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from sandrun import AsyncClient, Client

if TYPE_CHECKING:
    Shared = unittest.TestCase
else:
    #: Tests that two classes run, one for each client.
    Shared = object

JOB = "8c1f8a52-0d55-4cf4-9f0a-6a3a1a5f5a11"


@dataclass
class Asked:
    """One request as it arrived."""

    method: str
    target: str
    headers: dict[str, str]
    body: bytes
    #: Which connection of the server it came on, from 0.
    connection: int


#: Bytes to send; ``None`` closes the connection there.
Answer = list["bytes | None"]
Handler = Callable[[Asked], Answer]


class FakeServer:
    """Listens on loopback until it is closed. ``asked`` has all that was understood."""

    def __init__(
        self, handler: Handler, tls: ssl.SSLContext | None = None, early: bytes | None = None
    ) -> None:
        self._handler = handler
        self._tls = tls
        #: Sent when the head of a request was read, before its body is.
        self._early = early
        self._socket = socket.create_server(("127.0.0.1", 0))
        self._open: list[socket.socket] = []
        self._threads: list[threading.Thread] = []
        self.asked: list[Asked] = []
        #: Set when a client hung up.
        self.hung_up = threading.Event()
        scheme = "http" if tls is None else "https"
        self.url = f"{scheme}://127.0.0.1:{self._socket.getsockname()[1]}"
        self._start(self._accept)

    def close(self) -> None:
        if self._socket.fileno() < 0:
            return
        self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()
        for connection in self._open:
            try:
                connection.shutdown(socket.SHUT_RDWR)
            except OSError:
                continue
            finally:
                connection.close()
        for thread in self._threads:
            thread.join()

    def _start(self, target: Callable[..., None], *args: object) -> None:
        thread = threading.Thread(target=target, args=args)
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        number = 0
        while True:
            try:
                connection, _ = self._socket.accept()
            except OSError:
                return
            self._open.append(connection)
            self._start(self._serve, connection, number)
            number += 1

    def _serve(self, connection: socket.socket, number: int) -> None:
        try:
            if self._tls is not None:
                connection = self._tls.wrap_socket(connection, server_side=True)
                self._open.append(connection)
            for asked in self._requests(connection, number):
                self.asked.append(asked)
                for piece in self._handler(asked):
                    if piece is None:
                        return
                    connection.sendall(piece)
        except (OSError, ValueError):
            # Gone, or no HTTP: a TLS hello, for example.
            return
        finally:
            self.hung_up.set()
            connection.close()

    def _requests(self, connection: socket.socket, number: int) -> Iterator[Asked]:
        stream = connection.makefile("rb")
        while first := stream.readline():
            method, target, _ = first.decode().split(" ")
            headers: dict[str, str] = {}
            while (line := stream.readline().decode().strip()) != "":
                name, _, value = line.partition(":")
                headers[name.lower()] = value.strip()
            if self._early is not None:
                connection.sendall(self._early)
                return
            body = stream.read(int(headers.get("content-length", "0")))
            yield Asked(method, target, headers, body, number)


def says(
    body: bytes | dict[str, Any] = b"",
    status: int = 200,
    headers: str = "",
    content_type: str = "application/json",
) -> bytes:
    """A whole answer with a length."""
    content = json.dumps(body).encode() if isinstance(body, dict) else body
    head = f"HTTP/1.1 {status} X\r\nContent-Type: {content_type}\r\n"
    return f"{head}Content-Length: {len(content)}\r\n{headers}\r\n".encode() + content


def events(*frames: dict[str, Any] | str) -> bytes:
    """Server-sent events, without a head."""
    lines = [f"{frame}\n" if isinstance(frame, str) else _event(frame) for frame in frames]
    return "".join(lines).encode()


def _event(frame: dict[str, Any]) -> str:
    number = f"id: {frame['seq']}\n" if "seq" in frame else ""
    return f"{number}data: {json.dumps(frame)}\n\n"


EVENT_HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream; charset=utf-8\r\n\r\n"

RESULT: dict[str, Any] = {
    "job_id": JOB,
    "status": "completed",
    "output": "42\n",
    "stdout": "42\n",
    "stderr": "",
    "stdout_truncated": False,
    "stderr_truncated": False,
    "outcome": {"kind": "exited", "exit_code": 0},
    "metrics": {"cpu_seconds": 0.01, "memory_mb": 3, "wall_seconds": 0.02, "queue_seconds": 0},
    "isolation": ["pid", "seccomp"],
    "files": [],
}


@dataclass
class Waits:
    """The async client with the verbs of the other: each runs to its end before it returns."""

    inner: AsyncClient
    loop: asyncio.AbstractEventLoop = field(default_factory=asyncio.new_event_loop)

    def __getattr__(self, verb: str) -> Callable[..., Any]:
        method = getattr(self.inner, verb)

        def call(*args: Any, **named: Any) -> Any:
            made = method(*args, **named)
            return self._iterate(made) if hasattr(made, "__anext__") else self._run(made)

        return call

    def close(self) -> None:
        self._run(self.inner.aclose())
        self._run(self.loop.shutdown_asyncgens())
        self._run(self.loop.shutdown_default_executor())
        self.loop.close()

    def _run(self, made: Any) -> Any:
        return self.loop.run_until_complete(made)

    def _iterate(self, generator: Any) -> Iterator[Any]:
        try:
            while True:
                yield self._run(anext(generator))
        except StopAsyncIteration:
            return
        finally:
            self._run(generator.aclose())


def make_sync(server: str, **options: Any) -> Any:
    return Client(server, **options)


def make_async(server: str, **options: Any) -> Any:
    return Waits(AsyncClient(server, **options))
