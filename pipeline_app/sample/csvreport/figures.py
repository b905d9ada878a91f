"""The statistics of a column, computed by the database over the rows that were kept.

Counts, extremes, means and deviations are exact. Distinct and frequent values and quantiles are exact as long as that
is cheap; beyond it they are estimates, and say so.
"""

# Queries are made of this module's own words, the columns' numbers, and literals that database.text quotes.
# ruff: noqa: S608

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from .database import Database, text
from .kinds import EXAMPLES, Kind
from .values import EXACT_BELOW

BINS: Final = 24
DAY_MICROSECONDS: Final = 86_400_000_000
# Dates beyond are made up as a rule, such as 9999-12-31 for "no end".
FIRST_DATE: Final = "1000-01-01"
LAST_DATE: Final = "2499-12-31"
# What is counted one by one; beyond it HyperLogLog and the like estimate.
MOST_DISTINCT: Final = 200_000
MOST_ORDERED: Final = 10_000_000
QUANTILES: Final = {"p05": 0.05, "p25": 0.25, "median": 0.5, "p75": 0.75, "p95": 0.95}
LONGEST_SHOWN: Final = 500


@dataclass(frozen=True)
class _Values:
    """The values of a column, and how many there are of each."""

    database: Database
    column: str
    given: str
    top: int

    def distinct(self) -> int:
        return int(self.database.row(f"SELECT count(DISTINCT {self.column}) {self.given}")[0])

    def counted(self) -> tuple[list[dict[str, Any]], int]:
        """Return the most frequent values, and how many there are in all."""
        rows = self._rows(self.given)
        return _entries(rows), rows[0][2] if rows else 0

    def estimated(self) -> list[dict[str, Any]]:
        """Return values that are among the most frequent; their own numbers are exact."""
        candidates = self.database.row(f"SELECT approx_top_k({self.column}, {10 * self.top}) {self.given}")[0]
        return _entries(self._rows(f"{self.given} AND {self.column} IN ({', '.join(map(text, candidates))})"))

    def _rows(self, given: str) -> list[tuple[Any, ...]]:
        return self.database.rows(
            f"SELECT left({self.column}, {LONGEST_SHOWN}), count(*) AS n, count(*) OVER () {given} "
            f"GROUP BY {self.column} ORDER BY n DESC, {self.column} LIMIT {self.top}"
        )


def _entries(rows: list[tuple[Any, ...]]) -> list[dict[str, Any]]:
    return [{"value": value, "count": number} for value, number, _ in rows]


def figures(database: Database, column: str, kind: Kind, top: int) -> dict[str, Any]:
    """Return what is known of a column, ready for JSON; its values are those that are neither empty nor missing."""
    table = database.table(column)
    condition = f"{column} <> ''"
    if kind.missing:
        condition += f" AND {column} NOT IN ({', '.join(map(text, kind.missing))})"
    given = f"FROM {table} WHERE {condition}"
    count, rows, about = database.row(
        f"SELECT count(*) FILTER ({condition}), count(*), approx_count_distinct({column}) FILTER ({condition}) "
        f"FROM {table}"
    )
    exact = about <= MOST_DISTINCT
    values = _Values(database, column, given, top)
    if exact:
        entries, distinct = values.counted() if kind.type in ("boolean", "text") else ([], values.distinct())
    else:
        entries, distinct = values.estimated() if kind.type in ("boolean", "text") else [], min(about, count)
    result: dict[str, Any] = {
        "type": kind.type,
        "count": count,
        "missing": rows - count,
        "distinct": distinct,
        "distinct_exact": exact,
    }
    if kind.missing:
        words = ", ".join(map(text, kind.missing))
        found = database.rows(f"SELECT {column}, count(*) FROM {table} WHERE {column} IN ({words}) GROUP BY 1")
        result["missing_words"] = dict(sorted(found))
    if kind.reason:
        result["text_because"] = kind.reason
    if kind.type in ("boolean", "text"):
        result["top"] = entries
        result["top_exact"] = exact
        return result
    result |= _numbers(database, kind, given) if kind.type == "number" else _dates(database, kind, given)
    result["unrecognised"] = count - result.pop("read")
    if result["unrecognised"]:
        examples = database.rows(
            f"SELECT DISTINCT {column} {given} AND {kind.expression} IS NULL ORDER BY 1 LIMIT {EXAMPLES}"
        )
        result["unrecognised_examples"] = [each[0][:LONGEST_SHOWN] for each in examples]
    return result


