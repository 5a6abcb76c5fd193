"""Live logs: server-sent events, numbered by the server, to the events of ``models``.

Theory: a connection may break at any byte. The number of the last whole event goes back as
``Last-Event-ID`` and the server goes on after it; what it says again is left out here. Text is
decoded for each stream across events, so that no character is split, and a program that prints
bytes that are no UTF-8 is shown with U+FFFD while ``data`` stays exact.
"""

from __future__ import annotations

import base64
import binascii
import codecs
from collections.abc import Iterator
from typing import cast

from ._answers import read_outcome, refusal
from ._decode import Fields, parse
from .errors import BadAnswer
from .models import Ended, LogEvent, LogFull, Printed, Running, Stream, Waiting

#: The server's frames hold 16 KiB of output each.
EVENT_BYTES = 1024 * 1024


class LogFollower:
    """What is known of one job's log, over all connections."""

    def __init__(self) -> None:
        self.ended = False
        #: Number of the last event that was read; -1 before the first.
        self.last_seq = -1
        self._buffer = bytearray()
        self._data: list[bytes] = []
        self._size = 0
        make = codecs.getincrementaldecoder("utf-8")
        self._decoders = {"stdout": make("replace"), "stderr": make("replace")}

    @property
    def headers(self) -> dict[str, str]:
        """For the next connection."""
        return {} if self.last_seq < 0 else {"Last-Event-ID": str(self.last_seq)}

    def reconnect(self) -> None:
        """Half an event of the old connection is forgotten."""
        self._buffer.clear()
        self._data.clear()
        self._size = 0

    def feed(self, data: bytes) -> Iterator[LogEvent]:
        """Raises ``BadAnswer``."""
        self._buffer += data
        self._bound(len(self._buffer))
        while not self.ended:
            end = self._buffer.find(b"\n")
            if end < 0:
                return
            line = bytes(self._buffer[:end]).removesuffix(b"\r")
            del self._buffer[: end + 1]
            yield from self._line(line)

    def _line(self, line: bytes) -> Iterator[LogEvent]:
        if line:
            name, _, value = line.partition(b":")
            if name == b"data":
                self._size += len(value)
                self._bound(self._size)
                self._data.append(value.removeprefix(b" "))
            return
        body = b"\n".join(self._data)
        self._data.clear()
        self._size = 0
        if body:
            yield from self._event(parse(body))

    def _event(self, fields: Fields) -> Iterator[LogEvent]:
        """Frames of a kind that this version does not know are left out."""
        if fields.has("error"):
            raise refusal(fields, 200)
        if fields.has("queue_position"):
            yield Waiting(fields.count("queue_position"))
        elif fields.has("status"):
            yield Running()
        elif fields.has("log_full"):
            yield LogFull()
        elif fields.has("seq"):
            yield from self._numbered(fields, fields.count("seq"))

    def _numbered(self, fields: Fields, seq: int) -> Iterator[LogEvent]:
        if seq <= self.last_seq:
            return
        if fields.has("end"):
            outcome = read_outcome(fields.inner("end"))
            self.ended = True
            yield from self._halves()
            yield Ended(outcome, fields.flag("stdout_truncated"), fields.flag("stderr_truncated"))
        else:
            stream = cast(Stream, fields.word("stream", ("stdout", "stderr")))
            data = _bytes(fields)
            yield Printed(stream, data, self._decoders[stream].decode(data))
        self.last_seq = seq

    def _halves(self) -> Iterator[LogEvent]:
        """A stream that ended within a character."""
        for name, decoder in self._decoders.items():
            text = decoder.decode(b"", final=True)
            if text:
                yield Printed(cast(Stream, name), b"", text)

    def _bound(self, size: int) -> None:
        if size > EVENT_BYTES:
            raise BadAnswer(f"an event is longer than {EVENT_BYTES} bytes")


def _bytes(fields: Fields) -> bytes:
    data = fields.text("data")
    if fields.optional("encoding", fields.text) != "base64":
        return data.encode("utf-8")
    try:
        return base64.b64decode(data, validate=True)
    except (binascii.Error, ValueError) as error:
        raise BadAnswer("what was printed is not base64") from error
