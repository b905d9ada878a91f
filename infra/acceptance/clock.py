"""Time as questions see it: every wait is bounded by its own and by the question's limit."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

from infra.acceptance.asking import NotAnswered

T = TypeVar("T")


class Clock:
    """The machine's time; tests put one in its place whose sleep only counts."""

    def __init__(self) -> None:
        self._deadline: float | None = None

    def now(self) -> float:
        """Return monotonic seconds."""
        return time.monotonic()

    def pause(self, seconds: float) -> None:
        """Let time pass."""
        time.sleep(seconds)

    @contextmanager
    def limit(self, seconds: float) -> Iterator[None]:
        """Bound all sleeping within the context."""
        self._deadline = self.now() + seconds
        try:
            yield
        finally:
            self._deadline = None

    def sleep(self, seconds: float) -> None:
        """Let time pass, as long as the limit allows.

        Raises:
            NotAnswered: it would go beyond the limit.
        """
        if self._deadline is not None and self.now() + seconds > self._deadline:
            raise NotAnswered("It took longer than the question's limit.")
        self.pause(seconds)

    def wait(self, look: Callable[[], T | None], what: str, *, seconds: float, every: float = 5) -> T:
        """Look until there is something, and return it.

        Args:
            look: returns what is waited for, or None.
            what: the same in words, after "for".
            seconds: how long to wait at most.
            every: seconds between two looks.

        Raises:
            NotAnswered: there was nothing for so long.
        """
        end = self.now() + seconds
        while (found := look()) is None:
            if self.now() + every > end:
                raise NotAnswered(f"Waited {seconds / 60:g} minutes in vain for {what}.")
            self.sleep(every)
        return found
