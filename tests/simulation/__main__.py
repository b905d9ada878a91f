"""``make simulate``: what the pipeline carries, by its own decisions in virtual time; the same seed, the same bytes."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Final

import typer
from rich.console import Console

from tests.bench.chart import draw
from tests.simulation import telling
from tests.simulation.cohorts import Cohorts
from tests.simulation.figures import Figures
from tests.simulation.scenarios import GRID, SCENARIOS, Scenario, grid_name
from tests.simulation.world import World

# Where the output goes to a file, the tables need not fold.
WIDTH: Final = 220
MOST_EXACT: Final = 1_000_000


def main(
    exact: Annotated[bool, typer.Option("--exact", help="Also take a million files one by one: minutes.")] = False,
    seed: Annotated[int, typer.Option(help="What chance decides; the same seed gives the same bytes.")] = 1,
    markdown: Annotated[Path | None, typer.Option(dir_okay=False, help="Also write the tables as Markdown.")] = None,
    chart: Annotated[Path | None, typer.Option(dir_okay=False, help="Also draw how far targets are, as SVG.")] = None,
) -> None:
    """Simulate all scenarios; exit 1 if a target is missed."""
    for option, path in {"--chart": chart, "--markdown": markdown}.items():
        if path and not path.parent.is_dir():
            raise typer.BadParameter(f"there is no folder {str(path.parent)!r}. Make it first.", param_hint=option)
    console = Console()
    if not console.is_terminal:
        console.width = WIDTH
    found = [(scenario, simulate(scenario, seed, exact=exact)) for scenario in SCENARIOS]
    lines = [(scenario.name, telling.cells(figures)) for scenario, figures in found]
    settings = [(grid_name(plan), telling.cells(World(replace(plan, seed=seed)).run())) for plan in GRID]
    telling.show(f"Simulated, seed {seed}", telling.COLUMNS, lines, console)
    telling.show("By settings", telling.COLUMNS, settings, console)
    rows = [row for scenario, figures in found for row in scenario.rows(figures)]
    for row in rows:
        console.print(f"{row.measure}: {row.verdict}", highlight=False)
    if markdown:
        tables = [telling.markdown(telling.COLUMNS, each) for each in (lines, settings)]
        markdown.write_text("\n".join(tables), encoding="utf-8")
        console.print(f"The tables are in {markdown}.")
    if chart:
        draw(rows, chart)
        console.print(f"The chart is in {chart}.")
    sys.exit(0 if all(row.verdict == "met" for row in rows) else 1)


def simulate(scenario: Scenario, seed: int, *, exact: bool = False) -> Figures:
    """Return the figures of a scenario; ``exact`` takes up to a million files one by one, which takes minutes."""
    plan = replace(scenario.plan, seed=seed)
    if scenario.by_cohorts and not (exact and plan.files <= MOST_EXACT):
        return Cohorts(plan).run()
    return World(plan).run()


if __name__ == "__main__":
    typer.run(main)
