"""Commands of a shell to supervise, and what they write of themselves."""

from __future__ import annotations

import os
from pathlib import Path

import psutil

from infra.local.processes.child import Command
from infra.local.processes.family import has_ended


def shell(script: str, folder: Path, name: str = "shell") -> Command:
    """Return a command that runs a script in a folder, with its log there."""
    return Command(
        name=name,
        arguments=["sh", "-c", script],
        environment={"PATH": os.environ["PATH"], "LANG": "C.UTF-8", "SCRATCH": str(folder)},
        directory=folder,
        log=folder / f"{name}.log",
    )


def recorded_pids(folder: Path) -> list[int]:
    """Return the process ids that a script wrote, one a file."""
    return [int(path.read_text()) for path in folder.glob("*.pid") if path.read_text().strip()]


def is_alive(pid: int) -> bool:
    """Tell whether a process goes on."""
    return psutil.pid_exists(pid) and not has_ended(psutil.Process(pid))
