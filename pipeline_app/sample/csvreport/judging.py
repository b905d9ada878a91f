"""What a column is by the forms of its cells.

Cells that differ in their digits alone have one form (``1.234,50 €`` and ``9.876,54 €``), so a column of millions of
cells is judged by the few forms that it has. A column is of a kind if nearly all of its cells can be read so and none
speaks against it; whatever is not certain stays text, with the reason.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field, replace
from typing import Final, Literal

from . import values
from .values import Order

# A column is of a kind if this share of its values can be read so; the others are left out of its statistics and told.
REQUIRED_SHARE: Final = 0.95

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
    exponents: Counter[bool] = Counter()
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
        if "e" in cell.lower():
            exponents[values.is_bare_exponent(cell)] += values.is_bare_exponent(cell) or values.has_exponent(cell)
    if sum(count.values()) < REQUIRED_SHARE * total:
        return None
    reason = ""
    if count["naming"]:
        reason = "leading zeros, or a plus sign before many digits: these name something"
    elif exponents[True] and not (exponents[False] or count["."] or count[","]):
        reason = "digits around an E, without a decimal sign and a sign of the exponent, may name something"
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
        # To be settled by the other columns, else by custom.
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
