"""What becomes of the inputs of one page: which are done, which are left alone, and which get a job."""

from __future__ import annotations

import logging
import math
import uuid
from collections.abc import Sequence
from concurrent.futures import Executor
from datetime import datetime, timedelta
from typing import Final

from pipeline_app.contract import FileJob, now
from pipeline_app.contract.audit import WORTH, find_done
from pipeline_app.contract.function_events import Requeued
from pipeline_app.contract.log_lines import tell
from pipeline_function.services import InputBlob, Progress, Services
from pipeline_function.sweep_state import SweepState

LOGGER = logging.getLogger(__name__)

# A page of inputs is looked for in so many places of the outputs at once, each of which is a page of megabytes.
PLACES: Final = 4


def judge(
    services: Services, state: SweepState, blobs: Sequence[InputBlob], horizon: datetime, *, idle: bool, pool: Executor
) -> None:
    """Queue a job for each input that has neither a receipt nor a message, and note in the state what was found.

    Args:
        services: what is asked.
        state: that of the pass.
        blobs: inputs that may be without a receipt, as far as the passes before this one know.
        horizon: what changed before this has no message that waits.
        idle: both queues are empty.
        pool: makes the requests, several at once.
    """
    unknown = [blob for blob in blobs if services.names.is_input(blob.name)]
    asked = [blob for blob in unknown if blob.modified <= horizon - services.grace]
    # The others are too new to be judged, or may have a message that waits.
    state.unsettled |= len(asked) < len(unknown)
    # What this pass has found already is listed twice where a listing was begun anew.
    asked = [blob for blob in asked if blob.fingerprint not in state.open]
    asked = _without_done(services, asked, pool)
    due = []
    for blob, progress in zip(asked, pool.map(services.storage.progress, asked), strict=True):
        if progress is Progress.DONE:
            continue
        is_due = progress is Progress.UNKNOWN and _is_due(blob, state, services.grace, idle=idle)
        queued = state.known.get(blob.fingerprint, False)
        state.note(blob, queued=is_due or queued)
        if progress is Progress.UNKNOWN and not is_due and not queued:
            state.doubt(blob)
        # One that was queued before and got no receipt is looked at again when it is twice as old.
        state.unsettled |= is_due or not queued
        if is_due:
            due.append(blob)
    _queue_all(services, due, pool)


def judge_doubted(services: Services, state: SweepState, horizon: datetime, pool: Executor) -> list[InputBlob]:
    """Look a second time at the inputs that the run before was in doubt about, wherever the pass is.

    They need not wait for the next pass, which may be an hour away. What cannot be told now is left to that pass.

    Returns:
        Those that were queued, which are no matter of this run any more.
    """
    doubted, state.doubted = [blob for blob in state.doubted if blob.modified <= horizon - services.grace], []
    found = zip(doubted, pool.map(services.storage.progress, doubted), strict=True)
    lost = [blob for blob, progress in found if progress is Progress.UNKNOWN and services.storage.is_version(blob)]
    _queue_all(services, lost, pool)
    return lost


def _queue_all(services: Services, due: Sequence[InputBlob], pool: Executor) -> None:
    try:
        for job in pool.map(lambda blob: _queue(services, blob), due):
            tell(LOGGER, Requeued(etag=job.etag, event_id=job.event_id, name=job.name, size=job.size))
    finally:
        if due:
            services.wake_ups.job_was_put()


def _without_done(services: Services, blobs: Sequence[InputBlob], pool: Executor) -> list[InputBlob]:
    """Return the inputs whose receipts a listing of the outputs did not show, where it is worth listing them."""
    if len(blobs) < WORTH:
        return list(blobs)
    wanted = {services.names.receipt_name(blob.name): blob for blob in blobs}
    names = sorted(wanted)
    places = min(PLACES, len(names) // WORTH)
    ranges = (names[len(names) * at // places : len(names) * (at + 1) // places] for at in range(places))
    parts = [{name: wanted[name].etag for name in each} for each in ranges]
    done = set().union(*pool.map(lambda part: find_done(part, services.storage.receipts, WORTH), parts))
    return [blob for name, blob in wanted.items() if name not in done]


def _is_due(blob: InputBlob, state: SweepState, grace: timedelta, *, idle: bool) -> bool:
    """Tell whether to queue a job for an input that has no receipt and that no worker says it is at.

    With both queues empty nobody can be at it, so it is queued at once. Otherwise a worker may just have taken it, so
    it has to be found like this twice, here or by ``judge_doubted``. One that was queued before is queued again each
    time its age has doubled: for one that can never have a receipt, this is seldom enough to harm nobody.
    """
    queued = state.known.get(blob.fingerprint)
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
