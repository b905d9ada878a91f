"""Where Azure's own scaler starts the workers: nothing is started here, but a scaler that stands still is told of.

The scaler of a Container Apps job counts the messages of its queue and starts executions by itself. It has been seen to
stop doing so (after an update, a suspension, or a start by hand) without telling anybody, so the sweep looks after it.
It starts none in its place: a start by hand is one of the things that stop it.
Sources: https://github.com/microsoft/azure-container-apps/issues/1458,
https://github.com/microsoft/azure-container-apps/issues/1506
"""

from __future__ import annotations

import logging
from datetime import datetime
from typing import Protocol

from pipeline_app.contract.function_events import RunnerRefused, ScalerStill
from pipeline_app.contract.log_lines import tell
from pipeline_function.runners import RunnersUnavailable

LOGGER = logging.getLogger(__name__)


class Executions(Protocol):
    """The executions of the job."""

    def at_work(self) -> int:
        """Count those that run or are about to; raises ``RunnersUnavailable`` for what a later try may mend."""


class Waiting(Protocol):
    """Tells of the jobs that no worker holds; raises ``RunnersUnavailable`` like ``Executions``."""

    def __call__(self) -> tuple[int, datetime] | None:
        """Return how many jobs there are and when the first that waits was put; None where none waits."""


class ScalerWatch:
    """Sees to the jobs in the sense of ``services.Waking``: Azure does, and this looks whether it does."""

    def __init__(self, job_id: str, executions: Executions, waiting: Waiting) -> None:
        self._executions = executions
        self._job_id = job_id
        self._waiting = waiting

    def job_was_put(self) -> None:
        """Do nothing: the scaler counts the job at its next look."""

    def jobs_are_there(self) -> None:
        """Tell of jobs that wait while no execution runs, and of whatever Azure refuses; raises nothing for either."""
        try:
            waits = self._waiting()
            if waits is None or self._executions.at_work():
                return
        except RunnersUnavailable as problem:
            tell(LOGGER, RunnerRefused(group=self._job_id, problem=str(problem)))
            return
        jobs, oldest = waits
        tell(LOGGER, ScalerStill(job=self._job_id, jobs=jobs, oldest=oldest.isoformat()))
