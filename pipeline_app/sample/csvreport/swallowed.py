"""Whether quotes do what they seem to: keep lines and delimiters in a cell.

A cell of several lines may be one, or rows of the table behind a quote that was not closed.

A line within the cell is like a row if it has as many cells, and in the columns of numbers and dates such values. Prose
has commas too, but a blank behind each, or no numbers where the table has them.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Sequence
from typing import Final

from .dialects import Dialect, split_lines
from .errors import UnreadableFile
from .values import kind_of

# A blank before a quote; in SQL too.
HALF: Final = re.compile(r'^[ \t]+"')
# Of the lines within a cell, so many are looked at.
MOST_LINES: Final = 50
LEAST_SHARE: Final = 0.9
# So many lines within a cell have to look like rows, of which those of two cells are met by chance more often.
LEAST_LINES: Final = 2
LEAST_LINES_OF_TWO: Final = 5


class Halves:
    """Looks for cells that are cut in two, because a blank before the quote makes the quote a part of the text."""

    def __init__(self, delimiter: str) -> None:
        self._delimiter = delimiter
        self._line = 0

    def check(self, row: Sequence[str], line: int) -> None:
        """Look at the next row, which begins on a line.

        Raises:
            UnreadableFile: quotes open behind a blank in one cell and close in another.
        """
        opened, self._line = self._line, 0
        for cell in row:
            if cell.count('"') % 2 == 0:
                continue
            opens = HALF.match(cell) is not None
            if opened and not opens and cell.rstrip().endswith('"'):
                raise UnreadableFile(
                    f"Line {opened} has a blank between a delimiter and a quote. There the quote is a part of the text "
                    f"and does not keep {self._delimiter!r} or a line end in the cell, as it seems to be meant to. "
                    "Remove the blanks before the quotes."
                )
            opened = line if opens else 0
        if opened and row and HALF.match(row[-1]):
            self._line = opened


def swallowed(row: Sequence[str], dialect: Dialect, line: int, *, header: bool) -> tuple[int, str]:
    """Return the line on which a quote opens that seems not to be closed, and why; the reason is empty if none does.

    Args:
        row: the cells.
        dialect: how the file is written.
        line: on which the row begins.
        header: whether the row is the header, which has cells of several lines seldom.
    """
    for number, cell in enumerate(row):
        pieces = [each.rstrip("\r\n") for each in split_lines(cell)]
        if dialect.delimiter and len(pieces) > 1:
            why = _in_header(row, number, pieces, dialect) if header else _within(pieces[1:-1], dialect)
            if why:
                return line, why
        line += len(split_lines(cell + "x")) - 1
    return line, ""


def _within(inner: Sequence[str], dialect: Dialect) -> str:
    if dialect.width < 2 or len(inner) < (LEAST_LINES if dialect.width > 2 else LEAST_LINES_OF_TWO):
        return ""
    rows = list(csv.reader(inner[:MOST_LINES], delimiter=dialect.delimiter))
    if sum(len(each) == dialect.width for each in rows) < LEAST_SHARE * len(rows):
        return ""
    if 2 * sum(_is_like_a_row(each, dialect, dialect.width) for each in rows) < len(rows):
        return ""
    return f"the {len(inner):,} lines after it look like rows of the table"


def _in_header(row: Sequence[str], number: int, pieces: Sequence[str], dialect: Dialect) -> str:
    lines = [each.split(dialect.delimiter) for each in pieces]
    lines[0] = [*row[:number], *lines[0]]
    lines[-1] = [*lines[-1], *row[number + 1 :]]
    width = len(lines[0])
    # Where there are few rows but those in the cell, these tell how many cells a row has.
    telling = len(lines) > 2 or not dialect.seen
    if len(lines) > 2 and len(lines[-1]) != width:
        # The quote that closes the cell by chance may stand in a row of its own making.
        lines.pop()
    if width < 2 or any(len(each) != width for each in lines) or not (width == dialect.width or telling):
        return ""
    if width == dialect.width == 2 and len(lines) == 2 and dialect.seen and not any(dialect.kinds):
        return ""
    if not all(_is_like_a_row(each, dialect, width) for each in lines[1:]):
        return ""
    return "the header and the lines after it would be one cell, and these look like rows of the table"


def _is_like_a_row(cells: Sequence[str], dialect: Dialect, width: int) -> bool:
    if len(cells) != width:
        return False
    spaced = any(cell.startswith(" ") for cell in (dialect.header or ())[1:])
    if not spaced and all(cell.startswith(" ") for cell in cells[1:]):
        return False
    if width != dialect.width:
        return True
    typed = [(cell, kind) for cell, kind in zip(cells, dialect.kinds, strict=False) if kind]
    return 2 * sum(kind_of(cell) in (kind, "missing") for cell, kind in typed) > len(typed) or not typed
