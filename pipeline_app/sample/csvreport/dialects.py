"""How the cells of a file are separated, and where its table begins: decided on a sample, verified later on all rows.

Every delimiter is tried with Python's own reader; the one wins by which the rows have the same number of cells, and of
equals the one by which more cells are numbers and dates.
"""

from __future__ import annotations

import csv
import itertools
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

from .beginnings import Row, comments, table_start
from .headers import is_header, main_kind
from .values import kind_of

# In the order in which one is preferred where two read the sample equally well.
DELIMITERS: Final = (",", ";", "\t", "|", "\x1f", "\x01", "^", "~")
# A character that no text has, by which a file of one column is not split.
NO_DELIMITER: Final = "\x1e"
SAMPLE_ROWS: Final = 500
TYPED_ROWS: Final = 200
# A sample that shows fewer rows of the table is made larger.
LEAST_ROWS: Final = 20
LONGEST_CELL: Final = 16 << 20
_LINE: Final = re.compile(r"[^\r\n]*(?:\r\n|\n|\r|$)")
_HINT: Final = re.compile(r'"?sep=(?P<delimiter>[^\r\n"])"?\s*', re.IGNORECASE)


@dataclass(frozen=True, kw_only=True)
class Dialect:
    """How a file is written.

    Attributes:
        delimiter: empty where the file has a single column.
        header: the first row's cells where it is a header; None where the file has none.
        hinted: whether its first line names the delimiter, as Excel's ``sep=;`` does.
        kinds: of each column, what nearly all of its cells in the sample are: ``number``, ``date`` or empty.
        preamble: lines before the table, as they are.
        seen: how many rows of the table are complete in the sample.
        skipped: how many lines come before the table, the blank ones included.
        unsplit: signs in the rows of a single column that look like delimiters, but its first line has one cell.
        width: the number of cells in a row.
    """

    delimiter: str
    header: tuple[str, ...] | None
    hinted: bool = False
    kinds: tuple[str, ...] = ()
    preamble: tuple[str, ...] = ()
    seen: int = 0
    skipped: int = 0
    unsplit: str = ""
    width: int

    @property
    def reader_delimiter(self) -> str:
        """What a reader is given to split by."""
        return self.delimiter or NO_DELIMITER


@dataclass(frozen=True)
class _Attempt:
    dialect: Dialect
    share: float
    typed: float
    # Whether it is more likely a single column, some signs of which look like delimiters.
    single: bool


def split_lines(text: str) -> list[str]:
    """Split a text after each line feed, carriage return, or both; nothing else ends a line of a CSV file."""
    return [line for line in _LINE.findall(text) if line]


def decide(sample: str, *, whole: bool) -> Dialect:
    """Return the dialect of a sample, which is all of the file or its beginning, cut somewhere."""
    lines = split_lines(sample)
    if not whole and len(lines) > 1:
        lines.pop()
    hint = _HINT.fullmatch(lines[0]) if lines else None
    if hint is None and lines and lines[0].strip().strip('"').lower() == "sep=":
        hint = _HINT.fullmatch("sep=\t")
    if hint:
        hinted = _attempt(lines[1:], hint["delimiter"], whole) or _single(lines[1:], whole)
        return replace(hinted.dialect, hinted=True, skipped=hinted.dialect.skipped + 1)
    found = [each for delimiter in DELIMITERS if (each := _attempt(lines, delimiter, whole))]
    attempts = [each for each in found if not each.single]
    if not attempts:
        unsplit = "".join(each.dialect.delimiter for each in found)
        return replace(_single(lines, whole).dialect, unsplit=unsplit)
    # Of equals, max takes the first.
    return max(attempts, key=lambda each: (round(each.share, 2), round(each.typed, 2), each.dialect.width)).dialect


