"""What the handlers need of Azure, as protocols: the Azure module and the tests' fakes both follow them."""

from __future__ import annotations

import hashlib
from collections.abc import Container, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum
from typing import Protocol

from pipeline_app.contract import FileJob, StorageNames
from pipeline_app.contract.audit import OutputPage


class Progress(Enum):
    """How far a version of an input is.

    It has its receipt or needs none, since it stands for a folder; a worker is at it right now; or neither is known.
    """

    DONE = "done"
    UNKNOWN = "unknown"
    WORKING = "working"


@dataclass(frozen=True, kw_only=True)
class Backlog:
    """The messages on the two queues at a moment by the service's clock, with a time zone.

    Attributes:
        events: events, those in progress (invisible) among them; never lower than the true number.
        jobs: the same for jobs.
        moment: when the service was asked.
        oldest: when the oldest message that waits for its turn was put on its queue; None where none waits.
    """

    events: int
    jobs: int
    moment: datetime
    oldest: datetime | None = None


@dataclass(frozen=True, kw_only=True)
class InputBlob:
    """An input as a listing shows it; ``etag`` without quotes, ``size`` in bytes, ``modified`` with a time zone."""

    name: str
    etag: str
    size: int
    modified: datetime

    @property
    def fingerprint(self) -> str:
        """What the sweep remembers of this version."""
        return fingerprint(self.etag, self.name)


def fingerprint(etag: str, name: str) -> str:
    """Return 16 hex characters for one version of one input; a clash only delays the repair of one of the two."""
    # An ETag has no line break, so no two pairs give the same text.
    return hashlib.blake2b(f"{etag}\n{name}".encode("utf-8", "surrogatepass"), digest_size=8).hexdigest()


@dataclass(frozen=True, kw_only=True)
class InputPage:
    """A page of the listing of inputs.

    Attributes:
        blobs: those that were asked for.
        first: the name of the first of all of its blobs, asked for or not; empty where it has none.
        last: that of the last.
        next: the token of the page that comes next; None after the last.
        anew: the token was refused, so this is the first page from the start on.
        starts: the page begins where it was asked to, as far as its names tell.
    """

    blobs: Sequence[InputBlob]
    first: str = ""
    last: str = ""
    next: str | None
    anew: bool = False
    starts: bool = True


class Storage(Protocol):
    """The application storage account; what reads and ``put`` are called from several threads."""

    @property
    def account(self) -> str:
        """Return the account's name."""

    def backlog(self) -> Backlog:
        """Look at both queues without taking anything from them."""

    def inputs(
        self, token: str | None, start: str | None = None, since: datetime | None = None, known: Container[str] = ()
    ) -> InputPage:
        """List a page of the blobs below the input path, in the order of their names.

        Args:
            token: where the page begins; None at ``start``.
            start: the name where the listing began; None at its very beginning.
            since: what did not change after this is left out, if it is not known.
            known: the fingerprints of versions that are never left out.
        """

    def is_folder(self, name: str) -> bool:
        """Tell whether a blob of this name is there that has no bytes and stands for a folder."""

    def is_version(self, blob: InputBlob) -> bool:
        """Tell whether an input is still there in this version."""

    def job_count(self) -> int:
        """Count the jobs, those in progress among them; never lower than the true number.

        Raises:
            RunnersUnavailable: they cannot be counted now.
        """

    def load_state(self) -> str | None:
        """Return what ``save_state`` was given last, or None."""

    def progress(self, blob: InputBlob) -> Progress:
        """Tell how far this version of an input is."""

    def put(self, job: FileJob) -> None:
        """Put a job on the queue, without expiry."""

    def receipts(self, start: str) -> OutputPage | None:
        """List the outputs from a name on, or return None where the service cannot begin there."""

    def save_state(self, text: str) -> None:
        """Keep a text from one sweep to the next."""


class Waking(Protocol):
    """What sees that a runner will look at the queue of jobs, now or when it can be started; called by many threads.

    Both raise what putting a wake-up raised, and nothing for what Azure Resource Manager answers.
    """

    def job_was_put(self) -> None:
        """See to it after a job was put on the queue."""

    def jobs_are_there(self) -> None:
        """See to it where jobs were found, which somebody has seen to before."""


@dataclass(frozen=True, kw_only=True)
class Services:
    """What the handlers need: names, storage, and what sees that a runner will look at the queue.

    An input younger than ``grace`` may have its event on the way: Event Grid delivers in seconds, as a rule. ``pause``
    is the longest time between two passes of the sweep over all inputs.
    """

    grace: timedelta
    names: StorageNames
    pause: timedelta
    storage: Storage
    wake_ups: Waking
