"""Summaries of a stream in bounded memory. Each is exact for small data and says so."""

from __future__ import annotations

import hashlib
import heapq
import math
import random
from collections import Counter
from typing import Final

DISTINCT_HASHES: Final = 4096
HASH_RANGE: Final = 2**64
RESERVOIR_SIZE: Final = 50_000
TOP_CANDIDATES: Final = 10_000


class Distinct:
    """Counts distinct texts: exactly up to 4,096, beyond that estimated from the smallest hashes, within some 2 %."""

    def __init__(self) -> None:
        self._kept: set[int] = set()
        self._largest: list[int] = []

    def add(self, text: str) -> None:
        """Take one more value."""
        value = int.from_bytes(hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).digest(), "big")
        if value in self._kept:
            return
        if len(self._kept) < DISTINCT_HASHES:
            self._kept.add(value)
            heapq.heappush(self._largest, -value)
        elif value < -self._largest[0]:
            self._kept.add(value)
            self._kept.discard(-heapq.heapreplace(self._largest, -value))

    @property
    def exact(self) -> bool:
        """Tell whether ``count`` is exact."""
        return len(self._kept) < DISTINCT_HASHES

    @property
    def count(self) -> int:
        """Return the number of distinct values."""
        if self.exact:
            return len(self._kept)
        return round((DISTINCT_HASHES - 1) * HASH_RANGE / -self._largest[0])


class Moments:
    """Count, extremes, mean and standard deviation by Welford's method, which needs no second look at the values."""

    def __init__(self) -> None:
        self.count = 0
        self.maximum = -math.inf
        self.mean = 0.0
        self.minimum = math.inf
        self._squares = 0.0

    def add(self, value: float) -> None:
        """Take one more value."""
        self.count += 1
        self.maximum = max(self.maximum, value)
        self.minimum = min(self.minimum, value)
        distance = value - self.mean
        self.mean += distance / self.count
        self._squares += distance * (value - self.mean)

    @property
    def deviation(self) -> float:
        """Return the standard deviation of the sample; 0 for fewer than two values."""
        return math.sqrt(self._squares / (self.count - 1)) if self.count > 1 else 0.0


class Reservoir:
    """Keeps up to 50,000 values, of more a uniform sample; the same values give the same sample every time."""

    def __init__(self) -> None:
        self._random = random.Random(0)  # noqa: S311
        self._seen = 0
        self._values: list[float] = []

    def add(self, value: float) -> None:
        """Take one more value."""
        self._seen += 1
        if len(self._values) < RESERVOIR_SIZE:
            self._values.append(value)
        elif (place := self._random.randrange(self._seen)) < RESERVOIR_SIZE:
            self._values[place] = value

    @property
    def exact(self) -> bool:
        """Tell whether all values were kept."""
        return self._seen <= RESERVOIR_SIZE

    def sorted(self) -> list[float]:
        """Return the kept values in order."""
        return sorted(self._values)


class TopValues:
    """Counts the most frequent texts; of more than 10,000 distinct ones, those first seen later are not counted."""

    def __init__(self) -> None:
        self._counts: Counter[str] = Counter()
        self.exact = True

    def add(self, text: str) -> None:
        """Take one more value."""
        if text in self._counts or len(self._counts) < TOP_CANDIDATES:
            self._counts[text] += 1
        else:
            self.exact = False

    def most_common(self, number: int) -> list[tuple[str, int]]:
        """Return the most frequent values with their counts; of equally frequent ones, the first in the alphabet."""
        return heapq.nsmallest(number, self._counts.items(), key=lambda item: (-item[1], item[0]))


def histogram(ordered: list[float], bins: int) -> tuple[list[float], list[int]]:
    """Return the edges (one more than bins) and counts of equal bins over values in order; at least one value."""
    low, high = ordered[0], ordered[-1]
    width = (high - low) / bins
    if width == 0 or not math.isfinite(width):
        return [low, high], [len(ordered)]
    counts = [0] * bins
    for value in ordered:
        counts[min(bins - 1, int((value - low) / width))] += 1
    return [low + width * number for number in range(bins)] + [high], counts


def quantile(ordered: list[float], share: float) -> float:
    """Return a quantile of values in order, between two values by linear interpolation; at least one value."""
    place = share * (len(ordered) - 1)
    below = math.floor(place)
    above = min(below + 1, len(ordered) - 1)
    return ordered[below] + (ordered[above] - ordered[below]) * (place - below)
