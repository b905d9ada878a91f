"""One slot of the worker: while an application runs, the next input comes in and the last results go out.

A slot never has more than one application running. Ahead of it is at most one job, whose input is small enough to lie
beside; behind it are at most ``BEHIND`` publications. None of this weakens what a receipt promises, since each job
keeps its own claim, folder and publication throughout.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from typing import Protocol, TypeVar

from pipeline_app.worker.attempt import Claimed, Fetched, Processed, Ran
from pipeline_app.worker.status import Status
from pipeline_app.worker.storage import Message

# Publications that one slot may have under way at once; with more, the application waits for the first to end.
BEHIND = 2
# A job that was taken ahead is given back if the application before it takes longer than this, since another worker
# may have nothing to do; and none is taken ahead of an application that took longer the last time.
HOLD_SECONDS = 10.0

T = TypeVar("T")


class Processor(Protocol):
    """The stages of a job; each returns what the next one takes, or what became of the message."""

    @property
    def aside_bytes(self) -> int:
        """How much disk a job may take while another one's application runs."""

    def claim(self, message: Message) -> Claimed | Processed:
        """Read a claimed message and keep it claimed from now on."""

    def fetch(self, claimed: Claimed) -> Fetched | Processed:
        """Bring the input to this machine."""

    def publish(self, ran: Ran) -> Processed:
        """Make the results visible, or give the message back for another attempt."""

    def release(self, claimed: Claimed, reason: str) -> Processed:
        """Give a message back whose application was not run."""

    def run(self, fetched: Fetched) -> Ran | Processed:
        """Run the application."""


class Source(Protocol):
    """Where a slot gets messages, and what it tells about them."""

    @property
    def stopping(self) -> bool:
        """Whether no more applications are to be started."""

    def receive(self) -> Message | None:
        """Claim a message; None where there is none, or none can be had now."""

    def settle(self, processed: Processed) -> None:
        """Take note that a message that was received has come to its end."""

    def stage(self, call: Callable[[], T | Processed]) -> T | Processed:
        """Return what a stage returns; an outage while it leaves a message in order ends it, too."""

    def wait(self, polls: int) -> bool:
        """Wait after so many polls in vain; False if the worker may end."""


class Slot:
    """Takes jobs through their stages, one application at a time."""

    def __init__(self, number: int, processor: Processor, source: Source, status: Status) -> None:
        self._ahead: tuple[Future[Claimed | Processed | None], threading.Event] | None = None
        self._behind: list[Future[None]] = []
        self._last_seconds = 0.0
        self._number = number
        self._processor = processor
        self._source = source
        self._status = status

    def work(self) -> None:
        """Work until there is nothing left to do or the worker is told to stop."""
        with ThreadPoolExecutor(1) as fetcher, ThreadPoolExecutor(BEHIND) as publisher:
            try:
                self._work(fetcher, publisher)
            finally:
                self._release()
                wait(self._behind)
            self._reap()

    def _work(self, fetcher: ThreadPoolExecutor, publisher: ThreadPoolExecutor) -> None:
        polls = 0
        while not self._source.stopping:
            self._status.beat(self._number)
            self._reap()
            step = self._next()
            if step is None:
                if not self._source.wait(polls):
                    return
                polls += 1
                continue
            polls = 0
            if isinstance(step, Processed):
                self._source.settle(step)
            elif self._source.stopping:
                self._source.settle(self._give_up(step))
            else:
                self._run(step, fetcher, publisher)
            self._status.rest(self._number)

    def _next(self) -> Fetched | Processed | None:
        """Return the next job with its input, taken ahead or just now."""
        step: Claimed | Processed | None = None
        if self._ahead is not None:
            future, wanted = self._ahead
            self._ahead = None
            wanted.set()
            step = future.result()
        if step is None:
            step = self._claim()
        if not isinstance(step, Claimed):
            return step
        self._status.begin(self._number, step.job.name, step.number)
        return step if isinstance(step, Fetched) else self._fetch(step)

    def _run(self, fetched: Fetched, fetcher: ThreadPoolExecutor, publisher: ThreadPoolExecutor) -> None:
        if self._last_seconds <= HOLD_SECONDS:
            wanted = threading.Event()
            self._ahead = fetcher.submit(self._take_ahead, wanted), wanted
        started = time.monotonic()
        ran = self._source.stage(lambda: self._processor.run(fetched))
        self._last_seconds = time.monotonic() - started
        if isinstance(ran, Processed):
            self._source.settle(ran)
        elif ran.size > self._processor.aside_bytes:
            self._publish(ran)
        else:
            if len(self._behind) >= BEHIND:
                wait(self._behind, return_when=FIRST_COMPLETED)
            self._behind.append(publisher.submit(self._publish, ran))

    def _take_ahead(self, wanted: threading.Event) -> Claimed | Processed | None:
        step = self._claim()
        if not isinstance(step, Claimed):
            return step
        if step.job.size <= self._processor.aside_bytes:
            fetched = self._fetch(step)
            if isinstance(fetched, Processed):
                return fetched
            step = fetched
        return step if wanted.wait(HOLD_SECONDS) else self._give_up(step)

    def _claim(self) -> Claimed | Processed | None:
        message = self._source.receive()
        return None if message is None else self._source.stage(lambda: self._processor.claim(message))

    def _fetch(self, claimed: Claimed) -> Fetched | Processed:
        return self._source.stage(lambda: self._processor.fetch(claimed))

    def _publish(self, ran: Ran) -> None:
        self._source.settle(self._source.stage(lambda: self._processor.publish(ran)))

    def _give_up(self, claimed: Claimed) -> Processed:
        return self._source.stage(lambda: self._processor.release(claimed, "its turn has not come"))

    def _release(self) -> None:
        """Give back what was taken ahead."""
        if self._ahead is None:
            return
        future, wanted = self._ahead
        self._ahead = None
        wanted.set()
        step = future.result()
        if step is not None:
            self._source.settle(step if isinstance(step, Processed) else self._give_up(step))

    def _reap(self) -> None:
        """Forget the publications that have ended, and raise what one of them raised."""
        ended = [future for future in self._behind if future.done()]
        self._behind = [future for future in self._behind if future not in ended]
        for future in ended:
            future.result()
