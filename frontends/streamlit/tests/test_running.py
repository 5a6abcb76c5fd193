"""A job in its thread: what it keeps, what it lets go, and that nothing runs on for nobody."""

from __future__ import annotations

import threading
import unittest
from collections.abc import Iterator
from typing import Any
from unittest import mock

import running
from running import Job, words
from sandrun import (
    ApiError,
    Ended,
    LogEvent,
    Metrics,
    NotFound,
    Outcome,
    OutputFile,
    Printed,
    RunResult,
    Submitted,
    Unreachable,
    Waiting,
)

DONE = Ended(Outcome("exited", exit_code=0), False, False)


def printed(text: str) -> Printed:
    return Printed("stdout", text.encode(), text)


class FakeClient:
    """Says the given events; after them it waits until the job is cancelled."""

    def __init__(self, *events: LogEvent, files: tuple[OutputFile, ...] = ()) -> None:
        self._events = events
        self._files = files
        self.fails: Exception | None = None
        self.cancelled = threading.Event()
        self.told_all = threading.Event()
        self.submitted: dict[str, Any] = {}

    def submit(self, **fields: Any) -> Submitted:
        if self.fails is not None:
            raise self.fails
        self.submitted = fields
        return Submitted("id", "queued", 1)

    def follow(self, _: str) -> Iterator[LogEvent]:
        yield from self._events
        self.told_all.set()
        if DONE not in self._events:
            self.cancelled.wait()
            raise NotFound("There is no such job or file.", code="not_found", status=404)

    def wait(self, job_id: str) -> RunResult:
        metrics = Metrics(0.1, 2, 3, 0)
        return RunResult(
            job_id, "completed", "", "", "", False, False, DONE.outcome, metrics, (), self._files
        )

    def read_file(self, _: str, path: str, most_bytes: int) -> bytes:
        return path.encode()[:most_bytes]

    def cancel(self, _: str) -> None:
        self.cancelled.set()


def run(client: FakeClient, **options: Any) -> Job:
    faked: Any = client
    return Job(faked, {"files": {}}, **options)


def over(job: Job) -> Job:
    assert job._over.wait(20)
    return job


class Jobs(unittest.TestCase):
    def test_it_is_followed_to_its_result(self) -> None:
        file = OutputFile("a", 1, "")
        job = over(run(FakeClient(Waiting(3), printed("a\n"), printed("b"), DONE, files=(file,))))
        self.assertEqual((job.printed, job.position, job.problem), ("a\nb", None, None))
        assert job.result is not None
        self.assertEqual(job.result.files[0].content, b"a")

    def test_the_server_is_told_to_forget_it(self) -> None:
        client = FakeClient(DONE)
        over(run(client))
        self.assertTrue(client.cancelled.wait(20))

    def test_what_is_printed_is_bounded_and_keeps_its_end(self) -> None:
        pieces = [printed(f"{n:09}\n" * 1000) for n in range(100)]
        job = over(run(FakeClient(*pieces, DONE)))
        self.assertLessEqual(len(job.printed), running.SHOWN_CHARACTERS)
        self.assertTrue(job.is_cut)
        self.assertTrue(job.printed.endswith("000000099\n"))

    def test_escape_sequences_are_left_out(self) -> None:
        text = "\x1b[1;31mred\x1b[0m \x1b]0;title\x07plain\x1b[2J"
        self.assertEqual(over(run(FakeClient(printed(text), DONE))).printed, "red plain")

    def test_files_that_are_too_large_are_named(self) -> None:
        large = OutputFile("large", running.HELD_BYTES + 1, "")
        job = over(run(FakeClient(DONE, files=(large, OutputFile("a", 1, "")))))
        assert job.result is not None
        self.assertEqual([file.path for file in job.result.files], ["a"])
        self.assertEqual(job.left_out, [large])

    def test_stop_ends_it_and_keeps_what_was_printed(self) -> None:
        client = FakeClient(printed("so far"))
        job = run(client)
        client.told_all.wait()
        self.assertFalse(job.is_over)
        job.stop()
        over(job)
        self.assertEqual((job.printed, job.problem, job.was_stopped), ("so far", "Stopped.", True))

    def test_nobody_looks_any_more(self) -> None:
        now = 0.0
        client = FakeClient(printed("x"))
        with mock.patch("running.LOOK_SECONDS", 0.001):
            job = run(client, now=lambda: now)
            client.told_all.wait()
            _ = job.printed
            self.assertFalse(client.cancelled.wait(0.05))
            now = running.UNWATCHED_SECONDS + 1
            over(job)
        self.assertTrue(client.cancelled.is_set())

    def test_a_refusal_and_a_broken_connection_are_told(self) -> None:
        for error in (ApiError("No.", code="x", status=400), Unreachable("Gone."), OSError("bad")):
            client = FakeClient()
            client.fails = error
            self.assertEqual(over(run(client)).problem, str(error))

    def test_an_end_in_words(self) -> None:
        self.assertEqual(words(Outcome("timed_out"), {"timeout": 5}), "Timed out after 5 s")
        self.assertEqual(words(Outcome("timed_out"), {}), "Timed out")
        memory = words(Outcome("out_of_memory"), {"memory_mb": 64})
        self.assertEqual(memory, "Ran out of memory (64 MB)")
        self.assertEqual(words(Outcome("exited", exit_code=3), {}), "Exited with 3")
        self.assertEqual(words(DONE.outcome, {}), "Finished")


if __name__ == "__main__":
    unittest.main()
