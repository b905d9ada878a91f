"""The command line of the local run."""

from __future__ import annotations

import errno
import os
import shutil
import sys
import threading
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, Final

import typer
from rich.console import Console

from infra.local.cloud.machine import OUTPUTS
from infra.local.commands import interrupts
from infra.local.commands.demo import Result, process, samples, show
from infra.local.commands.operations import DEFAULT_DATA, backfill, explain, retry
from infra.local.commands.run import POLLING_SECONDS, PROJECT, LocalRun, RunOptions
from infra.local.data.folder import DataFolderError, disk_problem
from infra.local.data.private import keep_private
from infra.local.services.apps_jobs import Delays
from infra.local.watching.disk import FULL_BYTES
from infra.local.watching.view import View, choose
from pipeline_app.worker.disk import is_full

INTERRUPTED: Final = 130
PIPE_WIDTH: Final = 2000
SAMPLES: Final = PROJECT / "pipeline_app" / "sample_inputs"

app = typer.Typer(add_completion=False, help="Run the file processing pipeline on this machine.", no_args_is_help=True)

Config = Annotated[
    list[str] | None, typer.Option("--config", "-c", help="Set a config key, as with pulumi up.", metavar="KEY=VALUE")
]
Containers = Annotated[bool, typer.Option("--containers", help="Build and run the real image with a Docker engine.")]
Start = Annotated[
    float, typer.Option(help="Seconds from the start of a job's execution to its worker, as Azure takes some.", min=0)
]
End = Annotated[float, typer.Option(help="Seconds from the end of a job's worker to that of its execution.", min=0)]
Polling = Annotated[float, typer.Option(help="Seconds between two looks of a job's scaler at the queue.", min=0.1)]
Data = Annotated[Path, typer.Option(file_okay=False, help="Folder that keeps everything, also for the next run.")]
StackName = Annotated[str, typer.Option("--stack", "-s", help="Read Pulumi.NAME.yaml.", metavar="NAME")]


@app.command()
def up(
    data: Data = DEFAULT_DATA,
    stack: StackName = "dev",
    config: Config = None,
    containers: Containers = False,
    start_seconds: Start = 0.0,
    end_seconds: End = 0.0,
    polling_seconds: Polling = POLLING_SECONDS,
) -> None:
    """Serve until Ctrl-C, SIGTERM or the terminal is closed; DIR/outputs.json tells clients how to connect."""
    view = choose()
    options = _options(data, stack, config, containers, Delays(start=start_seconds, end=end_seconds), polling_seconds)

    def serve(run: LocalRun, outputs: dict[str, Any]) -> int:
        view.say(f"Ready. How to connect is in {run.data.root / OUTPUTS}")
        view.say(f"  Connection string  {outputs['appStorageConnectionString']}")
        view.say(f"  Upload to          {outputs['appStorageContainer']}/{outputs['inputPath']}/")
        view.say(f"  Results come to    {outputs['appStorageContainer']}/{outputs['outputPath']}/")
        view.say(f"  File share         {outputs['shareDirectory']}")
        for group in run.groups():
            view.say(f"  Worker's status    {group.health_url} while it runs")
        view.say("Ctrl-C ends it; the data stays.")
        threading.Event().wait()
        return 0

    raise typer.Exit(_run(options, view, serve, interrupted=0))


@app.command()
def demo(
    files: Annotated[list[Path] | None, typer.Argument(dir_okay=False, exists=True, help="Files of your own.")] = None,
    data: Data = DEFAULT_DATA,
    stack: StackName = "dev",
    config: Config = None,
    containers: Containers = False,
    start_seconds: Start = 0.0,
    end_seconds: End = 0.0,
    polling_seconds: Polling = POLLING_SECONDS,
    timeout: Annotated[float, typer.Option(help="Seconds to wait for all receipts.", min=1)] = 300.0,
) -> None:
    """Process the bundled files, or your own, show what came of them, and leave."""
    view = choose()
    chosen = [(path.resolve(), path.name) for path in files or []] or samples(SAMPLES)
    for name in {name for _, name in chosen if sum(other == name for _, other in chosen) > 1}:
        # One of them would overwrite the other, which then gets no receipt.
        raise typer.BadParameter(f"Several files are called {name!r}. Rename them, or process them one by one.")
    kept: list[Result] = []
    options = _options(data, stack, config, containers, Delays(start=start_seconds, end=end_seconds), polling_seconds)
    results = data.resolve() / "results"

    def once(_run: LocalRun, outputs: dict[str, Any]) -> int:
        kept.extend(process(outputs, chosen, results, timeout))
        good = [result.receipt and result.receipt.status == "succeeded" and not result.problem for result in kept]
        return 0 if all(good) else 1

    code = _run(options, view, once, interrupted=INTERRUPTED)
    if kept:
        # A pipe has no width, and who reads it looks for whole lines.
        show(kept, results, Console(width=None if sys.stdout.isatty() else PIPE_WIDTH))
    raise typer.Exit(code)


