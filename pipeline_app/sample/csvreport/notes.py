"""What was decided on a file, and what was left out of it, in sentences."""

from __future__ import annotations

from collections import defaultdict
from typing import Any, Final

from .figures import FIRST_DATE, LAST_DATE
from .scanning import LINES_NAMED
from .wording import counted, listed, short

COLUMNS_NAMED: Final = 20
_DELIMITERS: Final = {"\t": "tabs", ",": "commas", ";": "semicolons", "|": "bars", "\x1f": "unit separators"}


def notes(summary: dict[str, Any]) -> tuple[list[str], list[str]]:
    """Return the sentences on what was decided, and those on what was left out."""
    return [*_format(summary), *_columns(summary["columns"])], [*_rows(summary), *_cells(summary["columns"])]


def _format(summary: dict[str, Any]) -> list[str]:
    form = summary["format"]
    found = [f"Read as {form['encoding']}."]
    if form["encoding_others"]:
        found = [
            f"Read as {form['encoding']}, which is not certain: {listed(form['encoding_others'])} would make as much "
            "sense. Save the file as UTF-8 to be sure."
        ]
    if form["delimiter"]:
        sign = _DELIMITERS.get(form["delimiter"], repr(form["delimiter"]))
        hint = ", as its first line says" if form["delimiter_hinted"] else ""
        found.append(f"Cells are separated by {sign}{hint}.")
    elif form["unsplit"]:
        signs = listed([_DELIMITERS.get(sign, repr(sign)) for sign in form["unsplit"]])
        found.append(
            f"It has a single column, as its first line has one cell: the {signs} in the others are part of them."
        )
    else:
        found.append("It has a single column.")
    if form["header_line"] is None:
        found.append("There is no header, since the first row has values as the rows below; columns are numbered.")
    else:
        found.append(f"The header is on line {form['header_line']:,}.")
    if form["preamble"]:
        shown = "; ".join(f"“{short(line, 60)}”" for line in form["preamble"][:3])
        more = len(form["preamble"]) - 3
        found.append(
            f"{counted(len(form['preamble']), 'line')} before the table: {shown}"
            f"{f'; and {more:,} more' if more > 0 else ''}."
        )
    if form["escape"] == "\\":
        found.append("A quote inside of a quoted cell is written as backslash and quote.")
    if form["several_lines"]:
        rows = "1 row has" if form["several_lines"] == 1 else f"{form['several_lines']:,} rows have"
        found.append(f"{rows} cells of several lines, first on line {form['several_lines_first']:,}.")
    renamed = [each for each in summary["columns"] if each["name"] != each["header"]]
    if renamed and form["header_line"] is not None:
        names = listed([each["name"] for each in renamed])
        found.append(f"{counted(len(renamed), 'header')} empty or there twice: now {names}.")
    return found


def _columns(columns: list[dict[str, Any]]) -> list[str]:
    by: dict[str, list[str]] = defaultdict(list)
    for column in columns:
        if column.get("decimal") and (column.get("decimal_because") or column["decimal"] == ","):
            sign = "comma" if column["decimal"] == "," else "point"
            told = f", told by {column['decimal_because']}" if column.get("decimal_because") else ""
            by[f"The decimal sign is a {sign}{told}"].append(column["name"])
        if column.get("order", "year first") != "year first":
            told = f", told by {column['order_because']}" if column.get("order_because") else ""
            by[f"Dates have the {column['order']}{told}"].append(column["name"])
        for word in column.get("missing_words", {}):
            by[f"“{short(word, 12)}” counts as missing"].append(column["name"])
        if column.get("text_because"):
            by[f"Kept as text, since {short(column['text_because'], 120)}"].append(column["name"])
    return [f"{what}: {listed(names)}." for what, names in by.items()]


def _rows(summary: dict[str, Any]) -> list[str]:
    form, rows = summary["format"], summary["rows"]
    found: list[str] = []
    if form["wrong_bytes"]:
        places = "byte is" if form["wrong_bytes"] == 1 else "bytes are"
        stand = "stands" if form["wrong_bytes"] == 1 else "stand"
        found.append(
            f"{form['wrong_bytes']:,} {places} not {form['encoding']} and {stand} as \ufffd, "
            f"on {_lines(form['wrong_lines'])}."
        )
    if rows["duplicates_dropped"]:
        were = "row is" if rows["duplicates_dropped"] == 1 else "rows are"
        found.append(f"{rows['duplicates_dropped']:,} {were} equal to an earlier one to the last character: dropped.")
    if rows["blank_lines"]:
        found.append(
            f"{counted(rows['blank_lines'], 'line')} with nothing on {'it' if rows['blank_lines'] == 1 else 'them'}."
        )
    if rows["short"]:
        found.append(
            f"{counted(rows['short'], 'row')} with fewer cells than the table has columns, on "
            f"{_lines(rows['short_lines'])}: empty cells stand for the others."
        )
    if rows["long"]:
        found.append(
            f"{counted(rows['long'], 'row')} with more cells than the header, on {_lines(rows['long_lines'])}: these "
            "are kept in columns of their own."
        )
    if form["extra_empty"]:
        found.append(
            f"{counted(form['extra_empty'], 'row')} with empty cells behind the last column: these are left off."
        )
    return found


def _lines(lines: list[int]) -> str:
    shown = ", ".join(f"{line:,}" for line in lines[:LINES_NAMED])
    return f"line{'' if len(lines) == 1 else 's'} {shown}{' and others' if len(lines) > LINES_NAMED else ''}"


def _cells(columns: list[dict[str, Any]]) -> list[str]:
    found: list[str] = []
    for column in columns:
        name = short(column["name"], 40)
        if column.get("unrecognised"):
            what = "numbers" if column["type"] == "number" else "dates"
            examples = ", ".join(f"“{short(each, 30)}”" for each in column["unrecognised_examples"])
            found.append(
                f"{name}: {counted(column['unrecognised'], 'cell')} that cannot be read as {what}, such as {examples}: "
                "not in the statistics."
            )
        if column.get("out_of_range"):
            found.append(
                f"{name}: {counted(column['out_of_range'], 'date')} before {FIRST_DATE[:4]} or after {LAST_DATE[:4]}: "
                "not in the statistics."
            )
    more = len(found) - COLUMNS_NAMED
    return [*found[:COLUMNS_NAMED], *([f"{more:,} more such notes stand with their columns."] if more > 0 else [])]
