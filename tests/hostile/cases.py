"""How many cases each property is tried with: some in every run of the tests, many where chaos is asked for.

``HYPOTHESIS_PROFILE=chaos`` multiplies and takes new cases each time; ``--hypothesis-seed`` repeats a run. Otherwise a
run takes the same cases as the last one.
"""

from __future__ import annotations

import functools
import os
from collections import Counter
from collections.abc import Callable
from typing import Final, ParamSpec

from hypothesis import HealthCheck, settings

CHAOS: Final = os.environ.get("HYPOTHESIS_PROFILE") == "chaos"
COUNTED: Final[Counter[str]] = Counter()
FACTOR: Final = 20 if CHAOS else 1

P = ParamSpec("P")


def counted(test: Callable[P, None]) -> Callable[P, None]:
    """Count the cases of a test; it goes below ``given``."""

    @functools.wraps(test)
    def count(*args: P.args, **kwargs: P.kwargs) -> None:
        test(*args, **kwargs)
        # What Hypothesis discards as no case at all leaves by an exception.
        COUNTED[f"{test.__module__.rpartition('.')[2]}.{test.__name__}"] += 1

    return count


def cases(count: int) -> settings:
    """Return settings for so many cases in the short form, without a clock and without files of its own."""
    return settings(
        database=None,
        deadline=None,
        derandomize=not CHAOS,
        max_examples=count * FACTOR,
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
    )
