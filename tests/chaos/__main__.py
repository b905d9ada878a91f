"""``make chaos``: thousands of files, hundreds of killed workers, and a table of what came of it."""

from __future__ import annotations

import random
import sys
import tempfile
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from tests.accounts import running_account
from tests.chaos.proxy import KILLS, Harm
from tests.chaos.world import Findings, Plan, World


def main(
    files: Annotated[int, typer.Option(help="Inputs to upload.")] = 2000,
    harm: Annotated[float, typer.Option(help="Chance of each request to go wrong.")] = 0.04,
    kills: Annotated[int, typer.Option(help="Workers to kill, at most.")] = 600,
    overwrite: Annotated[float, typer.Option(help="Chance of each input to be overwritten meanwhile.")] = 0.05,
    seed: Annotated[int | None, typer.Option(help="Repeat the decisions of an earlier run.")] = None,
    workers: Annotated[int, typer.Option(help="Workers side by side.")] = 4,
) -> None:
    """Kill workers and break requests while files are processed; exit 1 if anything is lost, torn, mixed or leaked."""
    console = Console()
    chosen = random.SystemRandom().randrange(2**32) if seed is None else seed
    console.print(f"seed {chosen}")
    plan = Plan(files=files, harm_rate=harm, kills=kills, overwrite_rate=overwrite, seed=chosen, workers=workers)
    with tempfile.TemporaryDirectory(prefix="chaos-") as temporary:
        folder = Path(temporary)
        with running_account("chaos", folder) as account:
            findings = World(plan, account.connection_string, folder).run(console.print)
    show(findings, console)
    sys.exit(0 if findings.clean else 1)


def show(findings: Findings, console: Console) -> None:
    """Print what was done to which step, and what came of it."""
    table = Table(title="What was done, by the step of the worker that it hit")
    table.add_column("step", no_wrap=True)
    for each in Harm:
        if each is not Harm.NONE:
            table.add_column(each.name.lower().replace("_", " "), justify="right")
    for step in sorted({step for step, _ in findings.harms}):
        table.add_row(step, *(str(findings.harms[step, each] or "") for each in Harm if each is not Harm.NONE))
    console.print(table)
    result = Table(title=f"What came of it in {findings.seconds:.0f} s", show_header=False)
    result.add_row("files with their receipt", str(findings.succeeded))
    result.add_row("overwritten meanwhile", str(findings.overwritten))
    result.add_row("workers killed", str(sum(n for (_, harm), n in findings.harms.items() if harm in KILLS)))
    result.add_row("lost", str(len(findings.lost)))
    result.add_row("torn (receipt and results differ)", str(len(findings.torn)))
    result.add_row("mixed (results of several attempts)", str(len(findings.mixed)))
    result.add_row("leaked (processes, scratch folders)", str(len(findings.leaked)))
    result.add_row("stray results that no receipt names", str(findings.stray))
    console.print(result)
    for problem in [*findings.lost, *findings.torn, *findings.mixed, *findings.leaked][:20]:
        console.print(problem, markup=False)


if __name__ == "__main__":
    typer.run(main)
