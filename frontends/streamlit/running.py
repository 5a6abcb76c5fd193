"""One job of one visitor, followed in a thread while the page is drawn again and again.

Theory: Streamlit runs the page's script anew for each click, so nothing that takes time may live in
it. The thread keeps what was printed, in bounds; the page looks when it likes. Files are fetched at
the end and held in memory, since the server forgets a job a minute later. When nobody looks any
more the tab was closed, and the job is cancelled.
"""

from __future__ import annotations

import re
import threading
import time
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace

from sandrun import (
    Client,
    JobFields,
    LogEvent,
    LogFull,
    NotFound,
    Outcome,
    OutputFile,
    Printed,
    RunResult,
    SandrunError,
    Waiting,
)

#: What was printed last, in characters, as the page shows it.
SHOWN_CHARACTERS = 200_000
#: Contents of output files that are held for one visitor.
HELD_BYTES = 50 * 1024 * 1024
#: A tab in the background looks rarely.
UNWATCHED_SECONDS = 180.0
#: How often it is asked whether somebody still looks.
LOOK_SECONDS = 2.0

#: Colours and cursor movements, which a page does not obey.
_ESCAPES = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)|[@-_])")


class Job:
    """Begins to run when it is made."""

    def __init__(
        self, client: Client, fields: JobFields, now: Callable[[], float] = time.monotonic
    ) -> None:
        self._client = client
        self._fields = fields
        self._now = now
        self._lock = threading.Lock()
        self._pieces: deque[str] = deque()
        self._kept = 0
        self._job_id: str | None = None
        self._stopping = False
        self._began = self._seen = now()
        self._ended: float | None = None
        #: 1 = next; ``None`` once it runs.
        self.position: int | None = None
        #: The beginning of what was printed is not kept any more.
        self.is_cut = False
        self.result: RunResult | None = None
        #: Why there is no result, in words.
        self.problem: str | None = None
        #: Files that were too large to be held.
        self.left_out: list[OutputFile] = []
        self._over = threading.Event()
        for task in (self._live, self._watch):
            threading.Thread(target=task, name="job", daemon=True).start()

    @property
    def is_over(self) -> bool:
        return self._over.is_set()

    @property
    def was_stopped(self) -> bool:
        return self._stopping

    @property
    def seconds(self) -> float:
        return (self._now() if self._ended is None else self._ended) - self._began

    @property
    def printed(self) -> str:
        """What was printed so far. Also tells that somebody still looks."""
        self._seen = self._now()
        with self._lock:
            return _ESCAPES.sub("", "".join(self._pieces))

    def stop(self) -> None:
        """Ends the job; what it printed stays. Returns at once."""
        with self._lock:
            self._stopping = True
            job_id = self._job_id
        if job_id is not None:
            threading.Thread(target=self._cancel, args=(job_id,), daemon=True).start()

    def _live(self) -> None:
        try:
            self._follow()
        except NotFound as error:
            # That is how the stream of a job that was stopped ends.
            self.problem = "Stopped." if self._stopping else str(error)
        except (SandrunError, OSError, ValueError) as error:
            self.problem = str(error)
        finally:
            self._ended = self._now()
            self._over.set()
            if self._job_id is not None:
                self._cancel(self._job_id)

    def _watch(self) -> None:
        while not self._over.wait(LOOK_SECONDS):
            if self._now() - self._seen > UNWATCHED_SECONDS:
                self.stop()
                return

    def _follow(self) -> None:
        job_id = self._client.submit(**self._fields).job_id
        with self._lock:
            self._job_id = job_id
            stopped = self._stopping
        if stopped:
            raise NotFound("Stopped.", code="not_found", status=404)
        for event in self._client.follow(job_id):
            self._take(event)
        result = self._client.wait(job_id)
        self.result = replace(result, files=tuple(self._fetched(result)))

    def _take(self, event: LogEvent) -> None:
        if isinstance(event, Waiting):
            self.position = event.queue_position
            return
        self.position = None
        if isinstance(event, LogFull):
            self.is_cut = True
        elif isinstance(event, Printed):
            with self._lock:
                self._pieces.append(event.text)
                self._kept += len(event.text)
                while self._kept > SHOWN_CHARACTERS and len(self._pieces) > 1:
                    self._kept -= len(self._pieces.popleft())
                    self.is_cut = True

    def _fetched(self, result: RunResult) -> list[OutputFile]:
        room = HELD_BYTES
        files: list[OutputFile] = []
        for file in result.files:
            if file.size > room:
                self.left_out.append(file)
                continue
            room -= file.size
            content = self._client.read_file(result.job_id, file.path, most_bytes=file.size)
            files.append(replace(file, content=content))
        return files

    def _cancel(self, job_id: str) -> None:
        # Without it, the server forgets the job a minute later.
        with suppress(SandrunError):
            self._client.cancel(job_id)


def words(outcome: Outcome, fields: JobFields) -> str:
    """How it ended, with the limit that was set."""
    if outcome.kind == "timed_out" and "timeout" in fields:
        return f"Timed out after {fields['timeout']:g} s"
    if outcome.kind == "out_of_memory" and "memory_mb" in fields:
        return f"Ran out of memory ({fields['memory_mb']} MB)"
    if outcome.ok:
        return "Finished"
    said = str(outcome)
    return said[:1].upper() + said[1:]
