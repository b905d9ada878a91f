"""What every topic is given: how much to do, where, and the worker's code."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from tests.bench.workers import Launcher


@dataclass(frozen=True, kw_only=True)
class Setting:
    """How a benchmark is run.

    Attributes:
        folder: for everything that it writes; removed at the end.
        full: whether to measure what takes many minutes, too.
        launcher: starts workers.
        quick: whether to do the least that gives every number once.
        rounds: how often each measurement is made, in turns with its peers.
        say: tells the person who waits.
        with_az: whether the Azure CLI is a peer.
    """

    folder: Path
    full: bool
    launcher: Launcher
    quick: bool
    rounds: int
    say: Callable[[str], None]
    with_az: bool

    @property
    def cores(self) -> int:
        """The processors that this process may use."""
        return len(os.sched_getaffinity(0))

    def size(self, normal: int, quick: int) -> int:
        """Return how many, or how large, by how much is to be done."""
        return quick if self.quick else normal

    def place(self, name: str) -> Path:
        """Return a new folder."""
        folder = self.folder / name
        folder.mkdir(parents=True)
        return folder
