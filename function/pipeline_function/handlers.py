"""What the trigger for events does, against protocols instead of Azure."""

from __future__ import annotations

import logging

from pipeline_function.events import Ignored, job_of_event
from pipeline_function.services import Services

LOGGER = logging.getLogger(__name__)


def dispatch(body: bytes, services: Services) -> None:
    """Put the job of an event on the queue and see that a runner will look at it; log why, if there is no job.

    It raises for a passing fault (storage, Azure Resource Manager, network), so that the host delivers the event
    again, and never for the content of an event.
    """
    job = job_of_event(body, services.names, services.storage.account)
    if isinstance(job, Ignored):
        LOGGER.warning("Ignored an event. %s", job.reason)
        return
    services.storage.put(job)
    LOGGER.info("Queued %r for event %r.", job.name, job.event_id)
    services.ensure_running()
