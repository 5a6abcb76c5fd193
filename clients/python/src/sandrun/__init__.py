"""Sandrun: run code that you do not trust, get back what it printed and wrote.

>>> from sandrun import Client
>>> with Client("https://localhost:8443", fingerprint="AB:CD:...") as sandrun:
...     result = sandrun.run("print(6 * 7)")
...     print(result.stdout, result.outcome)
"""

from ._jobs import Content, JobFields, files_below
from .aio import AsyncClient
from .client import Client
from .errors import (
    ApiError,
    BadAnswer,
    Busy,
    InvalidJob,
    NotFinished,
    NotFound,
    NotWritten,
    SandrunError,
    Silent,
    Unreachable,
    Untrusted,
)
from .models import (
    Ended,
    Environment,
    Environments,
    Health,
    Interpreter,
    JobStatus,
    LogEvent,
    LogFull,
    Logs,
    Metrics,
    Outcome,
    OutputFile,
    Printed,
    Quota,
    Running,
    RunResult,
    Stats,
    Submitted,
    System,
    Versioned,
    Waiting,
)
from .words import shown

__version__ = "0.1.0"

__all__ = [
    "ApiError",
    "AsyncClient",
    "BadAnswer",
    "Busy",
    "Client",
    "Content",
    "Ended",
    "Environment",
    "Environments",
    "Health",
    "Interpreter",
    "InvalidJob",
    "JobFields",
    "JobStatus",
    "LogEvent",
    "LogFull",
    "Logs",
    "Metrics",
    "NotFinished",
    "NotFound",
    "NotWritten",
    "Outcome",
    "OutputFile",
    "Printed",
    "Quota",
    "RunResult",
    "Running",
    "SandrunError",
    "Silent",
    "Stats",
    "Submitted",
    "System",
    "Unreachable",
    "Untrusted",
    "Versioned",
    "Waiting",
    "files_below",
    "shown",
]
