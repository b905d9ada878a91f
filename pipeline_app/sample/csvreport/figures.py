"""The statistics of a column, computed by the database over the rows that were kept.

Counts, extremes, means and deviations are exact. Distinct and frequent values and quantiles are exact as long as that
is cheap; beyond it they are estimates, and say so.
"""

# Queries are made of this module's own words, the columns' numbers, and literals that database.text quotes.
# ruff: noqa: S608

from __future__ import annotations

import math
from collections.abc import Container, Mapping
from contextlib import nullcontext
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from .database import Database, text
from .judging import Kind
from .together import Row, ask, grouped
from .values import EXACT_BELOW

BINS: Final = 24
DAY_MICROSECONDS: Final = 86_400_000_000
# Dates beyond are made up as a rule, such as 9999-12-31 for "no end".
FIRST_DATE: Final = "1000-01-01"
LAST_DATE: Final = "2499-12-31"
# What is counted one by one; beyond it HyperLogLog and the like estimate.
MOST_DISTINCT: Final = 1_000_000
MOST_ORDERED: Final = 10_000_000
QUANTILES: Final = {"p05": 0.05, "p25": 0.25, "median": 0.5, "p75": 0.75, "p95": 0.95}
EXAMPLES: Final = 3
LONGEST_SHOWN: Final = 500


def figures(database: Database, kinds: Mapping[str, Kind], top: int) -> dict[str, dict[str, Any]]:
    """Return what is known of columns, ready for JSON; their values are those that are neither empty nor missing."""
    given = {column: _value(column, kind) for column, kind in kinds.items()}
    counts = ask(database, given, ["count(v)", "count(*)", "approx_count_distinct(v)"])
    exact = {column for column, (_, _, about) in counts.items() if about <= MOST_DISTINCT}
    texts = {column for column, kind in kinds.items() if kind.type in ("boolean", "text")}
    frequent = _frequent(database, {c: given[c] for c in kinds if c in exact}, texts, top)
    numbers = _numbers(database, {column: kind for column, kind in kinds.items() if kind.type == "number"})
    dates = _dates(database, {column: kind for column, kind in kinds.items() if kind.type == "date"})
    results: dict[str, dict[str, Any]] = {}
    for column, kind in kinds.items():
        count, rows, about = counts[column]
        entries, distinct = frequent.get(column, ([], min(about, count)))
        result: dict[str, Any] = {
            "type": kind.type,
            "count": count,
            "missing": rows - count,
            "distinct": distinct,
            "distinct_exact": column in exact,
        }
        if kind.missing:
            result["missing_words"] = dict(sorted(kind.missing.items()))
        if kind.reason:
            result["text_because"] = kind.reason
        if column in texts:
            result["top"] = entries if column in exact else _estimated(database, column, given[column], top)
            result["top_exact"] = column in exact
        else:
            result |= numbers.get(column) or dates[column]
            result["unrecognised"] = count - result.pop("read")
        if result.get("unrecognised"):
            examples = database.rows(
                f"SELECT DISTINCT {column} FROM {database.table(column)} WHERE {given[column]} "
                f"IS NOT NULL AND {kind.expression} IS NULL ORDER BY 1 LIMIT {EXAMPLES}"
            )
            result["unrecognised_examples"] = [each[0][:LONGEST_SHOWN] for each in examples]
        results[column] = result
    return results


def _value(column: str, kind: Kind) -> str:
    """Return the expression of a cell that is neither empty nor missing."""
    if not kind.missing:
        return f"nullif({column}, '')"
    return f"CASE WHEN {column} NOT IN ({', '.join(map(text, ['', *kind.missing]))}) THEN {column} END"


