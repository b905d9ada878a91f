"""``make chaos``: thousands of files, hundreds of kills, and a table of what came of it."""

from __future__ import annotations

import random
import sys
import tempfile
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Final

import typer
from rich.console import Console

from tests.accounts import running_account
from tests.chaos import poison
from tests.chaos.checking import Findings
from tests.chaos.lives import Lives, LivesPlan
from tests.chaos.poison import PoisonResult
from tests.chaos.run import RunPlan, RunUnderFire
from tests.chaos.telling import show, show_poisons
from tests.chaos.world import Plan, World

# Where the output goes to a file, the tables need not fold.
WIDTH: Final = 180


class Scenario(StrEnum):
    """What is put to the test."""

    GROUPS = "groups"
    JOB = "job"
    LIVES = "lives"
    POISON = "poison"
    RUN = "run"
    WORKERS = "workers"


def main(
    ends: Annotated[int, typer.Option(help="Replica timeouts, and four times the stops of groups.", min=4)] = 500,
    files: Annotated[int, typer.Option(help="Inputs of the workers' scenario.", min=1)] = 1600,
    harm: Annotated[float, typer.Option(help="Chance of each request to go wrong.", max=0.5, min=0)] = 0.02,
    keep: Annotated[Path | None, typer.Option(help="Folder, made anew, that keeps all data and logs.")] = None,
    kills: Annotated[int, typer.Option(help="Workers to kill, at least.", min=0)] = 460,
    only: Annotated[Scenario | None, typer.Option(help="Leave the other scenarios out.")] = None,
    overwrite: Annotated[float, typer.Option(help="Chance of each input to be overwritten.", max=1, min=0)] = 0.05,
    run_files: Annotated[int, typer.Option(help="Inputs of the whole run's scenario.", min=1)] = 400,
    run_kills: Annotated[int, typer.Option(help="Processes of the whole run to kill.", min=1)] = 64,
    seed: Annotated[int | None, typer.Option(help="Repeat the decisions of an earlier run.")] = None,
    workers: Annotated[int, typer.Option(help="Workers side by side.", min=1)] = 8,
) -> None:
    """Kill, end, break and poison; exit 1 if a file is lost, done twice, torn or mixed, or if anything is left over."""
    console = Console()
    if not console.is_terminal:
        console.width = WIDTH
    chosen = random.SystemRandom().randrange(2**32) if seed is None else seed
    console.print(f"seed {chosen}")
    poisoned: list[PoisonResult] = []
    results: dict[str, Findings] = {}
    with tempfile.TemporaryDirectory(prefix="chaos-") as temporary:
        folder = keep or Path(temporary)
        for scenario in Scenario if only is None else [only]:
            console.rule(scenario)
            place = folder / scenario.name.lower()
            place.mkdir(parents=True)
            if scenario in (Scenario.JOB, Scenario.RUN):
                run_plan = RunPlan(
                    files=run_files,
                    kills=run_kills,
                    overwrite_rate=overwrite * 2,
                    runner="containerAppsJob" if scenario is Scenario.JOB else "containerInstances",
                    seed=chosen,
                )
                results[scenario] = RunUnderFire(run_plan, place).run(console.print)
                continue
            if scenario is Scenario.POISON:
                with running_account("poison", place) as account:
                    poisoned = poison.run(account.connection_string, place, console.print)
                continue
            if scenario in (Scenario.GROUPS, Scenario.LIVES):
                groups = scenario is Scenario.GROUPS
                lives_plan = LivesPlan(ends=ends // 4 if groups else ends, groups=groups, seed=chosen, workers=workers)
                with running_account("lives", place) as account:
                    results[scenario] = Lives(lives_plan, account.connection_string, place).run(console.print)
                continue
            plan = Plan(
                every_step=True,
                files=files,
                harm_rate=harm,
                kills=kills,
                overwrite_rate=overwrite,
                seed=chosen,
                workers=workers,
            )
            with running_account("chaos", place) as account:
                results[scenario] = World(plan, account.connection_string, place).run(console.print)
    if poisoned:
        show_poisons(poisoned, console)
    if results:
        show(results, console)
    problems = [*(findings.problems for findings in results.values()), *(result.problem for result in poisoned)]
    sys.exit(1 if any(problems) else 0)


if __name__ == "__main__":
    typer.run(main)
