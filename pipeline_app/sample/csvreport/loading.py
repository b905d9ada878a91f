"""From the text of a table to the database: the quick way where it can be proved that nothing was lost, else carefully.

The database's own reader skips, trims and repairs some things without a word: the rest of a file behind a quote that is
not closed, a delimiter at the end of a row, blanks around quotes. So it is never asked to guess, and what it has read
is held against the file to the last byte: the cells, the delimiters between them, the line ends and the quotes must add
up to the size of the file.
"""

# Queries are made of this module's own words, the columns' numbers, and literals that database.text quotes.
# ruff: noqa: S608

from __future__ import annotations

import csv
import re
from itertools import zip_longest
from pathlib import Path
from typing import Final

import duckdb

from .careful import Account, rewrite
from .database import COLUMNS_OF_A_PART, TABLE, WIDE, Database, combined, is_nameable, names, text
from .dialects import Dialect
from .plain import Plain
from .scanning import CHUNK_BYTES
from .swallowed import HALF

LEAST_LINE_BYTES: Final = 2 << 20


def load(database: Database, plain: Plain, dialect: Dialect) -> Account:
    """Fill the table ``cells`` with a table's rows, in their order, and return what was met on the way.

    Raises:
        UnreadableFile: see :func:`careful.rewrite`.
    """
    # The database's reader drops a header without a look at its quotes.
    plain_header = not any(set(cell) & set('"\r\n') for cell in dialect.header or ())
    if plain_header and ((dialect.delimiter and dialect.delimiter.isprintable()) or dialect.delimiter == "\t"):
        account = _quick(database, plain, dialect)
        if account is not None:
            return account
    rewritten = database.folder / "rewritten.csv"
    account = rewrite(plain.path, plain.offset, dialect, rewritten)
    columns = names(account.width)
    longest = max(LEAST_LINE_BYTES, 4 * account.longest)
    # The database takes what ends the first line for what ends all, even within quotes, unless it is told.
    more = r", parallel = false, new_line = '\n'"
    more += f", max_line_size = {longest}" if longest > LEAST_LINE_BYTES else ""
    _read(database, rewritten, ",", columns, header=False, more=f"{more}, null_padding = {account.long > 0}")
    rewritten.unlink()
    read = database.row(f"SELECT count(*) FROM {TABLE}")[0]
    if read != account.rows:
        raise RuntimeError(f"Of {account.rows} rows the database read {read}.")
    return account


def _quick(database: Database, plain: Plain, dialect: Dialect) -> Account | None:
    """Let the database read the text; return None where it refuses, or where the account of its bytes fails."""
    columns = names(dialect.width)
    found = _Bytes(plain.path, plain.offset, dialect.delimiter)
    # Without quotes each line end is the end of a row, wherever the database begins to read.
    more = f", parallel = {not found.quotes}"
    try:
        _read(database, plain.path, dialect.delimiter, columns, header=dialect.header is not None, more=more)
    except duckdb.Error as error:
        if isinstance(error, duckdb.OutOfMemoryException | duckdb.IOException | duckdb.FatalException):
            raise
        return None
    header = dialect.header or ()
    rows, size, quotes, feeds, returns, delimiters = _counts(database, columns, dialect.delimiter, found.quotes > 0)
    joined = "".join(header)
    size += len(joined.encode())
    quotes += joined.count('"')
    feeds, returns = feeds + joined.count("\n"), returns + joined.count("\r")
    delimiters += joined.count(dialect.delimiter)
    all_rows = rows + (dialect.header is not None)
    between = all_rows * (dialect.width - 1)
    ends = found.feeds + found.returns - feeds - returns
    if found.delimiters != between + delimiters or found.size != size + between + ends + found.quotes - quotes:
        return None
    if feeds or returns:
        # A cell of several lines may have swallowed rows behind a quote that was not closed.
        suspicious = combined(
            [f"length({n}) - length(replace(replace({n}, chr(10), ''), chr(13), '')) > 2" for n in columns], "OR"
        )
        if database.row(f"SELECT count(*) FROM {TABLE} WHERE {suspicious}")[0]:
            return None
    if found.blank_before_quote:
        # A quote there keeps no delimiter in the cell, though it may be meant to.
        halves = combined([f"regexp_matches({n}, {text(HALF.pattern)})" for n in columns], "OR")
        if database.row(f"SELECT count(*) FROM {TABLE} WHERE {halves}")[0]:
            return None
    outside = (found.feeds - feeds) or (found.returns - returns)
    blank = max(0, outside - all_rows + (not found.ends_line))
    account = Account(blank=blank, rows=rows, width=dialect.width)
    if feeds or returns:
        _note_several(database, plain, dialect, account)
    return account


