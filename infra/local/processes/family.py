"""Finding and ending processes by the marker that they and their children carry in their environment."""

from __future__ import annotations

import contextlib
import signal
from typing import Final

import psutil

from infra.local.processes.waiting import wait_until

GRACE_SECONDS: Final = 10.0
MARKER: Final = "FILE_PIPELINE_LOCAL_MARKER"


def marker_of(process: psutil.Process) -> str | None:
    """Return the marker that a process carries, if it can be seen."""
    # Processes of other users do not show their environment, and a process may end at any moment.
    with contextlib.suppress(psutil.Error, OSError):
        return process.environ().get(MARKER)
    return None


def marked(marker: str) -> set[psutil.Process]:
    """Return the processes that carry a marker."""
    return {process for process in psutil.process_iter() if marker_of(process) == marker}


def descendants(process: psutil.Process) -> set[psutil.Process]:
    """Return all processes below a process."""
    with contextlib.suppress(psutil.NoSuchProcess):
        return set(process.children(recursive=True))
    return set()


def kill(processes: set[psutil.Process]) -> None:
    """Kill processes."""
    for process in processes:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.kill()


def end(found: set[psutil.Process]) -> None:
    """Ask marked processes and all below them to end, then make them; return when they are gone."""
    # Children with an environment of their own carry no marker, but they still are children. The signal goes to the
    # topmost alone, which hand it on: a program that gets it twice may end without saving.
    below = set[psutil.Process]().union(*(descendants(process) for process in found))
    for process in found - below:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.send_signal(signal.SIGTERM)
    for process in found | below:
        with contextlib.suppress(psutil.NoSuchProcess):
            # One that somebody has suspended could not see that it is to end.
            process.send_signal(signal.SIGCONT)
    alive = wait(found | below)
    kill(alive)
    wait(alive)


def wait(processes: set[psutil.Process]) -> set[psutil.Process]:
    """Return those that go on after a time of grace, as soon as that is known."""
    wait_until(lambda: all(map(has_ended, processes)), GRACE_SECONDS)
    return {process for process in processes if not has_ended(process)}


def has_ended(process: psutil.Process) -> bool:
    """Whether a process has ended, also if nobody takes note of that, as the first process of many a container."""
    try:
        return not process.is_running() or process.status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True
