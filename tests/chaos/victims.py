"""The processes of a local run, found below its ``up`` process, and how each kind of them is killed."""

from __future__ import annotations

import contextlib
from enum import Enum
from typing import Final

import psutil


class Victim(Enum):
    """What is killed with SIGKILL; the value is its name in the table."""

    EVERYTHING = "all processes at once"
    FUNCTION_HOST = "the function host"
    RUN = "the up process"
    STORAGE = "storage (Azurite)"
    WORKER = "a worker"


# What the command line of a process of that kind has in it. The launchers have it too, with their own name in front.
_SIGNS: Final = {
    Victim.FUNCTION_HOST: "function_host",
    Victim.STORAGE: "azurite.js",
    Victim.WORKER: "pipeline_app.worker",
}
_LAUNCHER: Final = "launcher.py"


def family(run: int) -> list[psutil.Process]:
    """Return the ``up`` process of that id and all below it; none where it has ended."""
    with contextlib.suppress(psutil.NoSuchProcess):
        process = psutil.Process(run)
        return [process, *process.children(recursive=True)]
    return []


def find(victim: Victim, run: int) -> list[psutil.Process]:
    """Return the processes below the ``up`` process of which one, or for EVERYTHING all, can be killed now."""
    members = family(run)
    if victim is Victim.EVERYTHING:
        return members
    if victim is Victim.RUN:
        return members[:1]
    return [member for member in members if _is(member, _SIGNS[victim])]


def kill(processes: list[psutil.Process]) -> int:
    """Kill processes at once; return how many were still there."""
    # One that is stopped cannot start another while the rest is being killed.
    for act in (psutil.Process.suspend, psutil.Process.kill):
        count = 0
        for process in processes:
            with contextlib.suppress(psutil.NoSuchProcess):
                act(process)
                count += 1
    return count


def _is(process: psutil.Process, sign: str) -> bool:
    with contextlib.suppress(psutil.Error):
        line = process.cmdline()
        return any(sign in part for part in line) and not any(part.endswith(_LAUNCHER) for part in line)
    return False
