"""The worker's own code up to its next request, given the answers to those before.

What an attempt does depends on the answers that it got and on nothing else. So it needs no thread that waits: it is run
from its beginning with the answers that are known, and from there on with those that it gets if nobody comes between,
to its end. Each point on the way is kept, so an attempt is run again only where somebody did come between.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path
from typing import Any

from pipeline_app.worker.application import RunResult
from pipeline_app.worker.attempt import Fetched, Ran
from pipeline_app.worker.azure_blobs import AzureBlobStore
from pipeline_app.worker.azure_queue import AzureJobQueue
from pipeline_app.worker.job import JobProcessor
from pipeline_app.worker.lifetime import Lifetime
from pipeline_app.worker.outside import Outside
from pipeline_app.worker.process import Interrupted
from pipeline_app.worker.settings import WorkerSettings
from pipeline_app.worker.storage import Message
from tests.interleavings.storage import CONTAINER, Storage
from tests.memory.endpoint import MemoryEndpoint
from tests.memory.queues import Queued
from tests.memory.requests import Asked, Reply
from tests.worker.world import process

MOMENT = "2026-01-01T00:00:00.000Z"

CarryOut = Callable[[Storage, Asked], tuple[Storage, Reply]]


@dataclass(eq=False)
class Point:
    """A point that an attempt is at: ``call`` is its next request, or ``end`` says how it ended."""

    number: int
    message: Queued
    answers: tuple[Reply, ...]
    call: Asked | None
    end: str
    later: dict[Reply, Point] = field(default_factory=dict)


class Ends(Enum):
    """Where the worker of the first attempt is told to stop."""

    IN_APPLICATION = "while its application runs"
    NEVER = "never"
    RIGHT_BEFORE_COMMIT = "when its results are out, right before they are final"


class Attempts:
    """Runs attempts of a worker whose application takes long enough to be marked if ``long``."""

    def __init__(self, settings: WorkerSettings, scratch: Path, carry_out: CarryOut, *, ends: Ends, long: bool) -> None:
        self.runs = 0
        self._begun: dict[tuple[int, Queued], Point] = {}
        self._carry_out = carry_out
        self._ends = ends
        self._long = long
        self._scratch = scratch
        self._settings = settings

    def begin(self, number: int, message: Queued, storage: Storage) -> Point:
        """Return where an attempt is that has just received a message."""
        key = (number, message)
        if key not in self._begun:
            self._begun[key] = self._run(number, message, (), storage)
        return self._begun[key]

    def go_on(self, point: Point, answer: Reply, storage: Storage) -> Point:
        """Return where an attempt is once its request was answered, and ``storage`` is what there is then."""
        if answer not in point.later:
            point.later[answer] = self._run(point.number, point.message, (*point.answers, answer), storage)
        return point.later[answer]

    def _run(self, number: int, message: Queued, answers: tuple[Reply, ...], storage: Storage) -> Point:
        """Run an attempt with these answers; return the point that comes after them, with all that follow."""
        self.runs += 1
        asking = _Asking(answers, storage, self._carry_out)
        ends = self._ends if number == 1 else Ends.NEVER
        processor = _Processor(self._settings, asking, self._scratch, number, ends=ends, long=self._long)
        received = Message(
            content=message.content, dequeue_count=message.dequeue_count, id=message.id, pop_receipt=message.receipt
        )
        end = process(processor, received).outcome.value
        last = Point(answers=(*answers, *asking.got), call=None, end=end, message=message, number=number)
        for place in reversed(range(len(asking.got))):
            known = last.answers[: len(answers) + place]
            point = Point(answers=known, call=asking.asked[place], end="", message=message, number=number)
            point.later[asking.got[place]] = last
            last = point
        return last


class _Asking:
    """Answers with what is known, and then as if nobody else were there; notes what it was asked then."""

    def __init__(self, answers: tuple[Reply, ...], storage: Storage, carry_out: CarryOut) -> None:
        self.asked: list[Asked] = []
        self.got: list[Reply] = []
        self._answers = iter(answers)
        self._carry_out = carry_out
        self._storage = storage

    def answer(self, asked: Asked) -> Reply:
        """Answer a request."""
        known = next(self._answers, None)
        if known is not None:
            return known
        self._storage, reply = self._carry_out(self._storage, asked)
        self.asked.append(asked)
        self.got.append(reply)
        return reply


class _Processor(JobProcessor):
    """The worker's stages with an application whose results say of which version and attempt they are."""

    def __init__(
        self, settings: WorkerSettings, asking: _Asking, scratch: Path, number: int, *, ends: Ends, long: bool
    ) -> None:
        unused: Any = None
        store = AzureBlobStore(MemoryEndpoint(asking.answer, "blob"), CONTAINER)
        queue = AzureJobQueue(MemoryEndpoint(asking.answer, "queue"))
        # The same attempt is the same each time that it is run.
        outside = Outside(backoff=float, monotonic=lambda: 0.0, new_id=lambda: f"attempt-{number}", now=lambda: MOMENT)
        super().__init__(settings, store, queue, scratch, lambda: False, unused, outside)
        # A life that is all but over, since the message then tells of it.
        self._lifetime = Lifetime(1000, age=400, outside=outside)
        self._ends = ends
        self._long = long
        self._looks = 0
        self._number = number

    def _apply(self, fetched: Fetched) -> tuple[RunResult, int]:
        if self._long:
            fetched.mark.renew()
        if self._ends is Ends.IN_APPLICATION:
            raise Interrupted
        for name in fetched.input_file.read_text().split():
            result = fetched.scratch / "work" / "output" / name
            result.write_text(f"{name} of version {fetched.version.etag} by attempt {self._number}")
        return RunResult(config_sha256="", confined=True, error=None, exit_code=0), 0

    def _require_own_end(self, ran: Ran) -> None:
        # It is asked when the results go out, and again when all but the log is there.
        self._looks += 1
        if self._ends is Ends.RIGHT_BEFORE_COMMIT and self._looks > 1:
            raise Interrupted
