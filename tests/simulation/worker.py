"""A worker on the simulation's time: what its threads would do, by the decisions of its own code.

What it waits for, how often it looks, when it may end, what it takes ahead and for how long it holds that, what is
worked on alone and when a file is tried again are the worker's own functions, classes and constants. What is written
anew here is only their order, where the worker has threads for it (``pipeline_app/worker/loop.py`` and ``slot.py``).
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Protocol

from pipeline_app.contract import FileJob, lifetime_of
from pipeline_app.worker.history import History
from pipeline_app.worker.isolation import Isolation
from pipeline_app.worker.lifetime import Lifetime
from pipeline_app.worker.loop import may_end
from pipeline_app.worker.outside import Outside
from pipeline_app.worker.storage import JobQueue, Message
from tests.simulation.plan import Plan
from tests.simulation.slot import SimulatedSlot
from tests.simulation.timeline import Timeline


@dataclass(eq=False)
class Held:
    """A claimed message; its input is there from the moment ``ready`` on, and it is ``begun`` ``since`` a moment.

    ``whole`` is as the worker's ``Claimed`` has it.
    """

    history: History
    job: FileJob
    message: Message
    begun: bool = False
    ready: float = 0.0
    since: float = 0.0
    whole: bool = False


class Files(Protocol):
    """The files, as workers find them."""

    def begin(self, name: str) -> bool | None:
        """Begin with a file; None where it has its receipt, and false where another worker is at it."""

    def finish(self, name: str, seconds: float, *, failed: bool = False) -> None:
        """Write the receipt of a file whose application took so many seconds."""

    def leave(self, name: str) -> None:
        """Have nothing more to do with a file that was begun."""

    def seconds(self, name: str) -> float:
        """Return what the application takes for a file."""

    def touch(self, *, reads: int = 0, writes: int = 0) -> None:
        """Make so many requests for blobs."""


class SimulatedWorker:
    """A worker with its slots; ``ended`` is called when its process is over."""

    def __init__(
        self,
        plan: Plan,
        timeline: Timeline,
        queue: JobQueue,
        files: Files,
        backoff: Callable[[int], float],
        ended: Callable[[], None],
    ) -> None:
        self.backoff = backoff
        self.files = files
        self.finished = 0
        outside = Outside(monotonic=timeline.clock)
        self.isolation = Isolation(threading.Event(), outside)
        self.killed = False
        limited = plan.runner == "containerAppsJob"
        self.lifetime = Lifetime(lifetime_of(plan.replica_timeout_seconds) if limited else 0.0, outside=outside)
        self.plan = plan
        self.queue = queue
        self.stopping = False
        self.timeline = timeline
        self._ended = ended
        self._held: set[Held] = set()
        self._quiet_since = timeline.now
        self._slots = [SimulatedSlot(self) for _ in range(plan.slots)]

    def start(self) -> None:
        """Begin."""
        for slot in self._slots:
            slot.turn()

    def stop(self) -> None:
        """Give back what is in hand, but for what is being published, and end."""
        if self.killed or self.stopping:
            return
        self.stopping = True
        for slot in self._slots:
            slot.stop()

    def kill(self) -> None:
        """End at once, with all messages claimed until their claims are over."""
        if self.killed or self.over:
            return
        self.killed = True
        for held in self._held:
            if held.begun:
                self.files.leave(held.job.name)
        self._ended()

    @property
    def over(self) -> bool:
        """Whether all slots have ended."""
        return all(slot.over for slot in self._slots)

    def later(self, seconds: float, call: Callable[[], None]) -> None:
        """Let something happen, unless this worker is killed before."""
        self.timeline.after(seconds, lambda: None if self.killed else call())

    def rests_beside(self, slot: SimulatedSlot) -> bool:
        """Tell whether another slot looks for work."""
        return any(other is not slot and not other.ended and other.current is None for other in self._slots)

    def receive(self) -> Held | None:
        """Claim a message; None where there is none, or none can be had now."""
        if not self.isolation.enter():
            return None
        message = self.queue.receive(self.plan.claim_seconds)
        self.isolation.received(message=message is not None)
        if message is None:
            return None
        job = FileJob.decode(message.content)
        held = Held(History.of(job, message.dequeue_count), job, message)
        self._held.add(held)
        self.later(self.plan.claim_seconds / 3, partial(self._renew, held))
        return held

    def complete(self, held: Held) -> None:
        """Delete a message."""
        self.queue.delete(held.message)
        self._settle(held)

    def give_back(self, held: Held, delay: float) -> None:
        """Give a message back, uncounted, visible again after so many seconds."""
        job = held.job
        if held.begun:
            self.files.leave(job.name)
            job = self.lifetime.cut(job, self.timeline.now - held.since, whole=held.whole)
        told = replace(job, given_back=job.given_back + 1)
        self.queue.give_back(held.message, told.encode(), delay)
        self._settle(held, delay)

    def rewrite(self, held: Held) -> None:
        """Say in the message that this worker begins with a suspect alone."""
        told = replace(held.job, isolated=held.job.isolated + 1)
        self.queue.renew(held.message, self.plan.claim_seconds, told.encode())

    def may_end(self) -> bool:
        """Tell whether there is nothing left to do."""
        if self.isolation.busy:
            return False
        quiet = self.timeline.now - self._quiet_since
        return may_end(quiet, self.plan.idle_seconds, self.plan.claim_seconds, self.queue.is_empty)

    def slot_ended(self) -> None:
        """Take note that a slot has nothing left to do."""
        if self.over and not self.killed:
            self._ended()

    def _renew(self, held: Held) -> None:
        if held in self._held:
            self.queue.renew(held.message, self.plan.claim_seconds)
            self.later(self.plan.claim_seconds / 3, partial(self._renew, held))

    def _settle(self, held: Held, again_in: float = 0.0) -> None:
        self._held.remove(held)
        self._quiet_since = max(self._quiet_since, self.timeline.now + again_in)
        self.isolation.leave()
