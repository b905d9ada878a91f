"""What becomes of a message where a stage of its job does not end as it should: back to the queue, and for which price.

An attempt is counted where the file or its application may be to blame, and nowhere else.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import replace
from typing import TypeVar

from pipeline_app.contract.log_lines import tell
from pipeline_app.contract.worker_events import BrokeOff, Buried, GivenBack, Lost, Skipped
from pipeline_app.worker.app_config import ConfigRefused
from pipeline_app.worker.attempt import Claimed, Outcome, Processed
from pipeline_app.worker.disk import DiskFull
from pipeline_app.worker.keepers import NotConfined
from pipeline_app.worker.process import Interrupted
from pipeline_app.worker.publication import InputChanged
from pipeline_app.worker.scratch import Vanished
from pipeline_app.worker.storage import BlobHeld, ClaimLost, code_of
from pipeline_app.worker.working import WorkedOn

# So often a file goes back that is refused to this worker and may not be for long, which takes a quarter of an hour. A
# worker with nothing but such files would then give up before they had their receipts.
PATIENCE = 20

T = TypeVar("T")

_log = logging.getLogger(__name__)


def guarded(
    claimed: Claimed, stage: Callable[[], T | Processed], is_transient: Callable[[Exception], bool]
) -> T | Processed:
    """Do one stage; whatever comes of it, the message and all that belongs to it are left in order."""
    claim, job, number = claimed.claim, claimed.job, claimed.number
    outcome: T | Processed = Processed(outcome=Outcome.LOST)
    try:
        outcome = stage()
    except ClaimLost as error:
        tell(_log, Lost(attempt=number, name=job.name, reason=str(error)))
    except Interrupted as error:
        if claim.lost:
            tell(_log, Lost(attempt=number, name=job.name, reason="another worker has the message"))
        else:
            told = replace(claimed, job=error.job or job)
            outcome = give_back(told, "the worker is stopping", delay=0.0, counted=False, error=error)
    except (DiskFull, NotConfined) as error:
        # Something that was written outside of its attempt's folder is still there, or the machine lacks something: a
        # new worker, in Azure on a new disk, has to go on, and this file has nothing to do with it.
        delay = claimed.outside.backoff(job.given_back)
        outcome = give_back(claimed, str(error), delay=delay, counted=False, error=error)
        raise
    except ConfigRefused as error:
        # No file has to do with it, however long it lasts.
        delay = claimed.outside.backoff(job.given_back)
        outcome = give_back(claimed, str(error), delay=delay, counted=False, error=error)
        outcome = replace(outcome, config=True, trouble=str(error))
    except InputChanged as error:
        outcome = give_back(claimed, str(error), delay=0.0, counted=False, error=error)
    except WorkedOn as error:
        outcome = _wait_for_other(claimed, error)
    except BlobHeld as error:
        outcome = _hold(claimed, error)
    except (FileNotFoundError, NotADirectoryError, PermissionError, Vanished) as error:
        # What an application does to its own files is a result; these were taken, or locked, by another one's.
        counted, delay = job.given_back >= PATIENCE, claimed.outside.backoff(job.given_back)
        outcome = give_back(claimed, _sentence(error), delay=delay, counted=counted, error=error)
    except Exception as error:
        transient = is_transient(error)
        if not transient:
            tell(_log, BrokeOff(attempt=number, name=job.name), traceback=True)
        delay = claimed.outside.backoff(job.given_back if transient else number)
        outcome = give_back(claimed, _sentence(error), delay=delay, counted=not transient, error=error)
        if transient:
            outcome = replace(outcome, trouble=str(error))
    finally:
        if isinstance(outcome, Processed):
            claimed.resources.close()
    return outcome


def give_back(
    claimed: Claimed, reason: str, *, delay: float, counted: bool, error: Exception | None = None
) -> Processed:
    """Give the message back, visible again after ``delay`` seconds; ``counted`` takes one of the file's attempts."""
    given_back = GivenBack(
        again_in=delay,
        attempt=claimed.number,
        cause=type(error).__name__ if error else None,
        code=code_of(error),
        counted=counted,
        name=claimed.job.name,
        reason=reason,
    )
    tell(_log, given_back)
    claimed.claim.give_back(claimed.job, delay, counted=counted)
    return Processed(again_in=delay, outcome=Outcome.GIVEN_BACK)


def skip(claimed: Claimed, reason: str) -> Processed:
    """Delete the message of a job that there is nothing to do for."""
    tell(_log, Skipped(attempt=claimed.number, name=claimed.job.name, reason=reason))
    claimed.claim.complete()
    return Processed(outcome=Outcome.SKIPPED)


def _hold(claimed: Claimed, held: BlobHeld) -> Processed:
    """Wait for what ends by itself; where no receipt can be written, the poison queue is all that is left to tell."""
    if held.passing and claimed.job.given_back < PATIENCE:
        delay = claimed.outside.backoff(claimed.job.given_back)
        return give_back(claimed, str(held), delay=delay, counted=False, error=held)
    buried = Buried(
        attempt=claimed.number, message_id=claimed.claim.message_id, name=claimed.job.name, reason=str(held)
    )
    tell(_log, buried)
    claimed.claim.bury()
    return Processed(outcome=Outcome.BURIED)


def _sentence(error: Exception) -> str:
    return f"{type(error).__name__}: {error}".splitlines()[0]


def _wait_for_other(claimed: Claimed, reason: WorkedOn) -> Processed:
    """Give the message back until the other attempt is over, if that worker lives, or no longer believed."""
    delay = min(claimed.outside.backoff(claimed.job.given_back), float(claimed.claim.seconds))
    return give_back(claimed, str(reason), delay=delay, counted=False, error=reason)
