"""Tables of what was done, and what came of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from tests.chaos.checking import ZEROS, Findings
from tests.chaos.poison import MIB, PoisonResult

SHOWN: Final = 40


def show(scenarios: Mapping[str, Findings], console: Console) -> None:
    """Print a column for each scenario, and the first problems in full."""
    table = Table(title="What was done, and what came of it")
    table.add_column("", no_wrap=True)
    for name in scenarios:
        table.add_column(name, justify="right")
    # Rows are in the order in which the scenarios declared them.
    rows = dict.fromkeys(row for findings in scenarios.values() for row in findings.counts)
    for row in rows:
        table.add_row(row, *(_number(findings.counts.get(row)) for findings in scenarios.values()))
    table.add_row("seconds", *(f"{findings.seconds:.0f}" for findings in scenarios.values()), end_section=True)
    for kind in ZEROS:
        table.add_row(f"[bold]{kind}[/]", *(str(len(getattr(findings, kind))) for findings in scenarios.values()))
    console.print(table)
    for name, findings in scenarios.items():
        for problem in findings.problems[:SHOWN]:
            console.print(f"{name}: {problem}", markup=False, soft_wrap=True)


def show_poisons(results: Sequence[PoisonResult], console: Console) -> None:
    """Print a row for each kind of poison."""
    table = Table(title="Files that make the application misbehave, each among good ones")
    for name in ("kind", "status", "error", "worker MiB", "files MiB", "seconds", "problem"):
        table.add_column(name, justify="right" if name.endswith(("MiB", "seconds")) else "left", overflow="fold")
    for result in results:
        table.add_row(
            result.kind,
            result.status or "",
            escape(result.error or ""),
            str(result.worker_bytes // MIB),
            str(result.scratch_bytes // MIB),
            f"{result.seconds:.0f}",
            escape(result.problem or "none"),
        )
    console.print(table)


def _number(count: int | None) -> str:
    return "" if count is None else str(count)
