"""What the handlers need of Azure, as protocols: the Azure module and the tests' fakes both follow them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum
from typing import Protocol

from pipeline_app.contract import FileJob, StorageNames


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


@dataclass(frozen=True, kw_only=True)
class InputPage:
    """Part of the listing of inputs, and the token of the part that comes next; None after the last."""

    blobs: Sequence[InputBlob]
    next: str | None


class Storage(Protocol):
    """The application storage account. ``progress`` and ``put`` are called from several threads."""

    @property
    def account(self) -> str:
        """Return the account's name."""

    def backlog(self) -> Backlog:
        """Look at both queues without taking anything from them."""

    def inputs(self, token: str | None) -> InputPage:
        """List the blobs below the input path from where ``token`` says, in the order of their names."""

    def is_folder(self, name: str) -> bool:
        """Tell whether a blob of this name is there that has no bytes and stands for a folder."""

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
