"""What a process that sweeps tells the one that measures; it imports nothing of the function, which is not there."""

from __future__ import annotations

from datetime import timedelta
from typing import Final, NamedTuple

GRACE: Final = timedelta(seconds=120)
MINUTE: Final = 60.0


class Pass(NamedTuple):
    """A pass: its seconds with a run each minute, the seconds of its runs and of its processor, pages, and memory."""

    seconds: float
    running: float
    processor: float
    pages: int
    mebibytes: float
    state_bytes: int


class Limits(NamedTuple):
    """What the sweep goes by: ``pipeline_function``'s constants of these names."""

    listings: int
    max_segments: int
    min_pages: int
    pages_per_second: int
    run_seconds: float
