"""A claim on a message, renewed while the file is worked on."""

from __future__ import annotations

import logging
import threading
import time
from dataclasses import replace
from types import TracebackType

from pipeline_app.contract import FileJob
from pipeline_app.worker.storage import ClaimLost, JobQueue, Message

_log = logging.getLogger(__name__)


class Claim:
    """Renews the claim on a message in the background until it is settled; ``lost`` says that somebody else has it."""

    def __init__(self, queue: JobQueue, message: Message, claim_seconds: int) -> None:
        self._queue = queue
        self._message = message
        self._seconds = claim_seconds
        self._expires = time.monotonic() + claim_seconds
        self._settled = threading.Event()
        self._lost = threading.Event()
        self._thread = threading.Thread(target=self._renew, name=f"claim-{message.id}", daemon=True)

    def __enter__(self) -> Claim:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop()

    @property
    def lost(self) -> bool:
        """Whether another worker may have the message by now."""
        return self._lost.is_set() or time.monotonic() > self._expires

    def complete(self) -> None:
        """Delete the message; a message that somebody else has by now is theirs to delete, since the receipt is out."""
        self._stop()
        try:
            self._queue.delete(self._message)
        except ClaimLost as error:
            _log.warning("The message %s was claimed by another worker: %s.", self._message.id, error)

    def give_back(self, job: FileJob, delay_seconds: float, *, counted: bool) -> None:
        """Make the message visible again after a delay; an uncounted claim does not use up one of the attempts."""
        self._stop()
        content = (job if counted else replace(job, given_back=job.given_back + 1)).encode()
        try:
            self._queue.give_back(self._message, content, delay_seconds)
        except ClaimLost as error:
            _log.warning("The message %s was claimed by another worker: %s.", self._message.id, error)

    def _renew(self) -> None:
        while not self._settled.wait(self._seconds / 3):
            try:
                asked = time.monotonic()
                self._queue.renew(self._message, self._seconds)
                self._expires = asked + self._seconds
            except ClaimLost as error:
                _log.warning("The claim on message %s is lost: %s.", self._message.id, error)
                self._lost.set()
                return
            except Exception:
                # The claim holds until it expires, so the next renewal may still succeed.
                _log.exception("The claim on message %s could not be renewed.", self._message.id)

    def _stop(self) -> None:
        # The pop receipt changes with a renewal, so one under way has to end before the message is settled.
        self._settled.set()
        self._thread.join()
