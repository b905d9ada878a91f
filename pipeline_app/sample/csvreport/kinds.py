"""What each column is: numbers, dates, yes and no, or texts; decided by all of its cells, and for statistics alone.

Cells that differ in their digits alone have one form (``1.234,50 €`` and ``9.876,54 €``), so a column of millions of
cells is judged by the few forms that it has. A column is of a kind if nearly all of its cells can be read so and none
speaks against it; whatever is not certain stays text, with the reason.
"""

# Queries are made of this module's own words, the columns' numbers, and literals that database.text quotes.
# ruff: noqa: S608

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field, replace
from typing import Final, Literal

from . import values
from .database import Database, text
from .readings import date_expression, number_expression
from .values import Decimal, Order

# A column is of a kind if this share of its values can be read so; the others are left out of its statistics and told.
REQUIRED_SHARE: Final = 0.95
# What is far from it in a sample need not be looked at in full.
SAMPLE_SHARE: Final = 0.8
SAMPLE_SIZE: Final = 1_000
MOST_FORMS: Final = 5_000
EXAMPLES: Final = 3

Type = Literal["boolean", "date", "number", "text"]


@dataclass(frozen=True)
class Form:
    """Cells that differ in their digits alone: one of them, and how many there are."""

    example: str
    count: int


@dataclass(frozen=True, kw_only=True)
class Kind:
    """What a column is.

    Attributes:
        decimal: the decimal sign of its numbers; empty where none of them has one.
        because: what told the decimal sign, or the order of day and month, where its own cells did not.
        expression: SQL that reads a cell as DOUBLE or TIMESTAMP, NULL where it cannot be; empty for texts.
        forms: of its cells, where they were looked at.
        missing: words that stand for no value, as they are spelled, with their numbers.
        order: of year, month and day in its dates.
        mark: between year, month and day.
        reason: why it is text, though it looks like something else.
        type: what it is.
        unit: the currency or percent sign of all of its numbers.
    """

    because: str = ""
    decimal: str = ""
    expression: str = ""
    forms: tuple[Form, ...] = ()
    mark: str = ""
    missing: dict[str, int] = field(default_factory=dict)
    order: Order | Literal[""] = ""
    reason: str = ""
    type: Type = "text"
    unit: str = ""


def decide(database: Database, columns: list[str], delimiter: str) -> list[Kind]:
    """Return what the columns of the table are."""
    kinds = [_first_look(database, column) for column in columns]
    kinds = _settle_decimals(database, columns, kinds, delimiter)
    kinds = _settle_orders(database, columns, kinds)
    kinds = [_with_expression(column, kind) for column, kind in zip(columns, kinds, strict=True)]
    return _missing_in_texts(database, columns, kinds)


def _first_look(database: Database, column: str) -> Kind:
    sample = [
        row[0]
        for row in database.rows(
            f"SELECT {column} FROM {database.table(column)} WHERE {column} <> '' "
            f"USING SAMPLE reservoir({SAMPLE_SIZE} ROWS) REPEATABLE (1)"
        )
    ]
    found = Counter(map(values.kind_of, sample))
    missing = found.pop("missing", 0)
    if not found:
        return _by_forms(database, column) if missing else Kind()
    main, count = found.most_common(1)[0]
    looked_like = found["number"] + found["date"] + found["truth"]
    if main == "number" and count == found.total():
        pattern = text(values.PLAIN)
        all_plain = database.row(
            f"SELECT count_if({column} <> '' AND NOT regexp_full_match({column}, {pattern})) = 0 "
            f"FROM {database.table(column)}"
        )[0]
        if all_plain:
            return Kind(decimal=".", type="number")
    return _by_forms(database, column) if looked_like >= SAMPLE_SHARE * found.total() else Kind()


def _by_forms(database: Database, column: str) -> Kind:
    rows = database.rows(
        f"SELECT min({column}), count(*) FROM {database.table(column)} WHERE {column} <> '' GROUP BY "
        f"translate({column}, '0123456789', '9999999999'), regexp_matches({column}, '^[^0-9]*0') LIMIT {MOST_FORMS + 1}"
    )
    if len(rows) > MOST_FORMS:
        return Kind()
    return judge([Form(*row) for row in sorted(rows)])


