"""HTTP/1.1, the part that a client of this API needs, without any I/O: bytes in, bytes out.

Theory: the sync and the async client differ in how they wait, not in what they say, so the protocol
stands here once and is tested without a socket. The server is not trusted: heads, chunk lines and
trailers are bounded, and an answer whose end could be read in two ways is refused, since a later
answer on the same connection would then be somebody else's words.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from .errors import BadAnswer, Unreachable

HEAD_BYTES = 64 * 1024
_LINE_BYTES = 1024
_STATUS_LINE = re.compile(r"HTTP/1\.1 ([1-5][0-9]{2})(?: .*)?", re.DOTALL)
_FIELD_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_CHUNK_LINE = re.compile(rb"([0-9A-Fa-f]{1,15})[ \t]*(?:;.*)?", re.DOTALL)


@dataclass(frozen=True)
class Head:
    status: int
    #: Names in lower case; values of one name joined by a comma.
    headers: dict[str, str]


def request_head(method: str, target: str, host: str, headers: dict[str, str]) -> bytes:
    """Raises ``ValueError`` for what would end a line early and begin another."""
    lines = [f"{method} {target} HTTP/1.1", f"Host: {host}"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    if any(not line.isprintable() or not line.isascii() for line in lines):
        raise ValueError("a character that cannot stand in a request")
    return ("\r\n".join(lines) + "\r\n\r\n").encode("ascii")


class AnswerReader:
    """Reads one answer. ``feed`` it what arrives, ``b""`` for the end of the connection."""

    def __init__(self) -> None:
        self.head: Head | None = None
        #: The answer is complete.
        self.done = False
        #: The connection can carry another request.
        self.reusable = False
        self._buffer = bytearray()
        self._seen = 0
        #: Bytes of the body, or of its chunk, still to come; ``None`` = up to the connection's end.
        self._left: int | None = 0
        self._chunked = False
        self._in_chunk = False
        self._in_trailers = False

    def feed(self, data: bytes) -> list[bytes]:
        """Pieces of the body. Raises ``BadAnswer``, and ``Unreachable`` when it ends too early."""
        if not data:
            return self._end()
        self._buffer += data
        if self.head is None and not self._read_heads():
            return []
        return list(self._pieces())

    def _end(self) -> list[bytes]:
        if not self.done and (self.head is None or self._left is not None or self._chunked):
            raise Unreachable("The connection ended before the answer was whole.")
        self.done = True
        self.reusable = False
        return []

    def _read_heads(self) -> bool:
        """Interim answers (1xx) are read over; together with the final head they are bounded."""
        while True:
            end = self._buffer.find(b"\r\n\r\n")
            self._bound(self._seen + (len(self._buffer) if end < 0 else end), HEAD_BYTES, "head")
            if end < 0:
                return False
            head = _parse_head(bytes(self._buffer[:end]))
            del self._buffer[: end + 4]
            self._seen += end + 4
            if head.status == 101 or head.status >= 200:
                self.head = head
                self._frame(head)
                return True

    def _frame(self, head: Head) -> None:
        """How long the body is (RFC 9112, section 6.3), in the one way that leaves no doubt."""
        coding = head.headers.get("transfer-encoding")
        length = head.headers.get("content-length")
        if head.headers.get("content-encoding", "identity") != "identity":
            raise BadAnswer("it is encoded, which was not asked for", head.status)
        if coding is not None and (coding.lower() != "chunked" or length is not None):
            raise BadAnswer("its length is not clear", head.status)
        self.reusable = "close" not in head.headers.get("connection", "").lower()
        if head.status in (101, 204, 304):
            self._left = 0
        elif coding is not None:
            self._chunked = True
        elif length is None:
            self._left = None
            self.reusable = False
        elif re.fullmatch(r"[0-9]{1,15}", length):
            self._left = int(length)
        else:
            raise BadAnswer("its length is no number", head.status)
        self.done = self._left == 0 and not self._chunked

    def _pieces(self) -> Iterator[bytes]:
        while not self.done:
            if self._chunked and not self._in_chunk:
                if not self._read_chunk_line():
                    return
                continue
            if not self._buffer and self._left != 0:
                return
            piece = bytes(self._buffer if self._left is None else self._buffer[: self._left])
            del self._buffer[: len(piece)]
            if piece:
                yield piece
            if self._left is not None:
                self._left -= len(piece)
                if self._left > 0 or not self._end_part():
                    return
        if self._buffer:
            # What was not asked for must not be taken for the next answer.
            self.reusable = False

    def _end_part(self) -> bool:
        """All bytes of a body or a chunk were there. False when more must arrive."""
        if not self._chunked:
            self.done = True
            return True
        if len(self._buffer) < 2:
            return False
        if self._buffer[:2] != b"\r\n":
            raise BadAnswer("a chunk is longer than it says")
        del self._buffer[:2]
        self._in_chunk = False
        return True

    def _read_chunk_line(self) -> bool:
        end = self._buffer.find(b"\r\n")
        self._bound(len(self._buffer) if end < 0 else end, _LINE_BYTES, "chunk line")
        if end < 0:
            return False
        line = bytes(self._buffer[:end])
        del self._buffer[: end + 2]
        if self._in_trailers:
            self._seen += end + 2
            self._bound(self._seen, HEAD_BYTES, "trailer")
            self.done = line == b""
            return True
        match = _CHUNK_LINE.fullmatch(line)
        if match is None:
            raise BadAnswer("a chunk has no length")
        self._left = int(match[1], 16)
        self._in_chunk = self._left > 0
        self._in_trailers = self._left == 0
        return True

    def _bound(self, size: int, most: int, what: str) -> None:
        if size > most:
            raise BadAnswer(f"its {what} is longer than {most} bytes")


def _parse_head(raw: bytes) -> Head:
    first, *rest = raw.decode("latin-1").split("\r\n")
    match = _STATUS_LINE.fullmatch(first)
    if match is None:
        raise BadAnswer("it is not HTTP/1.1")
    headers: dict[str, str] = {}
    for line in rest:
        name, colon, value = line.partition(":")
        if not colon or not _FIELD_NAME.fullmatch(name) or "\n" in line or "\r" in line:
            raise BadAnswer("a header cannot be read", int(match[1]))
        key = name.lower()
        text = value.strip(" \t")
        headers[key] = f"{headers[key]}, {text}" if key in headers else text
    return Head(int(match[1]), headers)
