"""What a cell says: missing, a number, a date, yes or no, or plain text.

A number or date can often be read in more than one way (``1,234`` or ``03/04/2026``), so a cell has several readings,
and which one holds is decided by all cells of its column.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable
from datetime import UTC, datetime
from functools import lru_cache
from typing import Final, Literal, NamedTuple

Kind = Literal["boolean", "date", "number", "text"]

BOOLEANS: Final = {"false": "false", "no": "false", "true": "true", "yes": "true"}
MISSING: Final = frozenset({"", "#n/a", "-", "--", "?", "n/a", "nan", "none", "null"})

# A longer cell is text, whatever it looks like.
MAX_LENGTH: Final = 64

_CURRENCY: Final = "€$£¥"
_NUMBER: Final = r"""
    (?P<sign>[+-]?) (?P<before>[{currency}]?) {blank}?
    (?P<whole>0|[1-9]\d{{0,2}}(?:[{groups}]\d{{3}})+|[1-9]\d*|(?={point}))
    (?P<fraction>{point}\d+)? (?P<exponent>[eE][+-]?\d{{1,3}})? {blank}? (?P<after>[{currency}%]?)
"""
# Spaces (also those that do not break) and apostrophes group thousands in both notations.
_BLANK: Final = r"[\ \u00a0\u202f]"
_COMMA: Final = re.compile(
    _NUMBER.format(blank=_BLANK, currency=_CURRENCY, groups=r".\ '\u00a0\u202f", point=","), re.ASCII | re.VERBOSE
)
_POINT: Final = re.compile(
    _NUMBER.format(blank=_BLANK, currency=_CURRENCY, groups=r",\ '\u00a0\u202f", point=r"\."), re.ASCII | re.VERBOSE
)
_PLAIN: Final = re.compile(r"-?(?:0|[1-9]\d*)(?:\.\d+)?", re.ASCII)
_DATE: Final = re.compile(
    r"""
    (?: (?P<year>\d{4}) (?P<mark>[-/.]) (?P<month>\d{1,2}) (?P=mark) (?P<day>\d{1,2})
      | (?P<first>\d{1,2}) (?P<dots>[-/.]) (?P<second>\d{1,2}) (?P=dots) (?P<last>\d{4}) )
    (?: [T\ ] (?P<hour>\d{1,2}) : (?P<minute>\d\d) (?: : (?P<clock>\d\d) (?:[.,](?P<part>\d{1,9}))? )?
        \ ? (?P<zone>Z|[+-]\d\d:?\d\d)? )?
    """,
    re.ASCII | re.VERBOSE,
)


class Reading(NamedTuple):
    """One way to read a cell: its kind and notation, such as ``("number", "comma")`` or ``("date", "day first")``."""

    kind: Kind
    notation: str


class Signature(NamedTuple):
    """All ways to read a cell other than as text, and the currency or percent sign that it carries."""

    readings: tuple[Reading, ...]
    unit: str = ""


class Value(NamedTuple):
    """A cell that was read: its text in the one form of the cleaned file, and its number (a date's is in seconds)."""

    text: str
    number: float


_NUMBERS: Final = (Reading("number", "point"), Reading("number", "comma"))
_DATES: Final = tuple(Reading("date", notation) for notation in ("year first", "day first", "month first"))
_JUST_TEXT: Final = Signature(())
_BOOLEAN: Final = Signature((Reading("boolean", ""),))


def is_missing(cell: str) -> bool:
    """Tell whether a cell stands for no value."""
    return not cell or (len(cell) <= 4 and cell.lower() in MISSING)


@lru_cache(maxsize=16_384)
def signature(cell: str) -> Signature:
    """Return all ways to read a cell (not an empty one), and its unit."""
    if cell[0].isalpha():
        return _BOOLEAN if cell.lower() in BOOLEANS else _JUST_TEXT
    if len(cell) > MAX_LENGTH:
        return _JUST_TEXT
    numbers = tuple(reading for reading in _NUMBERS if read(cell, reading))
    if numbers:
        return Signature(numbers, next((sign for sign in f"{_CURRENCY}%" if sign in cell), ""))
    return Signature(tuple(reading for reading in _DATES if read(cell, reading)))


def read(cell: str, reading: Reading) -> Value | None:
    """Read a cell in one way; return None where it cannot be read so."""
    if reading.kind == "number":
        return _number(cell, reading.notation)
    if reading.kind == "date":
        return _date(cell, reading.notation)
    if reading.kind == "boolean":
        text = BOOLEANS.get(cell.lower())
        return None if text is None else Value(text, float(text == "true"))
    return Value(cell, math.nan)


def _number(cell: str, notation: str) -> Value | None:
    # Most numbers are written plainly, so they get the short way.
    if len(cell) <= MAX_LENGTH and _PLAIN.fullmatch(cell) and (notation == "point" or "." not in cell):
        return Value(cell, float(cell))
    match = (_COMMA if notation == "comma" else _POINT).fullmatch(cell)
    if match is None or (match["before"] and match["after"]) or not (match["whole"] or match["fraction"]):
        return None
    # Digits are kept as they were written: the cleaned file must not gain or lose precision.
    digits = re.sub(r"\D", "", match["whole"]) or "0"
    fraction = f".{match['fraction'][1:]}" if match["fraction"] else ""
    text = f"{match['sign'].replace('+', '')}{digits}{fraction}{match['exponent'] or ''}"
    number = float(text)
    return Value(text, number) if math.isfinite(number) else None


def _date(cell: str, notation: str) -> Value | None:
    match = _DATE.fullmatch(cell)
    if match is None or (match["year"] is None) is (notation == "year first"):
        return None
    if match["year"] is not None:
        year, month, day = match["year"], match["month"], match["day"]
    else:
        year = match["last"]
        day, month = match["first"], match["second"]
        if notation == "month first":
            day, month = month, day
    microsecond = int((match["part"] or "").ljust(6, "0")[:6])
    try:
        moment = datetime(
            int(year),
            int(month),
            int(day),
            int(match["hour"] or 0),
            int(match["minute"] or 0),
            int(match["clock"] or 0),
            microsecond,
        )
        if match["zone"]:
            moment = datetime.fromisoformat(f"{moment.isoformat()}{match['zone']}")
    except ValueError:
        return None
    text = moment.isoformat() if match["hour"] else moment.date().isoformat()
    aware = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return Value(text, aware.timestamp())


def normalised_headers(headers: Iterable[str]) -> list[str]:
    """Return headers in small letters with underscores, each one once, and a name for each empty one."""
    names: list[str] = []
    for number, header in enumerate(headers, start=1):
        base = re.sub(r"\W+", "_", header.replace("%", " percent ").lower()).strip("_") or f"column_{number}"
        name, again = base, 2
        while name in names:
            name, again = f"{base}_{again}", again + 1
        names.append(name)
    return names
