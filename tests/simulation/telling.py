"""The figures as a table, for the terminal and as Markdown."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from rich.console import Console
from rich.table import Table

from tests.bench.measurement import number
from tests.simulation.figures import Figures

COLUMNS: Final = (
    "files",
    "most",
    "queueLength",
    "all done after",
    "longest wait",
    "executions",
    "empty",
    "core hours billed",
    "useful",
    "nearest limit",
    "cost",
)
_LIMITS: Final = {
    "blobs": "blobs",
    "events": "queue events",
    "jobs": "queue jobs",
    "reads": "reads of groups",
    "starts": "starts of groups",
}

Line = tuple[str, Sequence[str]]


def cells(figures: Figures) -> tuple[str, ...]:
    """Return what a line says of one run, column by column."""
    kind, share = figures.busiest
    plan = figures.plan
    return (
        f"{plan.files:,}",
        f"{plan.most:,}",
        f"{plan.queue_length}" if plan.runner == "containerAppsJob" else "",
        _time(figures.makespan),
        _time(figures.oldest),
        f"{figures.bill.runs:,.0f}",
        f"{figures.empty_share:.0%}",
        number(figures.billed_hours),
        f"{figures.useful_share:.0%}",
        f"{share:.0%} of {_LIMITS[kind]}",
        f"${number(figures.dollars)}",
    )


def show(title: str, columns: Sequence[str], lines: Sequence[Line], console: Console) -> None:
    """Print a table."""
    table = Table(title=title)
    for index, name in enumerate(("", *columns)):
        table.add_column(name, justify="right" if index else "left", overflow="fold")
    for name, values in lines:
        table.add_row(name, *values)
    console.print(table)


def markdown(columns: Sequence[str], lines: Sequence[Line]) -> str:
    """Return a table as Markdown."""
    head = [f"| | {' | '.join(columns)} |", f"| --- |{' ---: |' * len(columns)}"]
    return "\n".join([*head, *(row(line) for line in lines)]) + "\n"


def row(line: Line) -> str:
    """Return a line of a table as Markdown."""
    name, values = line
    return f"| {' | '.join((name, *values))} |"


def _time(seconds: float) -> str:
    if seconds < 600:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 6 * 3600 else f"{seconds / 3600:.1f} h"
