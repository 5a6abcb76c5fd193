"""From the bytes of an answer to a value of ``models``."""

from __future__ import annotations

import base64
import binascii
import math
from typing import cast, get_args

from ._decode import Fields, parse
from .errors import ApiError, BadAnswer, refusal_class
from .models import (
    Environment,
    Environments,
    Health,
    Interpreter,
    JobStatus,
    Kind,
    Logs,
    Metrics,
    Outcome,
    OutputFile,
    Quota,
    RunResult,
    Stats,
    Status,
    Submitted,
    System,
    Versioned,
)


def read_run(body: bytes) -> RunResult:
    fields = parse(body)
    return RunResult(
        job_id=fields.text("job_id"),
        status=_status(fields),
        output=fields.text("output"),
        stdout=fields.text("stdout"),
        stderr=fields.text("stderr"),
        stdout_truncated=fields.flag("stdout_truncated"),
        stderr_truncated=fields.flag("stderr_truncated"),
        outcome=read_outcome(fields.inner("outcome")),
        metrics=_metrics(fields.inner("metrics")),
        isolation=fields.texts("isolation"),
        files=fields.objects("files", _file),
    )


def read_submitted(body: bytes) -> Submitted:
    fields = parse(body)
    return Submitted(
        fields.text("job_id"), _status(fields), fields.optional("queue_position", fields.count)
    )


def read_status(body: bytes) -> JobStatus:
    fields = parse(body)
    return JobStatus(
        job_id=fields.text("job_id"),
        status=_status(fields),
        queue_position=fields.optional("queue_position", fields.count),
        outcome=fields.optional("outcome", lambda name: read_outcome(fields.inner(name))),
        metrics=fields.optional("metrics", lambda name: _metrics(fields.inner(name))),
        isolation=fields.texts("isolation"),
        output_files=fields.optional("output_files", fields.count),
        expires_at=fields.optional("expires_at", fields.text),
    )


def read_logs(body: bytes) -> Logs:
    fields = parse(body)
    return Logs(
        fields.text("stdout"),
        fields.text("stderr"),
        fields.flag("stdout_truncated"),
        fields.flag("stderr_truncated"),
    )


def read_outputs(body: bytes) -> tuple[OutputFile, ...]:
    return parse(body).objects("details", _file)


def read_environments(body: bytes) -> Environments:
    fields = parse(body)
    return Environments(
        fields.objects("interpreters", _interpreter), fields.objects("environments", _environment)
    )


def read_stats(body: bytes) -> Stats:
    fields = parse(body)
    quota = fields.inner("your_quota")
    system = fields.inner("system")
    return Stats(
        Quota(
            running=quota.count("running"),
            waiting=quota.count("waiting"),
            cpu_seconds_used=quota.optional("cpu_seconds_used", quota.amount),
            cpu_seconds_available=quota.optional("cpu_seconds_available", quota.amount),
            refills_in=quota.optional("refills_in", quota.amount),
        ),
        System(system.count("queue_length"), system.count("running"), system.count("slots")),
    )


def read_health(body: bytes) -> Health:
    fields = parse(body)
    return Health(fields.text("status"), fields.optional("reason", fields.text))


def read_outcome(fields: Fields) -> Outcome:
    kind = cast(Kind, fields.word("kind", get_args(Kind)))
    return Outcome(
        kind,
        exit_code=fields.count("exit_code") if kind == "exited" else None,
        signal=fields.text("signal") if kind == "signalled" else None,
        step=fields.text("step") if kind == "sandbox_error" else None,
    )


def read_refusal(body: bytes, status: int, retry_after: str | None) -> ApiError:
    """The error to raise for an answer that is none of 2xx."""
    try:
        return refusal(parse(body), status, _seconds(retry_after))
    except BadAnswer as error:
        return BadAnswer(f"status {status}, {error.details}", status)


def refusal(fields: Fields, status: int, retry_after: float | None = None) -> ApiError:
    """An error with the server's code. Raises ``BadAnswer``."""
    code = fields.text("code")
    told = fields.optional("retry_after", fields.amount)
    return refusal_class(code)(
        fields.text("error"),
        code=code,
        status=status,
        details=fields.optional("details", fields.text),
        retry_after=retry_after if told is None else told,
    )


def _seconds(header: str | None) -> float | None:
    try:
        seconds = float(header or "nan")
    except ValueError:
        return None
    return seconds if math.isfinite(seconds) and seconds >= 0 else None


def _status(fields: Fields) -> Status:
    return cast(Status, fields.word("status", get_args(Status)))


def _metrics(fields: Fields) -> Metrics:
    names = ("cpu_seconds", "memory_mb", "wall_seconds", "queue_seconds")
    return Metrics(*(fields.optional(name, fields.amount) for name in names))


def _file(fields: Fields) -> OutputFile:
    encoded = fields.optional("base64", fields.text)
    try:
        content = None if encoded is None else base64.b64decode(encoded, validate=True)
    except (binascii.Error, ValueError) as error:
        raise BadAnswer("the content of a file is not base64") from error
    return OutputFile(fields.text("path"), fields.count("size"), fields.text("sha256"), content)


def _versioned(fields: Fields) -> Versioned:
    return Versioned(fields.text("name"), fields.text("version"))


def _interpreter(fields: Fields) -> Interpreter:
    return Interpreter(
        fields.text("name"),
        fields.text("version"),
        fields.texts("aliases"),
        fields.texts("extensions"),
    )


def _environment(fields: Fields) -> Environment:
    return Environment(
        fields.text("name"),
        fields.objects("interpreters", _versioned),
        fields.objects("packages", _versioned),
    )
