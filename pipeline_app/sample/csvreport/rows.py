"""Rows that are equal to the last character to an earlier one are dropped; the others are written in their order."""

# Queries are made of this module's own words, the columns' numbers, and literals that database.text quotes.
# ruff: noqa: S608

from __future__ import annotations

import csv
import io
import shutil
from pathlib import Path

from .database import TABLE, Database, combined, is_nameable, text


def drop_duplicates(database: Database, columns: list[str], *, wrong: bool) -> int:
    """Delete each row that is equal to an earlier one, and return how many there were.

    Rows are compared in full; a hash only finds those that are worth it. Where bytes of the file could not be read
    (``wrong``), rows that have U+FFFD in their place are never taken for equal: they may have differed in these bytes.
    """
    cells = ", ".join(columns)
    readable = combined([f"NOT contains({name}, '\ufffd')" for name in columns], "AND") if wrong else "true"
    database.rows(
        f"CREATE OR REPLACE TEMP TABLE hashes AS SELECT hash({cells}) AS h FROM {TABLE} WHERE {readable} "
        "GROUP BY h HAVING count(*) > 1"
    )
    if not database.row("SELECT count(*) FROM hashes")[0]:
        return 0
    before = database.row(f"SELECT count(*) FROM {TABLE}")[0]
    database.rows(
        f"CREATE OR REPLACE TEMP TABLE firsts AS SELECT min(rowid) AS r FROM {TABLE} WHERE {readable} AND "
        f"hash({cells}) IN (SELECT h FROM hashes) GROUP BY {cells}"
    )
    database.rows(
        f"DELETE FROM {TABLE} WHERE {readable} AND hash({cells}) IN (SELECT h FROM hashes) "
        "AND rowid NOT IN (SELECT r FROM firsts)"
    )
    database.rows("DROP TABLE hashes")
    database.rows("DROP TABLE firsts")
    return int(before - database.row(f"SELECT count(*) FROM {TABLE}")[0])


def write_cleaned(database: Database, columns: list[str], names: list[str], path: Path) -> None:
    """Write the rows to a CSV file: UTF-8, commas, line feeds, quotes where they are needed, and the given names."""
    # The database would rename a column whose name differs from another in capitals alone.
    by_itself = len({name.casefold() for name in names}) < len(names)
    listed = ", ".join(
        column if by_itself else f"{column} AS {_identifier(name)}" for column, name in zip(columns, names, strict=True)
    )
    # What stands for NULL, which no cell is, is written with quotes where it is a cell. An empty cell needs none, but a
    # line with nothing on it would be no row.
    null = "\x1e" if len(columns) > 1 else ""
    target = database.folder / "cleaned.csv" if by_itself or not is_nameable(path.absolute()) else path
    database.rows(
        f"COPY (SELECT {listed} FROM {TABLE}) TO {text(str(target))} (FORMAT csv, DELIMITER ',', ESCAPE '\"', "
        f"HEADER {not by_itself}, NULLSTR {text(null)}, QUOTE '\"')"
    )
    if target != path:
        with path.open("wb") as file, target.open("rb") as rest:
            if by_itself:
                header = io.StringIO()
                csv.writer(header, lineterminator="\n", quoting=csv.QUOTE_ALL).writerow(names)
                file.write(header.getvalue().encode("utf-8"))
            shutil.copyfileobj(rest, file)
        target.unlink()


def _identifier(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
