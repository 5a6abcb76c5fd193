"""Writes a job's output files below a directory of the caller. The job chose the paths, and what
already lies in the directory may come from an earlier job or a stranger's archive.

Theory: a path is walked one name at a time, each directory opened relative to the one before
(``openat``) with O_NOFOLLOW, so no link is ever followed, also not one that appears while we write.
A file is made with O_EXCL: it did not exist, and nothing that existed is opened. With ``force`` it
is made under a name nobody can guess and renamed over a regular file. Files get no execute bit and
links are never made, so a job cannot plant a program that runs by itself. Where the system has no
``openat`` (Windows) nothing is written: the archive can be fetched there instead.
"""

from __future__ import annotations

import errno
import hashlib
import os
import secrets
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from .errors import NotWritten
from .models import OutputFile

_DIRECTORY = os.O_RDONLY | getattr(os, "O_DIRECTORY", 0) | getattr(os, "O_CLOEXEC", 0)
_NO_LINK = getattr(os, "O_NOFOLLOW", 0)
_NEW_FILE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | _NO_LINK | getattr(os, "O_CLOEXEC", 0)

_REASONS = {
    errno.EEXIST: "it exists already (force=True replaces it)",
    errno.ELOOP: "a link is in the way",
    errno.ENOTDIR: "a file or a link is in the way",
    errno.EISDIR: "a directory is in its place",
}


class FileWriter:
    """One file that is being written: ``add`` bytes, then ``finish``."""

    def __init__(self, descriptor: int, file: OutputFile) -> None:
        self._descriptor = descriptor
        self._file = file
        self._left = file.size
        self._hash = hashlib.sha256()

    def add(self, data: bytes) -> None:
        """Takes no byte more than was announced. Raises ``NotWritten``."""
        self._left -= len(data)
        if self._left < 0:
            raise NotWritten(self._file.path, "more bytes came than were announced")
        self._hash.update(data)
        write_all(self._descriptor, data, self._file.path)

    def finish(self) -> None:
        """Raises ``NotWritten`` when it is not what was announced."""
        if self._left > 0:
            raise NotWritten(self._file.path, "it came incomplete")
        if self._hash.hexdigest() != self._file.sha256:
            raise NotWritten(self._file.path, "its checksum is wrong")


class OutputDirectory:
    """Made if it is not there. It is the caller's own word, so a link in it is his."""

    def __init__(self, directory: str | os.PathLike[str], force: bool) -> None:
        if os.open not in os.supports_dir_fd or not _NO_LINK:
            raise NotImplementedError("this system cannot write safely; use download_archive")
        self._path = Path(directory)
        self._force = force
        self._path.mkdir(parents=True, exist_ok=True)
        self._root = os.open(self._path, _DIRECTORY)

    def close(self) -> None:
        os.close(self._root)

    @contextmanager
    def new_file(self, file: OutputFile) -> Iterator[FileWriter]:
        """Leaves nothing of a file on any failure. Raises ``NotWritten``."""
        *parents, name = _safe_names(file.path)
        directory = self._open_parents(file.path, parents)
        try:
            with new_file(directory, name, self._force, file.path) as descriptor:
                writer = FileWriter(descriptor, file)
                yield writer
                writer.finish()
        finally:
            os.close(directory)

    def path_of(self, file: OutputFile) -> Path:
        """Where a file that was written lies."""
        return self._path.joinpath(*file.path.split("/"))

    def _open_parents(self, path: str, names: list[str]) -> int:
        directory = os.dup(self._root)
        try:
            for name in names:
                deeper = _open_directory(directory, name)
                os.close(directory)
                directory = deeper
        except OSError as error:
            os.close(directory)
            raise _not_written(path, error) from error
        return directory


@contextmanager
def new_file(directory: int, name: str, force: bool, shown: str) -> Iterator[int]:
    """A descriptor of a file that is not there before, and of none if the block fails."""
    made = f".sandrun-{secrets.token_hex(16)}" if force else name
    try:
        if force:
            _refuse_irregular(directory, name, shown)
        descriptor = os.open(made, _NEW_FILE, 0o666, dir_fd=directory)
    except OSError as error:
        raise _not_written(shown, error) from error
    try:
        try:
            yield descriptor
        finally:
            os.close(descriptor)
        if made != name:
            os.rename(made, name, src_dir_fd=directory, dst_dir_fd=directory)
    except BaseException as error:
        _remove(directory, made)
        if isinstance(error, OSError):
            raise _not_written(shown, error) from error
        raise


@contextmanager
def new_archive(path: str | os.PathLike[str], force: bool) -> Iterator[int]:
    """A descriptor of a file that the caller named. Raises ``NotWritten``."""
    target = Path(path)
    if os.open not in os.supports_dir_fd:
        # The name is the caller's own, so all that is asked of the system is to make it anew.
        with target.open("wb" if force else "xb", buffering=0) as file:
            yield file.fileno()
        return
    directory = os.open(target.parent, _DIRECTORY)
    try:
        with new_file(directory, target.name, force, str(path)) as descriptor:
            yield descriptor
    finally:
        os.close(directory)


def write_all(descriptor: int, data: bytes, path: str) -> None:
    """Raises ``NotWritten``."""
    view = memoryview(data)
    while view:
        try:
            view = view[os.write(descriptor, view) :]
        except OSError as error:
            raise _not_written(path, error) from error


def _open_directory(parent: int, name: str) -> int:
    with suppress(FileExistsError):
        os.mkdir(name, dir_fd=parent)
    return os.open(name, _DIRECTORY | _NO_LINK, dir_fd=parent)


def _refuse_irregular(directory: int, name: str, shown: str) -> None:
    try:
        found = os.stat(name, dir_fd=directory, follow_symlinks=False)
    except FileNotFoundError:
        return
    if not stat.S_ISREG(found.st_mode):
        raise NotWritten(shown, "something that is not a regular file is in its place")


def _remove(directory: int, name: str) -> None:
    with suppress(FileNotFoundError):
        os.unlink(name, dir_fd=directory)


def _safe_names(path: str) -> list[str]:
    """The names of a path that stays below where it starts. Raises ``NotWritten``."""
    names = path.split("/")
    if any(name in ("", ".", "..") or "\0" in name for name in names):
        raise NotWritten(path, "its path would leave the directory")
    return names


def _not_written(path: str, error: OSError) -> NotWritten:
    reason = _REASONS.get(error.errno or 0) or os.strerror(error.errno or 0)
    return NotWritten(path, reason)
