"""What dispatches, a worker, Azure and time can do to each other, one thing at a time.

A ``World`` has the two queues, one container group with its worker, what Azure Resource Manager says of it, and
instances of the function that can be lost. The function's own code takes its turns between the requests that it makes.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, Final, TypeVar

from pipeline_app.contract import FileJob
from pipeline_function.runners import GroupState, RunnersUnavailable, ensure_running
from pipeline_function.services import Services
from pipeline_function.wakeups import MARGIN_SECONDS, WAKE_UP, WakeUps
from tests.function.fakes import GRACE
from tests.function.turns import CURRENT, Handler, Message
from tests.memory.function import NAMES, MemoryStorage

T = TypeVar("T")
Choice = tuple[Any, ...]

# What Azure Resource Manager says in each phase of the group: state of the group, and of its container. It lags: a
# worker that has looked for the last time still runs, and a group whose worker has ended is still said to run.
SAYS: Final = {
    "arriving": ("Pending", "Waiting"),
    "ended": ("Running", "Terminated"),
    "leaving": ("Running", "Running"),
    "looking": ("Running", "Running"),
    "off": ("Succeeded", "Terminated"),
}
# In these, a worker will look at the queue after this moment.
WILL_LOOK: Final = frozenset({"arriving", "looking"})


class Refused(Exception):
    """The storage refuses a request."""


class Broken(AssertionError):
    """The invariant does not hold."""


@dataclass(kw_only=True)
class Limits:
    """How often what may happen happens in one history."""

    lost: int = 0
    refused: int = 0
    storage_faults: int = 0
    ticks: int = 6
    worker_kills: int = 0


class Instance:
    """One instance of the function: what it remembers, and what it has in hand."""

    def __init__(self, world: World) -> None:
        self.handlers: list[Handler] = []
        self.wake_ups = world.make(
            world.put_wake_up, lambda: ensure_running(world, ["g"], lambda: 0), lambda: float(world.clock)
        )
        self.services = Services(
            grace=GRACE, names=NAMES, pause=timedelta(0), storage=world.storage, wake_ups=self.wake_ups
        )

    def memory(self, clock: float) -> Hashable:
        """Return what distinguishes it from another one; moments count from now, and past ones alike."""
        own = self.wake_ups
        return (
            tuple((each.earliest - clock, each.latest - clock) for each in own._coming if each.earliest > clock),
            min(own._calm_looks, 2),
            own._looking,
            max(own._next_look - clock, 0),
            own._looked_at - clock if own._looking else 0,
            own._putting.held,  # type: ignore[attr-defined]
            tuple(sorted((hash(h.message.body), tuple(h.seen), str(h.stopped_at)) for h in self.handlers)),
        )


class WorldStorage(MemoryStorage):
    """The queue of jobs, as the function reaches it."""

    def __init__(self, world: World) -> None:
        super().__init__()
        self._world = world

    def job_count(self) -> int:
        if self._world.request("count") != "ok":
            raise RunnersUnavailable("Could not count the jobs.")
        return self._world.note(self._world.jobs)

    def put(self, job: FileJob) -> None:
        outcome = self._world.request("put job")
        if outcome != "refused":
            self._world.jobs += 1
        if outcome != "ok":
            raise Refused


@dataclass
class World:
    """All that is there.

    Attributes:
        bodies: of the messages that are on the queue of events in the beginning.
        limits: what is still to happen at most.
        instances: of the function.
        threads: of each instance.
        make: gives an instance its wake-ups.
        slow_answers: something may happen between putting a wake-up and the answer to it.
        clock: seconds.
        group: the phase of the container group, one of ``SAYS``.
        jobs: how many are on their queue.
        messages: events and wake-ups on their queue, those in hand among them.
        running: the instances.
    """

    bodies: list[bytes]
    limits: Limits
    instances: int = 1
    threads: int = 1
    make: Callable[..., WakeUps] = WakeUps
    slow_answers: bool = False
    clock: int = 0
    group: str = "off"
    jobs: int = 0
    messages: list[Message] = field(default_factory=list)
    running: list[Instance] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.storage = WorldStorage(self)
        self.messages = [Message(body, 0) for body in self.bodies]
        self.running = [Instance(self) for _ in range(self.instances)]

    def request(self, label: str) -> str:
        """Stop the handler of this thread at a request, and return what is to come of it."""
        return CURRENT.handler.stop(label)

    def note(self, seen: T) -> T:
        """Remember what the handler of this thread was answered, since what it does next depends on it."""
        CURRENT.handler.seen.append(("answer", str(seen)))
        return seen

    def put_wake_up(self, seconds: int) -> None:
        outcome = self.request("put wake-up")
        if outcome != "refused":
            # The service may show it up to a second before the time.
            self.messages.append(Message(WAKE_UP, self.clock + seconds - MARGIN_SECONDS))
        if self.slow_answers:
            self.request("answer")
        if outcome != "ok":
            raise Refused

    def state(self, group_id: str) -> GroupState:
        """Answer a look at the group."""
        if self.request("GET") != "ok":
            raise RunnersUnavailable("HTTP 429")
        state, container = SAYS[self.note(self.group)]
        return GroupState(containers=(container,), provisioning="Succeeded", state=state)

    def start(self, group_id: str) -> None:
        """Answer a start, which does nothing to a group that Azure takes for running."""
        outcome = self.request("start")
        if outcome != "refused" and self.group == "off":
            self.group = "arriving"
        if outcome != "ok":
            raise RunnersUnavailable("HTTP 409")

    def choices(self) -> list[Choice]:
        """Return what may happen next, the everyday first."""
        limits, found, rare, alike = self.limits, list[Choice](), list[Choice](), set[Hashable]()
        for number, instance in enumerate(self.running):
            if (memory := instance.memory(self.clock)) in alike:
                continue
            alike.add(memory)
            for index, handler in enumerate(instance.handlers):
                if handler.stopped_at is None:
                    found.append(("delete", number, index))
                elif handler.ready():
                    found.append(("go", number, index, "ok"))
                    rare += self._faults(number, index, str(handler.stopped_at))
            if len(instance.handlers) < self.threads:
                kinds: set[tuple[bytes, float]] = set()
                for index, message in enumerate(self.messages):
                    kind = (message.body, message.since)
                    if not message.taken and message.since <= self.clock and kind not in kinds:
                        kinds.add(kind)
                        found.append(("take", number, index))
            if limits.lost and instance.handlers:
                rare.append(("lose", number))
        if self.group == "looking":
            found.append(("work",) if self.jobs else ("last look",))
            if limits.worker_kills:
                rare.append(("kill",))
        elif self.group != "off":
            found.append(("group goes on",))
        if limits.ticks and (any(message.since > self.clock for message in self.messages) or self.jobs):
            found.append(("tick",))
        return found + rare

    def _faults(self, number: int, index: int, label: str) -> list[Choice]:
        azure, storage = label in ("GET", "start"), label.startswith(("put", "count"))
        if azure and self.limits.refused:
            return [("go", number, index, each) for each in (("refused", "cut") if label == "start" else ("refused",))]
        if storage and self.limits.storage_faults:
            return [("go", number, index, each) for each in (("refused",) if label == "count" else ("refused", "cut"))]
        return []

    def do(self, choice: Choice) -> None:
        """Let something happen, and see that the invariant holds after it."""
        kind, *where = choice
        if kind == "go":
            handler = self.running[where[0]].handlers[where[1]]
            if where[2] != "ok":
                name = "refused" if handler.stopped_at in ("GET", "start") else "storage_faults"
                setattr(self.limits, name, getattr(self.limits, name) - 1)
            handler.go(where[2])
        elif kind == "take":
            instance, message = self.running[where[0]], self.messages[where[1]]
            message.taken = True
            handler = Handler(message, instance.services)
            instance.handlers.append(handler)
            handler.go("ok")
        elif kind == "delete":
            handler = self.running[where[0]].handlers.pop(where[1])
            if handler.error is None:
                self.messages.remove(handler.message)
            elif isinstance(handler.error, Refused):
                handler.message.taken = False
            else:
                raise handler.error
        elif kind == "lose":
            self.limits.lost -= 1
            self._end(self.running[where[0]])
            self.running[where[0]] = Instance(self)
        elif kind == "kill":
            self.limits.worker_kills -= 1
            self.group = "ended"
        elif kind == "tick":
            self.limits.ticks -= 1
            self.clock += 1
        elif kind == "work":
            self.jobs -= 1
        elif kind == "last look":
            self.group = "leaving"
        else:
            self.group = {"arriving": "looking", "ended": "off", "leaving": "ended"}[self.group]
        if self.jobs and self.group not in WILL_LOOK and not self.messages:
            raise Broken(f"{self.jobs} jobs wait, no worker will look, and nothing wakes anybody up")

    def close(self) -> None:
        """End all threads."""
        for instance in self.running:
            self._end(instance)

    def fingerprint(self) -> Hashable:
        """Return what tells this world from another one."""
        limits = self.limits
        return (
            self.group,
            self.jobs,
            tuple(sorted((hash(each.body), max(each.since - self.clock, 0), each.taken) for each in self.messages)),
            # It makes no difference which instance is which.
            tuple(sorted(map(repr, (instance.memory(self.clock) for instance in self.running)))),
            (limits.lost, limits.refused, limits.storage_faults, limits.ticks, limits.worker_kills),
        )

    def _end(self, instance: Instance) -> None:
        for handler in instance.handlers:
            if handler.stopped_at is not None:
                handler.lost = True
                handler.go("ok")
            handler._thread.join()
            handler.message.taken = False
        instance.handlers.clear()