def _note_several(database: Database, plain: Plain, dialect: Dialect, account: Account) -> None:
    """Note how many rows have cells of several lines, and the line of the first."""
    several = combined([f"regexp_matches({n}, '[\\r\\n]')" for n in names(dialect.width)], "OR")
    account.several, before = database.row(f"SELECT count(*), min(rowid) FROM {TABLE} WHERE {several}")
    account.several_line = dialect.skipped + (dialect.header is not None) + before + 1
    if not account.blank:
        return
    # Blank lines may stand before it.
    with plain.path.open(encoding="utf-8", newline="") as file:
        file.seek(plain.offset)
        reader, line = csv.reader(file, delimiter=dialect.delimiter), 0
        for _ in reader:
            if reader.line_num > line + 1:
                break
            line = reader.line_num
    account.several_line = dialect.skipped + line + 1


def _counts(database: Database, columns: list[str], delimiter: str, quoted: bool) -> list[int]:
    """Return the rows, and of all cells the bytes, quotes, line feeds, carriage returns and delimiters."""
    # Without quotes in the file, no cell can have any of these.
    signs = ('"', "\n", "\r", delimiter) if quoted else ()
    sums = ["sum(strlen(v))"]
    for sign in map(text, signs):
        sums.append(f"sum(CASE WHEN contains(v, {sign}) THEN strlen(v) - strlen(replace(v, {sign}, '')) ELSE 0 END)")
    totals = [0] * 5
    # The database takes a while to plan what is asked of thousands of columns, so these are stacked.
    size = COLUMNS_OF_A_PART if len(columns) > WIDE else 1
    for first in range(0, len(columns), size):
        part = columns[first : first + size]
        cells = f"unnest([{', '.join(part)}])" if size > 1 else part[0]
        found = database.row(f"SELECT {', '.join(sums)} FROM (SELECT {cells} AS v FROM {TABLE})")
        totals = [total + int(more or 0) for total, more in zip_longest(totals, found, fillvalue=0)]
    return [database.row(f"SELECT count(*) FROM {TABLE}")[0], *totals]


class _Bytes:
    """The size of a text, and how often it has the bytes that mean something."""

    def __init__(self, path: Path, offset: int, delimiter: str) -> None:
        self.delimiters = self.feeds = self.quotes = self.returns = self.size = 0
        self.blank_before_quote = False
        sign, last = delimiter.encode(), b""
        with path.open("rb") as file:
            file.seek(offset)
            while chunk := file.read(CHUNK_BYTES):
                self.size += len(chunk)
                self.delimiters += chunk.count(sign)
                self.feeds += chunk.count(b"\n")
                self.returns += chunk.count(b"\r")
                self.quotes += chunk.count(b'"')
                self.blank_before_quote = self.blank_before_quote or any(
                    each in chunk or (last + chunk[:1]) == each for each in (b' "', b'\t"')
                )
                last = chunk[-1:]
        self.ends_line = last in (b"\n", b"\r")


def _read(database: Database, path: Path, delimiter: str, columns: list[str], *, header: bool, more: str) -> None:
    if not is_nameable(path.absolute()):
        link = database.folder / "input.csv"
        if not link.is_symlink():
            link.symlink_to(path.absolute())
        path = link
    # A name may have signs that would make it a pattern of names.
    place = re.sub(r"[*?[]", r"[\g<0>]", str(path.absolute()))
    kinds = ", ".join(f"'{name}': 'VARCHAR'" for name in columns)
    # An empty cell is read as NULL, whether it is quoted or not; here it is the empty text that it is.
    cells = ", ".join(f"coalesce({name}, '') AS {name}" for name in columns)
    database.rows(
        f"CREATE OR REPLACE TABLE {TABLE} AS SELECT {cells} FROM read_csv({text(place)}, auto_detect = false, "
        f"columns = {{{kinds}}}, delim = {text(delimiter)}, quote = '\"', escape = '\"', header = {header}, "
        f"compression = 'none', nullstr = '', strict_mode = true{more})"
    )
