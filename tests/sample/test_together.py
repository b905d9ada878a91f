"""Columns that share a query have the same figures as those that have one each."""

# Queries are made of numbers and of names given here.
# ruff: noqa: S608

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from pipeline_app.sample.csvreport import database
from pipeline_app.sample.csvreport.database import COLUMNS_OF_A_PART, TABLE, WIDE, Database, names
from pipeline_app.sample.csvreport.together import ask, grouped
from tests.sample.inputs import lines, process

COLUMNS: dict[str, Callable[[int], str]] = {
    "amount": lambda n: f"{n * 37 % 101}.{n % 10}5",
    "big": lambda n: str(2**53 + n),
    "comma": lambda n: f'"{n},5 €"',
    "date": lambda n: f"2026-{n % 12 + 1:02}-{n % 28 + 1:02}",
    "day": lambda n: f"{n % 28 + 1}/{n % 12 + 1}/2026",
    "empty": lambda _: "",
    "end": lambda n: "9999-12-31" if n % 9 == 0 else f"2026-01-01T00:00:{n % 60:02}",
    "missing": lambda n: "NA" if n % 7 == 0 else str(n),
    "none": lambda n: "NA" if n % 50 == 0 else f"word {n % 5}",
    "odd": lambda n: "about 5" if n == 40 else f"1,00{n % 10}.5".join('""'),
    "same": lambda _: "7",
    "truth": lambda n: "yes" if n % 3 else "no",
}


@pytest.mark.parametrize("repeats", [1, 26], ids=["narrow", "wide"])
def test_figures_are_the_same_however_many_columns_share_a_query(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, repeats: int
) -> None:
    assert (len(COLUMNS) * repeats > WIDE) == (repeats > 1)
    header = ",".join(f"{name} {number}" for number in range(repeats) for name in COLUMNS)
    rows = [",".join(cell(n + number) for number in range(repeats) for cell in COLUMNS.values()) for n in range(60)]
    (tmp_path / "one").mkdir()
    shared = process(tmp_path, lines(header, rows))
    monkeypatch.setattr(database, "CELLS_OF_A_QUERY", 0)
    alone = process(tmp_path / "one", lines(header, rows))
    assert shared.summary == alone.summary
    assert shared.rows == alone.rows
    types = {name: shared.column(f"{name} 0")["type"] for name in COLUMNS}
    assert types == {
        "amount": "number", "big": "text", "comma": "number", "date": "date", "day": "date", "empty": "text",
        "end": "date", "missing": "number", "none": "text", "odd": "number", "same": "number", "truth": "boolean",
    }  # fmt: skip


def test_a_wide_table_takes_few_queries(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    asked: list[str] = []
    rows = Database.rows

    def counted(self: Database, query: str, values: tuple[object, ...] = ()) -> list[tuple[object, ...]]:
        asked.append(query)
        return rows(self, query, values)

    monkeypatch.setattr(Database, "rows", counted)
    width = 20 * COLUMNS_OF_A_PART
    cells = [",".join(f"{row + n}.5" if n % 2 else f"word {row}" for n in range(width)) for row in range(9)]
    made = process(tmp_path, lines(",".join(f"n{n}" for n in range(width)), cells))
    assert len(made.summary["columns"]) == width
    # A query for each of its columns would be more than this already.
    assert len(asked) < width


@pytest.mark.parametrize("count", [0, 1, 3])
def test_a_column_has_an_answer_whether_there_are_rows_or_none(count: int) -> None:
    columns = names(3)
    with Database() as each:
        cells = ", ".join(f"'{name}' AS {name}" for name in columns)
        each.rows(f"CREATE TABLE {TABLE} AS SELECT {cells} FROM range({count})")
        each.finish(columns)
        readings = {name: f"nullif({name}, 'c1')" for name in columns}
        beside = {name: (float(number),) for number, name in enumerate(columns)}
        found = ask(each, readings, ["count(*)", "count(v)", "any_value(b0)"], beside=beside)
        expected = {name: (count, 0 if name == "c1" else count, beside[name][0] if count else None) for name in columns}
        assert found == expected
        values = grouped(each, readings, lambda source: f"SELECT k, v FROM {source} WHERE v IS NOT NULL GROUP BY k, v")
        assert values == {name: [(name,)] if count and name != "c1" else [] for name in columns}
