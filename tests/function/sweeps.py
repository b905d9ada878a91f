"""Sweeps of the function at chosen moments, over inputs that were put there at others."""

from __future__ import annotations

from datetime import timedelta

from pipeline_function import sweeping
from pipeline_function.services import InputBlob, Progress, Services
from tests.function.fakes import GRACE, MOMENT
from tests.memory.function import MemoryStorage

MINUTE = timedelta(minutes=1)


def blob(name: str, etag: str = "0x1", age: timedelta = GRACE) -> InputBlob:
    return InputBlob(etag=etag, modified=MOMENT - age, name=f"incoming/{name}", size=7)


def have(storage: MemoryStorage, *blobs: InputBlob, done: bool = False) -> None:
    storage.have(blobs, Progress.DONE if done else Progress.UNKNOWN)


def sweep(services: Services, storage: MemoryStorage, after: timedelta = timedelta(0), **backlog: object) -> list[str]:
    """Sweep so long after the test's moment, and return the names that were queued, less the input path."""
    storage.calls.clear()
    storage.wait(MOMENT + after, **backlog)  # type: ignore[arg-type]
    sweeping.sweep(services)
    # Several are put at once, in whatever order.
    return sorted(job.name.removeprefix("incoming/") for job in storage.jobs)
