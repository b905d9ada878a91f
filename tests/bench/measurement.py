"""What a measurement says: samples with their spread, a peer beside it, and a target that is met or missed."""

from __future__ import annotations

import math
import statistics
from dataclasses import dataclass, field
from typing import Literal


class PeerMissing(RuntimeError):
    """Something that is measured against could not be run; the text says why and how to get it."""


@dataclass(frozen=True)
class Samples:
    """Values of one quantity, one for each round (or each event), all in one unit."""

    values: tuple[float, ...]

    @property
    def median(self) -> float:
        """The value in the middle."""
        return statistics.median(self.values)

    @property
    def spread(self) -> tuple[float, float]:
        """The quartiles, or the least and the greatest where there are fewer than four values."""
        if len(self.values) < 4:
            return min(self.values), max(self.values)
        low, _, high = statistics.quantiles(self.values, method="inclusive")
        return low, high

    def percentile(self, percent: float) -> float:
        """Return the least value that so many percent do not exceed; of few values that is the greatest."""
        ordered = sorted(self.values)
        return ordered[max(0, math.ceil(len(ordered) * percent / 100) - 1)]

    def over(self, other: Samples) -> Samples:
        """Return the ratios, round by round: what hits a whole round hits both and cancels out."""
        return Samples(tuple(mine / theirs for mine, theirs in zip(self.values, other.values, strict=True)))

    def times(self, factor: float) -> Samples:
        """Return the values in another unit."""
        return Samples(tuple(value * factor for value in self.values))


@dataclass(frozen=True)
class Target:
    """What a number has to be at least or at most."""

    bound: Literal["at least", "at most"]
    value: float

    def verdict(self, value: float) -> str:
        """Return "met", or by how much of the target it is missed."""
        met = value >= self.value if self.bound == "at least" else value <= self.value
        if met:
            return "met"
        share = abs(value / self.value - 1)
        # A near miss is no hit.
        return f"missed by {share:.0%}" if share >= 0.01 else f"missed by {share:.1%}"


@dataclass(frozen=True, kw_only=True)
class Row:
    """One line of the table.

    Attributes:
        measure: what is measured.
        note: how, or what hides behind the number.
        ours: the pipeline's values.
        peer: what they are compared with, of as many rounds, in the same unit; None where nothing is.
        peer_name: what the peer is.
        inverse: whether the ratio is the peer's value over ours, as for "so many times as fast".
        on_ratio: whether the target speaks of the ratio; if not, of our value.
        target: what is to be reached; None where the number is for information.
        topic: the measurement that it belongs to.
        unit: of ours and the peer.
    """

    measure: str
    note: str = ""
    ours: Samples
    peer: Samples | None = None
    peer_name: str = ""
    inverse: bool = False
    on_ratio: bool = True
    target: Target | None = None
    topic: str
    unit: str

    @property
    def ratio(self) -> Samples | None:
        """Ours over the peer's, round by round (or the other way round), or None without a peer."""
        if self.peer is None:
            return None
        return self.peer.over(self.ours) if self.inverse else self.ours.over(self.peer)

    @property
    def judged(self) -> Samples:
        """The values that the target speaks of."""
        return self.ratio if self.ratio is not None and self.on_ratio else self.ours

    @property
    def verdict(self) -> str:
        """What became of the target, by the median; empty without one."""
        return self.target.verdict(self.judged.median) if self.target else ""


@dataclass(kw_only=True)
class Result:
    """What one topic gives: its rows, lines with details, and why something could not be measured."""

    rows: list[Row] = field(default_factory=list)
    details: list[str] = field(default_factory=list)
    skipped: list[str] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)


def number(value: float) -> str:
    """Return a number with three significant digits, in the way a person writes it."""
    if value == 0 or not math.isfinite(value):
        return f"{value:g}"
    if value >= 100:
        return f"{value:,.0f}"
    text = f"{value:.3g}"
    return f"{float(text):.6f}".rstrip("0").rstrip(".") if "e" in text else text


def text_of(samples: Samples) -> str:
    """Return the median and, where there are several values, their spread."""
    low, high = samples.spread
    text = number(samples.median)
    return text if len(samples.values) == 1 else f"{text} ({number(low)} to {number(high)})"
