"""The export: one HTML page, made from the results in a folder, and what a person opens in a spreadsheet."""

from __future__ import annotations

import csv
import html
import json
from pathlib import Path
from typing import Any, Final

from .chart import chart
from .spreadsheet import write_copy
from .wording import counted, left_out_line, moment, number, rows_line, short

CLEANED_NAME: Final = "cleaned.csv"
SUMMARY_NAME: Final = "summary.json"
REPORT_NAME: Final = "report.html"
STYLE: Final = """
  body { margin: 0 auto; max-width: 1120px; padding: 24px; color: #1d2633; background: #f6f8fb;
         font: 15px/1.5 system-ui, -apple-system, 'Segoe UI', Roboto, sans-serif; }
  h1 { font-size: 26px; margin: 12px 0 0; overflow-wrap: anywhere; }
  h2 { font-size: 18px; margin: 36px 0 10px; }
  p { color: #5b6778; margin: 4px 0 18px; }
  figure { margin: 0; overflow: hidden; }
  svg { display: block; height: auto; margin: 0 -3.2%; width: 106.4%; }
  .scroll { overflow-x: auto; }
  table { background: #fff; border: 1px solid #dde3ec; border-collapse: collapse; border-radius: 10px; width: 100%; }
  th, td { border-bottom: 1px solid #eef1f6; padding: 7px 12px; text-align: left; white-space: nowrap; }
  th { color: #5b6778; font-size: 13px; font-weight: 600; }
  td.number, th.number { font-variant-numeric: tabular-nums; text-align: right; }
  td.wide { white-space: normal; min-width: 120px; overflow-wrap: anywhere; }
  ul { background: #fff; border: 1px solid #dde3ec; border-radius: 10px; margin: 0 0 18px;
       padding: 10px 16px 10px 34px; }
  li { margin: 3px 0; overflow-wrap: anywhere; }
  .left-out { border-left: 4px solid #a8450f; }
  td .left-out { border: 0; color: #a8450f; }
"""


class NoResults(Exception):
    """The folder has no results of this application; the text says so in a sentence."""


def export(folder: Path) -> Path:
    """Write the report of the results in a folder, and a copy for spreadsheets if it takes one; return its path.

    Raises:
        NoResults: the folder has no summary, or a damaged one.
    """
    try:
        summary = json.loads((folder / SUMMARY_NAME).read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise NoResults(f"There are no results to export: {error.filename} is missing.") from error
    except OSError as error:
        raise NoResults(f"The results cannot be exported: {error.filename}: {error.strerror}.") from error
    except ValueError as error:
        raise NoResults(f"The results cannot be exported: {folder / SUMMARY_NAME} is damaged ({error}).") from error
    cleaned = folder / CLEANED_NAME
    try:
        copy = write_copy(cleaned) if cleaned.exists() else None
    except (UnicodeDecodeError, csv.Error) as error:
        raise NoResults(
            f"The results cannot be exported: {cleaned} is no table that csvreport wrote ({error}). Process the file "
            "anew."
        ) from error
    try:
        page = _page(summary, _downloads(copy) if cleaned.exists() else "")
    except (AttributeError, IndexError, KeyError, TypeError, ValueError) as error:
        raise NoResults(
            f"The results cannot be exported: {folder / SUMMARY_NAME} is no summary that this version of csvreport "
            f"wrote ({type(error).__name__}: {error}). Process the file anew."
        ) from error
    path = folder / REPORT_NAME
    path.write_text(page, encoding="utf-8")
    return path


def _page(summary: dict[str, Any], downloads: str) -> str:
    title = html.escape(summary["file"])
    rows = "\n".join(_row(column) for column in summary["columns"])
    generator = html.escape(f"{summary['generator']['name']} {summary['generator']['version']}")
    return f"""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="generator" content="{generator}">
<title>{title}</title>
<style>{STYLE}</style>
</head>
<body>
<h1>{title}</h1>
<p>{html.escape(rows_line(summary))}.</p>
{_list("What was left out or changed its form", summary["left_out"], "left-out")}<figure>
{chart(summary, heading=False)}</figure>
{_list("What was decided", summary["decided"], "decided")}<h2>Columns</h2>
<div class="scroll">
<table>
<thead><tr><th>Column</th><th>Type</th><th class="number">Values</th><th class="number">Missing</th>
<th class="number">Distinct</th><th>Range</th><th>In the middle</th></tr></thead>
<tbody>
{rows}
</tbody>
</table>
</div>
{downloads}<p>Made by {generator}.</p>
</body>
</html>
"""


def _downloads(copy: tuple[Path, int] | None) -> str:
    """Return what a person can open, and in what; the files lie beside the page."""
    text = f'<a href="{CLEANED_NAME}">{CLEANED_NAME}</a> has every value as it is in the file.'
    if copy is not None:
        path, count = copy
        text += (
            f" {counted(count, 'cell')} would be taken for a formula by a spreadsheet, which then computes what the "
            f'file\'s author wrote. Open <a href="{path.name}">{path.name}</a> there instead: in it, these have an '
            "apostrophe in front and are texts."
        )
    return f"<h2>Download</h2>\n<p>{text}</p>\n"


def _list(title: str, sentences: list[str], name: str) -> str:
    if not sentences:
        return ""
    items = "\n".join(f"<li>{html.escape(sentence)}</li>" for sentence in sentences)
    return f'<h2>{title}</h2>\n<ul class="{name}">\n{items}\n</ul>\n'


def _row(column: dict[str, Any]) -> str:
    about = "" if column["distinct_exact"] else "≈ "
    extent, middle = _described(column)
    note = left_out_line(column) or column.get("text_because", "")
    if note:
        middle = f"{html.escape(middle)}{'<br>' if middle else ''}<span class='left-out'>{html.escape(note)}</span>"
    else:
        middle = html.escape(middle)
    return (
        f"<tr><td class='wide'>{html.escape(column['name'])}</td><td>{column['type']}</td>"
        f'<td class="number">{column["count"]:,}</td><td class="number">{column["missing"]:,}</td>'
        f'<td class="number">{about}{column["distinct"]:,}</td>'
        f"<td class='wide'>{html.escape(extent)}</td><td class='wide'>{middle}</td></tr>"
    )


def _described(column: dict[str, Any]) -> tuple[str, str]:
    """Return a column's range and its middle, or its most frequent values, in words."""
    unit = column.get("unit", "")
    if "min" in column:
        about = "" if column["quantiles_exact"] else "≈ "
        extent = f"{number(column['min'], unit)} to {number(column['max'], unit)}"
        middle = f"median {about}{number(column['median'], unit)}, mean {number(column['mean'], unit)}"
        return extent, f"{middle}, sd {number(column['stdev'], unit)}"
    if "first" in column:
        return f"{moment(column['first'])} to {moment(column['last'])}", ""
    about = "" if column.get("top_exact", True) else "≈ "
    shown = ", ".join(f"{short(entry['value'], 60)} ({entry['count']:,})" for entry in column.get("top", [])[:4])
    return "", f"{about}{shown}"
