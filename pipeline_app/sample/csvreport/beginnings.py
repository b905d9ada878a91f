"""Where a table begins: titles, remarks and lines that only fill up a sheet may stand before it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from .headers import votes

MOST_PREAMBLE: Final = 50
TYPED_ROWS: Final = 200
REMARKS: Final = ("#", "//", "%", "!")
# These separate what is listed in a cell as often as they separate cells.
LISTING: Final = "|^~\x1f\x01"


@dataclass(frozen=True)
class Row:
    """A row of the sample, and the lines of the file (from 1) that it begins and ends on."""

    cells: tuple[str, ...]
    first_line: int
    last_line: int

    @property
    def blank(self) -> bool:
        """Whether the line has nothing in it."""
        return not any(cell.strip() for cell in self.cells) and len(self.cells) < 2

    @property
    def empty(self) -> bool:
        """Whether the line has nothing in it but delimiters."""
        return not any(cell.strip() for cell in self.cells)

    @property
    def filled(self) -> int:
        """The number of cells up to the last one with something in it."""
        return max((number for number, cell in enumerate(self.cells, start=1) if cell.strip()), default=0)


def comments(rows: Sequence[Row]) -> int:
    """Return the number of rows at the beginning that are remarks or blank; none where no other row follows."""
    last = 0
    for number, row in enumerate(rows):
        if row.cells and row.cells[0].startswith(REMARKS):
            last = number + 1
        elif not row.blank:
            return last
    return 0


def table_start(rows: Sequence[Row], remarks: int, width: int, delimiter: str) -> tuple[int, bool]:
    """Return the number of the row that the table begins with, and whether it rather is a single column.

    Args:
        rows: those of the sample.
        remarks: how many of them are remarks by their first sign.
        width: the number of cells that most rows have.
        delimiter: between the cells.
    """
    first = next((number for number, row in enumerate(rows) if number >= remarks and not row.blank), 0)
    if remarks:
        own = _within_remarks(rows, remarks, first, width)
        if own < remarks:
            return own, False
    start = next((number for number, row in enumerate(rows) if number >= first and len(row.cells) == width), first)
    before = [row for row in rows[first:start] if not row.blank]
    gap = any(row.blank for row in rows[first:start])
    # A row that is only a little shorter is a row of the table, unless a blank line stands between.
    short = all(2 * len(row.cells) <= width or len(row.cells) == 1 for row in before)
    if start - first > MOST_PREAMBLE or not (short or gap):
        start, before, gap = first, [], False
    if not before:
        return _behind_filled_up(rows, start, width), False
    if width == 2 and len(before) == 1 and not gap and all(not row.cells[-1] for row in rows[start:] if row.cells):
        # Each row ends in a delimiter, but the header does not.
        return first, False
    found = votes(rows[start].cells, _cells(rows[start + 1 :]))
    if gap or len(rows[first].cells) > 1:
        return start, False
    # What stands before it may be the header of a single column.
    listing = width == 2 or delimiter in LISTING or _is_spaced(rows[start:])
    return start, found < 0 or (found == 0 and len(before) == 1 and listing)


def _within_remarks(rows: Sequence[Row], remarks: int, first: int, width: int) -> int:
    """Return the row of the remarks that the table begins with, or their number where it begins behind them."""
    table = _cells(rows[first + 1 :])
    told = votes(rows[first].cells, table)
    number = next(each for each in range(remarks - 1, -1, -1) if not rows[each].blank)
    last = rows[number]
    if len(last.cells) != width or told > 0:
        return remarks
    names = (last.cells[0].lstrip("".join(REMARKS)), *last.cells[1:])
    if told < 0:
        # The rows behind the remarks are values, so the last remark is their header, unless it has values too.
        return number if votes(names, _cells(rows[first:])) >= 0 else remarks
    sentence = names[0][:1] == " " or any(each in names[0] for each in ":=") or _is_spaced([last])
    if sentence and not _is_spaced(rows[first:]):
        return remarks
    above = [row for row in rows[:number] if not row.blank]
    # Several of as many cells as the table has are rows, such as of colours.
    return 0 if above and all(len(row.cells) == width for row in above) else number


def _behind_filled_up(rows: Sequence[Row], start: int, width: int) -> int:
    """Return the row that a table begins with above which a spreadsheet has filled up titles with empty cells."""
    full = next((number for number, row in enumerate(rows) if number >= start and row.filled == width), start)
    above = rows[start:full]
    if not above or len(above) > MOST_PREAMBLE or width < 2 or all(row.empty for row in rows[full + 1 :]):
        return start
    told = votes(rows[full].cells, _cells(rows[full + 1 :]))
    if told < 0 or votes(above[0].cells, _cells(above[1:])) > 0:
        return start
    gap = any(row.empty for row in above)
    small = width > 2 and all(2 * row.filled <= width or row.filled == 1 for row in above)
    return full if told > 0 or gap or small else start


def _cells(rows: Sequence[Row]) -> list[tuple[str, ...]]:
    return [row.cells for row in rows if not row.empty][:TYPED_ROWS]


def _is_spaced(rows: Sequence[Row]) -> bool:
    """Tell whether a blank stands behind the delimiters, as in a sentence."""
    split = [row.cells for row in rows if len(row.cells) > 1][:TYPED_ROWS]
    return 2 * sum(all(cell.startswith(" ") for cell in cells[1:]) for cells in split) > len(split)
