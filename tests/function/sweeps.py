"""Sweeps of the function at chosen moments, over inputs that were put there at others."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from pipeline_function import sweeping
from pipeline_function.services import Backlog, InputBlob, Progress, Services
from tests.function.fakes import GRACE, MOMENT, FakeStorage

MINUTE = timedelta(minutes=1)


def blob(name: str, etag: str = "0x1", age: timedelta = GRACE) -> InputBlob:
    return InputBlob(etag=etag, modified=MOMENT - age, name=f"incoming/{name}", size=7)


def have(storage: FakeStorage, *blobs: InputBlob, done: bool = False) -> None:
    storage.blobs += blobs
    if done:
        storage.progresses |= {(blob.name, blob.etag): Progress.DONE for blob in blobs}


def sweep(services: Services, storage: FakeStorage, after: timedelta = timedelta(0), **backlog: object) -> list[str]:
    """Sweep so long after the test's moment, and return the names that were queued, less the input path."""
    storage.calls.clear()
    storage.jobs.clear()
    storage.count = replace(Backlog(events=0, jobs=0, moment=MOMENT + after), **backlog)  # type: ignore[arg-type]
    sweeping.sweep(services)
    # Several are put at once, in whatever order.
    storage.jobs.sort(key=lambda job: job.name)
    return [job.name.removeprefix("incoming/") for job in storage.jobs]
