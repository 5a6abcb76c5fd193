"""The verbs, on both clients, against a server that behaves well, badly and not at all."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import inspect
import json
import os
import tempfile
import threading
import unittest
import unittest.mock
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import sandrun
from sandrun import (
    ApiError,
    AsyncClient,
    BadAnswer,
    Busy,
    Client,
    Ended,
    InvalidJob,
    NotFinished,
    NotFound,
    NotWritten,
    Outcome,
    Printed,
    RunResult,
    Silent,
    Unreachable,
)
from sandrun._files import FileWriter

from .fake import (
    EVENT_HEAD,
    JOB,
    RESULT,
    Answer,
    Asked,
    FakeServer,
    Handler,
    Shared,
    events,
    make_async,
    make_sync,
    says,
)

QUEUED = {"job_id": JOB, "status": "queued", "queue_position": 1}


def refuses(code: str, status: int, headers: str = "", **more: Any) -> bytes:
    return says({"error": "No.", "code": code, **more}, status, headers)


def output(path: str, content: bytes, *, inline: bool = False) -> dict[str, Any]:
    told = {"path": path, "size": len(content), "sha256": hashlib.sha256(content).hexdigest()}
    return {**told, "base64": base64.b64encode(content).decode()} if inline else told


class Verbs(Shared):
    make: Any

    def setUp(self) -> None:
        place = tempfile.TemporaryDirectory()
        self.addCleanup(place.cleanup)
        self.out = Path(place.name, "out")

    def serve(self, handler: Handler, early: bytes | None = None, **options: Any) -> Any:
        self.server = FakeServer(handler, early=early)
        client = self.make(self.server.url, **options)
        # Last in, first out: a server waits for the connections that a client keeps.
        self.addCleanup(self.server.close)
        self.addCleanup(client.close)
        return client

    def always(self, *answer: bytes | None, **options: Any) -> Any:
        return self.serve(lambda _: list(answer), **options)

    def asked(self) -> list[str]:
        return [f"{asked.method} {asked.target}" for asked in self.server.asked]

    def test_run_sends_code_and_reads_the_result(self) -> None:
        result = self.always(says(RESULT)).run("print(6 * 7)", interpreter="python3")
        self.assertIsInstance(result, RunResult)
        self.assertEqual(
            (result.stdout, result.ok, str(result.outcome)), ("42\n", True, "exited with 0")
        )
        self.assertEqual(self.asked(), ["POST /run?wait=45.000"])
        asked = self.server.asked[0]
        self.assertEqual(json.loads(asked.body), {"code": "print(6 * 7)", "interpreter": "python3"})
        self.assertEqual(asked.headers["content-type"], "application/json")

    def test_run_waits_on_when_the_server_stops_to(self) -> None:
        running = {"job_id": JOB, "status": "running"}
        ended = {**running, "status": "failed", "outcome": {"kind": "timed_out"}, "metrics": {}}
        told = iter([says(running), says(ended)])
        answers = {
            "run": lambda: says(running, 202),
            "status": lambda: next(told),
            "outputs": lambda: says({"files": ["a"], "details": [output("a", b"1")]}),
        }

        def handler(asked: Asked) -> Answer:
            if asked.headers["accept"] == "text/plain":
                return [says("tangled €".encode(), content_type="text/plain; charset=utf-8")]
            if asked.target.startswith("/logs"):
                return [says({"stdout": "o", "stderr": "e", "stdout_truncated": True})]
            return [answers[asked.target.split("/")[1].split("?")[0]]()]

        result = self.serve(handler).run("1")
        self.assertEqual((result.output, result.stdout, result.stderr), ("tangled €", "o", "e"))
        self.assertEqual((result.stdout_truncated, result.stderr_truncated), (True, False))
        self.assertEqual((result.outcome, result.files[0].content), (Outcome("timed_out"), None))

    def test_a_server_that_does_not_wait_is_not_asked_without_end(self) -> None:
        running = {"job_id": JOB, "status": "running"}

        def handler(asked: Asked) -> Answer:
            if len(self.server.asked) > 9:
                return [refuses("internal", 500)]
            return [says(running, 202 if asked.method == "POST" else 200)]

        client = self.serve(handler)
        stop = KeyboardInterrupt()
        with (
            unittest.mock.patch("time.sleep", side_effect=stop) as sync_sleep,
            unittest.mock.patch("asyncio.sleep", side_effect=stop) as async_sleep,
            self.assertRaises(KeyboardInterrupt),
        ):
            client.run("1")
        (call,) = [*sync_sleep.mock_calls, *async_sleep.mock_calls]
        self.assertGreater(call.args[0], 0.1)
        self.assertEqual([asked.method for asked in self.server.asked], ["POST", "GET", "DELETE"])

    def test_a_job_that_cannot_be_waited_for_is_cancelled(self) -> None:
        answers = iter([says(QUEUED, 202), refuses("internal", 500), says(status=204)])
        with self.assertRaises(ApiError):
            self.serve(lambda _: [next(answers)]).run("1")
        self.assertEqual(self.asked()[-1], f"DELETE /jobs/{JOB}")

    def test_every_verb_asks_its_address(self) -> None:
        answers = {
            f"GET /status/{JOB}?wait=0.000": says(QUEUED),
            f"GET /logs/{JOB}": says({"stdout": "", "stderr": ""}),
            f"GET /outputs/{JOB}": says({"files": [], "details": []}),
            f"GET /download/{JOB}/a%20b/%23%3F": says(b"bytes"),
            f"DELETE /jobs/{JOB}": b"HTTP/1.1 204 No Content\r\n\r\n",
            "GET /environments": says({"interpreters": [], "environments": []}),
            "GET /stats": says(
                {
                    "your_quota": {"running": 1, "waiting": 2, "cpu_seconds_available": 9.5},
                    "system": {"queue_length": 0, "running": 1, "slots": 4},
                }
            ),
            "GET /health": says({"status": "unhealthy", "reason": "no box"}, 503),
            "POST /submit": says(QUEUED, 202),
        }
        client = self.serve(lambda asked: [answers[f"{asked.method} {asked.target}"]])
        self.assertEqual(client.status(JOB).queue_position, 1)
        self.assertEqual(client.logs(JOB).stdout, "")
        self.assertEqual(client.outputs(JOB), ())
        self.assertEqual(client.read_file(JOB, "a b/#?"), b"bytes")
        self.assertIsNone(client.cancel(JOB))
        self.assertEqual(client.environments().interpreters, ())
        self.assertEqual(client.stats().your_quota.cpu_seconds_available, 9.5)
        self.assertEqual((client.health().ok, client.health().reason), (False, "no box"))
        self.assertEqual(client.submit(files={"a.py": "1"}).job_id, JOB)
        # The last one starts a job.
        self.assertEqual([asked.connection for asked in self.server.asked], [0] * 9 + [1])

    def test_no_name_reaches_another_address(self) -> None:
        client = self.always(says(b""))
        for bad in ("", ".", ".."):
            with self.assertRaises(ValueError):
                client.status(bad)
            with self.assertRaises(ValueError):
                client.read_file(JOB, f"a/{bad}")
        self.assertEqual(self.server.asked, [])
        client.read_file(f"../{JOB}", "%2e%2e\r\nX")
        self.assertEqual(self.asked(), [f"GET /download/..%2F{JOB}/%252e%252e%0D%0AX"])

    def test_a_refusal_has_the_servers_words(self) -> None:
        classes = {
            "bad_manifest": (400, InvalidJob),
            "unknown_interpreter": (400, InvalidJob),
            "too_large": (413, InvalidJob),
            "not_found": (404, NotFound),
            "not_finished": (409, NotFinished),
            "caller_busy": (429, Busy),
            "queue_full": (503, Busy),
            "of_tomorrow": (418, ApiError),
        }
        for code, (status, kind) in classes.items():
            client = self.always(refuses(code, status, details="field: x\x1b[2J", retry_after=3))
            with self.subTest(code), self.assertRaises(kind) as caught:
                client.run("1")
            error = caught.exception
            self.assertIs(type(error), kind)
            self.assertEqual((error.code, error.status, error.retry_after), (code, status, 3))
            self.assertEqual(str(error), "No. field: x\\u{1b}[2J")
        client = self.always(refuses("caller_busy", 429, "Retry-After: 7\r\n"))
        with self.assertRaises(Busy) as busy:
            client.stats()
        self.assertEqual(busy.exception.retry_after, 7)

    def test_an_answer_of_something_else_is_said_to_be_one(self) -> None:
        page = b"<html>Welcome to the hotel's network</html>"
        for answer in (
            says(page),
            says(page, 502),
            says(b"", 301, "Location: https://elsewhere.example.com/\r\n"),
            says(b"", 500),
            says(b"[]"),
            says(b"[" * 100_000),
            says({**RESULT, "outcome": {"kind": "vanished"}}),
            says({**RESULT, "job_id": 5}),
            says({**RESULT, "files": [{"path": "a", "size": -1, "sha256": ""}]}),
            says({**RESULT, "files": [output("a", b"") | {"base64": "%"}]}),
            says(json.dumps(RESULT).replace("0.01", "NaN").encode()),
            says(json.dumps(RESULT).replace("0.01", "1" + "0" * 400).encode()),
            says(json.dumps(RESULT).replace("0.01", "1" + "0" * 5000).encode()),
            says(json.dumps(RESULT).replace("0.01", "true").encode()),
            b"HTTP/1.1 200 OK\r\nContent-Length: 999999999999\r\n\r\n" + b" " * 1000,
        ):
            client = self.always(answer, None)
            with self.subTest(answer[:200]), self.assertRaises((BadAnswer, Unreachable)) as caught:
                client.run("1")
            self.assertNotIn("Welcome", str(caught.exception))
            self.assertEqual(len(self.server.asked), 1)

    def test_text_that_is_not_well_formed_can_be_printed(self) -> None:
        raw = json.dumps(RESULT).replace('"42\\n"', '"\\ud800"').encode()
        self.assertEqual(self.always(says(raw)).run("1").stdout, "\ufffd")

    def test_an_answer_longer_than_it_may_be_is_not_read_on(self) -> None:
        chunk = b"10000\r\n" + b"x" * 0x10000 + b"\r\n"
        endless = [b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", *[chunk] * 64]
        client = self.always(*endless)
        with self.assertRaises(BadAnswer):
            client.read_file(JOB, "a", most_bytes=1_000_000)
        with self.assertRaises(BadAnswer):
            self.always(*[endless[0].replace(b"200", b"400"), *endless[1:]]).stats()
        for verb in ("stats", "health"):
            with self.assertRaisesRegex(BadAnswer, "longer"):
                getattr(self.always(*endless), verb)()

    def test_a_refusal_that_comes_while_a_body_is_sent_is_read(self) -> None:
        early = refuses("too_large", 413, "Connection: close\r\n")
        client = self.serve(lambda _: [], early=early)
        with self.assertRaises((InvalidJob, Unreachable)) as caught:
            client.submit(files={"a": bytes(30_000_000)})
        # A reset can overtake the answer; on loopback it mostly does not.
        if isinstance(caught.exception, Unreachable):
            self.assertIn("broke", str(caught.exception))

    def test_a_kept_connection_that_is_gone_is_made_anew(self) -> None:
        calls = iter(range(9))
        # The second request finds the connection still open and gets no answer.
        client = self.serve(lambda _: [None] if next(calls) == 1 else [says({"status": "healthy"})])
        client.health()
        client.health()
        self.assertEqual([asked.connection for asked in self.server.asked], [0, 0, 1])

    def test_what_starts_a_job_is_never_sent_twice(self) -> None:
        client = self.serve(
            lambda a: [None] if a.method == "POST" else [says({"status": "healthy"})]
        )
        client.health()
        with self.assertRaises(Unreachable):
            client.run("1")
        self.assertEqual([asked.connection for asked in self.server.asked], [0, 1])

    def test_a_connection_that_was_closed_meanwhile_is_not_used(self) -> None:
        client = self.serve(lambda _: [says({"status": "healthy"}), None])
        client.health()
        self.server.hung_up.wait()
        if hasattr(client, "loop"):
            client._run(asyncio.sleep(0.01))
        client.health()
        self.assertEqual([asked.connection for asked in self.server.asked], [0, 1])

    def test_a_silent_server_is_given_up(self) -> None:
        client = self.serve(lambda _: [], idle_seconds=0.1)
        with self.assertRaisesRegex(Silent, r"said nothing for 0\.1 s"):
            client.stats()
        self.assertTrue(self.server.hung_up.wait(10))

    def test_nobody_there_is_said_in_words(self) -> None:
        client = self.always()
        self.server.close()
        with self.assertRaisesRegex(Unreachable, "No server answers"):
            client.stats()

    def test_follow_goes_on_where_it_was(self) -> None:
        def frame(seq: int) -> dict[str, Any]:
            return {"seq": seq, "stream": "stdout", "data": f"{seq}\n"}

        end = {"seq": 9, "end": {"kind": "exited", "exit_code": 3}}
        parts: Iterator[Answer] = iter([
            [EVENT_HEAD, events(frame(2), frame(4)), b'data: {"seq": 6, "str', None],
            [None],
            [EVENT_HEAD, events(frame(4), frame(6)), None],
            [EVENT_HEAD, events(frame(8), end), b"data: more\n\n"],
        ])  # fmt: skip
        client = self.serve(lambda _: next(parts))
        with unittest.mock.patch("sandrun._gather._FIRST_PAUSE_SECONDS", 0.001):
            read = list(client.follow(JOB))
        self.assertEqual(
            read,
            [
                *(Printed("stdout", f"{n}\n".encode(), f"{n}\n") for n in (2, 4, 6, 8)),
                Ended(Outcome("exited", exit_code=3), False, False),
            ],
        )
        last = [asked.headers.get("last-event-id") for asked in self.server.asked]
        self.assertEqual(last, [None, "4", "4", "6"])

    def test_follow_gives_up_on_a_server_that_is_gone(self) -> None:
        client = self.always(EVENT_HEAD, None)
        with (
            unittest.mock.patch("sandrun._gather._FIRST_PAUSE_SECONDS", 0.001),
            self.assertRaises(Unreachable),
        ):
            list(client.follow(JOB))
        self.assertEqual(len(self.server.asked), 7)

    def test_follow_tells_what_is_no_stream_and_no_job(self) -> None:
        with self.assertRaises(BadAnswer):
            list(self.always(says({})).follow(JOB))
        with self.assertRaises(NotFound):
            list(self.always(refuses("not_found", 404)).follow(JOB))
        self.assertEqual(len(self.server.asked), 1)

    def test_who_stops_to_follow_hangs_up(self) -> None:
        printed = {"seq": 1, "stream": "stdout", "data": "x"}
        follower = self.always(EVENT_HEAD, events(printed)).follow(JOB)
        next(follower)
        follower.close()
        self.assertTrue(self.server.hung_up.wait(10))

    def test_download_writes_what_was_announced_and_destroys_the_job(self) -> None:
        files = {"a.txt": b"1", "deep/b ä": b"22"}
        told = says({"files": [], "details": [output(*item) for item in files.items()]})
        answers = {
            f"GET /outputs/{JOB}": told,
            f"GET /download/{JOB}/a.txt": says(b"1"),
            f"GET /download/{JOB}/deep/b%20%C3%A4": says(b"22"),
            f"DELETE /jobs/{JOB}": b"HTTP/1.1 204 No Content\r\n\r\n",
        }
        client = self.serve(lambda asked: [answers[f"{asked.method} {asked.target}"]])
        written = client.download(JOB, self.out)
        self.assertEqual({str(p.relative_to(self.out)): p.read_bytes() for p in written}, files)
        self.assertEqual(self.asked(), list(answers))
        with self.assertRaises(NotWritten):
            client.download(JOB, self.out)
        self.assertEqual(len(self.asked()), len(answers) + 1)
        client.download(JOB, self.out, force=True, keep=True)
        self.assertEqual(self.asked()[-1], f"GET /download/{JOB}/deep/b%20%C3%A4")

    def test_download_of_a_result_asks_for_nothing_that_is_there(self) -> None:
        inline = output("a", b"1", inline=True)
        answers = iter([says({**RESULT, "files": [inline]}), refuses("not_found", 404)])
        client = self.serve(lambda _: [next(answers)])
        client.download(client.run("1"), self.out)
        self.assertEqual((self.out / "a").read_bytes(), b"1")
        self.assertEqual(self.asked()[1:], [f"DELETE /jobs/{JOB}"])

    def test_a_hostile_list_of_files_writes_nothing(self) -> None:
        lists: dict[str, tuple[type[Exception], list[dict[str, Any]]]] = {
            "climbs": (NotWritten, [output("../x", b"1")]),
            "wrong": (NotWritten, [output("x", b"2")]),
            "longer": (NotWritten, [output("x", b"")]),
            # Nothing of these is even asked for: a disk must not be filled.
            "many": (BadAnswer, [output(f"{n}", b"") for n in range(1001)]),
            "large": (BadAnswer, [{**output(name, b""), "size": 60 << 20} for name in "ab"]),
        }
        for what, (kind, files) in lists.items():
            told = says({"files": [], "details": files})

            def handler(asked: Asked, told: bytes = told) -> Answer:
                return [told if "outputs" in asked.target else says(b"1")]

            client = self.serve(handler)
            with self.subTest(what), self.assertRaises(kind):
                client.download(JOB, self.out)
            self.assertNotIn(f"DELETE /jobs/{JOB}", self.asked())
            self.assertEqual([p for p in self.out.parent.rglob("*") if p != self.out], [])

    def test_an_archive_is_written_whole_or_not_at_all(self) -> None:
        archive = self.out.parent / "all.tar.gz"
        self.always(says(b"gz" * 1000, content_type="application/gzip")).download_archive(
            JOB, archive
        )
        self.assertEqual(archive.read_bytes(), b"gz" * 1000)
        cut = b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf"
        with self.assertRaises(Unreachable):
            self.always(cut, None).download_archive(JOB, archive, force=True)
        self.assertEqual(archive.read_bytes(), b"gz" * 1000)
        with self.assertRaises(Unreachable):
            self.always(cut, None).download_archive(JOB, self.out.parent / "half")
        self.assertEqual([p.name for p in self.out.parent.iterdir()], ["all.tar.gz"])


class SyncVerbs(Verbs, unittest.TestCase):
    make = staticmethod(make_sync)

    def test_threads_share_a_client(self) -> None:
        client = self.always(says(RESULT))
        results: list[RunResult] = []

        def run() -> None:
            results.extend(client.run("1") for _ in range(20))

        threads = [threading.Thread(target=run) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual(len(results), 160)


class AsyncVerbs(Verbs, unittest.TestCase):
    make = staticmethod(make_async)

    def test_cancelling_a_task_hangs_up(self) -> None:
        asked = threading.Event()

        def handler(_: Asked) -> Answer:
            asked.set()
            return []

        client = self.serve(handler)

        async def cancelled() -> None:
            task = asyncio.ensure_future(client.inner.run("1"))
            await asyncio.to_thread(asked.wait)
            task.cancel()
            with self.assertRaises(asyncio.CancelledError):
                await task

        client._run(cancelled())
        self.assertTrue(self.server.hung_up.wait(10))

    def test_a_file_is_not_closed_while_a_thread_writes_to_it(self) -> None:
        told = says({"files": [], "details": [output("a", b"1")]})
        client = self.serve(lambda a: [told if "outputs" in a.target else says(b"1")])
        begun, go_on = threading.Event(), threading.Event()
        self.addCleanup(go_on.set)
        open_then: list[int] = []

        def add(writer: FileWriter, _: bytes) -> None:
            begun.set()
            go_on.wait()
            # Raises when it is closed.
            open_then.append(os.fstat(writer._descriptor).st_size)

        async def cancelled() -> None:
            task = asyncio.ensure_future(client.inner.download(JOB, self.out))
            await asyncio.to_thread(begun.wait)
            for _ in range(3):
                task.cancel()
                await asyncio.sleep(0)
            self.assertFalse(task.done())
            go_on.set()
            with self.assertRaises(asyncio.CancelledError):
                await task

        with unittest.mock.patch.object(FileWriter, "add", add):
            client._run(cancelled())
        self.assertEqual(open_then, [0])
        self.assertEqual(list(self.out.iterdir()), [])


class Face(unittest.TestCase):
    def test_both_clients_have_the_same_verbs(self) -> None:
        def verbs(kind: type) -> dict[str, list[tuple[str, Any]]]:
            methods = inspect.getmembers(kind, inspect.isfunction)
            return {
                name: [(p.name, p.default) for p in inspect.signature(method).parameters.values()]
                for name, method in methods
                if not name.startswith("_")
            }

        sync, parallel = verbs(Client), verbs(AsyncClient)
        self.assertEqual(sync.pop("close"), parallel.pop("aclose"))
        self.assertEqual(sync, parallel)
        self.assertGreaterEqual(len(sync), 14)

    def test_what_is_exported_is_there(self) -> None:
        for name in sandrun.__all__:
            self.assertTrue(hasattr(sandrun, name), name)


if __name__ == "__main__":
    unittest.main()
