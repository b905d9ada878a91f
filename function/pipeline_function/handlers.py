"""What the triggers do, against protocols instead of Azure.

Both handlers raise for a passing fault (storage, Azure Resource Manager, network), so that the host delivers the event
again or the next sweep tries again. They never raise for the content of an event.
"""

from __future__ import annotations

import hashlib
import logging
import uuid
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import Final, Protocol

from pipeline_app.contract import FileJob, StorageNames, now
from pipeline_function.events import Ignored, job_of_event

LOGGER = logging.getLogger(__name__)

# An input younger than this may have its event on the way: Event Grid delivers in seconds, as a rule.
GRACE: Final = timedelta(minutes=2)

# A sweep ends well within its period; the next one after these are done goes on with the rest.
MAX_JOBS_PER_SWEEP: Final = 2000


@dataclass(frozen=True, kw_only=True)
class InputBlob:
    """An input as a listing shows it; ``etag`` without quotes, ``size`` in bytes, ``modified`` with a time zone."""

    name: str
    etag: str
    size: int
    modified: datetime


@dataclass(frozen=True, kw_only=True)
class Backlog:
    """Messages on the two queues, those in progress (invisible) among them; never lower than the true number."""

    events: int
    jobs: int


class Storage(Protocol):
    """The application storage account."""

    @property
    def account(self) -> str:
        """Return the account's name."""

    def backlog(self) -> Backlog:
        """Count the messages on both queues."""

    def inputs(self) -> Iterator[InputBlob]:
        """List the blobs below the input path."""

    def put(self, job: FileJob) -> None:
        """Put a job on the queue, without expiry."""

    def receipts(self) -> Iterator[tuple[str, str]]:
        """List the receipts below the output path: each one's blob name and the input's ETag."""


@dataclass(frozen=True, kw_only=True)
class Services:
    """What the handlers need: names, storage, and a call that sees that a runner will look at the queue."""

    names: StorageNames
    storage: Storage
    ensure_running: Callable[[], None]


def dispatch(body: bytes, services: Services) -> None:
    """Put the job of an event on the queue and see that a runner will look at it; log why, if there is no job."""
    job = job_of_event(body, services.names, services.storage.account)
    if isinstance(job, Ignored):
        LOGGER.warning("Ignored an event. %s", job.reason)
        return
    services.storage.put(job)
    LOGGER.info("Queued %r for event %r.", job.name, job.event_id)
    services.ensure_running()


def sweep(services: Services, moment: datetime | None = None) -> None:
    """Start a runner where there is a backlog; where both queues are empty, queue the inputs that have no receipt.

    Inputs are only looked for while both queues are empty, so that a file whose event or job is in progress is
    never queued a second time.

    Args:
        services: what to work with.
        moment: the present moment, with a time zone.
    """
    backlog = services.storage.backlog()
    # The backlog's alert reads this line.
    LOGGER.info("Backlog: events=%d jobs=%d.", backlog.events, backlog.jobs)
    if backlog.jobs:
        services.ensure_running()
    if backlog.jobs or backlog.events:
        return
    found = 0
    for job in islice(missing_jobs(services, moment or datetime.now(UTC)), MAX_JOBS_PER_SWEEP):
        services.storage.put(job)
        found += 1
        LOGGER.warning("Queued %r, which has neither a receipt nor a message.", job.name)
    if found:
        services.ensure_running()


def missing_jobs(services: Services, moment: datetime) -> Iterator[FileJob]:
    """Yield a job for each input, older than the grace period, whose present version has no receipt.

    The memory used is some 100 bytes for each receipt, however long the names are; inputs are not kept.
    """
    done = _fingerprints(services.storage.receipts())
    for blob in services.storage.inputs():
        if moment - blob.modified < GRACE or not services.names.is_input(blob.name):
            continue
        if _fingerprint(services.names.receipt_name(blob.name), blob.etag) not in done:
            event_id = f"sweep-{uuid.uuid4()}"
            yield FileJob(name=blob.name, etag=blob.etag, size=blob.size, event_id=event_id, queued_at=now())


def _fingerprint(receipt_name: str, etag: str) -> bytes:
    # An ETag has no line break, so no two pairs give the same text.
    return hashlib.blake2b(f"{etag}\n{receipt_name}".encode(), digest_size=16).digest()


def _fingerprints(receipts: Iterable[tuple[str, str]]) -> set[bytes]:
    return {_fingerprint(name, etag) for name, etag in receipts}
