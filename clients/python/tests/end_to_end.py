"""Both clients against a real service with real boxes, named by ``SANDRUN_SERVER`` and
``SANDRUN_FINGERPRINT``: run as ``python3 -m unittest tests.end_to_end``."""

from __future__ import annotations

import asyncio
import os
import re
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path
from typing import Any

from sandrun import (
    AsyncClient,
    Client,
    Ended,
    InvalidJob,
    NotFound,
    NotWritten,
    Outcome,
    Printed,
    Untrusted,
    files_below,
)

from .fake import Shared, Waits

EXAMPLE = 'Client("https://localhost:8443", fingerprint="AB:CD:...")'
SERVER = os.environ["SANDRUN_SERVER"]


class Service(Shared):
    make: Any

    def setUp(self) -> None:
        place = tempfile.TemporaryDirectory()
        self.addCleanup(place.cleanup)
        self.top = Path(place.name)
        self.client = self.open()

    def open(self, *args: Any, **options: Any) -> Any:
        client = self.make(*args, **options)
        self.addCleanup(client.close)
        return client

    def test_code_runs_and_its_files_come_back(self) -> None:
        code = "import sys; print(sys.stdin.read(), sys.argv[1]); open('made', 'w').write('ä')"
        result = self.client.run(code, stdin="in", args=["arg"], files={"given": b"\0"})
        self.assertEqual((result.stdout, result.ok), ("in arg\n", True))
        self.assertEqual([file.path for file in result.files], ["made"])
        self.assertIn("seccomp", result.isolation)
        (written,) = self.client.download(result, self.top / "out")
        self.assertEqual(written.read_text(), "ä")

    def test_other_ends_are_told_apart(self) -> None:
        for code, fields, outcome in (
            ("exit(3)", {}, Outcome("exited", exit_code=3)),
            ("import time; time.sleep(60)", {"timeout": 1}, Outcome("timed_out")),
            ("import os; os.abort()", {}, Outcome("signalled", signal="SIGABRT")),
            ("x = bytearray(300 << 20)", {"memory_mb": 64}, Outcome("out_of_memory")),
        ):
            self.assertEqual(self.client.run(code, **fields).outcome, outcome)

    def test_run_waits_longer_than_one_answer_does(self) -> None:
        client = self.open(idle_seconds=2)
        result = client.run("import time; print(1); time.sleep(2.5); print(2, flush=True)")
        self.assertEqual((result.output, result.ok), ("1\n2\n", True))

    def test_a_directory_is_a_job(self) -> None:
        project = self.top / "project"
        (project / "lib").mkdir(parents=True)
        (project / "main.py").write_text("import lib.a; open('big', 'wb').write(bytes(3 << 20))")
        (project / "lib/a.py").write_text("print('imported')")
        job = self.client.submit(files=files_below(project), outputs=["big"])
        result = self.client.wait(job.job_id)
        self.assertEqual((result.stdout, result.files[0].content), ("imported\n", None))
        self.assertEqual(self.client.status(job.job_id).status, "completed")
        self.assertEqual(self.client.logs(job.job_id).stdout, "imported\n")
        self.assertEqual(self.client.read_file(job.job_id, "big"), bytes(3 << 20))
        written = self.client.download(result, self.top / "out")
        self.assertEqual([path.stat().st_size for path in written], [3 << 20])
        with self.assertRaises(NotFound):
            self.client.status(job.job_id)

    def test_an_archive_comes_whole_and_ends_the_job(self) -> None:
        job_id = self.client.submit("open('a', 'w').write('1')").job_id
        self.client.wait(job_id)
        path = self.client.download_archive(job_id, self.top / "all.tar.gz")
        self.assertEqual(path.read_bytes()[:2], b"\x1f\x8b")
        with self.assertRaises(NotFound):
            self.client.outputs(job_id)
        with self.assertRaises(NotWritten):
            again = self.client.submit("open('a', 'w').write('1')").job_id
            self.client.wait(again)
            self.client.download_archive(again, path)

    def test_refusals_have_the_servers_codes(self) -> None:
        for fields, code in (
            ({"interpreter": "cobol"}, "unknown_interpreter"),
            ({"timeout": 0}, "bad_manifest"),
            ({"files": {"../x": "1"}}, "bad_path"),
            ({"environment": "none"}, "unknown_environment"),
        ):
            with self.assertRaises(InvalidJob) as caught:
                self.client.run("1", **fields)
            self.assertEqual(caught.exception.code, code)
        with self.assertRaises(InvalidJob) as caught:
            self.client.run("#" * (9 << 20))
        self.assertEqual(caught.exception.code, "too_large")

    def test_follow_tells_what_is_printed_while_it_runs(self) -> None:
        code = "import time\nprint('€', flush=True)\nwhile True: time.sleep(0.01)"
        job_id = self.client.submit(code).job_id
        events = self.client.follow(job_id)
        text = ""
        while text != "€\n":
            event = next(events)
            text += event.text if isinstance(event, Printed) else ""
        # It is live: the program would go on for ever.
        self.assertEqual(self.client.status(job_id).status, "running")
        self.client.cancel(job_id)
        with self.assertRaises(NotFound):
            list(events)

    def test_follow_of_an_ended_job_tells_all_of_it(self) -> None:
        code = "import sys\nfor n in range(5000): print(n)\nsys.stderr.write('e'); exit(7)"
        job_id = self.client.submit(code).job_id
        self.client.wait(job_id)
        *printed, end = self.client.follow(job_id)
        self.assertEqual(end, Ended(Outcome("exited", exit_code=7), False, False))
        streams = {"stdout": b"", "stderr": b""}
        for event in printed:
            streams[event.stream] += event.data
        numbers = "".join(f"{n}\n" for n in range(5000)).encode()
        self.assertEqual(streams, {"stdout": numbers, "stderr": b"e"})

    def test_cancel_ends_a_job(self) -> None:
        job_id = self.client.submit("import time; time.sleep(60)").job_id
        self.client.cancel(job_id)
        with self.assertRaises(NotFound):
            self.client.status(job_id)

    def test_the_service_tells_about_itself(self) -> None:
        self.assertTrue(self.client.health().ok)
        names = [interpreter.name for interpreter in self.client.environments().interpreters]
        self.assertIn("python3", names)
        self.assertGreater(self.client.stats().system.slots, 0)

    def test_another_certificate_is_not_trusted(self) -> None:
        for options in ({"fingerprint": "0" * 64}, {"fingerprint": None}):
            client = self.open(SERVER, **options)
            with self.assertRaises(Untrusted):
                client.health()


