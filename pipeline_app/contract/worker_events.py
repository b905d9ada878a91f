"""The events that a worker logs; how they become lines is in ``log_lines``."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from pipeline_app.contract.log_lines import Event


@dataclass(frozen=True, kw_only=True)
class WorkerStarted(Event, kind="worker_started"):
    """A worker looks for jobs from now on."""

    port: int
    release: str

    def sentence(self) -> str:
        """Return what a person reads."""
        return f"worker of release {self.release} serves /healthz and /status on port {self.port}"


@dataclass(frozen=True, kw_only=True)
class WorkerStopping(Event, kind="worker_stopping"):
    """A worker was told to end, by the signal of that name."""

    signal: str

    def sentence(self) -> str:
        """Return what a person reads."""
        return f"{self.signal}: no more files are claimed, running ones are given back"


@dataclass(frozen=True, kw_only=True)
class WorkerEnded(Event, kind="worker_ended"):
    """A worker has come to its end; ``counts`` says how many messages ended how."""

    counts: Mapping[str, int]
    exit_code: int

    def sentence(self) -> str:
        """Return what a person reads."""
        return f"worker ends: {dict(self.counts) or 'nothing was to do'}"


@dataclass(frozen=True, kw_only=True)
class WorkerFailed(Event, kind="worker_failed", level=logging.ERROR):
    """A worker cannot go on, for a reason that no file has; ``problem`` says it in sentences."""

    exit_code: int
    problem: str

    def sentence(self) -> str:
        """Return what a person reads."""
        return self.problem


@dataclass(frozen=True, kw_only=True)
class Confined(Event, kind="confined"):
    """The worker's applications are kept from other files and the worker, as ``kept`` lists."""

    kept: str

    def sentence(self) -> str:
        """Return what a person reads."""
        return f"applications are confined: {self.kept}"


@dataclass(frozen=True, kw_only=True)
class Unconfined(Event, kind="unconfined", level=logging.WARNING):
    """The worker's applications are kept from nothing, since the kernel of that release lacks something."""

    kernel: str
    lacks: str

    def sentence(self) -> str:
        """Return what a person reads."""
        return (
            f"applications are not confined: the kernel {self.kernel} {self.lacks}. A file that takes over the "
            "application can reach other files and the worker."
        )


@dataclass(frozen=True, kw_only=True)
class Outage(Event, kind="outage", level=logging.WARNING):
    """The storage did not do what the worker asked for: a job, the end of one's work on it, or how many there are.

    ``again_in`` is in seconds, where it is known, and ``code`` the storage's own word for it, where it had one.
    """

    again_in: float | None
    code: str | None
    doing: Literal["count", "receive", "settle"]
    problem: str

    def sentence(self) -> str:
        """Return what a person reads."""
        told = {
            "count": "the queue cannot be looked at",
            "receive": f"the queue does not answer, trying again in {self.again_in or 0:.0f} s",
            "settle": "a message is left to its claim",
        }
        return f"{told[self.doing]}: {self.problem}"


@dataclass(frozen=True, kw_only=True)
class SlotBrokeOff(Event, kind="slot_broke_off", level=logging.ERROR):
    """A slot ended by a mistake of the worker's own, or a full disk, and the worker ends with it."""

    problem: str
    slot: int

    def sentence(self) -> str:
        """Return what a person reads."""
        return f"slot {self.slot} broke off: {self.problem}"


@dataclass(frozen=True, kw_only=True)
class JobClaimed(Event, kind="claimed"):
    """A worker begins with a job."""

    attempt: int
    event_id: str
    name: str

    def sentence(self) -> str:
        """Return what a person reads."""
        return f"claimed {self.name!r} attempt={self.attempt}"


@dataclass(frozen=True, kw_only=True)
class Isolated(Event, kind="isolated"):
    """A suspect is alone in its worker."""

    attempt: int
    name: str

    def sentence(self) -> str:
        """Return what a person reads."""
        return (
            f"isolated {self.name!r} attempt={self.attempt}: a worker that had it was lost, so nothing else is worked "
            "on beside it"
        )


