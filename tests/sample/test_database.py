"""The database keeps within its limits, reaches no network, draws nothing into the log and leaves nothing behind."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipeline_app.sample.csvreport.database import COLUMNS_OF_A_PART, WIDE, Database, combined, names
from pipeline_app.sample.csvreport.limits import LEAST_BYTES, limits


@pytest.mark.parametrize(
    ("setting", "value"),
    [
        ("autoinstall_known_extensions", False),
        ("autoload_known_extensions", False),
        ("enable_progress_bar", False),
        ("TimeZone", "UTC"),
        ("threads", limits().threads),
    ],
)
def test_settings(setting: str, value: object) -> None:
    with Database() as database:
        assert database.row(f"SELECT current_setting('{setting}')") == (value,)


def test_its_folder_is_deleted() -> None:
    with Database() as database:
        folder = database.folder
        database.rows("CREATE TABLE cells AS SELECT 1 AS c0")
        assert list(folder.iterdir())
    assert not folder.exists()


def test_the_limits_of_a_container_are_kept_to(tmp_path: Path) -> None:
    (tmp_path / "memory.max").write_text(f"{1 << 30}\n")
    (tmp_path / "cpu.max").write_text("50000 100000\n")
    found = limits(tmp_path)
    assert found.threads == 1
    assert LEAST_BYTES < found.memory_bytes < 1 << 29
    (tmp_path / "memory.max").write_text("max\n")
    (tmp_path / "cpu.max").write_text("max 100000\n")
    assert limits(tmp_path) == limits(tmp_path / "none")


def test_a_wide_table_is_split_and_each_column_is_found() -> None:
    columns = names(WIDE + 7)
    with Database() as database:
        cells = ", ".join(f"'{name}' AS {name}" for name in columns)
        database.rows(f"CREATE TABLE cells AS SELECT {cells}")
        database.finish(columns)
        found = [database.row(f"FROM {database.table(each)} SELECT {each}")[0] for each in columns]
        assert found == columns
        assert len({database.table(each) for each in columns}) == -(-len(columns) // COLUMNS_OF_A_PART)


@pytest.mark.parametrize("count", [1, 2, 3, 7, 5_000])
def test_combined_expressions_are_no_deeper_than_the_database_takes(count: int) -> None:
    with Database() as database:
        assert database.row(f"SELECT {combined(['1'] * count, '+')}") == (count,)
