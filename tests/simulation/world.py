"""A simulated run: users, function, runner, workers and storage on one timeline, from the plan to its figures."""

from __future__ import annotations

import logging
import random
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from functools import partial
from typing import Final

from pipeline_app.contract import JOBS_QUEUE
from pipeline_app.worker.backoff import backoff
from pipeline_function.services import Services
from tests.memory.function import NAMES
from tests.simulation.figures import Figures
from tests.simulation.hosting import Host, event
from tests.simulation.plan import Plan
from tests.simulation.requests import Requests
from tests.simulation.running import GroupsRunner, JobRunner, Runner
from tests.simulation.storage import SimulatedQueue, SimulatedStorage
from tests.simulation.timeline import Timeline
from tests.simulation.worker import SimulatedWorker

# As the Function App's own defaults (``function/pipeline_function/settings.py``).
GRACE: Final = timedelta(seconds=120)
PAUSE: Final = timedelta(seconds=900)


class World:
    """One run.

    ``done`` counts how often each file came to its receipt, and ``failed`` names those that failed; ``events`` counts
    those that were not lost, and ``losses`` the workers that were.
    """

    def __init__(self, plan: Plan) -> None:
        self.done: Counter[str] = Counter()
        self.events = 0
        self.failed: set[str] = set()
        self.losses = 0
        self.plan = plan
        self.requests = Requests(lambda: self._timeline.now)
        self._at_work: set[str] = set()
        self._came: dict[str, float] = {}
        # What is decided by chance in one place does not depend on how often it is asked in another.
        self._chance = {name: random.Random(f"{plan.seed} {name}") for name in _CHANCES}  # noqa: S311 -- no secrets.
        self._last_done = 0.0
        self._oldest = 0.0
        self._seconds: dict[str, float] = {}
        self._timeline = Timeline()
        self._useful = 0.0
        self.storage = SimulatedStorage(self._timeline, self.requests, inputs_stay=plan.inputs_stay)
        self._queue = SimulatedQueue(self.storage, self._timeline, self.requests)
        self.runner = self._runner()
        services = Services(grace=GRACE, names=NAMES, pause=PAUSE, storage=self.storage, wake_ups=self.runner.waking)
        self._host = Host(self._timeline, self.storage, self.requests, services)

    def run(self) -> Figures:
        """Let all of it happen; return its figures."""
        arrivals = enumerate(self.plan.arrivals(self._chance["arrivals"]))
        self._next_arrival(arrivals, 0.0)
        self._host.start()
        self.runner.start()
        with _in_silence():
            self._timeline.run(self._over)
        return Figures(
            bill=self.runner.bill,
            function_runs=self._host.runs,
            function_seconds=self._host.seconds,
            makespan=self._last_done,
            oldest=self._oldest,
            plan=self.plan,
            requests=self.requests,
            useful_seconds=self._useful,
        )

    def begin(self, name: str) -> bool | None:
        if self.done[name]:
            return None
        if name in self._at_work:
            return False
        self._at_work.add(name)
        if name in self._came:
            self._oldest = max(self._oldest, self._timeline.now - self._came.pop(name))
        return True

    def finish(self, name: str, seconds: float, *, failed: bool = False) -> None:
        self._at_work.remove(name)
        self.done[name] += 1
        self._last_done = self._timeline.now
        if failed:
            self.failed.add(name)
        else:
            self._useful += seconds
        self.storage.finish(name)

    def leave(self, name: str) -> None:
        self._at_work.remove(name)

    def seconds(self, name: str) -> float:
        return self._seconds[name]

    def touch(self, *, reads: int = 0, writes: int = 0) -> None:
        self.requests.note("blob reads", reads)
        self.requests.note("blob writes", writes)

    def _over(self) -> bool:
        return len(self.done) == self.plan.files and not (
            self.runner.bill.at_work or self.storage.memory.messages(JOBS_QUEUE)
        )

    def _runner(self) -> Runner:
        kind = GroupsRunner if self.plan.runner == "containerInstances" else JobRunner
        return kind(self.plan, self._timeline, self.storage, self.requests, self._worker, self._chance["runner"])

    def _worker(self, ended: Callable[[], None]) -> SimulatedWorker:
        uniform = self._chance["backoff"].uniform
        worker = SimulatedWorker(self.plan, self._timeline, self._queue, self, partial(backoff, uniform=uniform), ended)
        if self.plan.losses_per_hour:
            life = self._chance["losses"].expovariate(self.plan.losses_per_hour / 3600)
            self._timeline.after(life, partial(self._lose, worker))
        return worker

    def _lose(self, worker: SimulatedWorker) -> None:
        worker.kill()
        self.losses += worker.killed

    def _next_arrival(self, arrivals: Iterator[tuple[int, float]], now: float) -> None:
        for number, moment in arrivals:
            self._timeline.after(max(moment - now, 0.0), partial(self._arrive, number, arrivals))
            return

    def _arrive(self, number: int, arrivals: Iterator[tuple[int, float]]) -> None:
        name = f"{NAMES.input_path}/{number:09}.csv"
        self._came[name] = self._timeline.now
        self._seconds[name] = self.plan.app_time(self._chance["application"])
        self.storage.upload(name)
        if self._chance["events"].random() >= self.plan.lost_events:
            self.events += 1
            self._timeline.after(self.plan.event_seconds, partial(self.storage.put_event, event(number, name)))
        self._next_arrival(arrivals, self._timeline.now)


_CHANCES: Final = ("application", "arrivals", "backoff", "events", "losses", "runner")


@contextmanager
def _in_silence() -> Iterator[None]:
    """Let function and worker log nothing: a line for each file takes longer than its simulation."""
    before = logging.root.manager.disable
    logging.disable(logging.CRITICAL)
    try:
        yield
    finally:
        logging.disable(before)