@dataclass(frozen=True, kw_only=True)
class PublishWaits(Event, kind="publish_waits"):
    """Results wait for somebody who holds what they replace."""

    attempt: int
    name: str
    reason: str

    def sentence(self) -> str:
        """Return what a person reads."""
        return f"waiting to publish {self.name!r}: {self.reason}"


@dataclass(frozen=True, kw_only=True)
class Finished(Event, kind="finished"):
    """A file has its receipt.

    ``size`` is the input's in bytes, ``seconds`` the time from the begin of the application to the receipt, ``outputs``
    a number, and a ``canary`` proves a deploy and is nobody's file.
    """

    attempt: int
    canary: bool
    error: str | None
    etag: str
    event_id: str
    exit_code: int | None
    name: str
    outcome: Literal["failed", "succeeded"]
    outputs: int
    seconds: float
    size: int

    def sentence(self) -> str:
        """Return what a person reads."""
        begin = "canary " if self.canary else ""
        end = f": {self.error}" if self.error else ""
        return f"{begin}{self.outcome} {self.name!r} attempt={self.attempt} outputs={self.outputs}{end}"


@dataclass(frozen=True, kw_only=True)
class Warned(Event, kind="warned", level=logging.WARNING):
    """A file's receipt says more than a person may expect."""

    name: str
    warning: str

    def sentence(self) -> str:
        """Return what a person reads."""
        return f"{self.name!r}: {self.warning}"


@dataclass(frozen=True, kw_only=True)
class Skipped(Event, kind="skipped"):
    """There is nothing to do for a job, or no more."""

    attempt: int
    name: str
    reason: str

    def sentence(self) -> str:
        """Return what a person reads."""
        return f"skipped {self.name!r} attempt={self.attempt}: {self.reason}"


@dataclass(frozen=True, kw_only=True)
class GivenBack(Event, kind="given_back", level=logging.WARNING):
    """A job goes back to the queue, to be visible again after so many seconds.

    ``counted`` takes one of the file's attempts. ``cause`` is the error's name in docs/errors.md, where it was one, and
    ``code`` the storage's own word for it.
    """

    again_in: float
    attempt: int
    cause: str | None
    code: str | None
    counted: bool
    name: str
    reason: str

    def sentence(self) -> str:
        """Return what a person reads."""
        return f"given back {self.name!r} attempt={self.attempt} again_in={self.again_in:.1f}: {self.reason}"


@dataclass(frozen=True, kw_only=True)
class Lost(Event, kind="lost", level=logging.WARNING):
    """Another worker has the job by now."""

    attempt: int
    name: str
    reason: str

    def sentence(self) -> str:
        """Return what a person reads."""
        return f"lost {self.name!r} attempt={self.attempt}: {self.reason}"


@dataclass(frozen=True, kw_only=True)
class BrokeOff(Event, kind="broke_off", level=logging.ERROR):
    """An attempt ended by a mistake of the worker's own; its line has the traceback."""

    attempt: int
    name: str

    def sentence(self) -> str:
        """Return what a person reads."""
        return f"attempt {self.attempt} of {self.name!r} broke off"


@dataclass(frozen=True, kw_only=True)
class Buried(Event, kind="buried", level=logging.ERROR):
    """A message was moved to the poison queue; without a name where nobody can read which file it was for."""

    attempt: int | None
    message_id: str
    name: str | None
    reason: str

    def sentence(self) -> str:
        """Return what a person reads."""
        if self.attempt is None:
            return f"message {self.message_id} is buried in the poison queue: {self.reason}"
        return (
            f"buried {self.name!r} attempt={self.attempt} in the poison queue, since it can have no receipt: "
            f"{self.reason} Then 'retry' the file."
        )
