"""What a cell may say: a number, a date, yes or no, that there is no value, or plain text.

The grammar is one for Python and for the database: the patterns keep to what both ``re`` and RE2
(https://github.com/google/re2/wiki/Syntax) read alike, so no look-around and no references. A number or date can often
be read in more than one way (``1,234`` or ``03/04/2026``); which way holds is decided by all cells of a column.
"""

from __future__ import annotations

import re
import sys
import unicodedata
from functools import cache
from typing import Final, Literal

Decimal = Literal[",", "."]
Order = Literal["day first", "month first", "year first"]

# 2**53 and beyond, neighbours among whole numbers are one floating-point number.
EXACT_BELOW: Final = 2**53
# Such as a telephone number: a plus sign and so many digits name something.
NAMING_DIGITS: Final = 8
# A longer cell is text, whatever it looks like.
LONGEST: Final = 64

MINUS: Final = "\u2212"
# What stands for the cents of a whole price, as in "5,-" or "5.--".
NO_CENTS: Final = "-\u2012\u2013\u2014\u2015" + MINUS
BLANKS: Final = " \u00a0\u2009\u202f"
# What groups thousands beside commas and points.
GAPS: Final = BLANKS + "'\u2019"
_MISSING: Final = (
    r"\n #n/a #na #null! #div/0! #value! #ref! (null) <na> <null> - -- ? . n/a na nan nil none null " "\u2013 \u2014"
)
MISSING_WORDS: Final = frozenset(_MISSING.split())
TRUTHS: Final = (frozenset(("false", "true")), frozenset(("no", "yes")))

# The most traded currencies of ISO 4217, and what people write for some beside a sign.
_CODES: Final = (
    "AED ARS AUD BRL CAD CHF CLP CNY COP CZK DKK EGP EUR GBP HKD HUF IDR ILS INR JPY KES KRW KZT MAD MXN MYR NGN NOK "
    "NZD PEN PHP PKR PLN RON RSD RUB SAR SEK SGD THB TRY TWD UAH USD UYU VND "
    "ZAR "  # codespell:ignore zar
    "R$ US$ A$ C$ kr kr. zł Kč Ft Fr. лв "
    "\u0440\u0443\u0431. \u0440\u0443\u0431 Rs Rs."
)
_SIGNS: Final = [chr(each) for each in range(sys.maxunicode) if unicodedata.category(chr(each)) == "Sc"]
_UNITS: Final = "|".join(sorted(map(re.escape, ["%", "‰", *_CODES.split(), *_SIGNS]), key=len, reverse=True))

PLAIN: Final = r"-?(0|[1-9][0-9]{0,14})(\.[0-9]+)?"
# Of ISO 8601, or with a blank before the time; the database reads it as it is.
PLAIN_DATE: Final = r"[0-9]{4}-[0-9]{2}-[0-9]{2}([T ][0-9]{2}:[0-9]{2}(:[0-9]{2}(\.[0-9]{1,9})?)?)?"
LEADING_ZERO: Final = r"^[^0-9]*0[0-9]"
_QUAD: Final = re.compile(r"[0-9]{1,3}(?:\.[0-9]{1,3}){3}")
_BARE_EXPONENT: Final = re.compile("[0-9]+[eE][0-9]{1,3}")
_UNIT: Final = re.compile(rf"[+\-{MINUS}(]?[{BLANKS}]?({_UNITS})?[^a-zA-Z]*?[{BLANKS}]?({_UNITS})?[-{MINUS})]?")


@cache
def number_pattern(decimal: Decimal, unit: str = "") -> str:
    """Return the pattern of a number whose decimal sign is given and that carries a unit, if one is given."""
    if decimal == ",":
        whole = rf"(?:[0-9]+|[1-9][0-9]{{0,2}}(?:[.{GAPS}][0-9]{{3}})+)"
    else:
        # The last form is India's: 12,34,567.
        whole = rf"(?:[0-9]+|[1-9][0-9]{{0,2}}(?:[,{GAPS}][0-9]{{3}})+|[1-9][0-9]?(?:,[0-9]{{2}})+,[0-9]{{3}})"
    point = re.escape(decimal)
    exact = rf"(?:{whole}(?:{point}[0-9]+)?(?:[eE][+-]?[0-9]{{1,3}})?|{point}[0-9]+)"
    core = rf"(?:{exact}|{whole}{point}(?:[{NO_CENTS}]{{1,2}}|=|[eE][+-]?[0-9]{{1,3}})?)"
    gap, sign = f"[{BLANKS}]?", rf"[+\-{MINUS}]"
    if unit:
        mark = re.escape(unit)
        body = f"(?:{mark}{gap}{core}|{core}{gap}{mark})"
        forms = [f"{sign}?{gap}{body}", f"{mark}{gap}{sign}{core}", rf"\({body}\)"]
        forms += [rf"{mark}{gap}\({core}\)", rf"\({core}\){gap}{mark}", rf"{exact}[\-{MINUS}]{gap}{mark}"]
        forms += [rf"{mark}{gap}{exact}[\-{MINUS}]", rf"{exact}{gap}{mark}[\-{MINUS}]"]
    else:
        forms = [f"{sign}?{gap}{core}", rf"{exact}[\-{MINUS}]", rf"\({core}\)"]
    blanks = f"[{BLANKS}]*"
    return f"{blanks}(?:{'|'.join(forms)}){blanks}"


