"""Many files as one: the same plan in steps of a second, for so many files that each of them cannot be an event.

The formulas are the same as in ``world``: the scaler's, how long a worker watches an empty queue and how often it looks
at it, what is hidden behind an application. Files, messages and workers that are in the same state are numbers instead
of objects: files wait in the order in which they came, and whoever has nothing to do is equally likely to get the next
one. Left out is what has next to no weight among many: the instances of the function, of which Azure starts more than
one here, the sweep, and losses. Executions of a Container Apps job alone are simulated so.
"""

from __future__ import annotations

import math
import random
from collections import defaultdict, deque
from dataclasses import dataclass
from itertools import accumulate
from typing import Final

from infra.local.services.keda import Scale, executions_to_start
from pipeline_app.contract import lifetime_of, margin_seconds
from pipeline_app.worker.loop import may_end, pause
from pipeline_app.worker.slot import HOLD_SECONDS
from tests.simulation.figures import Bill, Figures
from tests.simulation.hosting import DISPATCH_SECONDS, SWEEP_SECONDS
from tests.simulation.plan import HOST, Plan
from tests.simulation.requests import Requests
from tests.simulation.storage import BLOBS_AFTER, BLOBS_BEFORE

STEP: Final = 1.0
# Of files that are begun in one step, so many take what chance says, and the others the same as one of them.
DRAWS: Final = 16
BATCH: Final = HOST["extensions"]["queues"]["batchSize"]
# Less than half a file or execution is none where something is decided; far less is not kept.
HALF: Final = 0.5
NOTHING: Final = 1e-6


@dataclass
class _Idle:
    """Slots that have had nothing to do since a moment; ``fresh`` where their executions never had."""

    since: float
    count: float
    fresh: bool


@dataclass
class _Work:
    """Slots that come to the end of their files in the same step, and the useful seconds in that."""

    slots: float
    files: float
    seconds: float