def _rows(lines: Sequence[str], delimiter: str, whole: bool) -> list[Row]:
    csv.field_size_limit(LONGEST_CELL)
    # The empty line at the end is a row of its own, unless a quote is still open.
    reader = csv.reader(itertools.chain(lines, [""]), delimiter=delimiter)
    rows: list[Row] = []
    line = 0
    try:
        for cells in reader:
            rows.append(Row(tuple(cells), line + 1, reader.line_num))
            line = reader.line_num
            if len(rows) == SAMPLE_ROWS:
                break
    except csv.Error:
        # A cell longer than the reader takes: what came before it has to do.
        return rows
    if line <= len(lines):
        return rows
    last = rows.pop()
    if last.first_line > len(lines) or (not whole and len(rows) >= LEAST_ROWS):
        return rows
    # The quote may have been opened by mistake, so what comes behind it is split as if it were none.
    behind = lines[last.first_line - 1 :][:SAMPLE_ROWS]
    return rows + [
        Row(tuple(each.rstrip("\r\n").split(delimiter)), number, number)
        for number, each in enumerate(behind, start=last.first_line)
    ]


def _attempt(lines: Sequence[str], delimiter: str, whole: bool) -> _Attempt | None:
    rows = _rows(lines, delimiter, whole)
    remarks = comments(rows)
    widths = Counter(len(row.cells) for row in rows[remarks:] if not row.blank)
    if not widths:
        return None
    width, _ = max(widths.items(), key=lambda item: (item[1], item[0]))
    if width < 2:
        # Most rows are not split, but a header that is, and half of the rows, speak for a ragged table.
        first = next(len(row.cells) for row in rows[remarks:] if not row.blank)
        split = sum(count for each, count in widths.items() if each > 1)
        if first < 2 or 2 * split < widths.total():
            return None
        width = first
    start, single = table_start(rows, remarks, width, delimiter)
    table = [row for row in rows[start:] if not row.blank]
    # Whatever stands before the table, but for remarks, speaks against it a little.
    before = sum(not row.blank for row in rows[min(remarks, start) : start])
    share = sum(len(row.cells) == width for row in table) / (len(table) + before)
    dialect = _with_header(rows, start, width, delimiter)
    cells = [cell for row in table[:TYPED_ROWS] for cell in row.cells]
    typed = sum(kind_of(cell) in ("date", "number") for cell in cells) / len(cells)
    return _Attempt(dialect, share, typed, single)


def _single(lines: Sequence[str], whole: bool) -> _Attempt:
    rows = _rows(lines, NO_DELIMITER, whole)
    start, _ = table_start(rows, comments(rows), 1, "")
    return _Attempt(_with_header(rows, start, 1, ""), 1.0, 0.0, single=False)


def _with_header(rows: Sequence[Row], start: int, width: int, delimiter: str) -> Dialect:
    first = rows[start] if rows else Row((), 1, 1)
    names = _trimmed(first.cells, width)
    below = [row.cells for row in rows[start + 1 :] if len(row.cells) > 1]
    if len(names) == width - 1 and below and all(len(cells) < width or not cells[-1] for cells in below):
        # Each row ends in a delimiter, but the header does not.
        width -= 1
    preamble = tuple(delimiter.join(row.cells) for row in rows[:start] if any(each.strip() for each in row.cells))
    table = [row.cells for row in rows[start + 1 :] if not row.blank]
    return Dialect(
        delimiter=delimiter,
        header=names if is_header(names, table[:TYPED_ROWS]) else None,
        kinds=tuple(main_kind(table[:TYPED_ROWS], number) for number in range(width)),
        preamble=preamble,
        seen=len(table),
        skipped=first.first_line - 1,
        # A header with more names than the rows have cells makes them short.
        width=max(width, len(names)),
    )


def _trimmed(cells: tuple[str, ...], width: int) -> tuple[str, ...]:
    """Return a header's cells without empty ones behind the last column."""
    while len(cells) > width and not cells[-1]:
        cells = cells[:-1]
    return cells