def judge(forms: list[Form]) -> Kind:
    """Return what a column is by the forms of its cells; the decimal sign or the order may be left open."""
    missing = {form.example: form.count for form in forms if values.is_missing_word(form.example)}
    others = [form for form in forms if form.example not in missing and form.example.strip()]
    total = sum(form.count for form in others)
    if not total:
        return Kind()
    base = Kind(forms=tuple(forms), missing=missing)
    if all(values.kind_of(form.example) == "truth" for form in others):
        said = {form.example.strip().lower() for form in others}
        # One of the two words alone may be something else, such as the country Norway.
        return replace(base, type="boolean") if said in [set(pair) for pair in values.TRUTHS] else Kind()
    for judged in (_as_numbers(others, total, base), _as_dates(others, total, base)):
        if judged:
            return judged
    return Kind()


def _as_numbers(forms: list[Form], total: int, base: Kind) -> Kind | None:
    count: Counter[str] = Counter()
    units: Counter[str] = Counter()
    ambiguous_signs: set[str] = set()
    for form in forms:
        cell = form.example
        unit = values.unit_of(cell)
        point, comma = values.is_number(cell, ".", unit), values.is_number(cell, ",", unit)
        if values.is_quad(cell):
            count["quad"] += form.count
        elif not (point or comma):
            count["naming"] += form.count if values.is_naming(cell) and _digits_alone(cell) else 0
            continue
        elif values.is_naming(cell):
            count["naming"] += form.count
        elif point and comma:
            signs = set(cell) & {",", "."}
            ambiguous_signs |= signs
            count["ambiguous" if signs else "whole"] += form.count
        else:
            count["." if point else ","] += form.count
        units[unit] += form.count
    if sum(count.values()) < REQUIRED_SHARE * total:
        return None
    reason = ""
    if count["naming"]:
        reason = "leading zeros, or a plus sign before many digits: these name something"
    elif count["quad"] and not count[","]:
        reason = "these are addresses or versions"
    elif len(units) > 1:
        told = ", ".join(f"{unit or 'none'} ({number:,})" for unit, number in units.most_common(5))
        reason = f"mixed units: {told}"
    elif count["."] and count[","]:
        reason = "some cells have a decimal comma and others a decimal point"
    elif len(ambiguous_signs) > 1 and not count["."] and not count[","]:
        reason = "commas and points could each be decimal signs"
    if reason:
        return Kind(reason=reason)
    decimal = "." if count["."] else "," if count[","] else ""
    if count["ambiguous"] and not decimal:
        # To be settled by the other columns; this is what it is by custom.
        return replace(base, because="open", decimal=ambiguous_signs.pop(), type="number", unit=next(iter(units)))
    return replace(base, decimal=decimal, type="number", unit=next(iter(units)))


def _digits_alone(cell: str) -> bool:
    return cell.strip().lstrip("+").replace(" ", "").replace("-", "").isdigit()


def _as_dates(forms: list[Form], total: int, base: Kind) -> Kind | None:
    count: Counter[tuple[Order, str]] = Counter()
    for form in forms:
        for reading in values.date_readings(form.example):
            count[reading] += form.count
    if not count:
        return None
    (order, mark), most = max(count.items(), key=lambda item: (item[1], item[0][0] == "year first"))
    if most < REQUIRED_SHARE * total:
        return None
    is_open = order != "year first" and mark != "."
    return replace(base, because="open" if is_open else "", mark=mark, order=order, type="date")


def _settle_decimals(database: Database, columns: list[str], kinds: list[Kind], delimiter: str) -> list[Kind]:
    """Settle the decimal sign of columns whose own cells do not tell it: by the other columns, else by custom."""
    known = {kind.decimal for kind in kinds if kind.forms and kind.type == "number" and not kind.because} - {""}
    if not known:
        known = (
            {"."}
            if any(
                kind.type == "number" and not kind.forms and _has_points(database, column)
                for column, kind in zip(columns, kinds, strict=True)
            )
            else set()
        )
    settled: list[Kind] = []
    for column, kind in zip(columns, kinds, strict=True):
        if kind.type == "number" and not kind.forms and known == {","} and _only_groups(database, column):
            kind = replace(_by_forms(database, column), because="the other columns", decimal=",")
        elif kind.type == "number" and kind.because:
            sign = kind.decimal
            if len(known) == 1:
                (decimal,) = known
                kind = replace(kind, because="the other columns", decimal=decimal)
            elif sign == "." or delimiter != ",":
                kind = replace(kind, because=f"custom: a single {'point' if sign == '.' else 'comma'}")
            else:
                kind = replace(
                    kind, because="custom: commas group thousands where they also separate cells", decimal="."
                )
        settled.append(kind)
    return settled


