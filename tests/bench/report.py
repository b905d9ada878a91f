"""The table, for the terminal and as Markdown."""

from __future__ import annotations

import os
import platform
from collections.abc import Mapping, Sequence
from typing import Final

from rich.console import Console
from rich.table import Table
from rich.text import Text

from tests.bench.measurement import Result, Row, number, text_of

COLUMNS: Final = ("", "ours", "peer", "ratio", "target", "")


def show(results: Mapping[str, Result], console: Console) -> None:
    """Print the table, then what is behind the numbers and what could not be measured."""
    table = Table(title="Medians, and quartiles (the extremes of fewer than four) in brackets", show_lines=False)
    for index, name in enumerate(COLUMNS):
        table.add_column(name, justify="left" if index == 0 else "right", overflow="fold")
    for result in results.values():
        if result.rows:
            table.add_section()
            table.add_row(Text(result.rows[0].topic, style="bold"))
        for row in result.rows:
            style = "green" if row.verdict == "met" else "red"
            *cells, verdict = _cells(row)
            table.add_row(*map(Text, cells), Text(verdict, style=style))
    console.print(table)
    for line in _lines(results):
        console.print(Text(line), soft_wrap=True)


def markdown(results: Mapping[str, Result]) -> str:
    """Return the table and the details as Markdown."""
    lines = [
        f"Measured on {os.cpu_count()} processors ({platform.machine()}), {platform.system()}, Python "
        f"{platform.python_version()}, against Azurite on loopback. Medians, with the quartiles (the extremes of fewer "
        "than four values) in brackets; ratios are taken round by round.",
    ]
    for result in results.values():
        if result.rows:
            lines += ["", f"### {result.rows[0].topic.capitalize()}", ""]
            lines += ["| Measure | Ours | Peer | Ratio | Target | |", "| --- | ---: | ---: | ---: | ---: | --- |"]
            lines += [f"| {' | '.join(cell.replace('|', '/') for cell in _cells(row))} |" for row in result.rows]
            notes = [f"* {row.measure}: {row.note}." for row in result.rows if row.note]
            lines += ["", *notes] if notes else []
        if result.details:
            lines += ["", "```text", *result.details, "```"]
        lines += [f"\n{line}" for line in (*result.skipped, *result.missing)]
    return "\n".join(lines) + "\n"


def _cells(row: Row) -> Sequence[str]:
    target = f"{row.target.bound} {number(row.target.value)}" if row.target else ""
    peer = f"{row.peer_name}: {text_of(row.peer)}" if row.peer else ""
    ratio = text_of(row.ratio) if row.ratio else ""
    return (f"{row.measure} [{row.unit}]", text_of(row.ours), peer, ratio, target, row.verdict)


def _lines(results: Mapping[str, Result]) -> list[str]:
    lines: list[str] = []
    for result in results.values():
        lines += [f"{row.topic}, {row.measure}: {row.note}." for row in result.rows if row.note]
        lines += result.details
        lines += [f"Not measured: {line}" for line in result.skipped]
        lines += [f"A peer is missing: {line}" for line in result.missing]
    return lines