class SyncService(Service, unittest.TestCase):
    make = Client


class AsyncService(Service, unittest.TestCase):
    @staticmethod
    def make(*args: Any, **options: Any) -> Waits:
        return Waits(AsyncClient(*args, **options))

    def test_many_at_once(self) -> None:
        async def many() -> list[str]:
            runs = (self.client.inner.run(f"print({n} ** 2)") for n in range(10))
            return [result.stdout for result in await asyncio.gather(*runs)]

        self.assertEqual(self.client._run(many()), [f"{n**2}\n" for n in range(10)])

    def test_a_cancelled_task_ends_its_job(self) -> None:
        async def running(wanted: int) -> None:
            while (await self.client.inner.stats()).your_quota.running != wanted:  # noqa: ASYNC110
                await asyncio.sleep(0.02)

        async def cancelled() -> None:
            task = asyncio.ensure_future(self.client.inner.run("import time; time.sleep(60)"))
            await running(1)
            task.cancel()
            await running(0)

        self.client._run(cancelled())


class Pages(unittest.TestCase):
    def test_what_the_pages_show_runs(self) -> None:
        package = Path(__file__).parent.parent
        shown = []
        for page in (package / "README.md", package.parent.parent / "README.md"):
            blocks = re.findall(r"^```python\n(.*?)^```", page.read_text(), re.M | re.S)
            shown += [block.replace(EXAMPLE, "Client()") for block in blocks]
        self.assertEqual(len(shown), 3)
        with tempfile.TemporaryDirectory() as place:
            Path(place, "project").mkdir()
            Path(place, "project/main.py").write_text("print('from a project')")
            said = ""
            for program in shown:
                ran = subprocess.run(  # noqa: S603
                    [sys.executable, "-c", program],
                    env={**os.environ, "PYTHONPATH": str(package / "src")},
                    cwd=place,
                    capture_output=True,
                    text=True,
                    check=False,
                )
                self.assertEqual(ran.stderr, "")
                said += ran.stdout
            self.assertEqual(Path(place, "out/answer.txt").read_text(), "42")
        self.assertRegex(
            said, r"^42\n exited with 0 Metrics\(.*\nfrom a project\n42\n exited with 0\n$"
        )


if __name__ == "__main__":
    unittest.main()