class Cohorts:
    """One run."""

    def __init__(self, plan: Plan) -> None:
        if plan.runner != "containerAppsJob":
            raise ValueError(f"The runner is {plan.runner}. Only a containerAppsJob is simulated by cohorts.")
        self.bill = Bill()
        self.done = 0.0
        self.requests = Requests(lambda: self._now)
        self._at_work = 0.0
        self._chance = random.Random(f"{plan.seed} application")  # noqa: S311 -- no secrets; nor below.
        self._empty = 0.0
        self._ending: deque[tuple[float, float]] = deque()
        self._function_seconds = 0.0
        self._idle: list[_Idle] = []
        self._in_work = 0.0
        self._last_done = 0.0
        # A worker takes no file for which it may have too little time, by the longest that it has seen.
        lifetime, longest = lifetime_of(plan.replica_timeout_seconds), plan.app_seconds * math.exp(2 * plan.spread)
        self._life = lifetime - margin_seconds(lifetime) - longest
        self._living: deque[list[float]] = deque()
        self._now = 0.0
        self._oldest = 0.0
        self._plan = plan
        self._queued = 0.0
        self._polls = _polls(plan.idle_seconds + plan.claim_seconds)
        self._sent = 0.0
        self._starting: deque[tuple[float, float]] = deque()
        self._useful = 0.0
        self._waiting: deque[list[float]] = deque()
        self._work: defaultdict[int, list[_Work]] = defaultdict(list)
        chance = random.Random(f"{plan.seed} runner")  # noqa: S311 -- as in ``world``.
        self._look_at = chance.uniform(0, plan.polling_seconds)
        self._scale = Scale(
            max_executions=plan.most, polling_seconds=plan.polling_seconds, queue_length=plan.queue_length
        )

    def run(self) -> Figures:
        """Let all of it happen; return its figures."""
        step = 0
        while self.done < self._plan.files - HALF or self._at_work > HALF:
            self._now = step * STEP
            self._come()
            self._start()
            self._complete(step)
            self._time_out()
            self._begin(step)
            self._rest()
            self._look()
            self.bill.seconds += self._at_work * STEP
            step += 1
        self.bill.empty = round(self._empty)
        sweeps = self._now / SWEEP_SECONDS
        return Figures(
            bill=self.bill,
            function_runs=self._plan.files + sweeps,
            function_seconds=self._function_seconds + sweeps,
            makespan=self._last_done,
            oldest=self._oldest,
            plan=self._plan,
            requests=self.requests,
            useful_seconds=self._useful,
        )

    def _come(self) -> None:
        """Let the jobs of new files be on the queue."""
        count = self._plan.arrived(self._now - self._plan.event_seconds - DISPATCH_SECONDS) - self._sent
        if count <= 0:
            return
        self._sent += count
        self._waiting.append([self._now, count])
        self._queued += count
        self.requests.note("blob writes", count)
        # The host takes them in batches one after the other, and looks in vain once it has come to the end.
        batches = max(count / BATCH, min(2 * count, STEP / DISPATCH_SECONDS))
        self.requests.note("events", 2 * count + batches)
        self.requests.note("jobs", count)
        self._function_seconds += max(STEP, count * DISPATCH_SECONDS / BATCH)

    def _look(self) -> None:
        """Let the scaler count, and start executions."""
        if self._now < self._look_at:
            return
        self._look_at += self._plan.polling_seconds
        self.requests.note("jobs")
        started = executions_to_start(round(self._messages()), round(self._at_work), self._scale)
        if started:
            self.bill.runs += started
            self._at_work += started
            self.bill.most = max(self.bill.most, round(self._at_work))
            self._starting.append((self._now + self._plan.start_seconds, started))
            self._living.append([self._now + self._plan.start_seconds + self._life, started])

    def _start(self) -> None:
        while self._starting and self._starting[0][0] <= self._now:
            _, count = self._starting.popleft()
            self._idle.append(_Idle(self._now, count * self._plan.slots, fresh=True))

    def _begin(self, step: int) -> None:
        """Let slots that have nothing to do take what waits."""
        free = sum(each.count for each in self._idle)
        waiting = self._queued
        if free < NOTHING or waiting < NOTHING:
            return
        mean = self._cycle(self._plan.app_seconds)
        each = max(1.0, min(waiting / free, STEP / mean))
        slots = min(free, waiting / each)
        self._busy(slots)
        self._take(slots * each)
        if each > 1:
            self._plan_work(step, slots, slots * each, self._plan.app_seconds, mean * each)
            return
        draws = min(DRAWS, math.ceil(slots)) if self._plan.spread else 1
        for _ in range(draws):
            seconds, count = self._plan.app_time(self._chance), slots / draws
            self._plan_work(step, count, count, seconds, self._cycle(seconds))

    def _busy(self, slots: float) -> None:
        """Let so many slots have work: who looks more often, having waited less, is likelier to get it."""
        while slots > NOTHING and self._idle:
            weights = [idle.count * self._looks(idle) for idle in self._idle]
            share = slots / sum(weights)
            for idle, weight in zip(self._idle, weights, strict=True):
                taken = min(idle.count, share * weight)
                idle.count -= taken
                slots -= taken
            self._idle = [idle for idle in self._idle if idle.count > NOTHING]

    def _looks(self, idle: _Idle) -> int:
        """Return how often a slot looks at the queue in the second that has come for it."""
        return self._polls[min(int(self._now - idle.since), len(self._polls) - 1)]

    def _plan_work(self, step: int, slots: float, files: float, app_seconds: float, seconds: float) -> None:
        renewals = int(seconds / (self._plan.claim_seconds / 3)) if files == slots else 0
        self.requests.note("jobs", files * (2 + renewals))
        self.requests.note("blob reads", files * BLOBS_BEFORE)
        self.requests.note("blob writes", files * BLOBS_AFTER)
        self._in_work += files
        self._work[step + max(1, round(seconds / STEP))].append(_Work(slots, files, files * app_seconds))

    def _take(self, files: float) -> None:
        self._queued -= files
        while files > NOTHING and self._waiting:
            first = self._waiting[0]
            self._oldest = max(self._oldest, self._now - first[0] + self._plan.event_seconds)
            taken = min(files, first[1])
            first[1] -= taken
            files -= taken
            if first[1] <= NOTHING:
                self._waiting.popleft()

    def _complete(self, step: int) -> None:
        slots = 0.0
        for work in self._work.pop(step, ()):
            slots += work.slots
            self.done += work.files
            self._in_work -= work.files
            self._useful += work.seconds
            self._last_done = self._now
        if slots:
            self._idle.append(_Idle(self._now, slots, fresh=False))

    def _rest(self) -> None:
        """Let slots look for work, and those end that have had none for long enough."""
        plan, is_empty = self._plan, self._messages() < HALF
        ended = polls = 0.0
        stay = []
        for idle in self._idle:
            quiet = self._now - idle.since
            polls += idle.count * self._looks(idle)
            if may_end(quiet, plan.idle_seconds, plan.claim_seconds, lambda: is_empty):
                ended += idle.count / plan.slots
                self._empty += idle.count / plan.slots if idle.fresh else 0.0
            else:
                stay.append(idle)
        self._idle = stay
        self.requests.note("jobs", polls)
        if ended:
            self._leave(ended)
            for cohort in self._living:
                cohort[1] *= 1 - ended / max(ended, sum(count for _, count in self._living))
        while self._ending and self._ending[0][0] <= self._now:
            self._at_work = max(0.0, self._at_work - self._ending.popleft()[1])

    def _time_out(self) -> None:
        """Let those that have not life enough for one more file end what they have, and take no other."""
        while self._living and self._living[0][0] <= self._now:
            _, count = self._living.popleft()
            working = sum(work.slots for works in self._work.values() for work in works)
            slots = working + sum(idle.count for idle in self._idle)
            share = min(1.0, count * self._plan.slots / slots) if slots > NOTHING else 0.0
            for work in (work for works in self._work.values() for work in works):
                work.slots *= 1 - share
            for idle in self._idle:
                idle.count *= 1 - share
            self._ending.append((self._now + self._cycle(self._plan.app_seconds) + self._plan.end_seconds, count))

    def _leave(self, executions: float) -> None:
        self._ending.append((self._now + self._plan.end_seconds, executions))

    def _messages(self) -> float:
        return self._in_work + self._queued

    def _cycle(self, app_seconds: float) -> float:
        """Return what a slot takes for a file: of a short one, the input is there before its turn comes."""
        hidden = app_seconds <= HOLD_SECONDS
        return app_seconds + self._plan.call_seconds * (1 if hidden else 1 + BLOBS_BEFORE)


def _polls(seconds: int) -> list[int]:
    """Return how often a slot looks at the queue in each second that it has nothing to do."""
    found = [0] * (seconds + 1)
    for moment in accumulate(pause(polls) for polls in range(20 * seconds)):
        if moment >= len(found):
            break
        found[int(moment)] += 1
    # It looks once a second at the least, if not in each second of the clock.
    return [max(1, looks) for looks in found]
