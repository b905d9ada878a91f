"""What the worker is doing, for its health and status endpoint."""

from __future__ import annotations

import threading
import time
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from pipeline_app.contract import now


@dataclass
class _Slot:
    attempt: int | None = None
    beat: float = field(default_factory=time.monotonic)
    input: str | None = None
    since: str = field(default_factory=now)


class Status:
    """Counts outcomes and knows what each slot does; safe to use from several threads."""

    def __init__(self, *, image: str, release: str, slots: int, stale_seconds: float) -> None:
        self._counts: Counter[str] = Counter()
        self._image = image
        self._lock = threading.Lock()
        self._release = release
        self._slots = [_Slot() for _ in range(slots)]
        self._stale_seconds = stale_seconds
        self._started_at = now()

    def beat(self, slot: int) -> None:
        """Say that an idle slot is alive."""
        self._slots[slot].beat = time.monotonic()

    def begin(self, slot: int, name: str, attempt: int) -> None:
        """Say that a slot works on an input."""
        with self._lock:
            self._slots[slot] = _Slot(attempt=attempt, input=name)

    def count(self, outcome: str) -> None:
        """Say what became of a message."""
        with self._lock:
            self._counts[str(outcome)] += 1

    def rest(self, slot: int) -> None:
        """Say that a slot is free again."""
        with self._lock:
            self._slots[slot] = _Slot()

    @property
    def healthy(self) -> bool:
        """Whether every idle slot has looked at the queue lately; a busy one is bounded by the app's own timeout."""
        oldest = time.monotonic() - self._stale_seconds
        with self._lock:
            return all(slot.input is not None or slot.beat > oldest for slot in self._slots)

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
