"""The worker's loop: drain the queue, look once more, and end."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, TypeVar

from pipeline_app.contract import JOBS_QUEUE
from pipeline_app.contract.log_lines import tell
from pipeline_app.contract.worker_events import Outage, SlotBrokeOff
from pipeline_app.worker.attempt import Outcome, Processed
from pipeline_app.worker.disk import DiskFull
from pipeline_app.worker.isolation import Isolation
from pipeline_app.worker.keepers import NotConfined
from pipeline_app.worker.lifetime import Lifetime
from pipeline_app.worker.outside import OUTSIDE, Outside
from pipeline_app.worker.slot import Processor, Slot
from pipeline_app.worker.status import Status
from pipeline_app.worker.storage import JobQueue, Message, code_of
from pipeline_app.worker.told import deaf

# Only a group that has terminated costs nothing, so a worker does not wait for ever for a storage that lets it do
# nothing: no role, no token, no queue, no network. A fresh role is in force after ten minutes at most.
# Sources: https://learn.microsoft.com/azure/container-instances/container-instances-faq,
# https://learn.microsoft.com/azure/role-based-access-control/troubleshooting#symptom---role-assignment-changes-are-not-being-detected
GIVE_UP_SECONDS = 1200.0
MAX_POLL_SECONDS = 1.0
MIN_POLL_SECONDS = 0.05
OUTAGE_SECONDS = 5.0
# A worker with nothing to do ends after 15 seconds as a rule, and until then costs far more than looking often does.
QUICK_POLLS = 60
QUICK_POLL_SECONDS = 0.25

T = TypeVar("T")


@dataclass(frozen=True)
class _Trouble:
    """What was said last, and since when the like; ``config`` where it is of a config, and not of the storage."""

    since: float
    text: str
    config: bool = False


_log = logging.getLogger(__name__)


class Refused(Exception):
    """For a long time this worker could do nothing; the text says since when, why, and what to look at."""


class Drain:
    """Claims messages for one or more slots until the queue stays empty or the worker is told to stop."""

    def __init__(
        self,
        queue: JobQueue,
        processor: Processor,
        status: Status,
        stopping: threading.Event,
        *,
        claim_seconds: int,
        idle_seconds: float,
        is_transient: Callable[[Exception], bool],
        lifetime: Lifetime | None = None,
        outside: Outside = OUTSIDE,
        slots: int,
    ) -> None:
        self._claim_seconds = claim_seconds
        self._config_until = 0.0
        self._idle_seconds = idle_seconds
        self._is_transient = is_transient
        self._isolation = Isolation(stopping, outside)
        self._lifetime = lifetime or Lifetime(outside=outside)
        self._lock = threading.Lock()
        self._outage_until = 0.0
        self._outside = outside
        self._processor = processor
        self._queue = queue
        self._quiet_since = self._outside.monotonic()
        self._slots = slots
        self._status = status
        self._stopping = stopping
        self._trouble_of_files: _Trouble | None = None
        self._trouble_of_queue: _Trouble | None = None

    @property
    def closed(self) -> bool:
        """Whether a suspect waits or is worked on, so that nothing is to be begun beside it."""
        return self._isolation.closed

    @property
    def stopping(self) -> bool:
        """Whether no more applications are to be started."""
        return self._stopping.is_set()

    def run(self) -> bool:
        """Work until there is nothing left to do.

        Returns:
            False if a slot broke off.

        Raises:
            Refused: it would have waited for ever.
        """
        self._status.watch(lambda: self._isolation.held)
        failures: list[BaseException] = []
        threads = [
            threading.Thread(target=self._work, args=(number, failures), name=f"slot-{number}")
            for number in range(self._slots)
        ]
        with deaf():
            for thread in threads:
                thread.start()
        for thread in threads:
            thread.join()
        if failures and isinstance(failures[0], Refused):
            raise failures[0]
        return not failures

    def admit(self, *, suspect: bool) -> bool:
        """Tell what a message is that was received; false for a suspect that has to be given back for another one."""
        return self._isolation.admit(suspect=suspect)

    def alone(self, seconds: float, lost: Callable[[], bool]) -> bool:
        """Wait until the suspect that was admitted is all that is in hand; false where that is not to be."""
        return self._isolation.alone(seconds, lost)

    def open(self) -> None:
        """Let others be worked on again after a suspect that was admitted."""
        self._isolation.open()

    def receive(self) -> Message | None:
        """Claim a message; None where there is none, or none can be had now."""
        self._give_up()
        # A config that is not the stack's would only have the next input fetched in vain.
        if self._outside.monotonic() < self._config_until or not self._isolation.enter():
            return None
        message = None
        try:
            message = self._queue.receive(self._claim_seconds)
            self._trouble_of_queue = None
        except Exception as error:
            if not self._is_transient(error):
                raise
            self._trouble_of_queue = self._since(self._trouble_of_queue, str(error))
            tell(_log, _outage("receive", error, OUTAGE_SECONDS))
            self._outage_until = self._outside.monotonic() + OUTAGE_SECONDS
        finally:
            self._isolation.received(message=message is not None)
        return message

    def settle(self, processed: Processed) -> None:
        """Take note that a message that was received has come to its end."""
        # A canary proves a deploy and is nobody's file.
        if processed.outcome is not Outcome.CANARY:
            self._status.count(processed.outcome)
        with self._lock:
            before, trouble = self._trouble_of_files, processed.trouble
            self._trouble_of_files = self._since(before, trouble, config=processed.config) if trouble else None
            if processed.config:
                self._config_until = self._outside.monotonic() + OUTAGE_SECONDS
            # A message that comes back later keeps the worker up until then.
            self._quiet_since = max(self._quiet_since, self._outside.monotonic() + processed.again_in)
        self._isolation.leave()

    def stage(self, call: Callable[[], T | Processed]) -> T | Processed:
        """Return what a stage returns; an outage while it leaves a message in order ends it, too."""
        try:
            return call()
        except Exception as error:
            if not self._is_transient(error):
                raise
            # The message could not even be given back; it is visible again when its claim expires.
            tell(_log, _outage("settle", error, self._claim_seconds))
            return Processed(again_in=self._claim_seconds, outcome=Outcome.LOST, trouble=str(error))

    def wait(self, polls: int) -> bool:
        """Wait after so many polls in vain; False if the worker may end."""
        outage = max(self._config_until, self._outage_until) - self._outside.monotonic()
        if outage > 0:
            self._stopping.wait(outage)
        elif self._may_end():
            return False
        else:
            self._stopping.wait(pause(polls))
        return True

    def _work(self, number: int, failures: list[BaseException]) -> None:
        try:
            Slot(number, self._processor, self, self._status, self._lifetime, self._outside).work()
        except Refused as error:
            failures.append(error)
            self._stopping.set()
        except BaseException as error:
            # A full disk is no fault of the code, so its sentence says all.
            traceback = not isinstance(error, DiskFull | NotConfined)
            tell(_log, SlotBrokeOff(problem=str(error), slot=number), traceback=traceback)
            self._status.count("broken off")
            failures.append(error)
            self._stopping.set()
        finally:
            self._status.end(number)

    def _give_up(self) -> None:
        """Raise where nothing could be done for long, unless a file is in hand, whose work may yet count."""
        if self._isolation.held:
            return
        for trouble in filter(None, (self._trouble_of_queue, self._trouble_of_files)):
            seconds = self._outside.monotonic() - trouble.since
            if seconds < GIVE_UP_SECONDS:
                continue
            if trouble.config:
                raise Refused(f"For {seconds / 60:.0f} minutes no file could be run. {trouble.text}")
            raise Refused(
                f"For {seconds / 60:.0f} minutes the storage has let this worker do nothing. It last said: "
                f"{trouble.text} Has its identity its roles on the files container and on the queue {JOBS_QUEUE}, and "
                "are both there?"
            )

    def _may_end(self) -> bool:
        """Tell whether the queue has been empty for long enough, by a last look at what other workers hold."""
        # This is asked first, since what has just come to its end has moved the moment before that.
        if self._isolation.busy:
            return False
        quiet = self._outside.monotonic() - self._quiet_since
        return may_end(quiet, self._idle_seconds, self._claim_seconds, self._is_empty)

    def _is_empty(self) -> bool:
        try:
            return self._queue.is_empty()
        except Exception as error:
            if not self._is_transient(error):
                raise
            tell(_log, _outage("count", error, None))
            return False

    def _since(self, trouble: _Trouble | None, text: str, *, config: bool = False) -> _Trouble:
        return _Trouble(self._outside.monotonic() if trouble is None else trouble.since, text, config)


def pause(polls: int) -> float:
    """Return the seconds from a look at the queue, which was in vain after so many others, to the next."""
    longest = QUICK_POLL_SECONDS if polls < QUICK_POLLS else MAX_POLL_SECONDS
    return min(longest, MIN_POLL_SECONDS * 1.5 ** min(polls, 20))


def may_end(quiet: float, idle_seconds: float, claim_seconds: float, is_empty: Callable[[], bool]) -> bool:
    """Tell whether a worker that holds nothing may end.

    Args:
        quiet: so many seconds ago it last had something to do, or knew of something to come.
        idle_seconds: how long it watches an empty queue.
        claim_seconds: for how long a claim holds.
        is_empty: tells whether there is no message, those that others hold among them; asked only where it matters.
    """
    if quiet < idle_seconds:
        return False
    # A message that is claimed belongs to a live worker or comes back when its claim expires.
    return quiet >= idle_seconds + claim_seconds or is_empty()


def _outage(doing: Literal["count", "receive", "settle"], error: Exception, again_in: float | None) -> Outage:
    return Outage(again_in=again_in, code=code_of(error), doing=doing, problem=str(error))