def _frequent(
    database: Database, given: Mapping[str, str], texts: Container[str], top: int
) -> dict[str, tuple[list[dict[str, Any]], int]]:
    """Return the most frequent values of each column, for texts alone, and how many different ones there are."""
    result: dict[str, tuple[list[dict[str, Any]], int]] = {}
    listed = {column: value for column, value in given.items() if column in texts}
    found = grouped(
        database,
        listed,
        lambda source: (
            f"SELECT k, left(v, {LONGEST_SHOWN}), count(*) AS n, count(*) OVER (PARTITION BY k) FROM {source} "
            "WHERE v IS NOT NULL GROUP BY k, v "
            f"QUALIFY row_number() OVER (PARTITION BY k ORDER BY n DESC, v) <= {top} ORDER BY n DESC, v"
        ),
    )
    for column, rows in found.items():
        result[column] = [{"value": value, "count": number} for value, number, _ in rows], rows[0][2] if rows else 0
    others = {column: value for column, value in given.items() if column not in texts}
    distinct = ask(database, others, ["count(DISTINCT v)"])
    return result | {column: ([], number) for column, (number,) in distinct.items()}


def _estimated(database: Database, column: str, given: str, top: int) -> list[dict[str, Any]]:
    """Return values that are among the most frequent; their own numbers are exact."""
    source = f"FROM {database.table(column)} WHERE {given} IS NOT NULL"
    with database.one_by_one():
        candidates = database.row(f"SELECT approx_top_k({column}, {10 * top}) {source}")[0]
    rows = database.rows(
        f"SELECT left({column}, {LONGEST_SHOWN}), count(*) AS n {source} AND {column} IN "
        f"({', '.join(map(text, candidates))}) GROUP BY {column} ORDER BY n DESC, {column} LIMIT {top}"
    )
    return [{"value": value, "count": number} for value, number in rows]


def _numbers(database: Database, kinds: Mapping[str, Kind]) -> dict[str, dict[str, Any]]:
    readings = {column: kind.expression for column, kind in kinds.items()}
    whole = "coalesce(bool_and(v = floor(v)), false)"
    first = ask(database, readings, ["count(v)", "min(v)", "max(v)", whole, "favg(v)"])
    read = {column: readings[column] for column, (count, *_) in first.items() if count}
    spread: dict[str, Row] = {}
    for quantile in ("quantile_cont", "approx_quantile"):
        those = {column: each for column, each in read.items() if _quantile(first[column][0]) == quantile}
        # Around a value in the middle nothing is lost, whatever the numbers' size; the first sum takes back what the
        # middle was off by.
        with nullcontext() if quantile == "quantile_cont" else database.one_by_one():
            spread |= ask(
                database,
                those,
                ["fsum(v - b0)", "fsum((v - b0) * (v - b0))", f"{quantile}(v, {list(QUANTILES.values())})"],
                beside={column: first[column][4:] for column in those},
            )
    histograms = _histograms(database, read, {column: _Span(*first[column][1:4]) for column in read})
    results: dict[str, dict[str, Any]] = {}
    for column, kind in kinds.items():
        count, low, high, _, middle = first[column]
        result = results[column] = {"read": count}
        if kind.unit:
            result["unit"] = kind.unit
        if (kind.forms or kind.because) and kind.decimal:
            result["decimal"] = kind.decimal
        if kind.because:
            result["decimal_because"] = kind.because
        if not count:
            continue
        shift, squares, points = spread[column]
        variance = max(0.0, squares - shift * shift / count) / (count - 1) if count > 1 else 0.0
        quantiles = dict(zip(QUANTILES, map(plain, points), strict=True))
        result |= {
            "min": plain(low),
            "max": plain(high),
            "mean": plain(middle + shift / count),
            "median": quantiles.pop("median"),
            "stdev": plain(math.sqrt(variance)),
            "quantiles": quantiles,
            "quantiles_exact": _quantile(count) == "quantile_cont",
            "histogram": histograms[column],
        }
    return results


def _quantile(count: int) -> str:
    return "quantile_cont" if count <= MOST_ORDERED else "approx_quantile"


def is_inexact(result: dict[str, Any]) -> bool:
    """Tell whether a column's numbers are too large to be told from their neighbours."""
    if result["type"] != "number" or "min" not in result:
        return False
    return bool(max(abs(result["min"]), abs(result["max"])) >= EXACT_BELOW)


