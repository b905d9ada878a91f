"""How many requests are made of what, and how near they come to what Azure answers."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping
from typing import Final, Literal, NamedTuple

# ``blobs`` are reads and writes together; ``reads`` and ``starts`` are of Azure Resource Manager.
Kind = Literal["blob reads", "blob writes", "blobs", "events", "jobs", "reads", "starts"]


class Limit(NamedTuple):
    """So many requests a second are answered for long, and so many at once after a rest."""

    rate: float
    burst: float


# Of the blobs of an account, of a queue with messages of 1 KiB, and what Azure Resource Manager lets one identity read
# and write in a subscription and a region.
# Sources: https://learn.microsoft.com/azure/storage/common/scalability-targets-standard-account,
# https://learn.microsoft.com/azure/storage/queues/scalability-targets,
# https://learn.microsoft.com/azure/azure-resource-manager/management/request-limits-and-throttling
LIMITS: Final[Mapping[Kind, Limit]] = {
    "blobs": Limit(20_000, 20_000),
    "events": Limit(2_000, 2_000),
    "jobs": Limit(2_000, 2_000),
    "reads": Limit(25, 250),
    "starts": Limit(10, 200),
}
_OF_BLOBS: Final = frozenset({"blob reads", "blob writes"})


class Requests:
    """Counts requests by a clock in seconds.

    ``totals`` has all of them, and ``shares`` the most of each limit that was ever taken: with more than 1 Azure would
    have refused some, to be made again.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self.shares: dict[Kind, float] = dict.fromkeys(LIMITS, 0.0)
        self.totals: defaultdict[Kind, float] = defaultdict(float)
        self._clock = clock
        self._levels: dict[Kind, tuple[float, float]] = dict.fromkeys(LIMITS, (0.0, 0.0))

    def note(self, kind: Kind, count: float = 1) -> None:
        """Take note of requests that are made now."""
        self.totals[kind] += count
        if kind in _OF_BLOBS:
            self.note("blobs", count)
            return
        limit, moment = LIMITS[kind], self._clock()
        level, before = self._levels[kind]
        if limit.burst > limit.rate:
            # A bucket, into which the rate flows.
            level, before = max(0.0, level - limit.rate * (moment - before)), moment
        elif moment - before >= 1:
            level, before = 0.0, moment
        level += count
        self._levels[kind] = level, before
        if level > self.shares[kind] * limit.burst:
            self.shares[kind] = level / limit.burst
