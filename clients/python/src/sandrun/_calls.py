"""The API as requests and what to make of their answers, without I/O: both clients send these."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Generic, TypeVar
from urllib.parse import quote

from . import _answers
from ._jobs import Body, JobFields, job_body
from ._wire import Head
from .errors import ApiError, BadAnswer
from .models import (
    Environments,
    Health,
    JobStatus,
    Logs,
    OutputFile,
    RunResult,
    Stats,
    Submitted,
)

T = TypeVar("T")

#: The result of a run: printed output twice, each byte at most six in JSON, and inline files.
RESULT_BYTES = 160 * 1024 * 1024
#: What was printed, as JSON or as it is.
LOG_BYTES = 64 * 1024 * 1024
#: Names of a thousand files, or of the packages of all environments.
LIST_BYTES = 16 * 1024 * 1024
#: All other answers. Parsed, JSON can be many times larger than its text.
SMALL_BYTES = 256 * 1024
#: What is read of an answer that is none of those expected.
REFUSAL_BYTES = 64 * 1024
#: All output files of a job as tar.gz, with room for names.
ARCHIVE_BYTES = 110 * 1024 * 1024
#: What a job may leave, as the server's limits say; a hostile server says more.
OUTPUT_BYTES = 100 * 1024 * 1024
OUTPUT_FILES = 1000


def wait_seconds(idle_seconds: float) -> float:
    """How long one answer may be held back: well before we would take the server for dead."""
    return min(50.0, idle_seconds / 2)


@dataclass(frozen=True)
class Request:
    method: str
    path: str
    accept: str = "application/json"
    body: Body | None = None
    headers: dict[str, str] = field(default_factory=dict)
    #: Statuses that are no refusal.
    takes: frozenset[int] = frozenset({200})


@dataclass(frozen=True)
class Call(Generic[T]):
    """A request whose whole answer becomes one value."""

    request: Request
    read: Callable[[int, bytes], T]
    most_bytes: int = SMALL_BYTES


def run(code: str | None, job: JobFields, wait: float) -> Call[RunResult | Submitted]:
    body = job_body(code, job)
    request = Request("POST", f"run?wait={wait:.3f}", body=body, takes=frozenset({200, 202}))
    return Call(request, _run_answer, RESULT_BYTES)


def _run_answer(status: int, answer: bytes) -> RunResult | Submitted:
    return _answers.read_run(answer) if status == 200 else _answers.read_submitted(answer)


def submit(code: str | None, job: JobFields) -> Call[Submitted]:
    request = Request("POST", "submit", body=job_body(code, job), takes=frozenset({202}))
    return Call(request, lambda _, answer: _answers.read_submitted(answer))


def status(job_id: str, wait: float = 0.0) -> Call[JobStatus]:
    request = Request("GET", f"status/{_segment(job_id)}?wait={wait:.3f}")
    return Call(request, lambda _, answer: _answers.read_status(answer))


def logs(job_id: str) -> Call[Logs]:
    return Call(_get("logs", job_id), lambda _, answer: _answers.read_logs(answer), LOG_BYTES)


def output(job_id: str) -> Call[str]:
    """Both streams as they came."""
    request = Request("GET", f"logs/{_segment(job_id)}", accept="text/plain")
    return Call(request, lambda _, answer: answer.decode("utf-8", "replace"), LOG_BYTES)


def outputs(job_id: str) -> Call[tuple[OutputFile, ...]]:
    request = _get("outputs", job_id)
    return Call(request, lambda _, answer: _answers.read_outputs(answer), LIST_BYTES)


def cancel(job_id: str) -> Call[None]:
    request = Request("DELETE", f"jobs/{_segment(job_id)}", takes=frozenset({204}))
    return Call(request, lambda _, answer: None)


def environments() -> Call[Environments]:
    request = Request("GET", "environments")
    return Call(request, lambda _, answer: _answers.read_environments(answer), LIST_BYTES)


def stats() -> Call[Stats]:
    return Call(Request("GET", "stats"), lambda _, answer: _answers.read_stats(answer))


def health() -> Call[Health]:
    """An answer for a service that is not healthy too."""
    request = Request("GET", "health", takes=frozenset({200, 503}))
    return Call(request, lambda _, answer: _answers.read_health(answer))


def follow(job_id: str, headers: dict[str, str]) -> Request:
    path = f"logs/{_segment(job_id)}"
    return Request("GET", path, accept="text/event-stream", headers=headers)


def archive(job_id: str) -> Request:
    return Request("GET", f"download/{_segment(job_id)}", accept="*/*")


def one_file(job_id: str, path: str) -> Request:
    encoded = "/".join(_segment(name) for name in path.split("/"))
    return Request("GET", f"download/{_segment(job_id)}/{encoded}", accept="*/*")


def refusal(head: Head, answer: bytes) -> ApiError:
    return _answers.read_refusal(answer, head.status, head.headers.get("retry-after"))


def check_type(head: Head, content_type: str) -> None:
    """For streams, which are passed on before their end was seen. Raises ``BadAnswer``."""
    given = head.headers.get("content-type", "").split(";")[0].strip().lower()
    if given != content_type:
        raise BadAnswer(f"it is not {content_type}", head.status)


def _get(verb: str, job_id: str) -> Request:
    return Request("GET", f"{verb}/{_segment(job_id)}")


def _segment(name: str) -> str:
    """``.`` and ``..`` would be resolved away on the way and name another address."""
    if name in ("", ".", ".."):
        raise ValueError("not a job id or a path of an output file")
    return quote(name, safe="")
