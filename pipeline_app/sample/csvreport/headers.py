"""Whether a first row names the columns, and names of columns that are unique and not empty."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from typing import Final

from .values import kind_of

# Of the values of a column, so many are of one kind where it has one.
MAIN_SHARE: Final = 0.8


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
    kinds = [kind_of(cell) for cell in first]
    if not table:
        return not all(kind in ("date", "missing", "number") for kind in kinds) or all(not cell for cell in first)
    if "text" in kinds and _are_years(first, kinds, table):
        return True
    votes = 0
    for number, kind in enumerate(kinds):
        main = main_kind(table, number)
        if main:
            votes += -1 if kind == main else 1 if kind in ("text", "truth") else 0
    if votes:
        return votes > 0
    return not all(kind in ("date", "missing", "number") for kind in kinds) or all(not cell.strip() for cell in first)


def _are_years(first: Sequence[str], kinds: Sequence[str], table: Sequence[Sequence[str]]) -> bool:
    """Tell whether the numbers of a first row are years that name columns, as in ``country,2019,2020``."""
    numbers = [cell.strip() for cell, kind in zip(first, kinds, strict=True) if kind == "number"]
    years = [int(each) for each in numbers if re.fullmatch(r"(?:1[89]|20|21)[0-9]{2}", each)]
    if len(years) < 2 or len(years) < len(numbers) or len(set(years)) < len(years):
        return False
    return any(
        cell.strip() not in numbers for row in table for cell, kind in zip(row, kinds, strict=False) if kind == "number"
    )
