"""Wake-ups: while there is a job, there is a message that makes somebody look whether a container group runs.

The rule, which ``tests/function/test_interleavings.py`` explores and of which no part can be left out:

1. Who has put a job, or has got a wake-up while there are jobs, first sees that a wake-up is to come.
2. Only then are the groups looked at. Whatever comes of it, or of the process, the wake-up is there.
3. A wake-up that finds no job is the last one. It sees each job that was put before it became visible.

A wake-up is a message on the queue ``events`` that stays invisible for some seconds: it outlives the process, the queue
triggers the function with it, and the function's identity may put it there. Nothing is decided by what Azure Resource
Manager says of a group, which lags behind.

So that not every job has its own, a process remembers the wake-ups that it has put itself: one that is not visible yet
will be taken later than now, whoever takes it. And so that not every wake-up asks Azure Resource Manager, a process
looks once a second at most; who comes too early leaves it to a wake-up that comes soon.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from threading import Lock
from typing import Final

from pipeline_function.runners import Look

# What a wake-up says. No event is like it, as events have a type.
WAKE_UP: Final = b'{"wake-up": 1}'

# The seconds from a look that was too early to the next, from one after which no group runs, and at most. The host
# polls its queue every 5 seconds at least, so a refused start is tried again within 15.
SOON_SECONDS: Final = 2
RETRY_SECONDS: Final = 10
MAX_SECONDS: Final = 60
# The service counts visibility in whole seconds, so a message may be visible so much earlier than was asked for.
MARGIN_SECONDS: Final = 1.0
# Azure Resource Manager serves 25 reads a second to one identity in a subscription and region, whoever asks for it.
# Source: https://learn.microsoft.com/azure/azure-resource-manager/management/request-limits-and-throttling
SECONDS_PER_REQUEST: Final = 1.0


@dataclass(frozen=True)
class _Coming:
    """A wake-up on the queue, which becomes visible between two moments of this process's clock."""

    earliest: float
    latest: float


class WakeUps:
    """Sees that wake-ups come and that groups are looked at; safe to use from several threads."""

    def __init__(
        self, put: Callable[[int], None], look: Callable[[], Look], clock: Callable[[], float] = time.monotonic
    ) -> None:
        """Take what puts a wake-up that is invisible for so many seconds, and what looks at the groups."""
        self._calm_looks = 0
        self._clock = clock
        self._coming: list[_Coming] = []
        self._lock = Lock()
        self._look = look
        self._looking = False
        self._next_look = self._looked_at = float("-inf")
        self._put = put
        self._putting = Lock()

    def job_was_put(self) -> None:
        """See that somebody looks, after a job was put on the queue.

        Raises:
            Exception: what putting a wake-up raised. The job may then be without one.
        """
        with self._lock:
            self._calm_looks = 0
        self._see_to_it()

    def jobs_are_there(self) -> None:
        """See that somebody looks, where a wake-up or the sweep found jobs; raises like ``job_was_put``."""
        self._see_to_it()

    def _see_to_it(self) -> None:
        self._see_that_one_comes(self._patience())
        if not self._may_look():
            self._see_that_one_comes(SOON_SECONDS)
            return
        look = Look(calm=False, requests=1)
        try:
            look = self._look()
        finally:
            self._looked(look)
        if not look.calm:
            self._see_that_one_comes(RETRY_SECONDS)

    def _patience(self) -> int:
        """Return how far off the next wake-up may be: the longer all has been well, the farther."""
        with self._lock:
            return min(MAX_SECONDS, RETRY_SECONDS << min(self._calm_looks, 10))

    def _see_that_one_comes(self, seconds: int) -> None:
        """Put a wake-up, unless one is known that comes after this moment and within so many seconds."""
        # One after the other, so that those who come together share one.
        with self._putting:
            moment = self._clock()
            self._coming = [each for each in self._coming if each.earliest > moment]
            if any(each.latest <= moment + seconds for each in self._coming):
                return
            self._put(seconds)
            self._coming.append(_Coming(moment + seconds - MARGIN_SECONDS, self._clock() + seconds))

    def _may_look(self) -> bool:
        with self._lock:
            if self._looking or self._clock() < self._next_look:
                return False
            self._looking = True
            self._looked_at = self._clock()
            return True

    def _looked(self, look: Look) -> None:
        with self._lock:
            self._looking = False
            self._next_look = self._looked_at + min(look.requests * SECONDS_PER_REQUEST, RETRY_SECONDS)
            self._calm_looks = self._calm_looks + 1 if look.calm else 0
