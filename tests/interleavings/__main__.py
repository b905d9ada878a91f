"""Explore more than the tests do: ``python -m tests.interleavings``; it is a part of ``make chaos``."""

from __future__ import annotations

import sys
import time

from rich.console import Console
from rich.table import Table

from tests.interleavings.attempts import Ends
from tests.interleavings.setting import Bounds, explore, worker

BOUNDS = (
    Bounds(attempts=2, ends=Ends.IN_APPLICATION, faults=1, long=True, results=1, uploads=1),
    Bounds(attempts=2, ends=Ends.RIGHT_BEFORE_COMMIT, faults=1, results=1, uploads=1),
    Bounds(attempts=2, faults=0, uploads=2),
    Bounds(attempts=2, faults=1, long=True, uploads=1, results=1),
    Bounds(attempts=3, faults=0, uploads=0, results=1),
)


def main() -> int:
    """Go through all orders within larger bounds; return 1 if one of them breaks a promise."""
    console, broken = Console(width=120), 0
    columns = ("attempts", "faults", "new versions", "results", "long", "ends", "states", "steps", "seconds", "broken")
    table = Table(*columns)
    with worker() as settings:
        for bounds in BOUNDS:
            console.print(f"exploring {bounds}")
            began = time.monotonic()
            found = explore(settings, bounds)
            numbers = (bounds.attempts, bounds.faults, bounds.uploads, bounds.results)
            table.add_row(
                *map(str, numbers),
                "yes" if bounds.long else "no",
                bounds.ends.value,
                f"{found.states:,}",
                f"{found.steps:,}",
                f"{time.monotonic() - began:.0f}",
                "yes" if found.story else "no",
            )
            if found.story:
                broken = 1
                console.print(*found.story, sep="\n")
    console.print(table)
    return broken


sys.exit(main())
