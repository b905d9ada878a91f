"""Questions to many columns at once.

The database takes about a millisecond to plan each aggregate, which is more than it then takes for some rows. So the
columns of a table of few rows are stacked into one, with the number of the column beside each cell, and share a query.
Of a table of millions of rows each column has its own, since what is held for several would not fit into memory
together.
"""

# Queries are made of this module's own words, the columns' numbers, and the callers' expressions.
# ruff: noqa: S608

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from .database import Database

Row = tuple[Any, ...]


def grouped(
    database: Database,
    readings: Mapping[str, str],
    query: Callable[[str], str],
    beside: Mapping[str, Sequence[float]] | None = None,
) -> dict[str, list[Row]]:
    """Return the rows that a query gives for each of the columns, without their first cell.

    Args:
        database: where the columns are.
        readings: for each column the expression that stands for it.
        query: is given the source, whose columns are ``v`` of the expression's values, ``k`` of numbers that stand for
            the columns, ``r`` of the rows' numbers, and ``b0`` and so on of what is beside; it selects ``k`` first.
        beside: numbers for each column, in the same number for all of them.
    """
    result: dict[str, list[Row]] = {column: [] for column in readings}
    for group in database.groups(list(readings)):
        more = list(zip(*(beside[column] for column in group), strict=True)) if beside else []
        if len(group) == 1:
            stacked = ["0 AS k", f"{readings[group[0]]} AS v"]
            stacked += [f"CAST(? AS DOUBLE) AS b{number}" for number in range(len(more))]
            values: list[Any] = [each[0] for each in more]
        else:
            listed = ", ".join(readings[column] for column in group)
            stacked = [f"unnest(range({len(group)})) AS k", f"unnest([{listed}]) AS v"]
            stacked += [f"unnest(CAST(? AS DOUBLE[])) AS b{number}" for number in range(len(more))]
            values = [list(each) for each in more]
        source = f"(SELECT {', '.join(stacked)}, rowid AS r FROM {database.table(group[0])})"
        for number, *row in database.rows(query(source), values):
            result[group[number]].append(tuple(row))
    return result


def ask(
    database: Database,
    readings: Mapping[str, str],
    aggregates: Sequence[str],
    *,
    beside: Mapping[str, Sequence[float]] | None = None,
    then: str = "v",
) -> dict[str, Row]:
    """Return what aggregates of ``v`` give for each of the columns.

    Args:
        database: as for :func:`grouped`.
        readings: as for :func:`grouped`.
        aggregates: the expressions.
        beside: as for :func:`grouped`.
        then: an expression of ``v`` that stands for it in the aggregates.
    """

    def query(source: str) -> str:
        # Without rows there are no groups, and a table without rows is asked for one column at a time.
        grouping = "GROUP BY k" if "unnest" in source else ""
        then_of = f"(SELECT * REPLACE ({then} AS v) FROM {source})" if then != "v" else source
        return f"SELECT coalesce(any_value(k), 0), {', '.join(aggregates)} FROM {then_of} {grouping}"

    return {column: row for column, (row,) in grouped(database, readings, query, beside).items()}


def filled(columns: Sequence[str]) -> dict[str, str]:
    """Return what stands for columns whose empty cells are left out."""
    return {column: f"nullif({column}, '')" for column in columns}
