"""The six-field schedules of Azure Functions timers (NCRONTAB): second, minute, hour, day, month, day of the week."""

from __future__ import annotations

import re
from typing import Final

DAYS: Final = ("SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT")
MONTHS: Final = ("JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC")

ALLOWED: Final = "six fields (second minute hour day month weekday), such as '0 */5 * * * *' for every five minutes"
FIELDS: Final[tuple[tuple[str, int, int, tuple[str, ...]], ...]] = (
    ("second", 0, 59, ()),
    ("minute", 0, 59, ()),
    ("hour", 0, 23, ()),
    ("day", 1, 31, ()),
    ("month", 1, 12, MONTHS),
    ("weekday", 0, 6, DAYS),
)
ITEM: Final = re.compile(r"(?P<first>\*|\w+)(-(?P<last>\w+))?(/(?P<step>\d+))?", re.ASCII)


def schedule_problem(expression: str) -> str | None:
    """Return what is wrong with a schedule, or None where nothing is."""
    fields = expression.split()
    if len(fields) != len(FIELDS):
        return f"It has {len(fields)} fields. Allowed: {ALLOWED}."
    for field, (name, low, high, words) in zip(fields, FIELDS, strict=True):
        for item in field.split(","):
            if not _item_is_valid(item, low, high, words):
                return f"Its {name} {item!r} is not within {low} to {high}. Allowed: {ALLOWED}."
    return None


def _item_is_valid(item: str, low: int, high: int, words: tuple[str, ...]) -> bool:
    match = ITEM.fullmatch(item)
    if match is None or (match["step"] is not None and int(match["step"]) == 0):
        return False
    if match["first"] == "*":
        return match["last"] is None
    ends = [_number(text, low, words) for text in (match["first"], match["last"] or match["first"])]
    first, last = ends
    return first is not None and last is not None and low <= first <= last <= high


def _number(text: str, low: int, words: tuple[str, ...]) -> int | None:
    if text.isdecimal():
        return int(text)
    return words.index(text.upper()) + low if text.upper() in words else None
