"""What each column is: numbers, dates, yes and no, or texts; decided by all of its cells, and for statistics alone.

A sample tells which columns are worth a look at all forms of their cells; what a column's own cells leave open is
settled by the other columns, else by custom.
"""

# Queries are made of this module's own words, the columns' numbers, and literals that database.text quotes.
# ruff: noqa: S608

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Container, Sequence
from dataclasses import replace
from functools import partial
from typing import Final

from . import values
from .database import Database, text
from .judging import Form, Kind, judge
from .readings import date_expression, number_expression
from .together import Row, ask, filled, grouped
from .values import Decimal

# What is far from a kind in a sample need not be looked at in full.
SAMPLE_SHARE: Final = 0.8
SAMPLE_SIZE: Final = 1_000
MOST_FORMS: Final = 5_000
# A column whose sample has so few different cells is taken for one that repeats them.
FEW: Final = 100
# A plain number whose point could as well group thousands.
GROUP: Final = r"-?[1-9][0-9]{0,2}\.[0-9]{3}"
# Countries with these signs write a decimal point, so a comma beside one groups thousands.
_POINT_UNITS: Final = "$ £ ¥ ₹ ₩ ฿ US$ A$ C$ AUD CAD GBP HKD INR JPY KRW MXN NZD PHP SGD THB TWD USD"
POINT_UNITS: Final = frozenset(_POINT_UNITS.split())
OTHERWISE: Final = "read the other way, its numbers are 1,000 times as"


def decide(database: Database, columns: Sequence[str], delimiter: str) -> dict[str, Kind]:
    """Return what the columns of the table are."""
    kinds = _first_look(database, columns)
    _settle_decimals(database, kinds, delimiter)
    _settle_orders(database, kinds)
    for column, kind in kinds.items():
        kinds[column] = _with_expression(column, kind)
    _missing_in_texts(database, kinds)
    return kinds


def _first_look(database: Database, columns: Sequence[str]) -> dict[str, Kind]:
    kinds = dict.fromkeys(columns, Kind())
    numbers: list[str] = []
    dates: list[str] = []
    others: list[str] = []
    # The same cells each time, from all over the table.
    samples = ask(database, filled(columns), [f"min_by(v, hash(r), {SAMPLE_SIZE}) FILTER (v IS NOT NULL)"])
    repeating = {column for column, (sample,) in samples.items() if sample and len(set(sample)) <= FEW}
    for column, (sample,) in samples.items():
        found = Counter(map(values.kind_of, sample or []))
        missing = found.pop("missing", 0)
        if found and found["number"] == found.total():
            numbers.append(column)
        elif sample and all(re.fullmatch(values.PLAIN_DATE, cell) for cell in sample):
            dates.append(column)
        elif found["number"] + found["date"] + found["truth"] >= SAMPLE_SHARE * found.total() and (found or missing):
            others.append(column)
    pattern = text(values.PLAIN)
    odd = ask(
        database, filled(numbers), [f"count_if(NOT regexp_full_match(v, {pattern}))", "count_if(contains(v, '.'))"]
    )
    plain = [column for column, (count, _) in odd.items() if not count]
    kinds |= dict.fromkeys(plain, Kind(decimal=".", type="number"))
    # All of their points could as well group thousands, as far as the sample shows.
    unclear = [column for column in plain if odd[column][1] and _may_group(samples[column][0])]
    for column, (some, decimal) in _points(database, unclear).items():
        if some and not decimal:
            kinds[column] = replace(kinds[column], because="open")
    kinds |= dict.fromkeys(dates, Kind(mark="-", order="year first", type="date"))
    odd |= ask(database, filled(dates), [f"count_if(NOT regexp_full_match(v, {text(values.PLAIN_DATE)}))"])
    others += [column for column in (*numbers, *dates) if odd[column][0]]
    return kinds | _by_forms(database, others, repeating)


def _may_group(sample: Sequence[str]) -> bool:
    return all(re.fullmatch(GROUP, cell) for cell in sample if "." in cell)


def _by_forms(database: Database, columns: Sequence[str], repeating: Container[str] = ()) -> dict[str, Kind]:
    """Judge columns by their forms; where the same cells come again and again, each is looked at once."""

    def query(source: str, repeats: bool) -> str:
        cells = f"SELECT k, v, {'count(*)' if repeats else '1'} AS n FROM {source} WHERE v IS NOT NULL"
        return (
            f"SELECT k, min(v), sum(n)::BIGINT FROM ({cells}{' GROUP BY k, v' if repeats else ''}) "
            "GROUP BY k, translate(v, '0123456789', '9999999999'), regexp_matches(v, '^[^0-9]*0') "
            f"QUALIFY row_number() OVER (PARTITION BY k) <= {MOST_FORMS + 1}"
        )

    forms: dict[str, list[Row]] = {}
    for repeats in (False, True):
        those = [column for column in columns if (column in repeating) == repeats]
        forms |= grouped(database, filled(those), partial(query, repeats=repeats))
    return {
        column: judge([Form(*row) for row in sorted(rows)]) if len(rows) <= MOST_FORMS else Kind()
        for column, rows in forms.items()
    }


