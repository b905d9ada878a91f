"""From an input file to its cleaned copy, summary and chart.

The file is read three times as a stream: for its encoding, for the type of each column, and for the results. What is
kept in memory does not grow with the file: sketches of each column (see ``sketches``), and a fingerprint of each
distinct row up to a bound, by which duplicates are found.
"""

from __future__ import annotations

import csv
import hashlib
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Final

from .chart import chart
from .columns import Column, Vote
from .reading import Format, Rows, UnreadableFile, detect
from .values import is_missing, normalised_headers, signature

CHART_NAME: Final = "chart.svg"
CLEANED_NAME: Final = "cleaned.csv"
SUMMARY_NAME: Final = "summary.json"

# Some 100 bytes each, so 200 MB at most; the application has a container of 2 GB.
MAX_FINGERPRINTS: Final = 2_000_000


def make_report(source: Path, output: Path, top: int, release: str) -> dict[str, Any]:
    """Write the cleaned file, the summary and the chart of a CSV file into a folder; return the summary.

    Args:
        source: the CSV file.
        output: the folder, made if it is not there.
        top: how many of the most frequent texts of a column are listed.
        release: the version to note in the summary.

    Raises:
        UnreadableFile: the file is no CSV file with a header.
    """
    form = detect(source)
    rows = Rows(source, form)
    headers, columns, ragged = _columns(rows, form)
    output.mkdir(exist_ok=True, parents=True)
    kept, duplicates, exact = _write_cleaned(rows, columns, headers, output / CLEANED_NAME)
    summary = {
        "file": source.name,
        "generator": {"name": "csvreport", "version": release},
        "format": {"encoding": form.encoding, "delimiter": form.delimiter},
        "rows": {
            "read": kept + duplicates + rows.empty,
            "kept": kept,
            "duplicates_dropped": duplicates,
            "duplicates_exact": exact,
            "empty_dropped": rows.empty,
            "ragged": ragged,
        },
        "columns": [column.summary(top) for column in columns],
    }
    (output / SUMMARY_NAME).write_text(json.dumps(summary, ensure_ascii=False, indent=2) + "\n", encoding="utf-8")
    (output / CHART_NAME).write_text(chart(summary), encoding="utf-8")
    return summary


def _columns(rows: Rows, form: Format) -> tuple[list[str], list[Column], int]:
    """Return the normalised headers, the columns with their types, and how many rows had another width."""
    votes: list[Vote] = []
    headers: list[str] = []
    ragged = 0
    for row in rows:
        if not headers:
            headers = row
            _check_header(headers)
            votes = [Vote() for _ in headers]
            continue
        ragged += len(row) != len(headers)
        # A row may have more cells than the header has names; they are kept in columns of their own.
        while len(votes) < len(row):
            votes.append(Vote())
        for vote, cell in zip(votes, row, strict=False):
            vote.add(cell)
    if not headers:
        raise UnreadableFile("It is empty.")
    headers = headers + [""] * (len(votes) - len(headers))
    names = normalised_headers(headers)
    columns = [
        Column(name, header, vote.result(form.delimiter))
        for name, header, vote in zip(names, headers, votes, strict=True)
    ]
    return names, columns, ragged


def _check_header(headers: list[str]) -> None:
    if all(is_missing(header) or signature(header).readings for header in headers):
        shown = ", ".join(headers)
        shown = shown if len(shown) <= 60 else f"{shown[:59]}…"
        raise UnreadableFile(f"It has no header: its first row has only values ({shown}).")


def _write_cleaned(
    rows: Iterable[list[str]], columns: list[Column], headers: list[str], path: Path
) -> tuple[int, int, bool]:
    """Write the cleaned file; return the rows kept, the duplicates dropped, and whether all duplicates were found."""
    seen: set[bytes] = set()
    kept = duplicates = 0
    exact = True
    stream = iter(rows)
    next(stream)
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(headers)
        for row in stream:
            row += [""] * (len(columns) - len(row))
            cells = [column.clean(cell) for column, cell in zip(columns, row, strict=True)]
            texts = [text for text, _ in cells]
            fingerprint = hashlib.blake2b("\x1f".join(texts).encode("utf-8", "surrogatepass"), digest_size=16).digest()
            if fingerprint in seen:
                duplicates += 1
                continue
            if len(seen) < MAX_FINGERPRINTS:
                seen.add(fingerprint)
            else:
                exact = False
            kept += 1
            writer.writerow(texts)
            for column, (text, number) in zip(columns, cells, strict=True):
                column.add(text, number)
    return kept, duplicates, exact