for command in (explain, retry, backfill):
    app.command()(command)


def _options(
    data: Path, stack: str, config: list[str] | None, containers: bool, delays: Delays, polling_seconds: float
) -> RunOptions:
    pairs = {}
    for item in config or []:
        key, separator, value = item.partition("=")
        if not separator or not key:
            raise typer.BadParameter(f"{item!r} is no KEY=VALUE.", param_hint="--config")
        if key.rpartition(":")[2] == "artifactCache":
            raise typer.BadParameter(
                f"{item!r} does not hold here: a local run unpacks the artifact in its --data folder. Leave it out.",
                param_hint="--config",
            )
        pairs[key] = value
    return RunOptions(
        config=pairs, containers=containers, data=data, delays=delays, polling_seconds=polling_seconds, stack=stack
    )


def _run(options: RunOptions, view: View, work: Callable[[LocalRun, dict[str, Any]], int], interrupted: int) -> int:
    """Open a run, do the work in it and close it, whatever happens; return the exit code."""
    run: LocalRun | None = None
    keep_private()
    try:
        with view.shown():
            run = LocalRun(options, view)
            return work(run, _open(run))
    except KeyboardInterrupt:
        if run and run.lost:
            view.warn("local run", run.lost)
            return 1
        view.say("Taking everything down.")
        return interrupted
    except DataFolderError as error:
        view.warn("local run", str(error))
        return 1
    except Exception as error:
        if run and run.lost:
            view.warn("local run", run.lost)
            return 1
        if run:
            _keep_traceback(run, view)
        view.warn("local run", _reason(error, options.data))
        return 1
    finally:
        try:
            # From here on nothing may break off: whatever is left running would stay for good.
            interrupts.ignore()
        finally:
            if run:
                run.close()


def _keep_traceback(run: LocalRun, view: View) -> None:
    """Write the traceback of the error that is being handled to a file, if there is room for it."""
    try:
        log = run.data.folder("logs") / "local-run.log"
        log.write_text(traceback.format_exc(), encoding="utf-8")
    except OSError as error:
        view.warn("local run", f"The traceback could not be kept: {error}")
    else:
        view.warn("local run", f"The traceback is in {log}.")


def _reason(error: Exception, data: Path) -> str:
    """Return why a run failed, in a sentence; a full disk is the cause of whatever else comes of it."""
    if isinstance(error, OSError) and (is_full(error) or error.errno == errno.EROFS):
        return disk_problem(Path(error.filename or data.resolve()), error)
    # With so little left, what the parts of a run say of their failures is only a consequence.
    if shutil.disk_usage(data).free < FULL_BYTES:
        full = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return f"{disk_problem(data.resolve(), full)} ({type(error).__name__}: {error})"
    return f"{type(error).__name__}: {error}"


def _open(run: LocalRun) -> dict[str, Any]:
    """Open a run in a thread of its own, so that this one can be interrupted at any moment."""
    outputs: dict[str, Any] = {}
    errors: list[BaseException] = []

    def make() -> None:
        try:
            outputs.update(run.open())
        except BaseException as error:
            errors.append(error)

    thread = threading.Thread(target=make, name="program")
    thread.start()
    try:
        while thread.is_alive():
            thread.join(0.2)
    except KeyboardInterrupt:
        run.interrupt()
        thread.join()
        raise
    if errors:
        raise errors[0]
    return outputs
