"""What runs workers: executions of a Container Apps job by Azure's scaler, or container groups by the function."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from functools import partial
from typing import Final, Protocol

from infra.local.services.keda import Scale, executions_to_start
from pipeline_app.contract import JOBS_QUEUE
from pipeline_function.runners import GroupState, Look, ensure_running
from pipeline_function.scaler import ScalerWatch
from pipeline_function.services import Waking
from pipeline_function.wakeups import WakeUps
from tests.function.fakes import group_id, job_id
from tests.memory.account import EPOCH
from tests.simulation.figures import Bill
from tests.simulation.plan import Plan
from tests.simulation.requests import Requests
from tests.simulation.storage import SimulatedStorage
from tests.simulation.timeline import Timeline

JITTER_SECONDS: Final = 0.5
KILLED: Final = 137


class Working(Protocol):
    """A worker, as what runs it sees it."""

    @property
    def finished(self) -> int:
        """How many files it has brought to their receipts."""

    @property
    def killed(self) -> bool:
        """Whether it was killed."""

    def start(self) -> None:
        """Begin."""

    def stop(self) -> None:
        """Give back what is in hand, and end."""


MakeWorker = Callable[[Callable[[], None]], Working]


class Runner(Protocol):
    """What starts workers."""

    @property
    def bill(self) -> Bill:
        """What it has run."""

    @property
    def waking(self) -> Waking:
        """What the function sees to jobs with."""

    def start(self) -> None:
        """Begin."""


@dataclass
class _Run:
    """One life of a worker with what is around it."""

    began: float
    over: Callable[[bool], None]
    running: Callable[[], None] = lambda: None
    ended: Callable[[bool], None] = lambda _killed: None
    worker: Working | None = field(default=None, init=False)


class Starter:
    """Lets workers live between the delays that Azure has, and keeps the bill."""

    def __init__(self, plan: Plan, timeline: Timeline, make: MakeWorker, chance: random.Random) -> None:
        self.bill = Bill()
        self._chance = chance
        self._make = make
        self._plan = plan
        self._timeline = timeline

    def begin(self, run: _Run) -> None:
        """Start one."""
        self.bill.runs += 1
        self.bill.at_work += 1
        self.bill.most = max(self.bill.most, self.bill.at_work)
        # Of workers that began at the same instant, the same one would be the first at the queue each time.
        seconds = self._plan.start_seconds + self._chance.uniform(-JITTER_SECONDS, JITTER_SECONDS)
        self._timeline.after(max(0.0, seconds), partial(self._arrive, run))

    def _arrive(self, run: _Run) -> None:
        run.running()
        run.worker = self._make(partial(self._left, run))
        run.worker.start()

    def _left(self, run: _Run) -> None:
        killed = run.worker is not None and run.worker.killed
        run.ended(killed)
        self._timeline.after(self._plan.end_seconds, partial(self._end, run, killed))

    def _end(self, run: _Run, killed: bool) -> None:
        self.bill.at_work -= 1
        self.bill.seconds += self._timeline.now - run.began
        # One that was killed had its work taken.
        self.bill.empty += run.worker is not None and not run.worker.finished and not killed
        run.over(killed)


class JobRunner:
    """Azure's scaler: it looks at the queue, and ends what has lived for too long."""

    def __init__(
        self,
        plan: Plan,
        timeline: Timeline,
        storage: SimulatedStorage,
        requests: Requests,
        make: MakeWorker,
        chance: random.Random,
    ) -> None:
        self._phase = chance.uniform(0, plan.polling_seconds)
        self._plan = plan
        self._requests = requests
        self._scale = Scale(
            max_executions=plan.most, polling_seconds=plan.polling_seconds, queue_length=plan.queue_length
        )
        self._starter = Starter(plan, timeline, make, chance)
        self._storage = storage
        self._timeline = timeline
        self.waking: Waking = ScalerWatch(job_id(), self, storage.waiting_jobs)

    @property
    def bill(self) -> Bill:
        return self._starter.bill

    def at_work(self) -> int:
        """Answer the function, which asks whether the scaler does anything."""
        self._requests.note("reads")
        return self.bill.at_work

    def start(self) -> None:
        self._timeline.after(self._phase, self._look)

    def _look(self) -> None:
        self._requests.note("jobs")
        messages = self._storage.memory.queues.count(JOBS_QUEUE, self._timeline.now)
        for _ in range(executions_to_start(messages, self.bill.at_work, self._scale)):
            run = _Run(self._timeline.now, over=lambda _killed: None)
            self._starter.begin(run)
            self._timeline.after(self._plan.replica_timeout_seconds, partial(self._timeout, run))
        self._timeline.after(self._plan.polling_seconds, self._look)

    @staticmethod
    def _timeout(run: _Run) -> None:
        if run.worker is not None:
            run.worker.stop()


class GroupsRunner:
    """Container groups, as Azure Resource Manager shows them to the function, which starts them."""

    def __init__(
        self,
        plan: Plan,
        timeline: Timeline,
        storage: SimulatedStorage,
        requests: Requests,
        make: MakeWorker,
        chance: random.Random,
    ) -> None:
        ids = [group_id(f"worker-{number + 1}") for number in range(plan.most)]
        self._requests = requests
        self._starter = Starter(plan, timeline, make, chance)
        self._states = dict.fromkeys(ids, _off(killed=False))
        self._timeline = timeline

        def look() -> Look:
            return ensure_running(self, ids, storage.job_count, lambda: EPOCH + timedelta(seconds=timeline.now))

        self.waking: Waking = WakeUps(storage.put_wake_up, look, timeline.clock)

    @property
    def bill(self) -> Bill:
        return self._starter.bill

    def state(self, group_id: str) -> GroupState | None:
        """Answer a look at a group."""
        self._requests.note("reads")
        return self._states[group_id]

    def start(self, group_id: str | None = None) -> None:
        """Answer a start, which does nothing to a group that Azure takes for running; without a group, begin."""
        if group_id is None:
            return
        self._requests.note("starts")
        if self._states[group_id].state in ("Pending", "Running"):
            return

        def become(state: GroupState) -> None:
            self._states[group_id] = state

        become(GroupState(containers=("Waiting",), provisioning="Succeeded", state="Pending"))
        self._starter.begin(
            _Run(
                self._timeline.now,
                ended=lambda _killed: become(_running("Terminated")),
                over=lambda killed: become(_off(killed=killed)),
                running=lambda: become(_running("Running")),
            )
        )


def _off(*, killed: bool) -> GroupState:
    code, state = (KILLED, "Failed") if killed else (0, "Succeeded")
    return GroupState(containers=("Terminated",), exit_code=code, provisioning="Succeeded", state=state)


def _running(container: str) -> GroupState:
    return GroupState(containers=(container,), provisioning="Succeeded", state="Running")