def _numbers(database: Database, kind: Kind, given: str) -> dict[str, Any]:
    source = f"FROM (SELECT {kind.expression} AS x {given})"
    read, low, high, whole, middle = database.row(
        f"SELECT count(x), min(x), max(x), coalesce(bool_and(x = floor(x)), false), favg(x) {source}"
    )
    result: dict[str, Any] = {"read": read}
    if kind.unit:
        result["unit"] = kind.unit
    if kind.forms and kind.decimal:
        result["decimal"] = kind.decimal
    if kind.because:
        result["decimal_because"] = kind.because
    if not read:
        return result
    exact = read <= MOST_ORDERED
    quantile = "quantile_cont" if exact else "approx_quantile"
    # Around a value in the middle nothing is lost, whatever the numbers' size; the second sum takes back what the first
    # middle was off by.
    shift, squares, points = database.row(
        f"SELECT fsum(x - {middle!r}), fsum((x - {middle!r}) * (x - {middle!r})), "
        f"{quantile}(x, {list(QUANTILES.values())}) {source}"
    )
    mean = middle + shift / read
    variance = max(0.0, squares - shift * shift / read) / (read - 1) if read > 1 else 0.0
    quantiles = dict(zip(QUANTILES, map(plain, points), strict=True))
    result |= {
        "min": plain(low),
        "max": plain(high),
        "mean": plain(mean),
        "median": quantiles.pop("median"),
        "stdev": plain(math.sqrt(variance)),
        "quantiles": quantiles,
        "quantiles_exact": exact,
        "histogram": _histogram(database, source, low, high, whole),
    }
    return result


def is_inexact(result: dict[str, Any]) -> bool:
    """Tell whether a column's numbers are too large to be told from their neighbours."""
    if result["type"] != "number" or "min" not in result:
        return False
    return bool(max(abs(result["min"]), abs(result["max"])) >= EXACT_BELOW)


def _histogram(database: Database, source: str, low: float, high: float, whole: bool) -> dict[str, Any]:
    """Return edges and counts; whole numbers that lie close together get a bin for each."""
    if whole and 0 < high - low < BINS:
        bins, start, width = int(high - low) + 1, low - 0.5, 1.0
    else:
        bins, start, width = BINS, low, (high - low) / BINS
    if width == 0 or not math.isfinite(width):
        return {"edges": [plain(low), plain(high)], "counts": [database.row(f"SELECT count(x) {source}")[0]]}
    rows = database.rows(
        f"SELECT least({bins - 1}, greatest(0, floor((x - {start!r}) / {width!r})::INTEGER)) AS bin, count(*) {source} "
        "WHERE x IS NOT NULL GROUP BY bin"
    )
    counts = dict(rows)
    edges = [start + width * number for number in range(bins)] + [start + width * bins if width == 1.0 else high]
    return {"edges": [plain(edge) for edge in edges], "counts": [counts.get(number, 0) for number in range(bins)]}


def _dates(database: Database, kind: Kind, given: str) -> dict[str, Any]:
    source = f"FROM (SELECT {kind.expression} AS t {given})"
    inside = f"t >= TIMESTAMP '{FIRST_DATE}' AND t < TIMESTAMP '{LAST_DATE}' + INTERVAL 1 DAY"
    read, within, first, last, timed = database.row(
        f"SELECT count(t), count(*) FILTER ({inside}), min(epoch_us(t)) FILTER ({inside}), "
        f"max(epoch_us(t)) FILTER ({inside}), "
        f"coalesce(bool_or(epoch_us(t) % {DAY_MICROSECONDS} <> 0) FILTER ({inside}), false) {source}"
    )
    result: dict[str, Any] = {"read": read, "order": kind.order}
    if kind.because:
        result["order_because"] = kind.because
    if read > within:
        result["out_of_range"] = read - within
    if not within:
        return result
    values = f"FROM (SELECT epoch_us(t)::DOUBLE AS x {source} WHERE {inside})"
    histogram = _histogram(database, values, float(first), float(last), whole=False)
    histogram["edges"] = [_moment(int(edge), True) for edge in histogram["edges"]]
    return result | {
        "first": _moment(first, timed),
        "last": _moment(last, timed),
        "days": plain((last - first) / DAY_MICROSECONDS),
        "histogram": histogram,
    }


def plain(value: float) -> float | int:
    """Return a number as it is, a whole one without a point where it can be told from its neighbours."""
    return int(value) if value.is_integer() and abs(value) < EXACT_BELOW else value


def _moment(microseconds: int, timed: bool) -> str:
    moment = datetime(1970, 1, 1) + timedelta(seconds=microseconds // 1_000_000)
    return moment.isoformat() if timed else moment.date().isoformat()
