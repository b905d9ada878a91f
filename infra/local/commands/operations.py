"""The commands that look after files: of the local run, or of a stack in Azure."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Final

import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.text import Text

from infra.local.cloud.machine import OUTPUTS
from infra.local.commands.run import PROJECT
from infra.local.data.folder import OTHER_FOLDER
from infra.local.data.private import NotPrivateError, require_private
from infra.operate import repair
from infra.operate.azure_storage import AzureStorage, connect
from infra.operate.finding import find_name
from infra.operate.log_lines import lines_of_workers
from infra.operate.places import Place, local_place, stack_outputs, stack_place
from infra.operate.storage import OperateError
from infra.operate.story import gather
from infra.operate.telling import Mood, Section, tell
from pipeline_app.printable import printable

COLOURS: Final[dict[Mood, str]] = {"bad": "red", "good": "green", "waiting": "yellow"}
DEFAULT_DATA: Final = Path(".local")
LOOKED: Final = 50_000
SHOWN: Final = 20

Azure = Annotated[bool, typer.Option("--azure", help="Look after the deployed stack instead of the local run.")]
Data = Annotated[Path, typer.Option(file_okay=False, help="Folder of the local run.")]
StackName = Annotated[str, typer.Option("--stack", "-s", help="The deployed stack, with --azure.", metavar="NAME")]


def explain(
    name: Annotated[str, typer.Argument(help="The file, with or without the input path.")],
    data: Data = DEFAULT_DATA,
    azure: Azure = False,
    stack: StackName = "dev",
) -> None:
    """Tell what became of one file, and what to do."""
    with _opened(data, azure, stack) as (storage, place):
        found = find_name(name, storage, place.names)
        lines = None if place.logs is None else lines_of_workers(place.logs)
        story = gather(found, storage, place.names, lines)
        show(tell(story, place.names, datetime.now(UTC)), Console())


def retry(
    names: Annotated[list[str], typer.Argument(help="The files, with or without the input path.")],
    data: Data = DEFAULT_DATA,
    azure: Azure = False,
    stack: StackName = "dev",
) -> None:
    """Have files processed again, also those that have a receipt."""
    refused = False
    console = Console()
    with _opened(data, azure, stack) as (storage, place):
        for name in names:
            try:
                retried = repair.retry(name, storage, place.names)
            except OperateError as error:
                refused = True
                _complain(str(error))
            else:
                line = f"{retried.name} is processed again as version {retried.etag}; look at {retried.receipt_name}"
                console.print(Text(printable(line)), soft_wrap=True)
    if refused:
        raise typer.Exit(1)


def backfill(
    since: Annotated[
        str | None, typer.Option(help="Leave out what was uploaded before, such as 2026-01-31T12:00Z.", metavar="TIME")
    ] = None,
    data: Data = DEFAULT_DATA,
    azure: Azure = False,
    stack: StackName = "dev",
) -> None:
    """Queue every input whose present version has no receipt."""
    begin = _moment(since) if since is not None else None
    console = Console()
    count = 0
    refused = False
    with _opened(data, azure, stack) as (storage, place), looking(console) as looked:
        for each in repair.backfill(storage, place.names, begin, looked):
            if isinstance(each, repair.NotQueued):
                refused = True
                _complain(f"{each.name!r} was not queued: {each.reason}")
                continue
            count += 1
            if count <= SHOWN:
                console.print(Text(printable(f"Queued {each.name}")), soft_wrap=True)
            elif count == SHOWN + 1:
                console.print("…")
    console.print(f"{count:,} input(s) without a receipt were queued.", highlight=False)
    if refused:
        raise typer.Exit(1)


def show(sections: list[Section], console: Console) -> None:
    """Print a story, with colours where the console has them."""
    for section in sections:
        console.print(Text(section.heading, style=f"bold {COLOURS[section.mood]}"))
        for line in section.lines:
            console.print(Text(f"  {printable(line)}"), soft_wrap=True)


@contextlib.contextmanager
def looking(console: Console, every: int = LOOKED) -> Iterator[Callable[[int], None]]:
    """Show how many inputs were looked at: on a terminal in a line that moves, else in one for each ``every``."""
    if console.is_terminal:
        columns = (SpinnerColumn(), TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn())
        with Progress(*columns, console=console, transient=True) as progress:
            # How many there are is known at the end alone.
            task = progress.add_task("0 inputs looked at", total=None)
            yield lambda count: progress.update(task, description=f"{count:,} inputs looked at")
        return
    told = 0

    def tell_count(count: int) -> None:
        nonlocal told
        if count // every > told:
            told = count // every
            console.print(f"{count:,} inputs looked at", highlight=False)

    yield tell_count


@contextlib.contextmanager
def _opened(data: Path, azure: bool, stack: str) -> Iterator[tuple[AzureStorage, Place]]:
    """Open the pipeline's storage; what cannot be done ends the command with its reason and exit code 1."""
    try:
        if azure:
            place = stack_place(stack_outputs(stack, PROJECT), stack)
        else:
            require_private(data)
            place = local_place(data.resolve() / OUTPUTS)
        with connect(place) as storage:
            yield storage, place
    except NotPrivateError as error:
        _complain(f"{error} {OTHER_FOLDER}")
        raise typer.Exit(1) from error
    except OperateError as error:
        _complain(str(error))
        raise typer.Exit(1) from error


def _complain(text: str) -> None:
    Console(stderr=True).print(Text(printable(text), style="red"), soft_wrap=True)


def _moment(text: str) -> datetime:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        raise typer.BadParameter(f"{text!r} is no time such as 2026-01-31T12:00Z.", param_hint="--since") from error
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
