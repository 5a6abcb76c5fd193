"""Output files as a visitor sees them. Name and contents were chosen by a job, so by a stranger.

Theory: nothing of a file is ever markup of our page. Text is shown as text; an SVG lives in an
``<img>`` by a ``data:`` address, where its scripts do not run and which cannot be opened as a page
of ours; a raster image must be one by its bytes and small enough to unpack. ``st.image`` is never
given a stranger's string, which it would take for an address or for the path of a file here.
"""

from __future__ import annotations

import base64
import csv
import hashlib
import io
import itertools
import math
import re
import textwrap
import warnings
import zipfile
from collections.abc import Iterable
from pathlib import PurePosixPath

import pandas as pd
import streamlit as st
from PIL import Image, UnidentifiedImageError

from sandrun import OutputFile, shown

TEXT_BYTES = 200_000
TABLE_BYTES = 2_000_000
TABLE_ROWS = 1_000
TABLE_COLUMNS = 100
IMAGE_BYTES = 20_000_000
IMAGE_PIXELS = 16_000_000

_RASTER = ("PNG", "JPEG", "GIF", "WEBP")
_PICTURES = (".svg", ".png", ".jpg", ".jpeg", ".gif", ".webp")
_TABLES = {".csv": ",", ".tsv": "\t"}
_PUNCTUATION = re.compile(r"([!-/:-@\[-`{-~])")


def plain(text: str) -> str:
    """For labels, which Streamlit reads as Markdown: shows these characters, in one line."""
    return _PUNCTUATION.sub(r"\\\1", shown(text))


def block(text: str) -> str:
    """For ``st.code``, which takes away what all lines are indented by and would shift a drawing:
    an invisible character in front keeps it from that, where there is something to keep."""
    indented = text[:1].isspace() or textwrap.dedent(text) != text
    return f"\u200b{text}" if indented else text


def rank(file: OutputFile) -> tuple[int, list[str]]:
    """Pictures first, then tables, then the rest; `part-2` before `part-10`."""
    ending = PurePosixPath(file.path).suffix.lower()
    kind = 0 if ending in _PICTURES else 1 if ending in _TABLES else 2
    pieces = re.split(r"([0-9]+)", file.path)
    return kind, [piece.zfill(20) if piece.isdigit() else piece for piece in pieces]


def show(file: OutputFile) -> None:
    """A preview, in the best way that its bytes allow."""
    content = file.content or b""
    ending = PurePosixPath(file.path).suffix.lower()
    if ending == ".svg" and len(content) <= IMAGE_BYTES:
        encoded = base64.b64encode(content).decode("ascii")
        st.image(f"data:image/svg+xml;base64,{encoded}", width="stretch")
    elif is_raster(content):
        st.image(content, width="content")
    elif (table := _table(content, ending)) is not None:
        st.dataframe(table, hide_index=True, width="stretch", height="auto")
    elif (text := _text(content)) is not None:
        st.code(block(text), language=None, wrap_lines=True)
        if len(content) > TEXT_BYTES:
            st.caption("Only the beginning is shown; download the file for all of it.")
    else:
        st.caption("No preview for this kind of file.")


def is_raster(content: bytes) -> bool:
    """An image of a usual kind, whole, and of a size that is bearable: that is looked at first."""
    if len(content) > IMAGE_BYTES:
        return False
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            with Image.open(io.BytesIO(content), formats=_RASTER) as image:
                if image.width * image.height > IMAGE_PIXELS:
                    return False
                # Streamlit may have to, and would fail where nobody catches it.
                image.load()
                return True
    except (UnidentifiedImageError, Image.DecompressionBombError, Image.DecompressionBombWarning):
        return False
    except (OSError, ValueError, SyntaxError, EOFError):
        # What a damaged image makes of the reader.
        return False


def _table(content: bytes, ending: str) -> pd.DataFrame | None:
    """Read by hand: what a table may cost is known before it is made."""
    separator = _TABLES.get(ending)
    if separator is None or len(content) > TABLE_BYTES:
        return None
    lines = csv.reader(io.StringIO(content.decode("utf-8-sig", "replace")), delimiter=separator)
    try:
        rows = [row[:TABLE_COLUMNS] for row in itertools.islice(lines, TABLE_ROWS + 1) if row]
    except csv.Error:
        return None
    if len(rows) < 2:
        return None
    names = _distinct(rows[0])
    columns = itertools.zip_longest(names, *(row[: len(names)] for row in rows[1:]), fillvalue="")
    table: pd.DataFrame = pd.DataFrame({name: _numbers(values) for name, *values in columns})
    return table


def _distinct(names: list[str]) -> list[str]:
    """Two columns of one name cannot be shown."""
    told: list[str] = []
    for number, name in enumerate(map(shown, names)):
        told.append(f"{name} ({number + 1})" if name in told else name)
    return told


def _numbers(column: list[str]) -> list[float] | list[str]:
    """As numbers if all of them are, which makes them sort so and stand at the right."""
    try:
        return [float(value) if value else math.nan for value in column]
    except ValueError:
        return column


def _text(content: bytes) -> str | None:
    head = content[:TEXT_BYTES]
    if b"\0" in head:
        return None
    return head.decode("utf-8", "replace")


def archive(files: Iterable[OutputFile]) -> bytes:
    """All files as one zip, with no name that leaves the directory of whoever unpacks it."""
    packed = io.BytesIO()
    used: set[str] = set()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as target:
        for file in files:
            name = _safe_name(file.path)
            if name in used:
                name = f"{hashlib.sha256(file.path.encode()).hexdigest()[:8]}-{name}"
            used.add(name)
            # An entry of a fixed date and without an execute bit.
            entry = zipfile.ZipInfo(name)
            entry.external_attr = 0o644 << 16
            target.writestr(entry, file.content or b"")
    return packed.getvalue()


def download_name(path: str) -> str:
    return _safe_name(path).rpartition("/")[2]


def _safe_name(path: str) -> str:
    """Also on systems where a backslash or a colon means something."""
    names = [re.sub(r'[\\:*?"<>|\x00-\x1f\x7f]', "_", name) for name in path.split("/")]
    kept = [name for name in names if name not in ("", ".", "..")]
    return "/".join(kept) or "file"
