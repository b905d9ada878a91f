"""What the worker is doing, for its health and status endpoint."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from pipeline_app.worker.outside import OUTSIDE, Outside

# An idle slot that has not looked at the queue for so long hangs. In an outage one look takes up to 24 minutes: six
# tries of a request, each with a token, a connection and an answer to be waited for, and the waits in between.
STALE_SECONDS = 1800.0


@dataclass(kw_only=True)
class _Slot:
    attempt: int | None = None
    beat: float
    ended: bool = False
    input: str | None = None
    since: str


class Status:
    """Counts outcomes and knows what each slot does; safe to use from several threads."""

    def __init__(
        self,
        *,
        image: str,
        outside: Outside = OUTSIDE,
        release: str,
        slots: int,
        stale_seconds: float = STALE_SECONDS,
    ) -> None:
        self._counts: Counter[str] = Counter()
        self._holds_messages: Callable[[], bool] = lambda: False
        self._image = image
        self._lock = threading.Lock()
        self._outside = outside
        self._release = release
        self._slots = [self._slot() for _ in range(slots)]
        self._stale_seconds = stale_seconds
        self._started_at = outside.now()

    def beat(self, slot: int) -> None:
        """Say that an idle slot is alive."""
        self._slots[slot].beat = self._outside.monotonic()

    def begin(self, slot: int, name: str, attempt: int) -> None:
        """Say that a slot works on an input."""
        with self._lock:
            self._slots[slot] = self._slot(attempt=attempt, input=name)

    def count(self, outcome: str) -> None:
        """Say what became of a message."""
        with self._lock:
            self._counts[str(outcome)] += 1

    def end(self, slot: int) -> None:
        """Say that a slot looks at the queue no more."""
        with self._lock:
            self._slots[slot] = self._slot(ended=True)

    def rest(self, slot: int) -> None:
        """Say that a slot is free again."""
        with self._lock:
            self._slots[slot] = self._slot()

    def rests_beside(self, slot: int) -> bool:
        """Return whether another slot looks for work."""
        with self._lock:
            return any(
                not other.ended and other.input is None for number, other in enumerate(self._slots) if number != slot
            )

    @property
    def healthy(self) -> bool:
        """Whether to leave the worker alone: only one that holds no message and of which a slot hangs is better killed.

        A container is killed with all its slots, so as long as one of them holds a message, nothing that ails another
        is reason enough; how long a file takes is bounded by the application's own timeout.
        """
        if self._holds_messages():
            return True
        oldest = self._outside.monotonic() - self._stale_seconds
        with self._lock:
            return all(slot.ended or slot.input is not None or slot.beat > oldest for slot in self._slots)

    def watch(self, holds_messages: Callable[[], bool]) -> None:
        """Take what tells whether any slot holds a message."""
        self._holds_messages = holds_messages

    def snapshot(self) -> dict[str, Any]:
        """Return the state as a JSON object."""
        with self._lock:
            return {
                "counts": dict(sorted(self._counts.items())),
                "image": self._image,
                "release": self._release,
                "slots": [{"attempt": slot.attempt, "input": slot.input, "since": slot.since} for slot in self._slots],
                "started_at": self._started_at,
            }

    def _slot(self, attempt: int | None = None, *, ended: bool = False, input: str | None = None) -> _Slot:
        return _Slot(
            attempt=attempt, beat=self._outside.monotonic(), ended=ended, input=input, since=self._outside.now()
        )
