"""From an input file to its cleaned copy, summary and chart."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

from .careful import Account
from .chart import chart
from .database import Database, names
from .dialects import Dialect
from .encodings import NAMES, Encoding
from .encodings import decide as decide_encoding
from .export import CLEANED_NAME, SUMMARY_NAME
from .figures import figures, is_inexact
from .headers import unique_names
from .judging import Kind
from .kinds import decide as decide_kinds
from .loading import load
from .notes import notes
from .plain import Plain, dialect_of, plain_text
from .rows import drop_duplicates, write_cleaned
from .scanning import scan
from .wording import file_name

CHART_NAME: Final = "chart.svg"


def make_report(source: Path, output: Path, top: int, release: str) -> dict[str, Any]:
    """Write the cleaned file, the summary and the chart of a CSV file into a folder; return the summary.

    Args:
        source: the CSV file.
        output: the folder, made if it is not there.
        top: how many of the most frequent texts of a column are listed.
        release: the version to note in the summary.

    Raises:
        UnreadableFile: the file is no CSV file that can be read for certain.
    """
    looked = scan(source)
    encoding = decide_encoding(looked)
    dialect = dialect_of(source, looked, encoding)
    with Database() as database:
        plain = plain_text(source, looked, encoding, dialect, database.folder)
        account = load(database, plain, dialect)
        columns = names(account.width)
        headers = [*(account.header or dialect.header or ()), *[""] * account.width][: account.width]
        named = unique_names(headers)
        duplicates = drop_duplicates(database, columns, wrong=plain.wrong > 0)
        output.mkdir(exist_ok=True, parents=True)
        write_cleaned(database, columns, named, output / CLEANED_NAME)
        database.finish(columns)
        described = _described(database, decide_kinds(database, columns, dialect.delimiter), top)
    summary = {
        "file": file_name(source),
        "generator": {"name": "csvreport", "version": release},
        "format": _format(encoding, dialect, account, plain),
        "rows": {
            "read": account.rows,
            "kept": account.rows - duplicates,
            "duplicates_dropped": duplicates,
            "blank_lines": account.blank,
            "ragged": account.short + account.long,
            "short": account.short,
            "short_lines": account.short_lines,
            "long": account.long,
            "long_lines": account.long_lines,
        },
        "columns": [
            {"name": name, "header": header, **each}
            for name, header, each in zip(named, headers, described, strict=True)
        ],
    }
    summary["decided"], summary["left_out"] = notes(summary)
    (output / SUMMARY_NAME).write_text(json.dumps(summary, ensure_ascii=False, indent=2) + "\n", encoding="utf-8")
    (output / CHART_NAME).write_text(chart(summary), encoding="utf-8")
    return summary


def _described(database: Database, kinds: dict[str, Kind], top: int) -> list[dict[str, Any]]:
    result = figures(database, kinds, top)
    # Statistics would be of other numbers than these.
    reason = "some numbers are 2^53 or more, which would be rounded"
    exact = {
        column: replace(kinds[column], expression="", reason=reason, type="text")
        for column, each in result.items()
        if is_inexact(each)
    }
    return list((result | figures(database, exact, top)).values())


def _format(encoding: Encoding, dialect: Dialect, account: Account, plain: Plain) -> dict[str, Any]:
    return {
        "encoding": encoding.name,
        "encoding_others": [NAMES.get(each, each) for each in encoding.others],
        "wrong_bytes": plain.wrong,
        "wrong_lines": plain.wrong_lines,
        "delimiter": dialect.delimiter,
        "delimiter_hinted": dialect.hinted,
        "unsplit": dialect.unsplit,
        "escape": "\\" if account.backslash else '"',
        "header_line": dialect.skipped + 1 if dialect.header is not None else None,
        "preamble": list(dialect.preamble),
        "extra_empty": account.extra_empty,
        "several_lines": account.several,
        "several_lines_first": account.several_line or None,
    }
