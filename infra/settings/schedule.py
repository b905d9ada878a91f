"""The six-field schedules of Azure Functions timers (NCRONTAB): second, minute, hour, day, month, day of the week."""

from __future__ import annotations

import re
from datetime import date, timedelta
from itertools import pairwise
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
# The calendar repeats itself after so many days, but for a leap day in a century, and so do schedules that go by it.
CALENDAR: Final = [date(2001, 1, 1) + timedelta(days=day) for day in range(28 * 365 + 7)]
DAY_MINUTES: Final = 24 * 60
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


def longest_gap(expression: str) -> int | None:
    """Return how many minutes a valid schedule lets pass at most between two runs, or None where it never runs.

    A date has to fit day, month and weekday at once, as with the timers of Azure Functions.
    Source: https://github.com/atifaziz/NCrontab
    """
    parts = [_numbers(field, about) for field, about in zip(expression.split(), FIELDS, strict=True)]
    _, minutes, hours, days, months, weekdays = parts
    times = sorted(hour * 60 + minute for hour in hours for minute in minutes)
    dates = [
        each
        for each in CALENDAR
        if each.day in days and each.month in months and each.isoweekday() % len(DAYS) in weekdays
    ]
    if not dates:
        return None
    # The first date of the next turn of the calendar follows the last one.
    dates.append(dates[0] + timedelta(days=len(CALENDAR)))
    days_apart = max((later - earlier).days for earlier, later in pairwise(dates))
    over_night = days_apart * DAY_MINUTES - times[-1] + times[0]
    return max([over_night, *(later - earlier for earlier, later in pairwise(times))])


def _numbers(field: str, about: tuple[str, int, int, tuple[str, ...]]) -> set[int]:
    """Return the values that a valid field stands for."""
    _, low, high, words = about
    found: set[int] = set()
    for item in field.split(","):
        match = ITEM.fullmatch(item)
        if match is None:
            raise ValueError(f"{item!r} is no item of a schedule.")
        step = int(match["step"] or 1)
        first = low if match["first"] == "*" else _number(match["first"], low, words)
        # A step without an end goes on to the highest value.
        last = high if match["first"] == "*" or (match["step"] and not match["last"]) else first
        if match["last"]:
            last = _number(match["last"], low, words)
        if first is None or last is None:
            raise ValueError(f"{item!r} is no item of a schedule.")
        found.update(range(first, last + 1, step))
    return found


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
