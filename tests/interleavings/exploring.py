"""Goes through all orders in which attempts, losses, uploads and requests that are late can take turns, shortest first.

A ``State`` is all that there is: storage, the points that attempts are at, requests that are still under way, and how
many faults are left. From each there are steps to others; one that was reached before by other ways is not gone on from
again. In each state ``promises`` looks whether what is visible is true.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final, NamedTuple

from pipeline_app.worker.settings import WorkerSettings
from tests.interleavings.attempts import Attempts, Ends, Point
from tests.interleavings.promises import Promises
from tests.interleavings.storage import Storage, changes, claimed, is_claimed
from tests.interleavings.telling import Step, story
from tests.memory.queues import Queued
from tests.memory.requests import Asked, Reply

INPUT: Final = "incoming/a.csv"
UNDISTURBED: Final = 90
# What may become of a request: it is answered, its sender is lost, or the answer is, and it may be carried out late.
_KINDS: Final = ("asks", "asks again", "asks again, late", "killed after", "killed before", "killed, late")


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
    late: tuple[Asked, ...]
    storage: Storage
    uploads: int


class _Taken(NamedTuple):
    """What comes of an attempt's next request: where the attempt is, the steps by their kinds, and what there is."""

    after: Point
    steps: Mapping[str, Step]
    storage: Storage


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
        self,
        settings: WorkerSettings,
        promises: Promises,
        versions: tuple[bytes, ...],
        *,
        ends: Ends = Ends.NEVER,
        faults: int,
        long: bool,
        most: int,
    ) -> None:
        self._answered: dict[tuple[Storage, Asked], tuple[Storage, Reply]] = {}
        self._attempts = Attempts(settings, settings.scratch, self._carry_out, ends=ends, long=long)
        self._faults = faults
        self._most = most
        self._promises = promises
        self._recovered: set[tuple[frozenset[object], tuple[Queued, ...]]] = set()
        self._storages: dict[Storage, Storage] = {}
        self._taken: dict[tuple[Point, Storage], _Taken] = {}
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
            storage, answer = self._carry_out(state.storage, call)
            late = list(state.late)
            late.remove(call)
            yield Step("late", call=call, answer=answer), state._replace(late=tuple(late), storage=storage)
        if len(state.attempts) < self._most:
            for message in state.storage.messages:
                storage, point = self._claim(state.storage, message, len(state.attempts) + 1)
                step = Step("expired" if is_claimed(message) else "claims", message=message.id, worker=point.number)
                attempts = _at((*state.attempts, None), -1, point)
                yield step, state._replace(attempts=attempts, storage=storage)
        if state.uploads:
            number = len(self._versions) - state.uploads
            storage, etag = state.storage.put(INPUT, self._versions[number])
            storage = self._one(storage.with_message(self._promises.message(f"m{number + 1}", etag)))
            yield Step("overwritten", message=etag), state._replace(storage=storage, uploads=state.uploads - 1)

    def _steps_of(self, state: State, place: int, point: Point) -> Iterator[tuple[Step, State]]:
        taken = self._take(point, state.storage)
        attempts, done, faults, late, storage, uploads = state
        yield taken.steps["asks"], State(_at(attempts, place, taken.after), done, faults, late, taken.storage, uploads)
        if not faults:
            return
        gone, left = _at(attempts, place, None), faults - 1
        yield taken.steps["killed before"], State(gone, done, left, late, storage, uploads)
        call = point.call
        if call is None or not changes(call):
            return
        yield taken.steps["killed after"], State(gone, done, left, late, taken.storage, uploads)
        yield taken.steps["asks again"], State(attempts, done, left, late, taken.storage, uploads)
        later = tuple(sorted((*late, call), key=repr)) if late else (call,)
        yield taken.steps["asks again, late"], State(attempts, done, left, later, storage, uploads)
        yield taken.steps["killed, late"], State(gone, done, left, later, storage, uploads)

    def _one(self, storage: Storage) -> Storage:
        """Return the one of all that are equal to this, so that they are compared and looked up at no cost."""
        return self._storages.setdefault(storage, storage)

    def _carry_out(self, storage: Storage, asked: Asked) -> tuple[Storage, Reply]:
        """Carry out a request; return what there is then, and the answer."""
        key = (storage, asked)
        if key not in self._answered:
            after, reply = storage.carry_out(asked)
            self._answered[key] = self._one(after), reply
        return self._answered[key]

    def _take(self, point: Point, storage: Storage) -> _Taken:
        """Answer an attempt's request; return what there is then, where the attempt is, and the steps that this is."""
        key = (point, storage)
        if key not in self._taken:
            assert point.call is not None
            then, answer = self._carry_out(storage, point.call)
            after = self._attempts.go_on(point, answer, then)
            step = Step("asks", answer=answer, call=point.call, end=after.end, worker=point.number)
            self._taken[key] = _Taken(after, {kind: step._replace(kind=kind) for kind in _KINDS}, then)
        return self._taken[key]

    def _claim(self, storage: Storage, message: Queued, number: int) -> tuple[Storage, Point]:
        received = claimed(message)
        then = self._one(storage.with_message(received))
        return then, self._attempts.begin(number, received, then)

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
                taken = self._take(point, storage)
                steps.append(taken.steps["asks"])
                storage, point = taken.storage, taken.after
        problem = self._promises.kept_at_the_end(storage, tidy=tidy)
        return (*story(steps), problem) if problem else None

    def _story(self, state: State) -> tuple[str, ...]:
        steps: list[Step] = []
        before, step = self._ways[state]
        while before is not None and step is not None:
            steps.append(step)
            before, step = self._ways[before]
        return tuple(story(reversed(steps)))


def _at(attempts: tuple[Point | None, ...], place: int, point: Point | None) -> tuple[Point | None, ...]:
    there = list(attempts)
    there[place] = point if point is not None and point.call is not None else None
    return tuple(there)
