"""The end of an attempt: its receipt and results become visible, whatever holds the blobs of an older version."""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Callable
from dataclasses import replace

from pipeline_app.contract import Receipt
from pipeline_app.worker.application import RunResult
from pipeline_app.worker.attempt import Ran
from pipeline_app.worker.process import Interrupted
from pipeline_app.worker.receipts import make_receipt
from pipeline_app.worker.results import NameClash
from pipeline_app.worker.settings import WorkerSettings
from pipeline_app.worker.storage import BlobHeld

# A lease that is not for ever lasts a minute at most, so after this its holder goes on renewing it.
# Source: https://learn.microsoft.com/rest/api/storageservices/lease-blob
PASSING_SECONDS = 75.0
POLL_SECONDS = 2.0

_log = logging.getLogger(__name__)


def publish(
    ran: Ran, result: RunResult, settings: WorkerSettings, stopping: Callable[[], bool]
) -> tuple[Receipt, bool]:
    """Publish what an attempt ended with, once: the application is not run again for what keeps its results out.

    Returns:
        The receipt, which says failed where a result could not be put in its place, and whether it is the one that is
        there now.

    Raises:
        BlobHeld: the receipt itself cannot be written, now or later.
        ClaimLost: another attempt took over.
        InputChanged: this version is no longer the newest.
        Interrupted: the worker is to stop, or another one has the message.
    """
    first, size = ran.first and not ran.mark.written, ran.log.path.stat().st_size
    gave_up = False
    receipt, until = make_receipt(ran, result, settings), time.monotonic() + PASSING_SECONDS
    while True:
        try:
            return receipt, ran.publication.publish(receipt, result.files, ran.log.path, first=first)
        except (BlobHeld, NameClash) as problem:
            # The log ends in the receipt that was not to be.
            os.truncate(ran.log.path, size)
            first = False
            held = problem if isinstance(problem, BlobHeld) else None
            if held and held.passing and time.monotonic() < until:
                _wait(ran, held, stopping)
                continue
            is_log = held is not None and held.name == ran.publication.log_name
            # Without results nothing but the log and the receipt itself can be in its way.
            if held and (held.name == ran.publication.receipt_name or (gave_up and not is_log)):
                raise
            gave_up = True
            result = _failed(result, str(problem))
            receipt = make_receipt(ran, result, settings)
            if is_log:
                return receipt, ran.publication.refuse(receipt)


def _failed(result: RunResult, problem: str) -> RunResult:
    error = problem if result.error in (None, problem) else f"{result.error} {problem}"
    return replace(result, error=error, files=(), warning=None)


def _wait(ran: Ran, problem: BlobHeld, stopping: Callable[[], bool]) -> None:
    _log.info("waiting to publish %r: %s", ran.job.name, problem)
    until = time.monotonic() + POLL_SECONDS
    while time.monotonic() < until:
        if stopping() or ran.claim.lost:
            raise Interrupted
        time.sleep(0.1)
