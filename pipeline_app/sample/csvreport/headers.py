"""Whether a first row names the columns, and names of columns that are unique and not empty."""

from __future__ import annotations

import itertools
import re
from collections import Counter
from collections.abc import Sequence
from typing import Final

from .values import kind_of

# Of the values of a column, so many are of one kind where it has one.
MAIN_SHARE: Final = 0.8
YEAR: Final = "(?:1[89]|20|21)[0-9]{2}"


def unique_names(headers: Sequence[str]) -> list[str]:
    """Return a name for each header: itself where it can be, ``column_N`` for an empty one, ``name_2`` for a second."""
    own = {header for header in headers if header.strip()}
    used: set[str] = set()
    names: list[str] = []
    again: dict[str, int] = {}
    for number, header in enumerate(headers, start=1):
        base = header if header.strip() else f"column_{number}"
        name = base
        while name in used or (name in own and name != header):
            again[base] = again.get(base, 1) + 1
            name = f"{base}_{again[base]}"
        used.add(name)
        names.append(name)
    return names


def main_kind(table: Sequence[Sequence[str]], number: int) -> str:
    """Return ``number`` or ``date`` where that is what a column of some rows has; empty where it is neither."""
    kinds = Counter(kind_of(row[number]) for row in table if number < len(row))
    del kinds["missing"]
    if not kinds:
        return ""
    main, count = kinds.most_common(1)[0]
    return main if main in ("date", "number") and count >= MAIN_SHARE * kinds.total() else ""


def is_header(first: Sequence[str], table: Sequence[Sequence[str]]) -> bool:
    """Tell whether a first row names the columns, by how its cells differ from those below."""
    if told := votes(first, table):
        return told > 0
    kinds = [kind_of(cell) for cell in first]
    return not all(kind in ("date", "missing", "number") for kind in kinds) or all(not cell.strip() for cell in first)


def votes(first: Sequence[str], table: Sequence[Sequence[str]]) -> int:
    """Return how many columns speak for a first row as a header, less those that speak against it."""
    kinds = [kind_of(cell) for cell in first]
    if table and _numbers_are_names(first, kinds, table):
        return 1
    found = 0
    for number, kind in enumerate(kinds):
        main = main_kind(table, number)
        if main:
            found += -1 if kind == main else 1 if kind in ("text", "truth") else 0
    return found


def _numbers_are_names(first: Sequence[str], kinds: Sequence[str], table: Sequence[Sequence[str]]) -> bool:
    """Tell whether the numbers of a first row name columns: years or a series, as in ``country,2019,2020``."""
    columns = [number for number, kind in enumerate(kinds) if kind == "number"]
    names = [first[number].strip() for number in columns]
    corner = not first[0].strip() and any(row and row[0].strip() for row in table)
    if not names or len(set(names)) < len(names) or not ("text" in kinds or corner):
        return False
    below = [row[number].strip() for row in table for number in columns if number < len(row)]
    if all(re.fullmatch(YEAR, name) for name in names):
        if len(names) == 1:
            return not any(re.fullmatch(YEAR, cell) for cell in below)
        return any(cell and cell not in names for cell in below)
    if not all(re.fullmatch("[0-9]{1,6}", name) for name in names):
        return False
    numbers = list(map(int, names))
    steps = {after - before for before, after in itertools.pairwise(numbers)}
    # A first row of values may be a short series by chance, and the more seldom the longer it is.
    least = 1 if corner and numbers[0] == 0 else 3 if numbers[0] in (0, 1) and steps == {1} else 5
    is_series = len(steps) <= 1 and min(steps, default=1) > 0 and len(names) >= least
    return is_series and any(cell and cell not in names for cell in below)
