"""One column: first every cell votes for what the column is, then every cell is read so and summarised."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from .sketches import Distinct, Moments, Reservoir, TopValues, histogram, quantile
from .values import Reading, Signature, is_missing, read, signature

DAY_SECONDS: Final = 86_400
HISTOGRAM_BINS: Final = 24
QUANTILES: Final = {"p05": 0.05, "p25": 0.25, "p75": 0.75, "p95": 0.95}

# A column is of a kind if this share of its values can be read so; the others are kept as they are and counted.
REQUIRED_SHARE: Final = 0.95
TEXT: Final = Reading("text", "")


@dataclass(frozen=True)
class ColumnType:
    """How a column is read, and the currency or percent sign of its numbers."""

    reading: Reading
    unit: str = ""


class Vote:
    """Counts, over all cells of a column, the ways in which they can be read."""

    def __init__(self) -> None:
        self._signatures: Counter[Signature] = Counter()

    def add(self, cell: str) -> None:
        """Take one more cell."""
        if not is_missing(cell):
            self._signatures[signature(cell)] += 1

    def result(self, delimiter: str) -> ColumnType:
        """Return what the column is.

        Where two ways fit equally well, a file with semicolons has decimal commas, and days come before months.
        """
        counts: Counter[Reading] = Counter()
        units: Counter[str] = Counter()
        for each, count in self._signatures.items():
            counts.update(dict.fromkeys(each.readings, count))
            units[each.unit] += count
        if not counts:
            return ColumnType(TEXT)
        notations = ["comma", "point"] if delimiter == ";" else ["point", "comma"]
        order = ["", *notations, "year first", "day first", "month first"]
        best = min(counts, key=lambda reading: (-counts[reading], order.index(reading.notation)))
        if counts[best] < REQUIRED_SHARE * self._signatures.total():
            return ColumnType(TEXT)
        del units[""]
        return ColumnType(best, units.most_common(1)[0][0] if best.kind == "number" and units else "")


class Column:
    """Reads the cells of a column and summarises them in memory that does not grow with their number."""

    def __init__(self, name: str, header: str, kind: ColumnType) -> None:
        self._distinct = Distinct()
        self._filled = 0
        self._header = header
        self._missing = 0
        self._moments = Moments()
        self._name = name
        self._reservoir = Reservoir()
        self._top = TopValues()
        self._type = kind
        self._unrecognised = 0

    def clean(self, cell: str) -> tuple[str, float | None]:
        """Return a cell's text in the cleaned file, and its number if it has one; nothing is summarised yet."""
        if is_missing(cell):
            return "", None
        if self._type.reading.kind == "text":
            return cell, None
        value = read(cell, self._type.reading)
        return (value.text, value.number) if value else (cell, None)

    def add(self, text: str, number: float | None) -> None:
        """Take one more cell, as ``clean`` returned it."""
        if not text:
            self._missing += 1
            return
        self._filled += 1
        self._distinct.add(text)
        kind = self._type.reading.kind
        if kind in ("boolean", "text"):
            self._top.add(text)
        if number is not None:
            self._moments.add(number)
            self._reservoir.add(number)
        elif kind != "text":
            self._unrecognised += 1

    def summary(self, top: int) -> dict[str, Any]:
        """Return what is known of the column, ready for JSON."""
        kind = self._type.reading.kind
        result: dict[str, Any] = {
            "name": self._name,
            "header": self._header,
            "type": kind,
            "count": self._filled,
            "missing": self._missing,
            "distinct": self._distinct.count,
            "distinct_exact": self._distinct.exact,
        }
        if kind != "text":
            result["unrecognised"] = self._unrecognised
        if self._type.unit:
            result["unit"] = self._type.unit
        if kind in ("boolean", "text"):
            result["top"] = [{"value": value, "count": count} for value, count in self._top.most_common(top)]
            result["top_exact"] = self._top.exact
        elif self._moments.count:
            result |= self._numbers() if kind == "number" else self._dates()
        return result

    def _numbers(self) -> dict[str, Any]:
        moments, ordered = self._moments, self._reservoir.sorted()
        edges, counts = _number_histogram(ordered)
        return {
            "min": _plain(moments.minimum),
            "max": _plain(moments.maximum),
            "mean": _plain(moments.mean),
            "median": _plain(quantile(ordered, 0.5)),
            "stdev": _plain(moments.deviation),
            "quantiles": {name: _plain(quantile(ordered, share)) for name, share in QUANTILES.items()},
            "quantiles_exact": self._reservoir.exact,
            "histogram": {"edges": [_plain(edge) for edge in edges], "counts": counts},
        }

    def _dates(self) -> dict[str, Any]:
        ordered = self._reservoir.sorted()
        with_time = any(value % DAY_SECONDS for value in ordered)
        edges, counts = histogram(ordered, HISTOGRAM_BINS)
        return {
            "first": _moment(self._moments.minimum, with_time),
            "last": _moment(self._moments.maximum, with_time),
            "days": _plain((self._moments.maximum - self._moments.minimum) / DAY_SECONDS),
            "histogram": {"edges": [_moment(edge, True) for edge in edges], "counts": counts},
        }


def _number_histogram(ordered: list[float]) -> tuple[list[float], list[int]]:
    """Return edges and counts; whole numbers that lie close together get a bin for each."""
    low, high = ordered[0], ordered[-1]
    if 0 < high - low < HISTOGRAM_BINS and all(value.is_integer() for value in ordered):
        bins = int(high - low) + 1
        counts = Counter(int(value - low) for value in ordered)
        return [low - 0.5 + number for number in range(bins + 1)], [counts[number] for number in range(bins)]
    return histogram(ordered, HISTOGRAM_BINS)


def _plain(value: float) -> float | int:
    """Return a number without the noise of binary fractions, whole numbers without a point."""
    rounded = float(f"{value:.12g}")
    return int(rounded) if rounded.is_integer() and abs(rounded) < 2**53 else rounded


def _moment(seconds: float, with_time: bool) -> str:
    moment = datetime.fromtimestamp(round(seconds), UTC).replace(tzinfo=None)
    return moment.isoformat() if with_time else moment.date().isoformat()
