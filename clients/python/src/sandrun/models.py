"""What the server answers, as values. Names and units are the API's own."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from .words import shown

Status = Literal["queued", "running", "completed", "failed"]
Stream = Literal["stdout", "stderr"]
Kind = Literal[
    "exited",
    "signalled",
    "timed_out",
    "cpu_limit",
    "out_of_memory",
    "output_limit",
    "cancelled",
    "evicted",
    "sandbox_error",
]

_SENTENCES: dict[str, str] = {
    "timed_out": "timed out",
    "cpu_limit": "used up its CPU time",
    "out_of_memory": "ran out of memory",
    "output_limit": "its output files are larger than the limit",
    "cancelled": "cancelled",
    "evicted": "evicted by the server, which needed the room",
}


@dataclass(frozen=True)
class Outcome:
    """How a job ended. ``exit_code``, ``signal`` and ``step`` stand where their kind has them."""

    kind: Kind
    exit_code: int | None = None
    signal: str | None = None
    step: str | None = None

    @property
    def ok(self) -> bool:
        """The program exited with 0."""
        return self.kind == "exited" and self.exit_code == 0

    def __str__(self) -> str:
        """In a person's words, for example ``ran out of memory``."""
        if self.kind == "exited":
            return f"exited with {self.exit_code}"
        if self.kind == "signalled":
            return f"killed by {shown(self.signal or '')}"
        if self.kind == "sandbox_error":
            return f"the sandbox failed: {shown(self.step or '')}"
        return _SENTENCES[self.kind]


@dataclass(frozen=True)
class Metrics:
    """CPU time and memory are known once the job has ended; ``None`` until then."""

    cpu_seconds: float | None
    memory_mb: float | None
    wall_seconds: float | None
    queue_seconds: float | None


@dataclass(frozen=True)
class OutputFile:
    """A file that the job made. ``path`` was chosen by the job: do not open it by that name."""

    path: str
    size: int
    sha256: str
    #: Present when it came with the result; otherwise ``read_file`` or ``download`` get it.
    content: bytes | None = None


@dataclass(frozen=True)
class RunResult:
    """An ended job. ``output`` is both streams in the order in which they came."""

    job_id: str
    status: Status
    output: str
    stdout: str
    stderr: str
    stdout_truncated: bool
    stderr_truncated: bool
    outcome: Outcome
    metrics: Metrics
    isolation: tuple[str, ...]
    files: tuple[OutputFile, ...]

    @property
    def ok(self) -> bool:
        """The program exited with 0."""
        return self.outcome.ok


@dataclass(frozen=True)
class Submitted:
    job_id: str
    status: Status
    #: 1 = next.
    queue_position: int | None


@dataclass(frozen=True)
class JobStatus:
    job_id: str
    status: Status
    queue_position: int | None
    outcome: Outcome | None
    metrics: Metrics | None
    isolation: tuple[str, ...]
    #: How many; ``outputs`` lists them.
    output_files: int | None
    #: When the server will destroy it, as ISO 8601.
    expires_at: str | None


@dataclass(frozen=True)
class Logs:
    stdout: str
    stderr: str
    stdout_truncated: bool
    stderr_truncated: bool


@dataclass(frozen=True)
class Printed:
    """Something that the program printed. ``text`` never splits a character of UTF-8."""

    stream: Stream
    data: bytes
    text: str


@dataclass(frozen=True)
class Waiting:
    """The job waits; ``queue_position`` 1 = next."""

    queue_position: int


@dataclass(frozen=True)
class Running:
    """The program runs from here on."""


@dataclass(frozen=True)
class LogFull:
    """As much was printed as is kept; what comes now is lost."""


@dataclass(frozen=True)
class Ended:
    """The last event of a job."""

    outcome: Outcome
    stdout_truncated: bool
    stderr_truncated: bool


LogEvent = Waiting | Running | Printed | LogFull | Ended


@dataclass(frozen=True)
class Versioned:
    name: str
    version: str


@dataclass(frozen=True)
class Interpreter:
    name: str
    version: str
    aliases: tuple[str, ...]
    extensions: tuple[str, ...]


@dataclass(frozen=True)
class Environment:
    name: str
    interpreters: tuple[Versioned, ...]
    packages: tuple[Versioned, ...]


@dataclass(frozen=True)
class Environments:
    interpreters: tuple[Interpreter, ...]
    environments: tuple[Environment, ...]


@dataclass(frozen=True)
class Quota:
    running: int
    waiting: int
    cpu_seconds_used: float | None
    cpu_seconds_available: float | None
    refills_in: float | None


@dataclass(frozen=True)
class System:
    queue_length: int
    running: int
    slots: int


@dataclass(frozen=True)
class Stats:
    your_quota: Quota
    system: System


@dataclass(frozen=True)
class Health:
    status: str
    reason: str | None

    @property
    def ok(self) -> bool:
        return self.status == "healthy"
