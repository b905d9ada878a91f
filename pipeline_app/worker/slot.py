"""One slot of the worker: while an application runs, the next input comes in and the last results go out.

A slot never has more than one application running. Ahead of it is at most one job, which no other slot of the worker
was free to take, and whose input is small enough to lie beside; behind it are at most ``BEHIND`` publications. None of
this weakens what a receipt promises, since each job keeps its own claim, folder and publication throughout. But a
worker that is killed loses all of them, and so a file that may have done that to one before is worked on with nothing
beside it: see ``isolation``.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import replace
from typing import Protocol, TypeVar

from pipeline_app.worker.attempt import Claimed, Fetched, Processed, Ran
from pipeline_app.worker.isolation import patience
from pipeline_app.worker.lifetime import Lifetime
from pipeline_app.worker.outside import OUTSIDE, Outside
from pipeline_app.worker.status import Status
from pipeline_app.worker.storage import Message

# Publications that one slot may have under way at once; with more, the application waits for the first to end.
BEHIND = 2
# A job that was taken ahead is given back if the application before it takes longer than this, since another worker
# may have nothing to do; and none is taken ahead of an application that took longer the last time.
HOLD_SECONDS = 10.0
# How often a slot looks whether all others have work, so that it may take a job ahead.
LOOK_SECONDS = 0.05
TOO_LATE = "it might not come to its end before this worker does"

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

    def isolate(self, claimed: Claimed) -> Claimed | Processed:
        """Say in storage that this worker begins with a suspect and has nothing else in hand."""

    def publish(self, ran: Ran) -> Processed:
        """Make the results visible, or give the message back for another attempt."""

    def release(self, claimed: Claimed, reason: str, delay: float = 0.0) -> Processed:
        """Give a message back whose application was not run, visible again after so many seconds."""

    def run(self, fetched: Fetched) -> Ran | Processed:
        """Run the application."""


class Source(Protocol):
    """Where a slot gets messages, and what it tells about them."""

    @property
    def closed(self) -> bool:
        """Whether a suspect waits or is worked on, so that nothing is to be begun beside it."""

    @property
    def stopping(self) -> bool:
        """Whether no more applications are to be started."""

    def admit(self, *, suspect: bool) -> bool:
        """Tell what a message is that was received; false for a suspect that has to be given back for another one."""

    def alone(self, seconds: float, lost: Callable[[], bool]) -> bool:
        """Wait until the suspect that was admitted is all that is in hand; false where that is not to be."""

    def open(self) -> None:
        """Let others be worked on again after a suspect that was admitted."""

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

    def __init__(
        self,
        number: int,
        processor: Processor,
        source: Source,
        status: Status,
        lifetime: Lifetime,
        outside: Outside = OUTSIDE,
    ) -> None:
        self._ahead: tuple[Future[Claimed | Processed | None], threading.Event] | None = None
        self._behind: list[Future[None]] = []
        self._first = True
        self._last_seconds = 0.0
        self._lifetime = lifetime
        self._number = number
        self._outside = outside
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
        while not self._source.stopping and (self._ahead or self._lifetime.allows(first=self._first)):
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
            elif not self._lifetime.fits(step):
                self._source.settle(self._give_up(step, TOO_LATE))
            elif not isinstance(step, Fetched):
                self._source.settle(self._isolate(step))
            elif self._source.closed:
                self._source.settle(self._give_up(step))
            else:
                self._run(step, fetcher, publisher)
            self._status.rest(self._number)

    def _next(self) -> Claimed | Fetched | Processed | None:
        """Return the next job, taken ahead or just now: with its input, or a suspect as it was claimed."""
        step: Claimed | Processed | None = None
        if self._ahead is not None:
            future, wanted = self._ahead
            self._ahead = None
            wanted.set()
            step = future.result()
        if step is None and self._lifetime.allows(first=self._first):
            step = self._claim()
        if not isinstance(step, Claimed):
            return step
        self._status.begin(self._number, step.job.name, step.number)
        if isinstance(step, Fetched) or step.history.suspect:
            return step
        return self._give_up(step) if self._source.closed else self._fetch(step)

    def _isolate(self, suspect: Claimed) -> Processed:
        """Take a suspect from its claim to its receipt while nothing else is in hand, or give it back."""
        given_back, self._first = suspect.job.given_back, False
        if not self._source.alone(patience(given_back), lambda: suspect.claim.lost or self._broken()):
            delay = 0.0 if self._source.stopping else self._outside.backoff(given_back)
            return self._give_up(suspect, "others took too long for it to be alone", delay)
        stage = self._source.stage
        try:
            step = stage(lambda: self._processor.isolate(suspect))
            if isinstance(step, Processed):
                return step
            fetched = self._fetch(step)
            if isinstance(fetched, Processed):
                return fetched
            if not self._lifetime.fits(fetched):
                return self._give_back(fetched, TOO_LATE, 0.0)
            ran = stage(lambda: self._processor.run(fetched))
            return ran if isinstance(ran, Processed) else stage(lambda: self._processor.publish(ran))
        finally:
            self._source.open()

    def _run(self, fetched: Fetched, fetcher: ThreadPoolExecutor, publisher: ThreadPoolExecutor) -> None:
        self._first = False
        if self._last_seconds <= HOLD_SECONDS and self._lifetime.allows(ahead=True, first=False):
            wanted = threading.Event()
            self._ahead = fetcher.submit(self._take_ahead, wanted), wanted
        started = self._outside.monotonic()
        ran = self._source.stage(lambda: self._processor.run(fetched))
        self._last_seconds = self._outside.monotonic() - started
        if isinstance(ran, Processed):
            self._source.settle(ran)
        elif ran.size > self._processor.aside_bytes:
            self._publish(ran)
        else:
            if len(self._behind) >= BEHIND:
                wait(self._behind, return_when=FIRST_COMPLETED)
            self._behind.append(publisher.submit(self._publish, ran))

    def _take_ahead(self, wanted: threading.Event) -> Claimed | Processed | None:
        until = self._outside.monotonic() + HOLD_SECONDS
        while self._status.rests_beside(self._number):
            # A slot that has nothing to do would run it at once.
            if wanted.wait(LOOK_SECONDS) or self._outside.monotonic() > until:
                return None
        step = self._claim()
        if not isinstance(step, Claimed):
            return step
        if step.job.size <= self._processor.aside_bytes and not step.history.suspect:
            fetched = self._fetch(step)
            if isinstance(fetched, Processed):
                return fetched
            step = fetched
        return step if wanted.wait(min(HOLD_SECONDS, max(self._lifetime.spare, 0.0))) else self._give_up(step)

    def _claim(self) -> Claimed | Processed | None:
        message = self._source.receive()
        if message is None:
            return None
        whole = self._lifetime.whole(first=self._first)
        step = self._source.stage(lambda: self._processor.claim(message))
        if isinstance(step, Claimed):
            step = replace(step, whole=whole)
        suspect = isinstance(step, Claimed) and step.history.suspect
        admitted = self._source.admit(suspect=suspect)
        if isinstance(step, Processed):
            return step
        if admitted:
            return step if self._lifetime.fits(step) else self._give_up(step, TOO_LATE)
        delay = self._outside.backoff(step.job.given_back)
        return self._give_back(step, "another file is alone in this worker", delay)

    def _fetch(self, claimed: Claimed) -> Fetched | Processed:
        return self._source.stage(lambda: self._processor.fetch(claimed))

    def _publish(self, ran: Ran) -> None:
        self._source.settle(self._source.stage(lambda: self._processor.publish(ran)))

    def _give_up(self, claimed: Claimed, reason: str = "its turn has not come", delay: float = 0.0) -> Processed:
        """Give a job back that this slot was to run; a suspect is then in nobody's way any more."""
        try:
            return self._give_back(claimed, reason, delay)
        finally:
            if claimed.history.suspect:
                self._source.open()

    def _give_back(self, claimed: Claimed, reason: str, delay: float) -> Processed:
        return self._source.stage(lambda: self._processor.release(claimed, reason, delay))

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

    def _broken(self) -> bool:
        """Tell whether a publication broke off, whose message will never come to its end here."""
        return any(future.done() and future.exception() for future in self._behind)

    def _reap(self) -> None:
        """Forget the publications that have ended, and raise what one of them raised."""
        ended = [future for future in self._behind if future.done()]
        self._behind = [future for future in self._behind if future not in ended]
        for future in ended:
            future.result()
