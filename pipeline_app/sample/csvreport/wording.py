"""Numbers and texts as a person reads them, for the chart and the report."""

from __future__ import annotations

from typing import Any


def number(value: float, unit: str = "") -> str:
    """Return a number with its unit: money with two places, others with four significant digits, in groups."""
    if unit not in ("", "%") and value != int(value):
        text = f"{value:,.2f}"
    elif value == int(value) and abs(value) < 1e15:
        text = f"{int(value):,}"
    elif abs(value) >= 1000:
        text = f"{value:,.0f}"
    elif abs(value) >= 0.001:
        text = f"{value:.4g}"
    else:
        text = f"{value:.2e}"
    if unit == "%":
        return f"{text} %"
    return f"{unit}{text}" if not text.startswith("-") else f"-{unit}{text[1:]}"


def short(text: str, length: int) -> str:
    """Return a text on one line, cut to a length; control characters, which XML cannot carry, become blanks."""
    text = "".join(character if character.isprintable() else " " for character in text[: length + 1])
    return text if len(text) <= length else f"{text[: length - 1].rstrip()}…"


def moment(text: str) -> str:
    """Return a date or time as the summary has it without its seconds."""
    return text.replace("T", " ")[:16]


def rows_line(summary: dict[str, Any]) -> str:
    """Return a sentence of what happened to the rows."""
    rows = summary["rows"]
    parts = [f"{rows['kept']:,} {_plural(rows['kept'], 'row')}", _columns_part(summary)]
    for name, what in (("duplicates_dropped", "duplicate"), ("empty_dropped", "empty row")):
        if rows[name]:
            parts.append(f"{rows[name]:,} {_plural(rows[name], what)} dropped")
    return " · ".join(parts)


def _columns_part(summary: dict[str, Any]) -> str:
    count = len(summary["columns"])
    return f"{count:,} {_plural(count, 'column')}"


def _plural(count: int, word: str) -> str:
    return word if count == 1 else f"{word}s"
