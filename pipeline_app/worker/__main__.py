"""``python -m pipeline_app.worker``.

It exits 0 with the queue drained, 1 if it broke off, 2 if it is set up wrongly, 3 if the storage lets it do nothing or
the configs on the share are not the stack's.
"""

from __future__ import annotations

import logging
import os
import signal
import sys
import threading
import time
from typing import Final

from pipeline_app.contract import EXIT_REFUSED, EXIT_SETTINGS, ContractError
from pipeline_app.contract.log_lines import JsonLines, tell
from pipeline_app.contract.worker_events import WorkerEnded, WorkerFailed, WorkerStarted, WorkerStopping
from pipeline_app.rest.proxies import keep_near
from pipeline_app.worker import health
from pipeline_app.worker.application import bound_seconds
from pipeline_app.worker.azure_storage import connect
from pipeline_app.worker.confinement.privileges import adopt_orphans, close_to_others
from pipeline_app.worker.disk import DiskFull
from pipeline_app.worker.job import JobProcessor
from pipeline_app.worker.keepers import Keepers, NotConfined
from pipeline_app.worker.lifetime import Lifetime, process_age
from pipeline_app.worker.loop import Drain, Refused
from pipeline_app.worker.parting import Parting
from pipeline_app.worker.scratch import worker_scratch
from pipeline_app.worker.settings import WorkerSettings
from pipeline_app.worker.share_log import PrintableFormatter, ShareLog
from pipeline_app.worker.status import Status
from pipeline_app.worker.told import Told

# The log on the share is read by people, and has what applications print beside it.
SHARE_FORMAT: Final = "%(asctime)s.%(msecs)03dZ %(levelname)s %(message)s"
SHARE_MOMENT: Final = "%Y-%m-%dT%H:%M:%S"

_log = logging.getLogger("pipeline_app.worker")


def main() -> int:
    """Run the worker and return its exit code."""
    _log_to(logging.StreamHandler(sys.stdout), JsonLines())
    logging.getLogger("azure").setLevel(logging.WARNING)
    keep_near()
    try:
        settings = WorkerSettings.from_environment(os.environ)
        address = health.address(os.environ)
    except ContractError as error:
        return _failed(EXIT_SETTINGS, str(error))
    if settings.log_file is not None:
        _log_to(ShareLog(settings.log_file), PrintableFormatter(SHARE_FORMAT, SHARE_MOMENT))
    ended, parting, told = threading.Event(), Parting(), Told()
    stopping = told.stopping

    def stop(number: int, frame: object) -> None:
        tell(_log, WorkerStopping(signal=signal.Signals(number).name))
        stopping.set()
        # It keeps the moment.
        told()

    for number in (signal.SIGHUP, signal.SIGINT, signal.SIGTERM):
        signal.signal(number, stop)
    told.listen()
    parting.watch(stopping, ended, os._exit)
    adopt_orphans()
    close_to_others()
    status = Status(image=settings.image, release=settings.release, slots=settings.slots)

    def pause(seconds: float) -> None:
        # Once it is told to stop, a second between the tries that are left is all the time that there is.
        if stopping.wait(seconds):
            time.sleep(min(seconds, 1.0))

    store, queue = connect(settings.connection, settings.names.container, pause)
    try:
        with (
            health.serve(status, settings.health_port, address) as port,
            worker_scratch(settings.scratch) as scratch,
            Keepers(settings, scratch) as keepers,
        ):
            tell(_log, WorkerStarted(port=port, release=settings.release))
            lifetime = Lifetime(settings.lifetime_seconds, age=process_age(), bound=lambda: bound_seconds(settings))
            drain = Drain(
                queue,
                JobProcessor(settings, store, queue, scratch, told, keepers, lifetime=lifetime, parting=parting),
                status,
                stopping,
                claim_seconds=settings.claim_seconds,
                idle_seconds=settings.idle_seconds,
                is_transient=store.is_transient,
                lifetime=lifetime,
                slots=settings.slots,
            )
            completed = drain.run()
    except (DiskFull, NotConfined) as error:
        return _failed(EXIT_SETTINGS, f"The worker cannot run: {error}")
    except Refused as error:
        return _failed(
            EXIT_REFUSED,
            f"The worker ends, since a group that has ended costs nothing: {error} It is started again after half an "
            "hour.",
        )
    except OSError as error:
        return _failed(
            EXIT_SETTINGS,
            f"The worker cannot run: {error}. Is port {settings.health_port} taken or {settings.scratch} full?",
        )
    store.close()
    queue.close()
    ended.set()
    code = 0 if completed else 1
    tell(_log, WorkerEnded(counts=status.snapshot()["counts"], exit_code=code))
    return code


def _failed(code: int, problem: str) -> int:
    tell(_log, WorkerFailed(exit_code=code, problem=problem))
    return code


def _log_to(handler: logging.Handler, formatter: logging.Formatter) -> None:
    # Moments are in UTC wherever this runs.
    formatter.converter = time.gmtime
    handler.setFormatter(formatter)
    root = logging.getLogger()
    root.setLevel(logging.INFO)
    root.addHandler(handler)


if __name__ == "__main__":
    sys.exit(main())
