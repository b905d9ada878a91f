"""The database of one file: in a temporary folder, within the process's limits, and without a network.

All cells are kept as the texts that they are, in columns ``c0``, ``c1`` and so on of the table ``cells``.
"""

# Queries are made of this module's own words and the columns' numbers.
# ruff: noqa: S608

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, Final

import duckdb

from .limits import limits

# The name that the file is bound to in a query.
TABLE: Final = "cells"
# A table of more columns is split into such of fewer once its rows have been compared and written.
WIDE: Final = 300
COLUMNS_OF_A_PART: Final = 50
# What one query may look at; a column of more cells has a query for itself.
CELLS_OF_A_QUERY: Final = 1_000_000


class Database:
    """A DuckDB database; use it as a context manager, at whose end its folder is deleted."""

    def __init__(self) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="csvreport-")
        self.folder = Path(self._folder.name)
        allowed = limits()
        self._group_size = 1
        self._threads = allowed.threads
        self._tables: dict[str, str] = {}
        self._connection = duckdb.connect(
            self.folder / "cells.duckdb",
            config={
                "autoinstall_known_extensions": False,
                "autoload_known_extensions": False,
                # Half of the time of loading would go into compressing what is read a few times and deleted.
                "force_compression": "uncompressed",
                "memory_limit": f"{allowed.memory_bytes}B",
                "preserve_insertion_order": True,
                "temp_directory": str(self.folder / "spilled"),
                "threads": allowed.threads,
            },
        )
        self._connection.execute("SET TimeZone = 'UTC'")
        # A query of some seconds would draw it into the log.
        self._connection.execute("SET enable_progress_bar = false")

    def __enter__(self) -> Database:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._connection.close()
        self._folder.cleanup()

    @contextmanager
    def one_by_one(self) -> Iterator[None]:
        """Have the rows looked at in their order, as estimates need it that are to be the same each time."""
        self.rows("SET threads = 1")
        try:
            yield
        finally:
            self.rows(f"SET threads = {self._threads}")

    def finish(self, columns: Sequence[str]) -> None:
        """Take the table for complete and note how large it is, so that its columns can be asked for in groups.

        The columns of a wide table, of which no row is needed in full any more, are moved to tables of some columns
        each. A query is bound to all columns of its table, which would take longer than what is asked of one of them.
        """
        rows = self.row(f"SELECT count(*) FROM {TABLE}")[0]
        self._group_size = max(1, min(COLUMNS_OF_A_PART, CELLS_OF_A_QUERY // rows)) if rows else 1
        if len(columns) <= WIDE:
            return
        for first in range(0, len(columns), COLUMNS_OF_A_PART):
            part = columns[first : first + COLUMNS_OF_A_PART]
            self.rows(f"CREATE TABLE part_{first} AS SELECT {', '.join(part)} FROM {TABLE}")
            self._tables |= dict.fromkeys(part, f"part_{first}")
        self.rows(f"DROP TABLE {TABLE}")

    def table(self, column: str) -> str:
        """Return the table that has a column."""
        return self._tables.get(column, TABLE)

    def groups(self, columns: Sequence[str]) -> list[list[str]]:
        """Return the columns in groups of one table each, of which a query may ask at once."""
        result: list[list[str]] = []
        for column in columns:
            last = result[-1] if result else []
            if last and len(last) < self._group_size and self.table(last[0]) == self.table(column):
                last.append(column)
            else:
                result.append([column])
        return result

    def rows(self, query: str, values: Sequence[object] = ()) -> list[tuple[Any, ...]]:
        """Return all rows of a query, whose question marks stand for the values."""
        return self._connection.execute(query, list(values)).fetchall()

    def row(self, query: str, values: Sequence[object] = ()) -> tuple[Any, ...]:
        """Return the only row of a query."""
        (row,) = self.rows(query, values)
        return row


def names(width: int) -> list[str]:
    """Return the columns' names in the database."""
    return [f"c{number}" for number in range(width)]


def text(value: str) -> str:
    """Return a text as a literal of SQL."""
    return "'" + value.replace("'", "''") + "'"


def is_nameable(path: Path) -> bool:
    """Tell whether a query can name a path; one whose bytes are not UTF-8 it cannot."""
    return os.fsencode(path).decode("utf-8", "ignore") == str(path)


def combined(expressions: Sequence[str], operator: str) -> str:
    """Return expressions of SQL combined by an operator, in which grouping changes nothing.

    They are grouped by halves, since the database takes no expression that is more than 1,000 levels deep.
    """
    if len(expressions) == 1:
        return expressions[0]
    half = len(expressions) // 2
    return f"({combined(expressions[:half], operator)} {operator} {combined(expressions[half:], operator)})"
