"""Live logs: whole and in order from any pieces and over any number of connections."""

from __future__ import annotations

import base64
import unittest
from typing import Any

from sandrun import (
    ApiError,
    BadAnswer,
    Ended,
    LogEvent,
    LogFull,
    NotFound,
    Outcome,
    Printed,
    Running,
    Waiting,
)
from sandrun._events import EVENT_BYTES, LogFollower

from .fake import events

EURO = "€".encode()
STREAM = events(
    "retry: 1000\n",
    {"status": "queued", "queue_position": 3},
    ":\n",
    {"status": "running"},
    {"seq": 3, "stream": "stdout", "data": "a\nb"},
    {"seq": 4, "stream": "stderr", "data": "!"},
    {
        "seq": 6,
        "stream": "stdout",
        "data": base64.b64encode(EURO[:2]).decode(),
        "encoding": "base64",
    },
    {
        "seq": 7,
        "stream": "stdout",
        "data": base64.b64encode(EURO[2:]).decode(),
        "encoding": "base64",
    },
    {"log_full": True},
    {"something": "new"},
    {"seq": 8, "end": {"kind": "signalled", "signal": "SIGKILL"}, "stdout_truncated": True},
)
EVENTS: list[LogEvent] = [
    Waiting(3),
    Running(),
    Printed("stdout", b"a\nb", "a\nb"),
    Printed("stderr", b"!", "!"),
    Printed("stdout", EURO[:2], ""),
    Printed("stdout", EURO[2:], "€"),
    LogFull(),
    Ended(Outcome("signalled", signal="SIGKILL"), True, False),
]


class Events(unittest.TestCase):
    def test_reads_the_same_wherever_it_is_cut(self) -> None:
        for whole in (STREAM, STREAM.replace(b"\n", b"\r\n")):
            for cut in range(len(whole)):
                follower = LogFollower()
                read = [*follower.feed(whole[:cut]), *follower.feed(whole[cut:])]
                self.assertEqual(read, EVENTS)
                self.assertTrue(follower.ended)

    def test_goes_on_where_it_was_and_leaves_out_what_is_said_again(self) -> None:
        for cut in range(len(STREAM)):
            follower = LogFollower()
            first = list(follower.feed(STREAM[:cut]))
            follower.reconnect()
            read = first + list(follower.feed(STREAM))
            numbered = [event for event in read if isinstance(event, (Printed, Ended))]
            self.assertEqual(numbered, [e for e in EVENTS if isinstance(e, (Printed, Ended))])

    def test_asks_for_what_comes_after_the_last_whole_event(self) -> None:
        follower = LogFollower()
        self.assertEqual(follower.headers, {})
        first = events({"seq": 3, "stream": "stdout", "data": "abc"})
        list(follower.feed(first + b'id: 9\ndata: {"seq": 9, "str'))
        self.assertEqual(follower.headers, {"Last-Event-ID": "3"})

    def test_half_a_character_at_the_end_is_shown(self) -> None:
        half = {"seq": 1, "stream": "stderr", "data": "4oI=", "encoding": "base64"}
        end = {"seq": 2, "end": {"kind": "timed_out"}}
        read = list(LogFollower().feed(events(half, end)))
        self.assertEqual(read[1], Printed("stderr", b"", "\ufffd"))

    def test_a_job_that_was_destroyed_is_not_found(self) -> None:
        gone = {"error": "There is no such job or file.", "code": "not_found"}
        with self.assertRaises(NotFound):
            list(LogFollower().feed(events(gone)))
        with self.assertRaises(ApiError) as caught:
            list(LogFollower().feed(events({"error": "New.", "code": "new_code"})))
        self.assertEqual(caught.exception.code, "new_code")

    def test_refuses_frames_that_are_not_of_this_api(self) -> None:
        wrong: list[dict[str, Any]] = [
            {"seq": 1, "stream": "stdin", "data": ""},
            {"seq": 1, "stream": "stdout"},
            {"seq": -1, "stream": "stdout", "data": "x"},
            {"seq": 1, "stream": "stdout", "data": "%", "encoding": "base64"},
            {"seq": 1, "end": {"kind": "vanished"}},
            {"seq": 1, "end": None},
            {"seq": 1, "end": {"kind": "exited"}},
            {"error": "?"},
        ]
        for frame in wrong:
            with self.subTest(frame), self.assertRaises(BadAnswer):
                list(LogFollower().feed(events(frame)))
        for raw in (b"data: [1]\n\n", b"data: x\n\n", b"data: \xff\n\n"):
            with self.subTest(raw), self.assertRaises(BadAnswer):
                list(LogFollower().feed(raw))

    def test_an_endless_event_is_refused(self) -> None:
        for piece in (b"x" * 4096, b"data: " + b"x" * 4096 + b"\n"):
            follower = LogFollower()
            with self.assertRaises(BadAnswer):
                for _ in range(2 * EVENT_BYTES // len(piece)):
                    list(follower.feed(piece))


if __name__ == "__main__":
    unittest.main()
