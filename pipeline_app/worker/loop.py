"""The worker's loop: drain the queue, look once more, and end."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable

from pipeline_app.worker.job import JobProcessor, Outcome, Processed
from pipeline_app.worker.status import Status
from pipeline_app.worker.storage import JobQueue, Message

MAX_POLL_SECONDS = 1.0
MIN_POLL_SECONDS = 0.05
OUTAGE_SECONDS = 5.0

_log = logging.getLogger(__name__)


class Drain:
    """Claims messages in one or more slots until the queue stays empty or the worker is told to stop."""

    def __init__(
        self,
        queue: JobQueue,
        processor: JobProcessor,
        status: Status,
        stopping: threading.Event,
        *,
        claim_seconds: int,
        idle_seconds: float,
        is_transient: Callable[[Exception], bool],
        slots: int,
    ) -> None:
        self._busy = 0
        self._claim_seconds = claim_seconds
        self._idle_seconds = idle_seconds
        self._is_transient = is_transient
        self._lock = threading.Lock()
        self._processor = processor
        self._queue = queue
        self._quiet_since = time.monotonic()
        self._slots = slots
        self._status = status
        self._stopping = stopping

    def run(self) -> bool:
        """Work until there is nothing left to do.

        Returns:
            False if a slot broke off.
        """
        failures: list[BaseException] = []
        threads = [
            threading.Thread(target=self._slot, args=(number, failures), name=f"slot-{number}")
            for number in range(self._slots)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        return not failures

    def _slot(self, number: int, failures: list[BaseException]) -> None:
        try:
            self._work(number)
        except BaseException as error:
            _log.exception("slot %d broke off", number)
            failures.append(error)
            self._stopping.set()

    def _work(self, number: int) -> None:
        poll = MIN_POLL_SECONDS
        while not self._stopping.is_set():
            self._status.beat(number)
            try:
                message = self._receive()
            except Exception as error:
                if not self._is_transient(error):
                    raise
                _log.warning("the queue does not answer, trying again in %.0f s: %s", OUTAGE_SECONDS, error)
                self._stopping.wait(OUTAGE_SECONDS)
                continue
            if message is not None:
                poll = MIN_POLL_SECONDS
                self._process(number, message)
            elif self._may_end():
                return
            else:
                self._stopping.wait(poll)
                poll = min(MAX_POLL_SECONDS, poll * 1.5)

    def _receive(self) -> Message | None:
        with self._lock:
            self._busy += 1
        try:
            message = self._queue.receive(self._claim_seconds)
        except BaseException:
            self._rest()
            raise
        if message is None:
            with self._lock:
                self._busy -= 1
        return message

    def _process(self, number: int, message: Message) -> None:
        processed: Processed | None = None
        try:
            processed = self._processor.process(
                message, lambda name, attempt: self._status.begin(number, name, attempt)
            )
        except Exception as error:
            if not self._is_transient(error):
                raise
            # The message could not even be given back; it is visible again when its claim expires.
            _log.warning("message %s is left to its claim: %s", message.id, error)
            processed = Processed(again_in=self._claim_seconds, outcome=Outcome.LOST)
        finally:
            self._status.end(number, processed.outcome if processed else "broken off")
            self._rest(processed.again_in if processed else 0.0)

    def _rest(self, again_in: float = 0.0) -> None:
        with self._lock:
            self._busy -= 1
            # A message that comes back later keeps the worker up until then.
            self._quiet_since = max(self._quiet_since, time.monotonic() + again_in)

    def _may_end(self) -> bool:
        """Tell whether the queue has been empty for long enough, by a last look at what other workers hold."""
        with self._lock:
            quiet = time.monotonic() - self._quiet_since
            if self._busy or quiet < self._idle_seconds:
                return False
        # A message that is claimed belongs to a live worker or comes back when its claim expires.
        return quiet >= self._idle_seconds + self._claim_seconds or self._queue.is_empty()
