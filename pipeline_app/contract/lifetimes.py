"""What of a worker's life is there for a file, as the worker keeps to it and a deploy can reckon with."""

from __future__ import annotations

import math
from typing import Final

# Azure counts a replica's time from the start of its execution, before the image has come; no document says how long
# that takes, and some 30 seconds were seen. Source: https://learn.microsoft.com/azure/container-apps/cold-start
ARRIVAL_SECONDS: Final = 30
# This much of the end of a life is for publishing, and for an application that takes its time to end; of a short life
# it is a tenth.
MARGIN_SECONDS: Final = 30.0
MARGIN_SHARE: Final = 0.1


def margin_seconds(lifetime: float) -> float:
    """Return how much of a life of so many seconds, or of one without end, is kept from the files."""
    return min(MARGIN_SECONDS, MARGIN_SHARE * lifetime)


def usable_seconds(lifetime: float) -> float:
    """Return for how long a file may be worked on, in seconds, in a life of so many."""
    return lifetime - margin_seconds(lifetime)


def least_lifetime(seconds: float) -> int:
    """Return the shortest life, in whole seconds, of which a file may have so many."""
    return math.ceil(min(seconds + MARGIN_SECONDS, seconds / (1 - MARGIN_SHARE)))


def lifetime_of(replica_timeout: int) -> int:
    """Return how many seconds a worker may count on, from its own start, in a replica that is ended after so many."""
    return replica_timeout - ARRIVAL_SECONDS


def least_replica_timeout(seconds: float) -> int:
    """Return the shortest timeout of a replica, in whole seconds, with which a file may have so many."""
    return least_lifetime(seconds) + ARRIVAL_SECONDS
