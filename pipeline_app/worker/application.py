"""One run of the customer's application over one input: runtime step, export step, results."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from pipeline_app.contract import EXPORT_PROBLEM
from pipeline_app.worker import app_config
from pipeline_app.worker.app_config import AppConfig, AppConfigError, ConfigRefused
from pipeline_app.worker.keepers import Place
from pipeline_app.worker.local_file import LocalFile
from pipeline_app.worker.outputs import OutputError, collect, left_elsewhere
from pipeline_app.worker.run_log import RunLog
from pipeline_app.worker.scratch import OUTPUT, TEMPORARY, is_folder, put_back
from pipeline_app.worker.settings import WorkerSettings
from pipeline_app.worker.stage import Stage
from pipeline_app.worker.watching import Watch


@dataclass(frozen=True, kw_only=True)
class RunResult:
    """How a run ended: the results if ``error`` is None, else why there are none, in a sentence.

    ``collected`` tells whether the results were looked at, and ``confined`` whether the application was kept from all
    else; None means that none ran. ``warning`` says, in sentences, why a run that went well has no results, as far as
    that can be told.
    """

    config_sha256: str
    error: str | None
    exit_code: int | None
    collected: bool = False
    confined: bool | None = None
    files: tuple[LocalFile, ...] = ()
    warning: str | None = None


def run_application(
    settings: WorkerSettings,
    *,
    input_file: Path,
    interrupted: Callable[[], bool],
    log: RunLog,
    place: Place,
    watch: Watch,
) -> RunResult:
    """Run the application as the configs on the share say.

    Args:
        settings: names the command, the configs and the share.
        input_file: the downloaded input, in the place's folder for it.
        interrupted: asked a few times a second; true ends the application.
        log: gets what the application prints.
        place: where it runs.
        watch: sees to it that the application keeps to the limits of the place's folder.

    Raises:
        ConfigRefused: a config is not the stack's.
        Interrupted: ``interrupted`` turned true.
    """
    try:
        config = app_config.load(settings.runtime_config, settings.export_config, settings.config_sha256)
    except AppConfigError as error:
        log.line(str(error))
        return RunResult(config_sha256="", error=str(error), exit_code=None)
    output, temporary = place.stage.folder / OUTPUT, place.stage.folder / TEMPORARY
    values = {"input": str(input_file), "output": str(output), "share": str(settings.share)}
    exit_code: int | None = None
    for name, step in _steps(config):
        # A step before may have tidied up after itself.
        put_back(temporary)
        command = step.command(settings.app_alias, values)
        log.line(f"[{name}] {command}")
        result = place.keeper.run_step(
            command,
            cwd=place.stage.work,
            # There is no other home that it could write to.
            env={"HOME": str(temporary), "TMPDIR": str(temporary), **step.env},
            exceeded=watch.exceeded,
            interrupted=interrupted,
            log=log,
            timeout_seconds=step.timeout_seconds,
        )
        exit_code = result.exit_code
        # An application may fill the disk and end between two looks, and why it failed may be just that.
        problem = watch.settled() or result.error or _spoiled(place.stage)
        if problem:
            log.line(f"[{name}] {problem}")
            reason = problem if name == "runtime" else f"{EXPORT_PROBLEM}{problem}"
            return RunResult(config_sha256=config.sha256, error=reason, exit_code=exit_code)
        log.line(f"[{name}] exited with code 0")
    return RunResult(config_sha256=config.sha256, error=None, exit_code=exit_code)


def bound_seconds(settings: WorkerSettings) -> float | None:
    """Return how long the application may take by its configs as they are now, in seconds; None if they do not say."""
    try:
        config = app_config.load(settings.runtime_config, settings.export_config, settings.config_sha256)
    except (AppConfigError, ConfigRefused):
        # What is wrong with them is told where a file is to be run.
        return None
    return config.bound_seconds


def collect_results(result: RunResult, scratch: Path, directory: str, max_files: int, log: RunLog) -> RunResult:
    """Return a run that went well with the files that it left, or with what is wrong about them.

    One that failed, or was looked at before, is returned as it is.

    Args:
        result: the run.
        scratch: the attempt's folder, with what the application left.
        directory: where the results will be in the container.
        max_files: how many there may be.
        log: is told what is wrong.
    """
    if result.error or result.collected:
        return result
    result = replace(result, collected=True)
    try:
        files = tuple(collect(scratch / OUTPUT, directory, max_files))
    except OutputError as error:
        log.line(str(error))
        return replace(result, error=str(error))
    if files:
        return replace(result, files=files)
    elsewhere = left_elsewhere(scratch)
    warning = "The application ended well and left no file in its output folder, so there are no results."
    if elsewhere:
        warning += f" It wrote {', '.join(map(repr, elsewhere))} into its working folder instead, which is not kept."
    warning += " Have it write its results to the folder that {output} stands for in the config's args."
    log.line(f"[pipeline] {warning}")
    return replace(result, warning=warning)


def _spoiled(stage: Stage) -> str | None:
    """Return what the application did to its folders that leaves it without results, in a sentence, or None."""
    for folder, name in ((stage.work, "working"), (stage.folder / OUTPUT, "output")):
        if not is_folder(folder):
            did = "put a link or a file in the place of" if os.path.lexists(folder) else "removed"
            return (
                f"The application {did} its {name} folder {str(folder)!r}. Let it remove and replace nothing but what "
                "it made itself."
            )
    return None


def _steps(config: AppConfig) -> list[tuple[str, app_config.StepConfig]]:
    steps = [("runtime", config.runtime)]
    if config.export:
        steps.append(("export", config.export))
    return steps
