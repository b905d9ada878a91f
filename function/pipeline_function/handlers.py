"""What the trigger for events does, against protocols instead of Azure."""

from __future__ import annotations

import logging

from pipeline_app.contract.function_events import Dispatched, EventIgnored, JobsUncounted
from pipeline_app.contract.log_lines import tell
from pipeline_function.events import Ignored, job_of_event
from pipeline_function.runners import RunnersUnavailable
from pipeline_function.services import Services
from pipeline_function.wakeups import WAKE_UP

LOGGER = logging.getLogger(__name__)


def dispatch(body: bytes, services: Services) -> None:
    """Put the job of an event on the queue and see that a runner will look at it; log why, if there is no job.

    It raises for a passing fault of the storage, so that the host delivers the event again, and never for the content
    of an event, nor for what Azure Resource Manager answers once the job is on the queue: the event would come back
    and put it there a second time.
    """
    if body == WAKE_UP:
        _wake_up(services)
        return
    job = job_of_event(body, services.names, services.storage.account)
    if isinstance(job, Ignored):
        tell(LOGGER, EventIgnored(reason=job.reason))
        return
    # No event has the metadata that mark a folder, so an empty blob is looked at.
    if job.size == 0 and services.storage.is_folder(job.name):
        tell(LOGGER, EventIgnored(reason=f"{job.name!r} stands for a folder."), logging.INFO)
        return
    services.storage.put(job)
    tell(LOGGER, Dispatched(etag=job.etag, event_id=job.event_id, name=job.name, size=job.size))
    services.wake_ups.job_was_put()


def _wake_up(services: Services) -> None:
    """Look whether a group runs, if there are jobs. Where none is left, there is nothing to wake up for."""
    try:
        # Azure never counts fewer messages than there are, and counts those in progress, too.
        if services.storage.job_count() == 0:
            return
    except RunnersUnavailable as problem:
        tell(LOGGER, JobsUncounted(problem=str(problem)))
    services.wake_ups.jobs_are_there()
