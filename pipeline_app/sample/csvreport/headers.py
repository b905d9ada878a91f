"""Names of columns that are unique and not empty."""

from __future__ import annotations

from collections.abc import Sequence


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
