"""What is sent: whole, with the length that was announced, and nothing that was not meant."""

from __future__ import annotations

import json
import os
import tempfile
import unittest
from email.message import Message
from email.parser import BytesParser
from pathlib import Path
from typing import Any

from sandrun import files_below
from sandrun._jobs import Body, job_body


def sent(body: Body) -> bytes:
    whole = b"".join(body.chunks())
    assert len(whole) == body.length
    # A body can be sent again, on another connection.
    assert whole == b"".join(body.chunks())
    return whole


def parts(body: Body) -> list[Message]:
    head = f"Content-Type: {body.content_type}\r\n\r\n".encode()
    message = BytesParser().parsebytes(head + sent(body))
    assert message.is_multipart()
    return [part for part in message.walk() if not part.is_multipart()]


class Jobs(unittest.TestCase):
    def setUp(self) -> None:
        place = tempfile.TemporaryDirectory()
        self.addCleanup(place.cleanup)
        self.top = Path(place.name)

    def test_code_is_one_document(self) -> None:
        on_disk = self.top / "x"
        on_disk.write_bytes(b"\xff")
        body = job_body(
            "print('ä')",
            {
                "interpreter": "python3",
                "args": ("a", "b"),
                "files": {"t": "ü", "b": b"\0", "d": on_disk},
            },
        )
        self.assertEqual(body.content_type, "application/json")
        self.assertEqual(
            json.loads(sent(body)),
            {
                "code": "print('ä')",
                "interpreter": "python3",
                "args": ["a", "b"],
                "files": {"t": "ü", "b": {"base64": "AA=="}, "d": {"base64": "/w=="}},
            },
        )

    def test_files_are_a_form_with_the_manifest_first(self) -> None:
        on_disk = self.top / "x"
        on_disk.write_bytes(bytes(200_000))
        body = job_body(None, {"files": {"dir/a.py": "1", "b": on_disk}, "timeout": 5})
        manifest, first, second = parts(body)
        self.assertEqual(json.loads(str(manifest.get_payload())), {"timeout": 5})
        self.assertEqual(
            first["Content-Disposition"], 'form-data; name="files"; filename="dir/a.py"'
        )
        self.assertEqual(first.get_payload(), "1")
        self.assertEqual(second.get_payload(decode=True), bytes(200_000))

    def test_without_fields_a_manifest_among_the_files_counts(self) -> None:
        (only,) = parts(job_body(None, {"files": {"job.json": "{}"}}))
        self.assertEqual(only.get_filename(), "job.json")

    def test_a_name_cannot_make_a_header_or_a_part(self) -> None:
        name = 'a"; name="manifest"\r\nX-Evil: 1\r\n\r\n'
        (only,) = parts(job_body(None, {"files": {name: "1"}}))
        self.assertEqual([key for key, _ in only.items()], ["Content-Disposition", "Content-Type"])
        self.assertIn("a%22; name=%22manifest%22%0D%0AX-Evil", only["Content-Disposition"])

    def test_what_is_no_job_is_said_at_once(self) -> None:
        misspelt: Any = {"interpeter": "node"}
        with self.assertRaisesRegex(TypeError, "interpeter"):
            job_body("1", misspelt)
        with self.assertRaisesRegex(TypeError, "code or files"):
            job_body(None, {})
        with self.assertRaises(OSError):
            job_body(None, {"files": {"x": self.top / "missing"}})

    def test_a_file_that_changes_meanwhile_is_no_other_job(self) -> None:
        path = self.top / "x"
        for before, after in ((10, 9), (10, 11)):
            path.write_bytes(bytes(before))
            chunks = job_body(None, {"files": {"x": path}}).chunks()
            path.write_bytes(bytes(after))
            with self.assertRaises(OSError):
                list(chunks)

    def test_a_directory_is_its_regular_files(self) -> None:
        (self.top / "deep").mkdir()
        (self.top / "deep/a.py").write_text("1")
        (self.top / "b").write_text("2")
        (self.top / "link").symlink_to("/etc/hostname")
        (self.top / "linked").symlink_to("/etc")
        os.mkfifo(self.top / "fifo")
        self.assertEqual(
            files_below(self.top), {"b": self.top / "b", "deep/a.py": self.top / "deep/a.py"}
        )


if __name__ == "__main__":
    unittest.main()
