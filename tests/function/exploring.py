"""Every order in which what a world can do may happen, or one by chance.

``explore`` goes through all choices, depth first; what was seen before in another order is not gone through again.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator
from dataclasses import dataclass

from tests.function.world import Broken, Choice, Limits, World


def settle(world: World) -> None:
    """Let all go well from here on; fail unless all jobs are done in the end and nobody is woken up any more."""
    world.limits = Limits(ticks=10_000)
    for _ in range(2000):
        if not world.choices():
            break
        # In turn, so that nobody waits for ever; time passes where nothing else can happen.
        world.do(next((each for each in world.choices() if each != ("tick",)), ("tick",)))
    if world.jobs or world.messages:
        raise Broken(f"{world.jobs} jobs and {len(world.messages)} messages are there in the end")


@dataclass
class Explored:
    """How much was gone through: whole histories, and different worlds on their ways."""

    histories: int = 0
    worlds: int = 0


def explore(make: Callable[[], World], most: int) -> Explored:
    """Go through all histories of a world.

    Raises:
        Broken: the invariant does not hold; the note says what has happened until then.
        OverflowError: there are more histories than ``most``.
    """
    explored, seen = Explored(), set[Hashable]()
    # For each step of the present history: which of how many choices.
    path: list[tuple[int, int]] = []
    while True:
        with history(make()) as (world, happened):
            for index, _ in path:
                happened.append(world.choices()[index])
                world.do(happened[-1])
            while True:
                mark = world.fingerprint()
                if mark in seen:
                    break
                seen.add(mark)
                choices = world.choices()
                if not choices:
                    settle(world)
                    break
                path.append((0, len(choices)))
                happened.append(choices[0])
                world.do(choices[0])
        explored.histories += 1
        explored.worlds = len(seen)
        if explored.histories > most:
            raise OverflowError(f"There are more than {most} histories.")
        while path and path[-1][0] + 1 == path[-1][1]:
            path.pop()
        if not path:
            return explored
        path[-1] = (path[-1][0] + 1, path[-1][1])


class history:
    """A world that is taken down in the end; a failure tells what has happened."""

    def __init__(self, world: World) -> None:
        self._happened: list[Choice] = []
        self._world = world

    def __enter__(self) -> tuple[World, list[Choice]]:
        return self._world, self._happened

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if error is not None:
            error.add_note(" > ".join(" ".join(map(str, each)) for each in self._happened))
        self._world.close()


def wander(world: World, chances: Iterator[float], steps: int) -> None:
    """Go through one history by chance, and let it settle.

    Raises:
        Broken: the invariant does not hold; the note says what has happened until then.
    """
    with history(world) as (world, happened):
        for _ in range(steps):
            choices = world.choices()
            if not choices:
                break
            happened.append(choices[int(next(chances) * len(choices))])
            world.do(happened[-1])
        settle(world)
