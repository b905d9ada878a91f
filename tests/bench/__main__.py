"""``make bench``: measures the pipeline beside its peers and prints one table."""

from __future__ import annotations

import shutil
import signal
import sys
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Annotated, Final

import typer
from rich.console import Console

from tests.bench import (
    audits,
    executions,
    idle,
    images,
    large_files,
    parallel,
    report,
    small_files,
    starts,
    sweeps,
    tables,
    uploads,
    waiting,
)
from tests.bench.chart import draw
from tests.bench.measurement import PeerMissing, Result
from tests.bench.setting import Setting
from tests.bench.workers import Launcher

CHARTS: Final = (".png", ".svg")
TERMINATED: Final = 143
# Where the output goes to a file, the table need not fold.
WIDTH: Final = 180

TOPICS: Final[Mapping[str, Callable[[Setting], Result]]] = {
    "small": small_files.measure,
    "latency": waiting.measure,
    "parallel": parallel.measure,
    "executions": executions.measure,
    "large": large_files.measure,
    "upload": uploads.measure,
    "idle": idle.measure,
    "starts": starts.measure,
    "image": images.measure,
    "sweep": sweeps.measure,
    "audit": audits.measure,
    "table": tables.measure,
}

Only = Annotated[list[str] | None, typer.Option(help=f"Measure this alone; may be repeated: {', '.join(TOPICS)}.")]


def main(
    only: Only = None,
    rounds: Annotated[int, typer.Option(help="Rounds of each measurement.", min=1)] = 5,
    quick: Annotated[bool, typer.Option("--quick", help="Do the least that gives each number once.")] = False,
    full: Annotated[
        bool, typer.Option("--full", help="Also what takes many minutes: 100,000 blobs, 20,000 files.")
    ] = False,
    with_az: Annotated[
        bool, typer.Option("--with-az/--no-az", help="Compare with the Azure CLI, which is installed for it.")
    ] = True,
    markdown: Annotated[Path | None, typer.Option(dir_okay=False, help="Also write the table as Markdown.")] = None,
    chart: Annotated[Path | None, typer.Option(dir_okay=False, help="Also draw a chart, .svg or .png.")] = None,
) -> None:
    """Measure everything side by side; exit 1 only if something could not be run that is measured against."""
    if unknown := sorted(set(only or ()) - set(TOPICS)):
        raise typer.BadParameter(f"{unknown[0]!r} is none of {', '.join(TOPICS)}.", param_hint="--only")
    # What takes half an hour must not fail for such a thing at its end.
    for option, path in {"--chart": chart, "--markdown": markdown}.items():
        if path and not path.parent.is_dir():
            raise typer.BadParameter(f"there is no folder {str(path.parent)!r}. Make it first.", param_hint=option)
    if chart and chart.suffix not in CHARTS:
        raise typer.BadParameter(f"{chart.name!r} ends in none of {', '.join(CHARTS)}.", param_hint="--chart")
    # Whoever ends it with SIGTERM leaves no folder behind either.
    signal.signal(signal.SIGTERM, lambda _number, _frame: sys.exit(TERMINATED))
    console = Console()
    if not console.is_terminal:
        console.width = WIDTH
    results = measure(
        [name for name in TOPICS if not only or name in only],
        full=full,
        quick=quick,
        rounds=1 if quick else rounds,
        say=lambda text: console.print(text, style="dim"),
        with_az=with_az,
    )
    report.show(results, console)
    if markdown:
        markdown.write_text(report.markdown(results), encoding="utf-8")
        console.print(f"The table is in {markdown}.")
    if chart:
        draw([row for result in results.values() for row in result.rows], chart)
        console.print(f"The chart is in {chart}.")
    sys.exit(1 if any(result.missing for result in results.values()) else 0)


def measure(
    names: list[str], *, full: bool, quick: bool, rounds: int, say: Callable[[str], None], with_az: bool
) -> dict[str, Result]:
    """Measure topics in a temporary folder; a topic whose peer cannot be run has the reason in its result."""
    folder = Path(tempfile.mkdtemp(prefix="bench-"))
    try:
        setting = Setting(
            folder=folder,
            full=full,
            launcher=Launcher(folder),
            quick=quick,
            rounds=rounds,
            say=say,
            with_az=with_az,
        )
        return {name: _topic(name, setting) for name in names}
    finally:
        shutil.rmtree(folder)


def _topic(name: str, setting: Setting) -> Result:
    try:
        return TOPICS[name](setting)
    except PeerMissing as missing:
        return Result(missing=[str(missing)])


if __name__ == "__main__":
    typer.run(main)
