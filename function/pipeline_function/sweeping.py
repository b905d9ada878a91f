"""The sweep: a runner for the backlog, and a job for every input that has neither a receipt nor a message.

It goes by what is there (inputs, receipts, queues), not by what should have happened, so it repairs lost events, lost
starts and files from before the stack alike. The inputs are listed in passes over many runs; ``sweep_state`` has what
is remembered in between. One run makes at most ``MAX_PAGES`` listing calls, about ``MAX_LOOKUPS`` plus a page of
looks at receipts, and as many jobs.
"""

from __future__ import annotations

import logging
import math
import uuid
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Final

from pipeline_app.contract import FileJob, now
from pipeline_app.contract.function_events import Requeued, Sweep
from pipeline_app.contract.log_lines import tell
from pipeline_function.services import Backlog, InputBlob, Progress, Services
from pipeline_function.sweep_state import SweepState, fingerprint

LOGGER = logging.getLogger(__name__)

# A run lists at most 25 pages of 2,000 inputs, and begins no page after it has looked for 2,000 receipts.
MAX_LOOKUPS: Final = 2000
MAX_PAGES: Final = 25
# So many requests are under way at once; each takes some milliseconds, nearly all of them waiting.
PARALLEL: Final = 8


def sweep(services: Services) -> None:
    """Start a runner where there is a backlog, then go on with the pass over the inputs.

    Listing costs money, so after a pass that found all settled the next one has time, unless something waits. It raises
    for a passing fault; the next sweep then goes on where the last complete run ended.
    """
    backlog = services.storage.backlog()
    tell(LOGGER, Sweep(events=backlog.events, jobs=backlog.jobs))
    if backlog.jobs:
        services.wake_ups.jobs_are_there()
    state = SweepState.decode(services.storage.load_state())
    if state is None:
        state = SweepState(horizon=backlog.moment, started=backlog.moment)
    elif state.token is None:
        waiting = backlog.jobs or backlog.oldest
        if not waiting and state.pauses(services.grace, services.pause, backlog.moment):
            return
        state = state.next_pass(services.grace, backlog.moment)
        if waiting:
            state.calm = 0
    _go_on(services, backlog, state)
    services.storage.save_state(state.encode())


def _go_on(services: Services, backlog: Backlog, state: SweepState) -> None:
    """Take the pass further by one run, and note in the state how far it came."""
    # What changed after the oldest waiting message was put there may have a message that waits behind it.
    horizon = min(state.started, backlog.oldest or state.started)
    state.horizon = min(state.horizon, horizon)
    idle = not backlog.events and not backlog.jobs
    looked = 0
    with ThreadPoolExecutor(PARALLEL) as pool:
        for _ in range(MAX_PAGES):
            page = services.storage.inputs(state.token)
            unknown = [blob for blob in page.blobs if services.names.is_input(blob.name) and _open(blob, state)]
            asked = [blob for blob in unknown if blob.modified <= horizon - services.grace]
            # The others are too new to be judged, or may have a message that waits.
            state.unsettled |= len(asked) < len(unknown)
            looked += len(asked)
            due = []
            for blob, progress in zip(asked, pool.map(services.storage.progress, asked), strict=True):
                if progress is Progress.DONE:
                    continue
                is_due = progress is Progress.UNKNOWN and _is_due(blob, state, services.grace, idle=idle)
                queued = state.known.get(fingerprint(blob), False)
                state.note(blob, queued=is_due or queued)
                # One that was queued before and got no receipt is looked at again when it is twice as old.
                state.unsettled |= is_due or not queued
                if is_due:
                    due.append(blob)
            try:
                for job in pool.map(lambda blob: _queue(services, blob), due):
                    tell(LOGGER, Requeued(etag=job.etag, event_id=job.event_id, name=job.name, size=job.size))
            finally:
                if due:
                    services.wake_ups.job_was_put()
            state.token = page.next
            if page.next is None:
                state.end(backlog.moment)
            if page.next is None or looked >= MAX_LOOKUPS:
                break


def _open(blob: InputBlob, state: SweepState) -> bool:
    """Tell whether an input may be without a receipt, as far as the passes before this one know."""
    return state.settled is None or blob.modified > state.settled or fingerprint(blob) in state.known


def _is_due(blob: InputBlob, state: SweepState, grace: timedelta, *, idle: bool) -> bool:
    """Tell whether to queue a job for an input that has no receipt and that no worker says it is at.

    With both queues empty nobody can be at it, so it is queued at once. Otherwise a worker may just have taken it, so
    it has to be found like this twice. One that was queued before is queued again each time its age has doubled: for
    one that can never have a receipt, this is seldom enough to harm nobody.
    """
    queued = state.known.get(fingerprint(blob))
    if queued:
        return _doublings(state.started - blob.modified, grace) > (
            -1 if state.previous is None else _doublings(state.previous - blob.modified, grace)
        )
    return idle or queued is False


def _doublings(age: timedelta, grace: timedelta) -> int:
    return math.floor(math.log2(age / grace)) if age >= grace else -1


def _queue(services: Services, blob: InputBlob) -> FileJob:
    event_id = f"sweep-{uuid.uuid4()}"
    job = FileJob(etag=blob.etag, event_id=event_id, name=blob.name, queued_at=now(), size=blob.size)
    services.storage.put(job)
    return job
