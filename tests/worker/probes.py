"""Applications that tell what they may do."""

from __future__ import annotations

import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from pipeline_app.worker.confinement.rights import Network, Rights, rights
from pipeline_app.worker.marking import MARK
from pipeline_app.worker.process import Keeper, StepResult
from pipeline_app.worker.run_log import RunLog


def allowed(folder: Path, network: Network = "full", **more: Any) -> Rights:
    """Return rights of a place in a folder."""
    for name in ("input", "share", "work"):
        (folder / name).mkdir(exist_ok=True)
    given: dict[str, Any] = {"endpoints": [], "hidden": [], "readable": [Path("/")], "writable": []}
    return rights(
        input_folder=folder / "input",
        network=network,
        share=folder / "share",
        work_folder=folder / "work",
        **given | more,
    )


@contextmanager
def listening() -> Iterator[int]:
    """Listen on a port of loopback, and return it."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


def run(keeper: Keeper, folder: Path, source: str, seconds: float = 30) -> tuple[StepResult, str]:
    """Run Python's code and return how it ended, and what it printed."""
    with RunLog(folder / "run.log") as log:
        result = keeper.run_step(
            [sys.executable, "-c", source],
            cwd=folder / "work",
            env={},
            exceeded=lambda: None,
            interrupted=lambda: False,
            log=log,
            timeout_seconds=seconds,
        )
        log.close()
    printed = [line.removeprefix(MARK) for line in log.path.read_text().splitlines(keepends=True)]
    return result, "".join(printed)
