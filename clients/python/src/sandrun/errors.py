"""What can go wrong. How a program ended is no error but a value, ``Outcome``."""

from __future__ import annotations

from .words import shown


class SandrunError(Exception):
    """Everything that this package raises on purpose."""


class ApiError(SandrunError):
    """The server refused. ``str(error)`` is a sentence for a person.

    ``code`` is a word of the server's table, ``status`` the HTTP status, ``details`` what exactly
    was wrong, ``retry_after`` seconds after which trying again makes sense.
    """

    def __init__(
        self,
        sentence: str,
        *,
        code: str,
        status: int,
        details: str | None = None,
        retry_after: float | None = None,
    ) -> None:
        super().__init__(shown(sentence if details is None else f"{sentence} {details}"))
        self.code = code
        self.status = status
        self.details = details
        self.retry_after = retry_after


class InvalidJob(ApiError):
    """What was sent cannot be run: its manifest, a path, an archive, an interpreter or its size."""


class NotFound(ApiError):
    """There is no such job or file: never, no more, or not the caller's. All look the same."""


class NotFinished(ApiError):
    """The job still waits or runs, and this needs its end."""


class Busy(ApiError):
    """The caller has too many jobs, or the service is full or not ready; see ``retry_after``."""


class BadAnswer(ApiError):
    """The answer is not of this API; ``details`` names the field or the limit."""

    def __init__(self, what: str, status: int = 0) -> None:
        super().__init__(
            "The server's answer is not of this API:",
            code="bad_answer",
            status=status,
            details=what,
        )


class Unreachable(SandrunError):
    """The server could not be reached, or the connection broke."""


class Silent(Unreachable):
    """The server neither said nor took anything for ``idle_seconds``."""


class Untrusted(Unreachable):
    """The server's certificate is not the one that was asked for. Nothing was sent to it."""


class NotWritten(SandrunError):
    """An output file could not be written; ``path`` is the name that the job gave it."""

    def __init__(self, path: str, reason: str) -> None:
        super().__init__(f"did not write {shown(path)}: {reason}")
        self.path = path
        self.reason = reason


_CLASSES: dict[str, type[ApiError]] = {
    "bad_request": InvalidJob,
    "bad_manifest": InvalidJob,
    "bad_archive": InvalidJob,
    "bad_path": InvalidJob,
    "unsupported": InvalidJob,
    "unknown_interpreter": InvalidJob,
    "unknown_environment": InvalidJob,
    "too_large": InvalidJob,
    "not_found": NotFound,
    "not_finished": NotFinished,
    "caller_busy": Busy,
    "too_many_streams": Busy,
    "queue_full": Busy,
    "unhealthy": Busy,
}


def refusal_class(code: str) -> type[ApiError]:
    """The class for a code; plain ``ApiError`` for one that this version does not know."""
    return _CLASSES.get(code, ApiError)
