"""The end of an attempt: its receipt and results become visible, whatever holds the blobs of an older version.

An attempt that failed and is not the last one publishes nothing, and the message goes back for the next.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from pathlib import Path

from pipeline_app.contract import Receipt
from pipeline_app.contract.log_lines import tell
from pipeline_app.contract.worker_events import Finished, PublishWaits, Skipped, Warned
from pipeline_app.worker import commit
from pipeline_app.worker.application import RunResult, collect_results
from pipeline_app.worker.attempt import Outcome, Processed, Ran
from pipeline_app.worker.process import Interrupted
from pipeline_app.worker.receipts import make_receipt
from pipeline_app.worker.results import NameClash
from pipeline_app.worker.scratch import clear, put_back
from pipeline_app.worker.settings import WorkerSettings
from pipeline_app.worker.settling import give_back
from pipeline_app.worker.share_log import append_log
from pipeline_app.worker.storage import BlobHeld

# A lease that is not for ever lasts a minute at most, so after this its holder goes on renewing it.
# Source: https://learn.microsoft.com/rest/api/storageservices/lease-blob
PASSING_SECONDS = 75.0
POLL_SECONDS = 2.0

_log = logging.getLogger(__name__)


def end(ran: Ran, folder: Path, settings: WorkerSettings, stopping: Callable[[], bool]) -> Processed:
    """Make the results visible and delete the message, or give the message back for another attempt.

    Args:
        ran: the job.
        folder: the worker's scratch folder.
        settings: how many attempts there may be, and where the log goes besides.
        stopping: true ends the wait for a blob that is held.

    Raises:
        BlobHeld: the receipt itself cannot be written, now or later.
        ClaimLost: another attempt took over.
        InputChanged: this version is no longer the newest.
        Interrupted: the worker is to stop, or another one has the message.
        Vanished: the application of another file took or changed what this one left.
    """
    # An application may lock the worker's folder, also where it may do nothing else with it.
    put_back(folder)
    log = ran.log
    result = collect_results(ran.result, ran.scratch, ran.directory, settings.max_output_files, log)
    if result.error:
        # The log and the receipt need room, which may be what the application left none of.
        clear(ran.scratch, keep=log.path)
    log.close()
    _keep_log(log.path, settings.log_file)
    if result.error and ran.history.attempt < settings.max_attempts and not ran.lasting:
        return give_back(ran, result.error, delay=ran.outside.backoff(ran.number), counted=True)
    receipt, mine = _publish(ran, result, settings, stopping)
    ran.claim.complete()
    if not mine:
        tell(_log, Skipped(attempt=ran.number, name=ran.job.name, reason="another attempt was faster"))
        return Processed(outcome=Outcome.SKIPPED)
    canary = settings.names.is_canary(ran.job.name)
    tell(_log, _finished(receipt, canary=canary))
    if receipt.warning and not canary:
        tell(_log, Warned(name=ran.job.name, warning=receipt.warning))
    return Processed(outcome=Outcome.CANARY if canary else Outcome(receipt.status))


def _finished(receipt: Receipt, *, canary: bool) -> Finished:
    took = datetime.fromisoformat(receipt.finished_at) - datetime.fromisoformat(receipt.started_at)
    return Finished(
        attempt=receipt.attempt,
        canary=canary,
        error=receipt.error,
        etag=receipt.input.etag,
        event_id=receipt.event_id,
        exit_code=receipt.exit_code,
        name=receipt.input.name,
        outcome=receipt.status,
        outputs=len(receipt.outputs),
        seconds=took.total_seconds(),
        size=receipt.input.size,
    )


def _publish(
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
    receipt, until = make_receipt(ran, result, settings), ran.outside.monotonic() + PASSING_SECONDS
    while True:
        try:
            return receipt, commit.publish(ran.publication, receipt, result.files, ran.log.path, first=first)
        except (BlobHeld, NameClash) as problem:
            # The log ends in the receipt that was not to be.
            os.truncate(ran.log.path, size)
            first = False
            held = problem if isinstance(problem, BlobHeld) else None
            if held and held.passing and ran.outside.monotonic() < until:
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
                return receipt, commit.refuse(ran.publication, receipt)


def _failed(result: RunResult, problem: str) -> RunResult:
    error = problem if result.error in (None, problem) else f"{result.error} {problem}"
    return replace(result, error=error, files=(), warning=None)


def _keep_log(path: Path, target: Path | None) -> None:
    """Append the attempt's log to the log on the share, where a person finds it whatever becomes of the attempt."""
    if target is None:
        return
    try:
        append_log(path, target)
    except OSError as error:
        # A full or absent share must not cost a file its results: the same log goes to run.log.
        _log.warning("the log %s cannot be written: %s", target, error)


def _wait(ran: Ran, problem: BlobHeld, stopping: Callable[[], bool]) -> None:
    tell(_log, PublishWaits(attempt=ran.number, name=ran.job.name, reason=str(problem)))
    until = ran.outside.monotonic() + POLL_SECONDS
    while ran.outside.monotonic() < until:
        if stopping() or ran.claim.lost:
            raise Interrupted
        ran.outside.sleep(0.1)
