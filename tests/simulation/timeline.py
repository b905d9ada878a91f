"""Virtual time: what is to happen at which moment, one thing after the other."""

from __future__ import annotations

import heapq
import itertools
from collections.abc import Callable

Call = Callable[[], None]


class Timeline:
    """Has the time, ``now``, in seconds from the beginning, and moves it to whatever comes next."""

    def __init__(self) -> None:
        self.now = 0.0
        self._coming: list[tuple[float, int, Call]] = []
        # What is to happen at the same moment happens in the order in which it was said.
        self._order = itertools.count()

    def clock(self) -> float:
        """Return the time, for whoever asks for it by a function."""
        return self.now

    def after(self, seconds: float, call: Call) -> None:
        """Let something happen so many seconds from now."""
        heapq.heappush(self._coming, (self.now + seconds, next(self._order), call))

    def run(self, over: Callable[[], bool]) -> None:
        """Let time pass until ``over`` says so or nothing is left to happen."""
        while self._coming and not over():
            self.now, _, call = heapq.heappop(self._coming)
            call()
