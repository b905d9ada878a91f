"""A copy of the cleaned file for spreadsheets, which take a cell that begins with ``=`` and its like for a formula.

Whoever made the input decides what such a formula does when a person opens the file: it can show that person a link
with other cells in it, or start a program. ``cleaned.csv`` has every value as it is, since programs read it. So this
copy alone is changed, and made only where there is such a cell: an apostrophe before it makes it a text.

Source: https://owasp.org/www-community/attacks/CSV_Injection
"""

from __future__ import annotations

import csv
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Final

SPREADSHEET_NAME: Final = "cleaned-for-spreadsheets.csv"

# A spreadsheet of another language splits cells at other characters, so what is behind one may become a cell as well.
_SEPARATORS: Final = re.compile("([;\t\r\n]+)")
_ALWAYS: Final = frozenset("=@\uff1d\uff20")
_SIGNS: Final = frozenset("+-\u2212\uff0b\uff0d")
# What may follow a sign without making a formula of it: a number, or nothing.
_NUMBER: Final = re.compile(r"\s*(?:[0-9][0-9.,'\s]*(?:[eE][+-]?[0-9]+)?\s*[%€$£]?)?\s*")


def escaped(cell: str) -> str:
    """Return a cell with an apostrophe wherever a spreadsheet would begin to read a formula."""
    return "".join(f"'{part}" if _is_formula(part) else part for part in _SEPARATORS.split(cell))


def write_copy(cleaned: Path) -> tuple[Path, int] | None:
    """Write the copy beside the cleaned file; return its path and how many cells are changed, or None if it takes none.

    It begins with a byte order mark, by which spreadsheets know UTF-8, and all cells have quotes.
    """
    target = cleaned.with_name(SPREADSHEET_NAME)
    target.unlink(missing_ok=True)
    if not any(cell != escaped(cell) for row in _rows(cleaned) for cell in row):
        return None
    count = 0
    with target.open("w", encoding="utf-8-sig", newline="") as file:
        writer = csv.writer(file, quoting=csv.QUOTE_ALL)
        for row in _rows(cleaned):
            safe = [escaped(cell) for cell in row]
            count += sum(one != other for one, other in zip(row, safe, strict=True))
            writer.writerow(safe)
    return target, count


def _is_formula(part: str) -> bool:
    begin = part.lstrip()[:1]
    return begin in _ALWAYS or (begin in _SIGNS and not _NUMBER.fullmatch(part.lstrip()[1:]))


def _rows(path: Path) -> Iterator[list[str]]:
    # A cell may be as long as it likes.
    csv.field_size_limit(sys.maxsize)
    with path.open(encoding="utf-8", newline="") as file:
        yield from csv.reader(file)
