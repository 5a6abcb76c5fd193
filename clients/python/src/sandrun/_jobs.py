"""What a caller sends: code, or files with a manifest."""

from __future__ import annotations

import base64
import json
import os
import secrets
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypedDict

#: Contents as text or bytes, or a path to read them from.
Content = str | bytes | Path

_CHUNK_BYTES = 64 * 1024


class JobFields(TypedDict, total=False):
    """A job beside its code. All may be left out; the server knows the usual values."""

    #: Path in the job → contents. Without ``code`` a ``.tar``, ``.tar.gz``, ``.tgz`` or ``.zip``
    #: among them is unpacked by the server.
    files: Mapping[str, Content]
    #: Path of the file to run; for jobs without ``code``.
    entrypoint: str
    interpreter: str
    args: Sequence[str]
    env: Mapping[str, str]
    stdin: str
    #: Globs of the files to keep; left out, every file that the job made or changed.
    outputs: Sequence[str]
    #: Seconds of wall-clock time.
    timeout: float
    memory_mb: int
    #: Seconds of CPU time.
    cpu_seconds: float
    environment: str
    nonce: str


@dataclass(frozen=True)
class Body:
    """Bytes to send: their type, how many they are, and a way to read them from the start."""

    content_type: str
    length: int
    chunks: Callable[[], Iterator[bytes]]


def job_body(code: str | None, fields: JobFields) -> Body:
    """Raises ``TypeError`` for what is no field of a job, ``OSError`` for an unreadable file."""
    unknown = set(fields) - JobFields.__annotations__.keys()
    if unknown:
        raise TypeError(f"not a field of a job: {', '.join(sorted(unknown))}")
    files = fields.get("files", {})
    manifest: dict[str, object] = {name: value for name, value in fields.items() if name != "files"}
    if code is None:
        if not files:
            raise TypeError("a job needs code or files")
        return _multipart(files, manifest)
    document = {"code": code, **manifest}
    if files:
        document["files"] = {name: _inline(content) for name, content in files.items()}
    encoded = _json(document)
    return Body("application/json", len(encoded), lambda: iter((encoded,)))


def files_below(directory: str | os.PathLike[str]) -> dict[str, Path]:
    """All regular files of a directory as ``files`` of a job. Links are left out."""
    top = Path(directory)
    found: dict[str, Path] = {}
    for place, directories, names in os.walk(top):
        directories.sort()
        for name in sorted(names):
            path = Path(place, name)
            if path.is_file() and not path.is_symlink():
                found[path.relative_to(top).as_posix()] = path
    return found


def _multipart(files: Mapping[str, Content], manifest: Mapping[str, object]) -> Body:
    """RFC 7578. Contents are read while they are sent, so a file need not fit in memory twice."""
    boundary = secrets.token_hex(16)
    parts: list[tuple[bytes, Content]] = []
    # Without fields of its own, a `job.json` among the files is the manifest.
    if manifest:
        # It goes first: the server can then refuse a bad one before the files arrive.
        head = _part_head(boundary, 'name="manifest"', "application/json")
        parts.append((head, _json(manifest)))
    for name, content in files.items():
        disposition = f'name="files"; filename="{_quoted(name)}"'
        parts.append((_part_head(boundary, disposition, "application/octet-stream"), content))
    tail = f"--{boundary}--\r\n".encode()
    sizes = [len(head) + _size(content) + 2 for head, content in parts]

    def chunks() -> Iterator[bytes]:
        for (head, content), size in zip(parts, sizes, strict=True):
            yield head
            yield from _exactly(content, size - len(head) - 2)
            yield b"\r\n"
        yield tail

    content_type = f"multipart/form-data; boundary={boundary}"
    return Body(content_type, sum(sizes) + len(tail), chunks)


def _part_head(boundary: str, disposition: str, content_type: str) -> bytes:
    head = f"--{boundary}\r\nContent-Disposition: form-data; {disposition}\r\n"
    return f"{head}Content-Type: {content_type}\r\n\r\n".encode()


def _quoted(name: str) -> str:
    """As browsers write a file name: these three would end the value or the line."""
    return name.replace('"', "%22").replace("\r", "%0D").replace("\n", "%0A")


def _size(content: Content) -> int:
    if isinstance(content, Path):
        return content.stat().st_size
    return len(_encoded(content))


def _exactly(content: Content, size: int) -> Iterator[bytes]:
    """The length was announced; a file that changed meanwhile must not become another's bytes."""
    if not isinstance(content, Path):
        yield _encoded(content)
        return
    with content.open("rb") as file:
        left = size
        while left > 0:
            chunk = file.read(min(left, _CHUNK_BYTES))
            if not chunk:
                raise OSError(f"{content} became shorter while it was sent")
            left -= len(chunk)
            yield chunk
        if file.read(1):
            raise OSError(f"{content} became longer while it was sent")


def _encoded(content: str | bytes) -> bytes:
    return content.encode("utf-8") if isinstance(content, str) else content


def _inline(content: Content) -> object:
    if isinstance(content, str):
        return content
    return {"base64": _base64(content.read_bytes() if isinstance(content, Path) else content)}


def _base64(content: str | bytes) -> str:
    return base64.b64encode(_encoded(content)).decode("ascii")


def _json(value: object) -> bytes:
    return json.dumps(value, ensure_ascii=False, default=_plain).encode("utf-8")


def _plain(value: object) -> object:
    """Sequences and mappings of other kinds than JSON's own."""
    if isinstance(value, Mapping):
        return dict(value)
    if isinstance(value, Sequence):
        return list(value)
    raise TypeError(f"{type(value).__name__} cannot stand in a job")
