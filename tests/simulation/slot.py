"""A slot of a worker on the simulation's time: one application at a time, a job ahead of it and results behind it."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Final

from pipeline_app.worker.isolation import POLL_SECONDS, patience
from pipeline_app.worker.loop import pause
from pipeline_app.worker.slot import BEHIND, HOLD_SECONDS, LOOK_SECONDS
from tests.simulation.storage import BLOBS_AFTER, BLOBS_BEFORE

if TYPE_CHECKING:
    from tests.simulation.worker import Held, SimulatedWorker

# A claim and what comes before the application are requests one after the other, and so is what comes after it.
CALLS_AFTER: Final = BLOBS_AFTER + 1


class SimulatedSlot:
    """Does what ``pipeline_app/worker/slot.py`` does; ``ended`` once it takes no more."""

    def __init__(self, worker: SimulatedWorker) -> None:
        self.current: Held | None = None
        self.ended = False
        self._ahead: Held | None = None
        self._behind = 0
        self._call = worker.plan.call_seconds
        self._first = True
        self._last_seconds = 0.0
        self._polls = 0
        self._waiting: tuple[Held, float] | None = None
        self._worker = worker

    @property
    def over(self) -> bool:
        """Whether nothing of it is under way any more."""
        return self.ended and not self._behind and self._waiting is None

    def turn(self) -> None:
        """Take the next job, or wait for one."""
        if self.ended:
            return
        held, self._ahead = self._ahead, None
        if held is None and not self._worker.lifetime.allows(first=self._first):
            self._end()
            return
        if held is None:
            held = self._claim()
        if held is None:
            if self._worker.may_end():
                self._end()
            else:
                self._worker.later(pause(self._polls), self.turn)
                self._polls += 1
            return
        self._polls = 0
        self.current = held
        if held.history.suspect:
            until = self._worker.timeline.now + patience(held.job.given_back)
            self._isolate(held, until)
        elif self._worker.isolation.closed:
            self._give_up(held)
        else:
            self._fetch(held)

    def stop(self) -> None:
        """Give back what is in hand, but for what is being published or waits for that."""
        if self.ended:
            return
        if self._waiting is None and self.current is not None:
            self._drop(self.current)
        if self._ahead is not None:
            self._drop(self._ahead)
        self.current = self._ahead = None
        self._end()

    def _end(self) -> None:
        self.ended = True
        self._worker.slot_ended()

    def _claim(self) -> Held | None:
        """Claim a message; one that has to wait for another suspect goes back, and the next may be had."""
        while (held := self._worker.receive()) is not None:
            held.whole = self._worker.lifetime.whole(first=self._first)
            if self._worker.isolation.admit(suspect=held.history.suspect):
                return held
            self._worker.give_back(held, self._worker.backoff(held.job.given_back))
        return None

    def _isolate(self, held: Held, until: float) -> None:
        """Wait to be alone with a suspect, then work on it."""
        if self.current is not held:
            return
        if self._worker.isolation.single:
            self._worker.rewrite(held)
            self._fetch(held)
        elif self._worker.timeline.now >= until:
            self._give_up(held, self._worker.backoff(held.job.given_back))
        else:
            self._worker.later(POLL_SECONDS, partial(self._isolate, held, until))

    def _fetch(self, held: Held) -> None:
        """Bring the input, unless there is nothing to do or not now."""
        worker = self._worker
        worker.files.touch(reads=BLOBS_BEFORE)
        begun = worker.files.begin(held.job.name)
        if not begun:
            if begun is None:
                worker.complete(held)
                if held.history.suspect:
                    worker.isolation.open()
            else:
                # Another attempt is under way.
                self._drop(held, min(worker.backoff(held.job.given_back), worker.plan.claim_seconds))
            self._turn_over(held)
            return
        held.begun, held.since, self._first = True, worker.timeline.now, False
        wait = max(held.ready - worker.timeline.now, 0.0) if held.ready else BLOBS_BEFORE * self._call
        seconds = worker.files.seconds(held.job.name)
        failed = held.history.attempt > worker.plan.max_attempts or worker.lifetime.verdict(held.job) is not None
        ahead = self._last_seconds <= HOLD_SECONDS and worker.lifetime.allows(ahead=True, first=False)
        if ahead and not held.history.suspect:
            self._take_ahead(held, worker.timeline.now + HOLD_SECONDS)
        worker.later(wait + (0.0 if failed else seconds), partial(self._ran, held, seconds, failed))

    def _take_ahead(self, running: Held, until: float) -> None:
        worker = self._worker
        if self.current is not running or worker.timeline.now > until:
            return
        if worker.rests_beside(self):
            # A slot that has nothing to do would run it at once.
            worker.later(LOOK_SECONDS, partial(self._take_ahead, running, until))
            return
        self._ahead = held = self._claim()
        if held is not None:
            held.ready = worker.timeline.now + BLOBS_BEFORE * self._call
            worker.later(BLOBS_BEFORE * self._call + HOLD_SECONDS, partial(self._hold_no_longer, held))

    def _hold_no_longer(self, held: Held) -> None:
        if self._ahead is held:
            self._ahead = None
            self._drop(held)

    def _ran(self, held: Held, seconds: float, failed: bool) -> None:
        if self.current is not held:
            return
        self._last_seconds = seconds
        self._worker.lifetime.note(self._worker.timeline.now - held.since)
        if held.history.suspect:
            # Nothing else is begun before it has its receipt.
            self._worker.later(CALLS_AFTER * self._call, partial(self._published, held, seconds, failed, alone=True))
        elif self._behind < BEHIND:
            self._publish(held, seconds, failed)
            self._turn_over(held)
        else:
            self._waiting = (held, seconds)

    def _publish(self, held: Held, seconds: float, failed: bool = False) -> None:
        self._behind += 1
        self._worker.later(CALLS_AFTER * self._call, partial(self._published, held, seconds, failed))

    def _published(self, held: Held, seconds: float, failed: bool, *, alone: bool = False) -> None:
        worker = self._worker
        if alone and self.current is not held:
            return
        worker.files.touch(writes=BLOBS_AFTER)
        worker.files.finish(held.job.name, seconds, failed=failed)
        worker.finished += 1
        worker.complete(held)
        if alone:
            worker.isolation.open()
            self._turn_over(held)
            return
        self._behind -= 1
        if self._waiting is not None:
            (waiting, took), self._waiting = self._waiting, None
            self._publish(waiting, took)
            self._turn_over(waiting)
        if self.over:
            worker.slot_ended()

    def _give_up(self, held: Held, delay: float = 0.0) -> None:
        self._drop(held, delay)
        self._turn_over(held)

    def _drop(self, held: Held, delay: float = 0.0) -> None:
        self._worker.give_back(held, delay)
        if held.history.suspect:
            self._worker.isolation.open()

    def _turn_over(self, held: Held) -> None:
        if self.current is held:
            self.current = None
            self._worker.later(self._call, self.turn)
