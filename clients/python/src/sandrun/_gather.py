"""Small judgements that both clients share: bounds, patience, and a result put together."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from ._calls import OUTPUT_BYTES, OUTPUT_FILES
from .errors import BadAnswer, Unreachable, Untrusted
from .models import JobStatus, Logs, OutputFile, RunResult

_FIRST_PAUSE_SECONDS = 0.2
_TRIES = 6
#: Between two looks at a job, for a server that does not wait as it was asked to.
LOOK_SECONDS = 0.5


class Counter:
    """Counts what arrives. ``add`` raises ``BadAnswer`` past the ceiling."""

    def __init__(self, most_bytes: int) -> None:
        self._most_bytes = most_bytes
        self._left = most_bytes

    def add(self, chunk: bytes) -> bytes:
        self._left -= len(chunk)
        if self._left < 0:
            raise BadAnswer(f"it is longer than {self._most_bytes} bytes")
        return chunk


def bounded(body: Iterable[bytes], most_bytes: int) -> Iterator[bytes]:
    counter = Counter(most_bytes)
    for chunk in body:
        yield counter.add(chunk)


class Patience:
    """How long to wait before a broken connection is made again; the last error when it is over."""

    def __init__(self) -> None:
        self._failed = 0

    def renew(self) -> None:
        """Something new arrived, so the server is there."""
        self._failed = 0

    def pause(self, error: Unreachable) -> float:
        """Seconds. Raises the error after six vain tries in a row, about twelve seconds."""
        self._failed += 1
        if self._failed > _TRIES or isinstance(error, Untrusted):
            raise error
        pause: float = _FIRST_PAUSE_SECONDS * 2 ** (self._failed - 1)
        return pause


def gathered(
    status: JobStatus, logs: Logs, output: str, files: tuple[OutputFile, ...]
) -> RunResult:
    """The result of a job that ended after the server had stopped to wait for it."""
    if status.outcome is None or status.metrics is None:
        raise BadAnswer("the job ended without an outcome")
    return RunResult(
        job_id=status.job_id,
        status=status.status,
        output=output,
        stdout=logs.stdout,
        stderr=logs.stderr,
        stdout_truncated=logs.stdout_truncated,
        stderr_truncated=logs.stderr_truncated,
        outcome=status.outcome,
        metrics=status.metrics,
        isolation=status.isolation,
        files=files,
    )


def writable(files: tuple[OutputFile, ...]) -> tuple[OutputFile, ...]:
    """Files within what a job may leave. Raises ``BadAnswer``: a disk must not be filled."""
    if len(files) > OUTPUT_FILES:
        raise BadAnswer(f"more than {OUTPUT_FILES} files")
    if sum(file.size for file in files) > OUTPUT_BYTES:
        raise BadAnswer(f"the files are more than {OUTPUT_BYTES} bytes")
    return files
