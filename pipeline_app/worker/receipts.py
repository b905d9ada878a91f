"""The receipt of an attempt."""

from __future__ import annotations

from pipeline_app.contract import OutputFile, Receipt
from pipeline_app.worker.application import RunResult
from pipeline_app.worker.attempt import Ran
from pipeline_app.worker.settings import WorkerSettings


def make_receipt(ran: Ran, result: RunResult, settings: WorkerSettings) -> Receipt:
    """Return the receipt of an attempt that ended with ``result``; its log is closed."""
    return Receipt(
        attempt=ran.number,
        config_sha256=result.config_sha256,
        confined=result.confined,
        error=result.error,
        event_id=ran.job.event_id,
        exit_code=result.exit_code,
        finished_at=ran.outside.now(),
        image=settings.image,
        input=ran.version,
        log_tail=ran.log.tail() if result.error else None,
        outputs=tuple(
            OutputFile(name=f"{ran.directory}/{file.name}", sha256=file.sha256, size=file.size) for file in result.files
        ),
        queued_at=ran.job.queued_at,
        release=settings.release,
        started_at=ran.started_at,
        status="failed" if result.error else "succeeded",
        warning=None if result.error else result.warning,
    )