@dataclass(frozen=True)
class _Span:
    """The least and the greatest of some numbers, and whether all of them are whole."""

    low: float
    high: float
    whole: bool = False

    def bins(self) -> tuple[int, float, float]:
        """Return the number of bins, where the first begins, and their width.

        Whole numbers that lie close together get a bin for each; equal numbers have one of width 0.
        """
        if self.whole and 0 < self.high - self.low < BINS:
            return int(self.high - self.low) + 1, self.low - 0.5, 1.0
        width = (self.high - self.low) / BINS
        return (BINS, self.low, width) if width > 0 and math.isfinite(width) else (1, self.low, 0.0)


def _histograms(
    database: Database, readings: Mapping[str, str], spans: Mapping[str, _Span], then: str = "v"
) -> dict[str, dict[str, Any]]:
    """Return edges and counts of the numbers that ``then`` makes of what is read."""
    bins = {column: span.bins() for column, span in spans.items()}
    # The columns beside are the number of bins, where the first begins, and their width.
    number = "CASE WHEN b2 > 0 THEN least(b0 - 1, greatest(0, floor((v - b1) / b2))) ELSE 0 END::UTINYINT"
    found = grouped(
        database,
        {column: readings[column] for column in spans},
        lambda source: (
            f"SELECT k, {number} AS bin, count(*) FROM (SELECT * REPLACE ({then} AS v) FROM {source}) "
            "WHERE v IS NOT NULL GROUP BY k, bin"
        ),
        bins,
    )
    result: dict[str, dict[str, Any]] = {}
    for column, rows in found.items():
        many, start, width = bins[column]
        counts: dict[int, int] = dict(rows)
        last = start + width * many if width == 1.0 else spans[column].high
        edges = [start + width * each for each in range(many)] + [last]
        result[column] = {
            "edges": [plain(edge) for edge in edges],
            "counts": [counts.get(each, 0) for each in range(many)],
        }
    return result


def _dates(database: Database, kinds: Mapping[str, Kind]) -> dict[str, dict[str, Any]]:
    readings = {column: kind.expression for column, kind in kinds.items()}
    inside = f"v >= TIMESTAMP '{FIRST_DATE}' AND v < TIMESTAMP '{LAST_DATE}' + INTERVAL 1 DAY"
    timed = f"coalesce(bool_or(epoch_us(v) % {DAY_MICROSECONDS} <> 0) FILTER ({inside}), false)"
    ends = [f"{end}(epoch_us(v)) FILTER ({inside})" for end in ("min", "max")]
    found = ask(database, readings, ["count(v)", f"count(*) FILTER ({inside})", *ends, timed])
    spans = {c: _Span(float(first), float(last)) for c, (_, some, first, last, _) in found.items() if some}
    histograms = _histograms(database, readings, spans, f"CASE WHEN {inside} THEN epoch_us(v)::DOUBLE END")
    results: dict[str, dict[str, Any]] = {}
    for column, kind in kinds.items():
        count, within_range, first, last, timed = found[column]
        result = results[column] = {"read": count, "order": kind.order}
        if kind.because:
            result["order_because"] = kind.because
        if count > within_range:
            result["out_of_range"] = count - within_range
        if within_range:
            histogram = histograms[column]
            histogram["edges"] = [_moment(int(edge), True) for edge in histogram["edges"]]
            result |= {
                "first": _moment(first, timed),
                "last": _moment(last, timed),
                "days": plain((last - first) / DAY_MICROSECONDS),
                "histogram": histogram,
            }
    return results


def plain(value: float) -> float | int:
    """Return a number as it is, a whole one without a point where it can be told from its neighbours."""
    return int(value) if value.is_integer() and abs(value) < EXACT_BELOW else value


def _moment(microseconds: int, timed: bool) -> str:
    moment = datetime(1970, 1, 1) + timedelta(seconds=microseconds // 1_000_000)
    return moment.isoformat() if timed else moment.date().isoformat()
