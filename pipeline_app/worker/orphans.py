"""Processes of an application whose keeper was lost, so that they became children of the worker."""

from __future__ import annotations

import logging
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

_log = logging.getLogger(__name__)

# What the worker starts itself and waits for; whatever else becomes its child is an orphan.
_keepers: set[int] = set()
_keepers_lock = threading.Lock()


@contextmanager
def starting() -> Iterator[Callable[[int], None]]:
    """Start a process of the worker's within this, and say its id: it is no orphan then until it is forgotten.

    Nobody looks for orphans meanwhile, who would take it for one as long as its id is not known.
    """
    with _keepers_lock:
        yield _keepers.add


def forget(keeper: int) -> None:
    """Let go of a process that has ended."""
    with _keepers_lock:
        _keepers.discard(keeper)


def children() -> list[int]:
    """Return the worker's own children, of all of its threads."""
    found: list[int] = []
    for path in Path("/proc/self/task").glob("*/children"):
        try:
            found += map(int, path.read_bytes().split())
        except (FileNotFoundError, ProcessLookupError):
            # The thread has ended.
            continue
    return found


def kill(others: frozenset[int], seconds: float) -> None:
    """Kill and reap what a keeper that was lost left to the worker.

    Orphans become children of the worker, which itself starts nothing in another session but keepers. Killing one
    makes its children the worker's in turn, so this looks again until nothing is left.

    Args:
        others: children of the worker that are no orphans, whatever their session.
        seconds: after these it gives up, and what is still there is logged.
    """
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        with _keepers_lock:
            found = [pid for pid in children() if pid not in others | _keepers and _is_elsewhere(pid)]
        if not found:
            return
        for pid in found:
            _kill_and_reap(pid)
    _log.warning("Processes that the application started are still there: %s.", found)


def _is_elsewhere(pid: int) -> bool:
    try:
        return os.getsid(pid) != os.getsid(0)
    except ProcessLookupError:
        return False


def _kill_and_reap(pid: int) -> None:
    try:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
    except (ChildProcessError, ProcessLookupError):
        # Another slot, looking at the same list, was faster.
        return