_FRACTION: Final = r"-?[0-9]+\.[0-9]+"
_GROUP: Final = r"-?[1-9][0-9]{0,2}\.[0-9]{3}"


def _has_points(database: Database, column: str) -> bool:
    """Tell whether a column of plain numbers has a cell whose point can only be a decimal sign."""
    return bool(
        database.row(
            f"SELECT count_if(regexp_full_match({column}, {text(_FRACTION)}) AND NOT regexp_full_match({column}, "
            f"{text(_GROUP)})) > 0 FROM {database.table(column)}"
        )[0]
    )


def _only_groups(database: Database, column: str) -> bool:
    """Tell whether all points of a column of plain numbers could as well group thousands, and there are some."""
    points, others = database.row(
        f"SELECT count_if(contains({column}, '.')), count_if(contains({column}, '.') AND NOT "
        f"regexp_full_match({column}, {text(_GROUP)})) FROM {database.table(column)}"
    )
    return bool(points) and not others


def _settle_orders(database: Database, columns: list[str], kinds: list[Kind]) -> list[Kind]:
    """Settle whether days or months come first, by a part that is above 12, else by the other columns."""
    settled: list[Kind] = []
    for column, kind in zip(columns, kinds, strict=True):
        if kind.type == "date" and kind.because:
            parts = [
                f"max(TRY_CAST(regexp_extract({column}, '^ *([0-9]+)[-/]([0-9]+)', {n}) AS INTEGER))" for n in (1, 2)
            ]
            row = database.row(f"SELECT {', '.join(parts)} FROM {database.table(column)}")
            first, second = (each or 0 for each in row)
            if first > 12 and second > 12:
                kind = Kind(reason="some dates have the day first and others the month")
            elif first > 12 or second > 12:
                kind = replace(kind, because="", order="day first" if first > 12 else "month first")
        settled.append(kind)
    known = {kind.order for kind in settled if kind.type == "date" and not kind.because} - {"year first"}
    for number, kind in enumerate(settled):
        if kind.type == "date" and kind.because:
            if len(known) == 1:
                settled[number] = replace(kind, because="the other columns", order=next(iter(known)))
            else:
                settled[number] = Kind(reason="days and months of its dates cannot be told apart")
    return settled


def _with_expression(column: str, kind: Kind) -> Kind:
    examples = [form.example for form in kind.forms]
    if kind.type == "number":
        decimal: Decimal = "," if kind.decimal == "," else "."
        return replace(kind, expression=number_expression(column, decimal, kind.unit, examples))
    if kind.type == "date" and kind.order:
        return replace(kind, expression=date_expression(column, kind.order, kind.mark, examples))
    return kind


def _missing_in_texts(database: Database, columns: list[str], kinds: list[Kind]) -> list[Kind]:
    """Take words for missing in columns of texts too where they are missing in other columns of the file."""
    words = sorted({word for kind in kinds for word in kind.missing})
    if not words:
        return kinds
    listed = ", ".join(map(text, words))
    result: list[Kind] = []
    for column, kind in zip(columns, kinds, strict=True):
        if kind.type == "text" and not kind.missing:
            found = dict(
                database.rows(
                    f"SELECT {column}, count(*) FROM {database.table(column)} WHERE {column} IN ({listed}) GROUP BY 1"
                )
            )
            if found and _has_codes(database, column, listed):
                # Among codes of capitals, NA is Namibia or North America.
                found = {word: number for word, number in found.items() if not (word.isalpha() and word.isupper())}
            kind = replace(kind, missing=found)
        result.append(kind)
    return result


def _has_codes(database: Database, column: str, listed: str) -> bool:
    codes, cells = database.row(
        f"SELECT count_if(regexp_full_match({column}, '[A-Z]{{2,3}}')), count(*) FROM {database.table(column)} "
        f"WHERE {column} <> '' AND {column} NOT IN ({listed})"
    )
    return bool(cells) and codes >= 0.8 * cells
