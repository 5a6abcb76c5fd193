"""Waiting with a socket: one connection, and a few that are kept for the next request."""

from __future__ import annotations

import socket
import ssl
import time
from collections.abc import Iterator

from ._calls import Request
from ._tls import Endpoint
from ._wire import AnswerReader, Head, request_head
from .errors import BadAnswer, Silent, Unreachable, Untrusted

CONNECT_SECONDS = 20.0
#: The server closes a connection after 15 s without a request; we give it up before.
KEEP_SECONDS = 10.0
KEEP_MOST = 4
_READ_BYTES = 64 * 1024


class Connection:
    """One exchange at a time. Whoever stops in the middle of one closes it."""

    def __init__(self, endpoint: Endpoint, idle_seconds: float) -> None:
        self._socket = _connect(endpoint)
        self._socket.settimeout(idle_seconds)
        self._idle_seconds = idle_seconds
        self._reader = AnswerReader()
        self._first: list[bytes] = []
        self._is_cut = False
        self._since = time.monotonic()

    def ask(self, endpoint: Endpoint, request: Request) -> Head:
        """Sends it and waits for the head of the answer. Raises ``Unreachable``, ``BadAnswer``."""
        self._reader = AnswerReader()
        self._first = []
        head, body = message(endpoint, request)
        try:
            self._send(head)
            for chunk in body:
                self._send(chunk)
                if self._answered_early():
                    self._is_cut = True
                    break
        except TimeoutError as error:
            raise Silent(f"The server took nothing for {self._idle_seconds:g} s.") from error
        except OSError as error:
            # A server that refuses a body closes while we send; its answer may have arrived.
            self._is_cut = True
            self._head_after(error)
        while self._reader.head is None:
            self._first += self._reader.feed(self._receive())
        return self._reader.head

    def body(self) -> Iterator[bytes]:
        """Raises ``Unreachable``, ``BadAnswer``."""
        yield from self._first
        self._first = []
        while not self._reader.done:
            yield from self._reader.feed(self._receive())
        self._since = time.monotonic()

    @property
    def is_reusable(self) -> bool:
        return self._reader.done and self._reader.reusable and not self._is_cut

    @property
    def is_fresh(self) -> bool:
        """Nothing arrived unasked, which would be the end of it, and it was not idle for long."""
        if time.monotonic() - self._since > KEEP_SECONDS:
            return False
        return self._try_receive() is None

    def close(self) -> None:
        self._socket.close()

    def _send(self, data: bytes) -> None:
        self._socket.sendall(data)

    def _receive(self) -> bytes:
        try:
            return self._socket.recv(_READ_BYTES)
        except TimeoutError as error:
            raise Silent(f"The server said nothing for {self._idle_seconds:g} s.") from error
        except OSError as error:
            raise Unreachable(f"The connection broke: {error}.") from error

    def _try_receive(self) -> bytes | None:
        """What is there, without waiting: ``None`` = nothing."""
        self._socket.settimeout(0)
        try:
            return self._socket.recv(_READ_BYTES)
        except (BlockingIOError, ssl.SSLWantReadError):
            return None
        except OSError:
            return b""
        finally:
            self._socket.settimeout(self._idle_seconds)

    def _answered_early(self) -> bool:
        data = self._try_receive()
        if data is None:
            return False
        self._first += self._reader.feed(data)
        return self._reader.head is not None

    def _head_after(self, error: OSError) -> None:
        try:
            while self._reader.head is None:
                self._first += self._reader.feed(self._receive())
        except (BadAnswer, Unreachable):
            raise Unreachable(f"The connection broke: {error}.") from error


def message(endpoint: Endpoint, request: Request) -> tuple[bytes, Iterator[bytes]]:
    """Head and body as they are sent."""
    headers = {"Accept": request.accept, "User-Agent": "sandrun-python", **request.headers}
    chunks: Iterator[bytes] = iter(())
    if request.body is not None:
        headers["Content-Type"] = request.body.content_type
        headers["Content-Length"] = str(request.body.length)
        chunks = request.body.chunks()
    target = f"{endpoint.prefix}/{request.path}"
    return request_head(request.method, target, endpoint.authority, headers), chunks


def unreachable(error: OSError) -> Unreachable:
    """A sentence for what went wrong before there was a connection."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return Untrusted(
            f"The server's certificate is not trusted ({error.verify_message}); "
            "if you know its fingerprint, give fingerprint."
        )
    if isinstance(error, ssl.SSLError):
        return Unreachable("The server does not speak TLS there.")
    if isinstance(error, ConnectionRefusedError):
        return Unreachable("No server answers at that address.")
    if isinstance(error, socket.gaierror):
        return Unreachable("There is no host of that name.")
    return Unreachable(f"The server cannot be reached: {error or type(error).__name__}.")


def _connect(endpoint: Endpoint) -> socket.socket:
    try:
        plain = socket.create_connection((endpoint.host, endpoint.port), CONNECT_SECONDS)
        if endpoint.tls is None:
            return plain
        try:
            secure = endpoint.tls.wrap_socket(plain, server_hostname=endpoint.host)
        except BaseException:
            plain.close()
            raise
    except OSError as error:
        raise unreachable(error) from error
    try:
        endpoint.check(secure.getpeercert(binary_form=True))
    except BaseException:
        secure.close()
        raise
    return secure
