"""How long to wait before a file is tried again."""

from __future__ import annotations

import random
from collections.abc import Callable

MAX_RETRY_SECONDS = 60.0
RETRY_SECONDS = 2.0


def backoff(tries: int, uniform: Callable[[float, float], float] = random.uniform) -> float:
    """Return seconds to wait after so many tries: doubling, bounded, and spread so that retries do not meet.

    ``uniform`` returns a number between two by chance.
    """
    ceiling = min(MAX_RETRY_SECONDS, RETRY_SECONDS * float(1 << min(tries, 10)))
    return ceiling / 2 + uniform(0, ceiling / 2)
