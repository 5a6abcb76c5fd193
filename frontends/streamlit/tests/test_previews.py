"""What a stranger's file can do to the page: nothing but be looked at."""

from __future__ import annotations

import io
import unittest
import zipfile
import zlib
from typing import Any
from unittest import mock

from PIL import Image

import previews
from sandrun import OutputFile


def output(path: str, content: bytes = b"x") -> OutputFile:
    return OutputFile(path, len(content), "", content)


def picture(kind: str, width: int = 3, height: int = 2) -> bytes:
    made = io.BytesIO()
    Image.new("RGB", (width, height)).save(made, kind)
    return made.getvalue()


def png_of_size(width: int, height: int) -> bytes:
    """A head that promises many pixels."""

    def chunk(name: bytes, data: bytes) -> bytes:
        crc = zlib.crc32(name + data).to_bytes(4, "big")
        return len(data).to_bytes(4, "big") + name + data + crc

    size = width.to_bytes(4, "big") + height.to_bytes(4, "big")
    head = chunk(b"IHDR", size + b"\x08\x02\0\0\0")
    return b"\x89PNG\r\n\x1a\n" + head + chunk(b"IDAT", zlib.compress(b"")) + chunk(b"IEND", b"")


def shown_as(file: OutputFile) -> tuple[str, Any]:
    """The first thing that the preview put on the page, and what it gave it."""
    with mock.patch.object(previews, "st") as st:
        previews.show(file)
    name, args, _ = st.mock_calls[0]
    return name, args[0]


class Previews(unittest.TestCase):
    def test_an_image_is_one_by_its_bytes(self) -> None:
        for kind in ("PNG", "JPEG", "GIF", "WEBP"):
            self.assertEqual(shown_as(output("no-ending", picture(kind)))[0], "image", kind)
        page = b"<html><script>alert(1)</script>"
        for path in ("a.png", "a.jpg", "a.html"):
            self.assertEqual(shown_as(output(path, page)), ("code", page.decode()))
        self.assertEqual(shown_as(output("a", picture("BMP")))[0], "caption")

    def test_an_image_that_would_fill_the_memory_is_not_unpacked(self) -> None:
        with mock.patch("PIL.ImageFile.ImageFile.load") as load:
            for width, height in ((100_000, 100_000), (2**31 - 1, 2**31 - 1), (16_000, 1_001)):
                self.assertFalse(previews.is_raster(png_of_size(width, height)))
            load.assert_not_called()
            self.assertTrue(previews.is_raster(png_of_size(4000, 4000)))
        self.assertTrue(previews.is_raster(picture("PNG", 4000, 4000)))
        self.assertFalse(previews.is_raster(png_of_size(4000, 4000)))

    def test_damaged_images_are_no_images(self) -> None:
        for kind in ("PNG", "GIF", "WEBP", "JPEG"):
            whole = picture(kind)
            for cut in range(0, len(whole), 3):
                previews.is_raster(whole[:cut])
                previews.is_raster(whole[:cut] + b"\xff" * 9 + whole[cut:])

    def test_an_svg_is_only_ever_an_image_by_itself(self) -> None:
        # As text, Streamlit would take the first for a file of this machine, the others for
        # addresses to load.
        for content in (b"/etc/hostname", b"https://example.com/x.png", b"<svg/>", b"\xff"):
            name, given = shown_as(output("a.svg", content))
            self.assertEqual(name, "image")
            self.assertRegex(given, r"^data:image/svg\+xml;base64,[A-Za-z0-9+/=]*$")

    def test_a_table_is_bounded(self) -> None:
        rows = b"a,b\n" + b"1,2\n" * 5000
        name, table = shown_as(output("t.csv", rows))
        self.assertEqual((name, table.shape), ("dataframe", (previews.TABLE_ROWS, 2)))
        wide = b"x," * 900_000
        self.assertEqual(shown_as(output("t.csv", wide + b"\n" + wide[:99]))[1].shape[1], 100)
        _, table = shown_as(output("t.tsv", b"a\tb\x1b[2J\n1\t2\n"))
        self.assertEqual(list(table.columns), ["a", "b\\u{1b}[2J"])
        _, table = shown_as(output("t.csv", b"a,a,a (2)\n1,x,\n2\n3,y,z,more\n"))
        self.assertEqual(list(table.columns), ["a", "a (2)", "a (2) (3)"])
        self.assertEqual(table["a"].tolist(), [1.0, 2.0, 3.0])
        self.assertEqual(table["a (2)"].tolist(), ["x", "", "y"])

    def test_what_is_no_table_is_text_or_nothing(self) -> None:
        self.assertEqual(shown_as(output("t.csv", b"a,b\n" + b"x" * 140_000))[0], "code")
        self.assertEqual(shown_as(output("t.csv", b""))[0], "code")
        self.assertEqual(shown_as(output("t.csv", b"\0\xff\0"))[0], "caption")

    def test_a_long_text_is_cut(self) -> None:
        name, text = shown_as(output("log", b"x" * 1_000_000))
        self.assertEqual((name, len(text)), ("code", previews.TEXT_BYTES))

    def test_a_name_is_never_markup(self) -> None:
        for name in ("**b**", "[a](https://x)", ":smile:", "$x$", "<b>", ":red[x]", "`c`", "a_b_c"):
            shown = previews.plain(name)
            self.assertEqual(shown.replace("\\", ""), name)
            self.assertNotRegex(shown, r"(?<!\\)[!-/:-@\[\]-`{-~]")
        self.assertTrue(previews.plain("a\n# b\u202e").isprintable())

    def test_an_archive_stays_where_it_is_unpacked(self) -> None:
        paths = ["../../x", "/etc/x", "a/../b", "..", "C:\\x", "a\0b", "deep/er/c", "a/b", "a//b"]
        packed = previews.archive([output(path) for path in paths])
        with zipfile.ZipFile(io.BytesIO(packed)) as archive:
            names = archive.namelist()
            modes = {entry.external_attr >> 16 for entry in archive.infolist()}
        self.assertEqual(len(set(names)), len(paths))
        self.assertEqual(modes, {0o644})
        for name in names:
            self.assertNotIn("..", name.split("/"))
            self.assertNotRegex(name, r"^/|[\\:\x00-\x1f]|//|^$")
        self.assertIn("deep/er/c", names)

    def test_pictures_stand_first_and_numbers_in_their_order(self) -> None:
        wanted = ["a.SVG", "c.png", "b.csv", "p-1", "p-2", "p-10", "p-²"]
        files = [output(name) for name in reversed(wanted)]
        self.assertEqual([file.path for file in sorted(files, key=previews.rank)], wanted)


if __name__ == "__main__":
    unittest.main()
