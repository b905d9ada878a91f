"""Numbers and texts as a person reads them, for the chart and the report."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from .texts import ELLIPSIS, one_line


def number(value: float, unit: str = "") -> str:
    """Return a number with its unit: whole ones exactly, money with two places, others with four digits or more."""
    if value == int(value) and abs(value) < 2**53:
        text = f"{int(value):,}"
    elif unit not in ("", "%", "‰") or 1000 <= abs(value) < 1e15:
        text = f"{value:,.2f}"
    elif 0.001 <= abs(value) < 1e15:
        text = f"{value:.4g}"
    else:
        text = f"{value:.3e}"
    if unit in ("%", "‰") or unit[:1].isalpha():
        return f"{text} {unit}"
    return f"{unit}{text}" if not text.startswith("-") else f"-{unit}{text[1:]}"


def short(text: str, length: int) -> str:
    """Return a text on one line, cut to a number of characters."""
    text = one_line(text[: length + 1])
    return text if len(text) <= length else f"{text[: length - 1].rstrip()}{ELLIPSIS}"


def file_name(path: Path) -> str:
    """Return a file's name on one line; bytes of it that are not UTF-8 become U+FFFD, since no text can carry them."""
    return one_line(os.fsencode(path.name).decode("utf-8", "replace"))


def moment(text: str) -> str:
    """Return a date or time as the summary has it without its seconds."""
    return text.replace("T", " ")[:16]


def counted(count: int, word: str) -> str:
    """Return a number with its noun."""
    return f"{count:,} {word if count == 1 else f'{word}s'}"


def listed(names: Sequence[str], most: int = 4) -> str:
    """Return names as part of a sentence; of many, the first ones."""
    shown = [short(name, 40) for name in names[:most]]
    if len(names) > most:
        return f"{', '.join(shown)} and {len(names) - most:,} more"
    return " and ".join([", ".join(shown[:-1]), shown[-1]] if len(shown) > 1 else shown)


def rows_line(summary: dict[str, Any]) -> str:
    """Return a sentence of what happened to the rows."""
    rows = summary["rows"]
    parts = [counted(rows["kept"], "row"), counted(len(summary["columns"]), "column")]
    if rows["duplicates_dropped"]:
        parts.append(f"{counted(rows['duplicates_dropped'], 'duplicate')} dropped")
    return " · ".join(parts)


def left_out_line(column: dict[str, Any]) -> str:
    """Return what of a column its statistics leave out; empty where they leave out nothing."""
    parts = []
    if column.get("unrecognised"):
        what = "number" if column["type"] == "number" else "date"
        one = column["unrecognised"] == 1
        parts.append(f"{counted(column['unrecognised'], 'cell')} not {f'a {what}' if one else f'{what}s'}")
    if column.get("out_of_range"):
        parts.append(f"{counted(column['out_of_range'], 'date')} out of range")
    return f"left out: {', '.join(parts)}" if parts else ""
