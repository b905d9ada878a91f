"""What Event Grid remembers from one run to the next: until when all events are delivered."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

from infra.local.data.folder import write_private

# Uploads this close to the remembered moment may not have been seen yet; a second event for one does no harm.
MARGIN: Final = timedelta(seconds=5)


class Journal:
    """Remembers in a file the moment before which no event is on its way any more."""

    def __init__(self, path: Path, on_trouble: Callable[[OSError], None]) -> None:
        """Take the file, and who is told where it cannot be written."""
        self._on_trouble = on_trouble
        self._lock = threading.Lock()
        self._next = 0
        self._path = path
        self._pending: dict[int, datetime] = {}

    def begin(self) -> int:
        """Take note that an event is on its way; return its number for ``end``."""
        with self._lock:
            self._next += 1
            self._pending[self._next] = datetime.now(UTC)
            return self._next

    def end(self, number: int) -> None:
        """Take note that an event has been delivered, dead-lettered or is not wanted, and remember the moment."""
        with self._lock:
            del self._pending[number]
            moment = min(self._pending.values(), default=datetime.now(UTC))
            try:
                write_private(self._path, moment.isoformat())
            except OSError as error:
                # An older moment does no harm, but that events come twice.
                self._on_trouble(error)

    def since(self) -> datetime | None:
        """Return from when on uploads may lack their event, or None where no event was ever delivered."""
        try:
            moment = datetime.fromisoformat(self._path.read_text(encoding="ascii")) - MARGIN
        except (FileNotFoundError, ValueError):
            # A half-written moment is as good as none: the sweep finds what has neither event nor receipt.
            return None
        # Storage tells the time of an upload in whole seconds, rounded down.
        return moment.replace(microsecond=0)