def _settle_decimals(database: Database, kinds: dict[str, Kind], delimiter: str) -> None:
    """Settle the decimal sign of columns whose own cells do not tell it: by the other columns, else by custom."""
    numbers = {column: kind for column, kind in kinds.items() if kind.type == "number"}
    known = {kind.decimal for kind in numbers.values() if kind.forms and not kind.because} - {""}
    is_open = any(kind.because for kind in numbers.values())
    if known == {","} or (is_open and not known):
        points = _points(database, [column for column, kind in numbers.items() if not kind.forms])
        if known:
            # All of their points could as well group thousands.
            regrouped = _by_forms(
                database, [column for column, (some, decimal) in points.items() if some and not decimal]
            )
            kinds |= {
                column: replace(kind, because="the other columns", decimal=",") for column, kind in regrouped.items()
            }
        elif any(decimal for _, decimal in points.values()):
            known = {"."}
    for column in numbers:
        kind = kinds[column]
        if kind.because != "open":
            continue
        if len(known) == 1:
            kinds[column] = replace(kind, because="the other columns", decimal=next(iter(known)))
        elif kind.decimal == ",":
            kinds[column] = _commas_by_custom(kind, delimiter)
        else:
            kinds[column] = replace(kind, because=f"custom: a single point ({OTHERWISE} large)")


def _commas_by_custom(kind: Kind, delimiter: str) -> Kind:
    custom = ""
    if delimiter == ",":
        custom = "commas group thousands where they also separate cells"
    elif kind.unit in POINT_UNITS:
        custom = f"commas beside {kind.unit} group thousands"
    if custom:
        return replace(kind, because=f"custom: {custom} ({OTHERWISE} small)", decimal=".")
    return replace(kind, because=f"custom: a single comma ({OTHERWISE} large)")


def _points(database: Database, columns: Sequence[str]) -> dict[str, tuple[int, int]]:
    """Return how many of a column's plain numbers have a point, and how many one that cannot group thousands."""
    group = text(GROUP)
    found = ask(
        database,
        filled(columns),
        ["count_if(contains(v, '.'))", f"count_if(contains(v, '.') AND NOT regexp_full_match(v, {group}))"],
    )
    return {column: (points, decimal) for column, (points, decimal) in found.items()}


def _settle_orders(database: Database, kinds: dict[str, Kind]) -> None:
    """Settle whether days or months come first, by a part that is above 12, else by the other columns."""
    left_open = [column for column, kind in kinds.items() if kind.type == "date" and kind.because]
    pattern = "'^ *([0-9]+)[-/]([0-9]+)'"
    parts = ask(
        database,
        filled(left_open),
        [f"max(TRY_CAST(regexp_extract(v, {pattern}, {n}) AS INTEGER))" for n in (1, 2)],
    )
    for column, found in parts.items():
        first, second = (each or 0 for each in found)
        if first > 12 and second > 12:
            kinds[column] = Kind(reason="some dates have the day first and others the month")
        elif first > 12 or second > 12:
            kinds[column] = replace(kinds[column], because="", order="day first" if first > 12 else "month first")
    known = {kind.order for kind in kinds.values() if kind.type == "date" and not kind.because} - {"year first"}
    for column in left_open:
        if kinds[column].type == "date" and kinds[column].because:
            if len(known) == 1:
                kinds[column] = replace(kinds[column], because="the other columns", order=next(iter(known)))
            else:
                kinds[column] = Kind(reason="days and months of its dates cannot be told apart")


def _with_expression(column: str, kind: Kind) -> Kind:
    examples = [form.example for form in kind.forms]
    if kind.type == "number":
        decimal: Decimal = "," if kind.decimal == "," else "."
        return replace(kind, expression=number_expression(column, decimal, kind.unit, examples))
    if kind.type == "date" and kind.order:
        return replace(kind, expression=date_expression(column, kind.order, kind.mark, examples))
    return kind


def _missing_in_texts(database: Database, kinds: dict[str, Kind]) -> None:
    """Take words for missing in columns of texts too where they are missing in other columns of the file."""
    words = sorted({word for kind in kinds.values() for word in kind.missing})
    if not words:
        return
    listed = ", ".join(map(text, words))
    texts = [column for column, kind in kinds.items() if kind.type == "text" and not kind.missing]
    counted = grouped(
        database,
        filled(texts),
        lambda source: f"SELECT k, v, count(*) FROM {source} WHERE v IN ({listed}) GROUP BY k, v",
    )
    found: dict[str, dict[str, int]] = {column: dict(rows) for column, rows in counted.items() if rows}
    codes = ask(
        database,
        filled(list(found)),
        [
            f"count_if(v NOT IN ({listed}) AND regexp_full_match(v, '[A-Z]{{2,3}}'))",
            f"count_if(v NOT IN ({listed}))",
        ],
    )
    for column, missing in found.items():
        matching, cells = codes[column]
        if cells and matching >= 0.8 * cells:
            # Among codes of capitals, NA is Namibia or North America.
            missing = {word: number for word, number in missing.items() if not (word.isalpha() and word.isupper())}
        kinds[column] = replace(kinds[column], missing=missing)
