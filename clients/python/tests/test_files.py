"""Files of a hostile job or server stay below the directory, and harm nothing that is there."""

from __future__ import annotations

import hashlib
import os
import stat
import tempfile
import unittest
from pathlib import Path

from sandrun import NotWritten, OutputFile
from sandrun._files import OutputDirectory, new_archive, write_all


def output(path: str, content: bytes = b"new") -> OutputFile:
    return OutputFile(path, len(content), hashlib.sha256(content).hexdigest())


class Files(unittest.TestCase):
    def setUp(self) -> None:
        place = tempfile.TemporaryDirectory()
        self.addCleanup(place.cleanup)
        self.top = Path(place.name)
        self.out = self.top / "out"
        self.out.mkdir()

    def write(self, file: OutputFile, content: bytes = b"new", *, force: bool = False) -> None:
        directory = OutputDirectory(self.out, force)
        try:
            with directory.new_file(file) as writer:
                writer.add(content)
        finally:
            directory.close()

    def refuses(self, path: str, reason: str, *, force: bool = False) -> None:
        for forced in {force, True}:
            with self.subTest(path, force=forced), self.assertRaisesRegex(NotWritten, reason):
                self.write(output(path), force=forced)

    def names(self) -> set[str]:
        return {str(path.relative_to(self.top)) for path in self.top.rglob("*")}

    def test_writes_deep_paths_without_an_execute_bit(self) -> None:
        os.umask(os.umask(0o022))
        self.write(output("a/b/c.txt"))
        written = self.out / "a/b/c.txt"
        self.assertEqual(written.read_bytes(), b"new")
        self.assertEqual(stat.S_IMODE(written.stat().st_mode) & 0o111, 0)

    def test_no_path_leaves_the_directory(self) -> None:
        for path in ("../x", "a/../../x", "/x", "//x", "a//x", "./x", "a/", "", ".", "..", "a\0b"):
            self.refuses(path, "would leave the directory")
        self.assertEqual(self.names(), {"out"})

    def test_no_link_is_followed(self) -> None:
        (self.top / "secret").write_text("old")
        (self.top / "elsewhere").mkdir()
        (self.out / "link").symlink_to(self.top / "secret")
        (self.out / "dangling").symlink_to(self.top / "made")
        (self.out / "dir").symlink_to(self.top / "elsewhere")
        for path in ("link", "dangling"):
            with self.subTest(path), self.assertRaisesRegex(NotWritten, "exists already|a link"):
                self.write(output(path))
            with self.subTest(path), self.assertRaisesRegex(NotWritten, "not a regular file"):
                self.write(output(path), force=True)
        self.refuses("dir/x", "a link is in the way|a file or a link")
        self.assertEqual((self.top / "secret").read_text(), "old")
        self.assertEqual(list((self.top / "elsewhere").iterdir()), [])
        self.assertFalse((self.top / "made").exists())

    def test_nothing_is_overwritten_without_force(self) -> None:
        (self.out / "x").write_text("old")
        with self.assertRaisesRegex(NotWritten, "exists already"):
            self.write(output("x"))
        self.assertEqual((self.out / "x").read_text(), "old")
        self.write(output("x"), force=True)
        self.assertEqual((self.out / "x").read_text(), "new")
        self.assertEqual(self.names(), {"out", "out/x"})

    def test_force_replaces_regular_files_only(self) -> None:
        (self.out / "dir").mkdir()
        os.mkfifo(self.out / "fifo")
        for path in ("dir", "fifo"):
            with self.subTest(path), self.assertRaisesRegex(NotWritten, "not a regular file"):
                self.write(output(path), force=True)
        self.assertEqual(self.names(), {"out", "out/dir", "out/fifo"})

    def test_a_file_in_place_of_a_directory_stays(self) -> None:
        (self.out / "a").write_text("old")
        self.refuses("a/b", "a file or a link is in the way")
        self.assertEqual((self.out / "a").read_text(), "old")

    def test_what_is_not_what_was_announced_leaves_nothing(self) -> None:
        wrong = {
            "more bytes": (output("x"), b"newer"),
            "incomplete": (output("x", b"newer"), b"new"),
            "checksum": (output("x", b"old"), b"new"),
        }
        for reason, (file, content) in wrong.items():
            for force in (False, True):
                (self.out / "x").unlink(missing_ok=True)
                if force:
                    (self.out / "x").write_text("kept")
                with self.subTest(reason, force=force), self.assertRaisesRegex(NotWritten, reason):
                    self.write(file, content, force=force)
                self.assertEqual(self.names(), {"out", "out/x"} if force else {"out"})
        self.assertEqual((self.out / "x").read_text(), "kept")

    def test_no_descriptor_is_left_open(self) -> None:
        before = len(list(Path("/proc/self/fd").iterdir()))
        self.test_what_is_not_what_was_announced_leaves_nothing()
        self.refuses("a/../b", "would leave")
        self.write(output("deep/er/file"))
        self.assertEqual(len(list(Path("/proc/self/fd").iterdir())), before)

    def test_a_name_cannot_play_tricks_on_a_terminal(self) -> None:
        with self.assertRaises(NotWritten) as caught:
            self.write(output("\x1b[2J\u202e/../x\n"))
        self.assertTrue(str(caught.exception).isprintable(), str(caught.exception))

    def test_an_archive_is_made_anew_or_by_force(self) -> None:
        target = self.out / "all.tar.gz"

        def write(content: bytes, *, force: bool) -> None:
            with new_archive(target, force) as descriptor:
                write_all(descriptor, content, "all.tar.gz")

        write(b"1", force=False)
        with self.assertRaises(NotWritten):
            write(b"2", force=False)
        self.assertEqual(target.read_bytes(), b"1")
        write(b"3", force=True)
        self.assertEqual(target.read_bytes(), b"3")
        with self.assertRaises(KeyError), new_archive(target, force=True) as descriptor:
            write_all(descriptor, b"half", "x")
            raise KeyError
        self.assertEqual(target.read_bytes(), b"3")
        self.assertEqual(self.names(), {"out", "out/all.tar.gz"})


if __name__ == "__main__":
    unittest.main()
