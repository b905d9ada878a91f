"""A worker's loop over stages of the test's own."""

from __future__ import annotations

import threading
from typing import Any

from pipeline_app.worker.loop import Drain
from pipeline_app.worker.outside import Outside
from pipeline_app.worker.status import Status
from tests.memory.worker import MemoryQueue, Outage
from tests.worker.staged import StagedProcessor


def drain(queue: MemoryQueue, **changes: Any) -> tuple[Drain, StagedProcessor, Status, threading.Event]:
    """Return a worker's loop and what it has to do with; ``clock`` is where its time is, if it is the test's."""
    if (clock := changes.pop("clock", None)) is not None:
        changes["outside"] = Outside(monotonic=lambda: clock[0])
    options: dict[str, Any] = {"claim_seconds": 60, "idle_seconds": 0.0, "slots": 1} | changes
    processor = StagedProcessor(queue)
    status = Status(image="i", release="r", slots=options["slots"], stale_seconds=60)
    stopping = threading.Event()
    is_transient = lambda error: isinstance(error, Outage)  # noqa: E731
    return Drain(queue, processor, status, stopping, is_transient=is_transient, **options), processor, status, stopping
