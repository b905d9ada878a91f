"""The careful way to read a table: row by row with Python's own reader, which knows the line of whatever is wrong.

It is slower than the database's reader, so it is taken only where that one could not account for all of the file.
What it cannot decide stops the file; what it can is counted, with the lines. The rows are written again in the
plainest form, which the database then reads.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from .dialects import LONGEST_CELL, Dialect
from .errors import UnreadableFile
from .scanning import LINES_NAMED
from .swallowed import Halves, swallowed

MOST_COLUMNS: Final = 20_000
_END_OF_FILE: Final = "\x1a"
_ESCAPED: Final = re.compile(r'(?<!\\)((?:\\\\)*)\\"')
# Characters for private use; one that the file does not have stands for an escaped quote while it is read.
_STAND_INS: Final = range(0xE000, 0xF900)


@dataclass
class Account:
    """What was met on the way; lines are counted from 1 in the file as it came.

    Attributes:
        backslash: whether quotes inside of quotes are written as backslash and quote.
        blank: lines with nothing on them.
        header: the cells of the first row, where that is a header.
        extra_empty: rows with more cells than the header, all of them empty.
        long: rows with more cells than the header; ``long_lines`` are the first of them.
        several: rows with cells of several lines, the header among them; ``several_line`` is that of the first.
        short: rows with fewer cells than the header; ``short_lines`` are the first of them.
        longest: the longest row, in characters as it is written again.
        rows: how many were read, without the header.
        width: cells of the longest row.
    """

    width: int
    backslash: bool = False
    blank: int = 0
    extra_empty: int = 0
    header: tuple[str, ...] = ()
    long: int = 0
    long_lines: list[int] = field(default_factory=list)
    longest: int = 0
    rows: int = 0
    several: int = 0
    several_line: int = 0
    short: int = 0
    short_lines: list[int] = field(default_factory=list)


def rewrite(source: Path, offset: int, dialect: Dialect, target: Path) -> Account:
    """Read a table and write its rows, without the header, to a file with every cell in quotes.

    Raises:
        UnreadableFile: a quote is not closed or stands behind a blank, or most rows do not fit the header.
    """
    try:
        return _rewrite(source, offset, dialect, target, stand_in="")
    except UnreadableFile:
        stand_in = _stand_in(source, offset)
        if not stand_in:
            raise
        try:
            account = _rewrite(source, offset, dialect, target, stand_in)
        except UnreadableFile:
            account = None
        if account is None:
            raise
        account.backslash = True
        return account


def _rewrite(source: Path, offset: int, dialect: Dialect, target: Path, stand_in: str) -> Account:
    csv.field_size_limit(LONGEST_CELL)
    account = Account(width=dialect.width)
    halves = Halves(dialect.delimiter)
    line, first = dialect.skipped, dialect.header is not None
    with target.open("w", encoding="utf-8", newline="") as out:
        writer = csv.writer(out, lineterminator="\n", quoting=csv.QUOTE_ALL)
        lines = _lines(source, offset, stand_in)
        reader = csv.reader(lines, delimiter=dialect.reader_delimiter, strict=True)
        while True:
            try:
                row = next(reader, None)
            except csv.Error as error:
                raise _unreadable(error, source, offset, dialect, line - dialect.skipped, stand_in) from error
            if row is None:
                break
            began, line = line + 1, dialect.skipped + reader.line_num
            if line > began:
                account.several += 1
                account.several_line = account.several_line or began
                opened, why = swallowed(row, dialect, began, header=first)
                if why:
                    raise UnreadableFile(_unclosed(opened, why))
            halves.check(row, began)
            if stand_in:
                row = [cell.replace(stand_in, '"') for cell in row]
            if first and row:
                first = False
                account.header = tuple(row[: len(dialect.header or ())])
                if len(account.header) != len(dialect.header or ()) or any(row[len(account.header) :]):
                    raise UnreadableFile(_unclosed(began, "the header has other cells than it seems to have"))
                continue
            row = _fitted(row, dialect.width, began, account)
            if row:
                account.rows += 1
                account.longest = max(account.longest, sum(map(len, row)) + 3 * len(row))
                writer.writerow(row)
    odd = account.short + account.long
    if 2 * odd > account.rows:
        line = min(account.short_lines[:1] + account.long_lines[:1])
        raise UnreadableFile(
            f"Of its {account.rows:,} rows, {odd:,} have another number of cells than the first row of the table, "
            f"which has {dialect.width:,}; the first is on line {line}. Put cells in quotes that have the "
            "delimiter in them, and see that all rows belong to one table."
        )
    return account


def _fitted(row: list[str], width: int, line: int, account: Account) -> list[str]:
    """Return a row with as many cells as the table has or more; nothing for a line that is no row."""
    if len(row) == width:
        return row
    if not row or (len(row) == 1 and (not row[0].strip() or row[0] == _END_OF_FILE)):
        account.blank += 1
        return []
    if len(row) < width:
        account.short += 1
        account.short_lines += [line] if len(account.short_lines) <= LINES_NAMED else []
        return row + [""] * (width - len(row))
    if not any(row[width:]):
        account.extra_empty += 1
        return row[:width]
    if len(row) > max(width, MOST_COLUMNS):
        raise UnreadableFile(f"Line {line} has {len(row):,} cells, and the first row of the table {width:,}.")
    account.long += 1
    account.long_lines += [line] if len(account.long_lines) <= LINES_NAMED else []
    account.width = max(account.width, len(row))
    return row


def _lines(source: Path, offset: int, stand_in: str) -> Iterator[str]:
    with source.open(encoding="utf-8", newline="") as file:
        file.seek(offset)
        if not stand_in:
            yield from file
            return
        replacement = rf"\1{stand_in}"
        for line in file:
            yield _ESCAPED.sub(replacement, line) if "\\" in line else line


def _stand_in(source: Path, offset: int) -> str:
    """Return a character that can stand for an escaped quote; empty where the file has no such quote."""
    used: set[str] = set()
    found = False
    for line in _lines(source, offset, ""):
        found = found or '\\"' in line
        if not line.isascii():
            used.update(each for each in line if 0xE000 <= ord(each) < 0xF900)
    free = (chr(each) for each in _STAND_INS if chr(each) not in used)
    return next(free, "") if found else ""


def _unreadable(
    error: csv.Error, source: Path, offset: int, dialect: Dialect, lines_before: int, stand_in: str
) -> UnreadableFile:
    opened = dialect.skipped + _opening(_lines(source, offset, stand_in), dialect, lines_before)
    if "field larger" in str(error):
        return UnreadableFile(_unclosed(opened, f"its cell is longer than {LONGEST_CELL:,} characters"))
    if "unexpected end" in str(error):
        return UnreadableFile(_unclosed(opened, "the file ends before it is closed"))
    return UnreadableFile(_unclosed(opened, "text follows directly on the quote that closes it"))


def _unclosed(line: int, why: str) -> str:
    return (
        f"A quote that opens on line {line} is not closed rightly: {why}. Close it there, or write a quote inside of a "
        'quoted cell twice ("").'
    )


def _opening(lines: Iterator[str], dialect: Dialect, lines_before: int) -> int:
    """Return the line (from 1 in the table) on which the last quoted cell opens of the row that begins after some."""
    step = re.compile(f'"|{re.escape(dialect.reader_delimiter)}')
    opened = lines_before + 1
    quoted = False
    for number, line in enumerate(lines, start=1):
        if number <= lines_before:
            continue
        place, cell_starts = 0, not quoted
        while match := step.search(line, place):
            start, place = match.start(), match.end()
            if quoted:
                if match[0] == '"':
                    if line[place : place + 1] == '"':
                        place += 1
                        continue
                    quoted = False
                    if line[place : place + 1] not in ("", "\r", "\n", dialect.reader_delimiter):
                        return opened
                continue
            begins = (cell_starts and start == 0) or line[start - 1 : start] == dialect.reader_delimiter
            if match[0] == '"' and begins:
                quoted, opened = True, number
        # A row of unquoted cells ends with its line.
        if not quoted and number > lines_before + 1 and place >= len(line):
            cell_starts = True
    return opened
