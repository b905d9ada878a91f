"""The events that the function logs; how they become lines is in ``log_lines``."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from datetime import datetime, timedelta

from pipeline_app.contract.log_lines import Event


@dataclass(frozen=True, kw_only=True)
class Dispatched(Event, kind="dispatched"):
    """An event has become a job."""

    etag: str
    event_id: str
    name: str
    size: int

    def sentence(self) -> str:
        """Return what a person reads."""
        return f"Queued {self.name!r} for event {self.event_id!r}."


@dataclass(frozen=True, kw_only=True)
class EventIgnored(Event, kind="ignored", level=logging.WARNING):
    """An event is no work for the pipeline."""

    reason: str

    def sentence(self) -> str:
        """Return what a person reads."""
        return f"Ignored an event. {self.reason}"


@dataclass(frozen=True, kw_only=True)
class Sweep(Event, kind="sweep"):
    """A sweep begins, whatever it finds; so many messages are on the queues, those in progress among them."""

    events: int
    jobs: int

    def sentence(self) -> str:
        """Return what a person reads."""
        return f"Backlog: events={self.events} jobs={self.jobs}."


@dataclass(frozen=True, kw_only=True)
class Requeued(Event, kind="requeued", level=logging.WARNING):
    """The sweep has put a job on the queue for an input whose event was lost, or that changed unseen."""

    etag: str
    event_id: str
    name: str
    size: int

    def sentence(self) -> str:
        """Return what a person reads."""
        return f"Queued {self.name!r}, which has neither a receipt nor a message."


@dataclass(frozen=True, kw_only=True)
class RunnerStarting(Event, kind="runner_starting"):
    """Azure is asked to start a container group."""

    group: str

    def sentence(self) -> str:
        """Return what a person reads."""
        return f"Starting the container group {self.group}."


@dataclass(frozen=True, kw_only=True)
class RunnerMissing(Event, kind="runner_missing", level=logging.ERROR):
    """There is no such container group."""

    group: str

    def sentence(self) -> str:
        """Return what a person reads."""
        told = "does not exist. Run 'pulumi up' to deploy it; the jobs stay on the queue."
        return f"The container group {self.group} {told}"


@dataclass(frozen=True, kw_only=True)
class RunnerRefused(Event, kind="runner_refused", level=logging.WARNING):
    """A container group or job could not be looked at or started now; of all of them where ``group`` is None."""

    group: str | None
    problem: str

    def sentence(self) -> str:
        """Return what a person reads."""
        return f"RunnersUnavailable: {self.problem}"


@dataclass(frozen=True, kw_only=True)
class RunnerHeld(Event, kind="runner_held", level=logging.WARNING):
    """A container group is left alone for so many seconds after a moment, since its worker ended as it would again."""

    exit_code: int | None
    finished: str | None
    group: str
    hold_seconds: int

    def sentence(self) -> str:
        """Return what a person reads."""
        finished = self.finished and datetime.fromisoformat(self.finished)
        hold = timedelta(seconds=self.hold_seconds)
        return (
            f"RunnersUnavailable: The worker of {self.group} ended with exit code {self.exit_code} at {finished}, as "
            f"it would again. It is started again {hold} later."
        )


@dataclass(frozen=True, kw_only=True)
class ScalerStill(Event, kind="scaler_still", level=logging.WARNING):
    """Jobs wait that no worker holds, and no execution of the Container Apps job runs; ``oldest`` was put then."""

    job: str
    jobs: int
    oldest: str

    def sentence(self) -> str:
        """Return what a person reads."""
        return (
            f"{self.jobs} jobs wait, the oldest since {self.oldest}, and no execution of {self.job} runs. Azure's "
            "scaler starts one within its polling interval; if this stays so, docs/operations.md has what to do."
        )


@dataclass(frozen=True, kw_only=True)
class JobsUncounted(Event, kind="jobs_uncounted", level=logging.WARNING):
    """The jobs could not be counted, so somebody looks after the groups as if there were some."""

    problem: str

    def sentence(self) -> str:
        """Return what a person reads."""
        return f"There may be jobs: {self.problem}"
