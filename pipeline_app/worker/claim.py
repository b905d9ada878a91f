"""A claim on a message, renewed while the file is worked on."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from types import TracebackType

from pipeline_app.contract import FileJob
from pipeline_app.worker.outside import OUTSIDE, Outside
from pipeline_app.worker.publication import InputChanged
from pipeline_app.worker.storage import ClaimLost, JobQueue, Message
from pipeline_app.worker.working import WorkedOn

_log = logging.getLogger(__name__)


class Claim:
    """Renews the claim on a message in the background until it is settled.

    Attributes:
        pointless: why the work on the message should end though the claim holds; set by ``while_working``.
    """

    def __init__(self, queue: JobQueue, message: Message, claim_seconds: int, outside: Outside = OUTSIDE) -> None:
        self.pointless: InputChanged | WorkedOn | None = None
        self._beat: Callable[[], None] | None = None
        self._beating: threading.Thread | None = None
        self._outside = outside
        self._queue = queue
        self._message = message
        self._queue_lock = threading.Lock()
        self._seconds = claim_seconds
        self._expires = self._outside.monotonic() + claim_seconds
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
        return self._lost.is_set() or self._outside.monotonic() > self._expires

    @property
    def message_id(self) -> str:
        """The id of the message."""
        return self._message.id

    @property
    def seconds(self) -> int:
        """How long the claim holds after each renewal."""
        return self._seconds

    @contextmanager
    def while_working(self, beat: Callable[[], None]) -> Iterator[None]:
        """Call ``beat``, in a thread of its own, after each renewal while the context lasts."""
        self._beat = beat
        try:
            yield
        finally:
            self._beat = None

    def bury(self) -> None:
        """Move the message to the poison queue; one that somebody else has by now is theirs to settle."""
        self._stop()
        try:
            self._queue.bury(self._message)
        except ClaimLost as error:
            _log.warning("The message %s was claimed by another worker: %s.", self._message.id, error)

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
        told = replace(job, failed=job.failed + 1) if counted else replace(job, given_back=job.given_back + 1)
        try:
            self._queue.give_back(self._message, told.encode(), delay_seconds)
        except ClaimLost as error:
            _log.warning("The message %s was claimed by another worker: %s.", self._message.id, error)

    def rewrite(self, job: FileJob) -> None:
        """Let the message say something else while it stays claimed, whatever becomes of this worker.

        Raises:
            ClaimLost: somebody else has the message by now.
        """
        self._prolong(job.encode())

    def _prolong(self, content: str | None = None) -> None:
        # The pop receipt changes each time, so two threads may not do this at once.
        with self._queue_lock:
            asked = self._outside.monotonic()
            try:
                self._queue.renew(self._message, self._seconds, content)
            except ClaimLost:
                self._lost.set()
                raise
            self._expires = asked + self._seconds

    def _renew(self) -> None:
        while not self._settled.wait(self._seconds / 3):
            try:
                self._prolong()
                self._start_beat()
            except ClaimLost as error:
                _log.warning("The claim on message %s is lost: %s.", self._message.id, error)
                return
            except Exception:
                # The claim holds until it expires, so the next renewal may still succeed.
                _log.exception("The claim on message %s could not be renewed.", self._message.id)

    def _start_beat(self) -> None:
        # Blobs may be out of reach for longer than the claim holds, which must not keep it from being renewed.
        if self._beat is None or (self._beating is not None and self._beating.is_alive()):
            return
        self._beating = threading.Thread(target=self._run, args=(self._beat,), name="beat", daemon=True)
        self._beating.start()

    def _run(self, beat: Callable[[], None]) -> None:
        try:
            beat()
        except (InputChanged, WorkedOn) as reason:
            self.pointless = reason
        except Exception as error:
            _log.warning("The work on message %s could not be marked: %s.", self._message.id, error)

    def _stop(self) -> None:
        # The pop receipt changes with a renewal, so one under way has to end before the message is settled.
        self._settled.set()
        self._thread.join()