@cache
def date_pattern(order: Order, mark: str) -> str:
    """Return the pattern of a date, with or without a time, whose parts stand in an order with a mark between them."""
    year, part, between = "[0-9]{4}", "[0-9]{1,2}", re.escape(mark)
    parts = [year, part, part] if order == "year first" else [part, part, year]
    zone = r"(?: ?(?:Z|UTC|[+-][0-9]{2}(?::?[0-9]{2})?))?"
    time = rf"[T ][0-9]{{1,2}}:[0-9]{{2}}(?::[0-9]{{2}}(?:[.,][0-9]{{1,9}})?)?(?: ?[AaPp][Mm])?{zone}"
    return f" *{between.join(parts)}(?:{time})? *"


@cache
def _compiled(pattern: str) -> re.Pattern[str]:
    return re.compile(pattern)


def is_number(cell: str, decimal: Decimal, unit: str = "") -> bool:
    """Tell whether a cell is a number in one notation."""
    return len(cell) <= LONGEST and _compiled(number_pattern(decimal, unit)).fullmatch(cell) is not None


def unit_of(cell: str) -> str:
    """Return the currency or percent sign that a cell carries if it is a number with one; empty where it has none."""
    match = _UNIT.fullmatch(cell.strip(BLANKS)) if len(cell) <= LONGEST else None
    return (match[1] or match[2] or "") if match else ""


def is_bare_exponent(cell: str) -> bool:
    """Tell whether a cell is digits, an E and digits, such as ``12E5``: a number, or the name of an article."""
    return _BARE_EXPONENT.fullmatch(cell.strip(BLANKS)) is not None


def has_exponent(cell: str) -> bool:
    """Tell whether a cell that is a number has an exponent that is for certain one, such as ``1.2E5`` or ``1e+05``."""
    return re.search("[0-9.,][eE][+-]?[0-9]", cell) is not None and not is_bare_exponent(cell)


def date_readings(cell: str) -> list[tuple[Order, str]]:
    """Return the orders, with the mark between the parts, in which a cell could be a date."""
    found: list[tuple[Order, str]] = []
    if len(cell) <= LONGEST and cell[:1] in "0123456789 ":
        for mark in "-/.":
            orders: tuple[Order, ...] = ("day first", "month first", "year first")
            # A point between day and month is the custom of countries where days come first.
            for order in orders[::2] if mark == "." else orders:
                if _compiled(date_pattern(order, mark)).fullmatch(cell):
                    found.append((order, mark))
    return found


def is_quad(cell: str) -> bool:
    """Tell whether a cell has the form of an IPv4 address."""
    return _QUAD.fullmatch(cell.strip()) is not None


def is_missing_word(cell: str) -> bool:
    r"""Tell whether a cell is a word such as ``\N``, ``NULL`` or ``NA``, which may stand for no value."""
    return len(cell) <= 8 and cell.strip().lower() in MISSING_WORDS


def is_naming(cell: str) -> bool:
    """Tell whether the digits of a cell name something, such as a postcode or a telephone number, and count nothing."""
    text = cell.strip()
    if re.match(LEADING_ZERO, text):
        return True
    return text.startswith("+") and sum(each.isdigit() for each in text) >= NAMING_DIGITS


def kind_of(cell: str) -> str:
    """Return what a single cell looks like: ``number``, ``date``, ``truth``, ``missing`` or ``text``."""
    if not cell.strip() or is_missing_word(cell):
        return "missing"
    unit = unit_of(cell)
    if (is_number(cell, ".", unit) or is_number(cell, ",", unit)) and not is_quad(cell):
        return "number"
    if date_readings(cell):
        return "date"
    return "truth" if any(cell.strip().lower() in pair for pair in TRUTHS) else "text"
