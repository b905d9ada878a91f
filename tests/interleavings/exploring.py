"""Goes through all orders in which attempts, losses, uploads and requests that are late can take turns, shortest first.

A ``State`` is all that there is: storage, the points that attempts are at, requests that are still under way, and how
many faults are left. From each there are steps to others; one that was reached before by other ways is not gone on from
again. In each state ``promises`` looks whether what is visible is true.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, NamedTuple

from tests.interleavings.attempts import Attempts, Point
from tests.interleavings.promises import Promises
from tests.interleavings.storage import Call, Queued, Storage
from tests.interleavings.telling import Step, story

INPUT: Final = "incoming/a.csv"
UNDISTURBED: Final = 90


class State(NamedTuple):
    """All that there is at one moment.

    Attributes:
        attempts: where each attempt is, in the order in which they began; None is one that has ended or is lost.
        done: whether the newest version of the input has its receipt.
        faults: how many losses and requests gone wrong may still come.
        late: requests that were sent, whose sender has given up on them, and that are carried out some time.
        storage: blobs and messages.
        uploads: how many times the input may still be overwritten.
    """

    attempts: tuple[Point | None, ...]
    done: bool
    faults: int
    late: tuple[Call, ...]
    storage: Storage
    uploads: int


@dataclass(frozen=True, kw_only=True)
class Found:
    """What was looked at: ``states`` by ``steps``, ``runs`` of the code, and the story of the first broken promise."""

    runs: int
    states: int
    steps: int
    story: tuple[str, ...] | None = None


class Exploration:
    """All orders of so many attempts with so many faults; all ``versions`` but the first overwrite the input."""

    def __init__(
        self, attempts: Attempts, promises: Promises, versions: tuple[bytes, ...], *, faults: int, most: int
    ) -> None:
        self._attempts = attempts
        self._faults = faults
        self._most = most
        self._promises = promises
        self._recovered: set[tuple[frozenset[object], tuple[Queued, ...]]] = set()
        self._storages: dict[Storage, Storage] = {}
        self._taken: dict[tuple[Point, Storage], tuple[Storage, Step, Point]] = {}
        self._versions = versions
        self._ways: dict[State, tuple[State | None, Step | None]] = {}

    def explore(self) -> Found:
        """Look at every state; stop at the first that breaks a promise."""
        storage, etag = Storage().put(INPUT, self._versions[0])
        storage = self._one(storage.with_message(self._promises.message("m1", etag)))
        first = State((), False, self._faults, (), storage, len(self._versions) - 1)
        self._ways[first] = (None, None)
        waiting = deque([first])
        steps = 0
        while waiting:
            state = waiting.popleft()
            if (end := self._recover(state.storage)) is not None:
                return self._found(steps, (*self._story(state), *end))
            for step, after in self._steps(state):
                steps += 1
                done, problem = self._promises.hold(state.storage, after.storage, done=state.done)
                if problem:
                    return self._found(steps, (*self._story(state), *story([step]), problem))
                if done is not after.done:
                    after = after._replace(done=done)
                if after not in self._ways:
                    self._ways[after] = (state, step)
                    waiting.append(after)
        return self._found(steps, None)

    def _found(self, steps: int, told: tuple[str, ...] | None) -> Found:
        return Found(runs=self._attempts.runs, states=len(self._ways), steps=steps, story=told)

    def _steps(self, state: State) -> Iterator[tuple[Step, State]]:
        for place, point in enumerate(state.attempts):
            if point is not None:
                yield from self._steps_of(state, place, point)
        for call in state.late:
            storage, answer = state.storage.carry_out(call)
            late = list(state.late)
            late.remove(call)
            yield Step("late", call=call, answer=answer), state._replace(late=tuple(late), storage=self._one(storage))
        if len(state.attempts) < self._most:
            for message in state.storage.messages:
                storage, point = self._claim(state.storage, message, len(state.attempts) + 1)
                step = Step("expired" if message.claimed else "claims", message=message.id, worker=point.number)
                yield step, _at(state._replace(attempts=(*state.attempts, None), storage=storage), -1, point)
        if state.uploads:
            number = len(self._versions) - state.uploads
            storage, etag = state.storage.put(INPUT, self._versions[number])
            storage = self._one(storage.with_message(self._promises.message(f"m{number + 1}", etag)))
            yield Step("overwritten", message=etag), state._replace(storage=storage, uploads=state.uploads - 1)

    def _steps_of(self, state: State, place: int, point: Point) -> Iterator[tuple[Step, State]]:
        storage, step, after = self._take(point, state.storage)
        yield step, _at(state._replace(storage=storage), place, after)
        if not state.faults:
            return
        poorer = state._replace(faults=state.faults - 1)
        yield step._replace(kind="killed before"), _at(poorer, place, None)
        call = point.call
        if call is None or not call.changes:
            return
        yield step._replace(kind="killed after"), _at(poorer._replace(storage=storage), place, None)
        yield step._replace(kind="asks again"), poorer._replace(storage=storage)
        late = poorer._replace(late=tuple(sorted((*state.late, call), key=repr)))
        yield step._replace(kind="asks again, late"), late
        yield step._replace(kind="killed, late"), _at(late, place, None)

    def _one(self, storage: Storage) -> Storage:
        """Return the one of all that are equal to this, so that they are compared and looked up at no cost."""
        return self._storages.setdefault(storage, storage)

    def _take(self, point: Point, storage: Storage) -> tuple[Storage, Step, Point]:
        """Answer an attempt's request; return what there is then, the step, and where the attempt is."""
        key = (point, storage)
        if key not in self._taken:
            assert point.call is not None
            then, answer = storage.carry_out(point.call)
            after = self._attempts.go_on(point, answer)
            step = Step("asks", answer=answer, call=point.call, end=after.end, worker=point.number)
            self._taken[key] = self._one(then), step, after
        return self._taken[key]

    def _claim(self, storage: Storage, message: Queued, number: int) -> tuple[Storage, Point]:
        received = message._replace(claimed=True, dequeue_count=message.dequeue_count + 1, pop=message.pop + 1)
        return self._one(storage.with_message(received)), self._attempts.begin(number, received)

    def _recover(self, storage: Storage) -> tuple[str, ...] | None:
        """Tell why workers that nobody disturbs do not bring the input to its end from here, or None if they do."""
        key = (storage.blobs, storage.messages)
        if key in self._recovered:
            return None
        self._recovered.add(key)
        steps = [Step("undisturbed")]
        tidy = bool(storage.messages)
        for number in range(UNDISTURBED, UNDISTURBED + 8):
            if not storage.messages:
                break
            steps.append(Step("claims", message=storage.messages[0].id, worker=number))
            storage, point = self._claim(storage, storage.messages[0], number)
            while point.call is not None:
                storage, step, point = self._take(point, storage)
                steps.append(step)
        problem = self._promises.kept_at_the_end(storage, tidy=tidy)
        return (*story(steps), problem) if problem else None

    def _story(self, state: State) -> tuple[str, ...]:
        steps: list[Step] = []
        before, step = self._ways[state]
        while before is not None and step is not None:
            steps.append(step)
            before, step = self._ways[before]
        return tuple(story(reversed(steps)))


def _at(state: State, place: int, point: Point | None) -> State:
    there = list(state.attempts)
    there[place] = point if point is not None and point.call is not None else None
    return state._replace(attempts=tuple(there))
