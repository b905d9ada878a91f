"""Starting runs that do not outlive a test, and looking whether they are at work."""

from __future__ import annotations

from collections.abc import Callable

from tests.local.runs import Run, leftovers

Start = Callable[..., Run]


def is_busy(run: Run) -> bool:
    """Tell whether the application of a run is at work."""
    return any("/bin/obedient" in line for line in leftovers(run.data))
