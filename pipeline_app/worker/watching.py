"""Looks at an attempt's folder while its application runs, as often as a twentieth of the time allows."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

from pipeline_app.worker.usage import Usage, measure

# A look at a folder that takes no longer than this may come at every question, and is still a twentieth of the time.
CHEAP_SECONDS = 0.01
MIN_INTERVAL_SECONDS = 1.0
SLICE_SECONDS = 0.1
WALK_SHARE = 0.05


class SharedDisk(Protocol):
    """What a watch asks of the disk, which other attempts write to as well; ``disk.Disk`` is one."""

    budget: int

    def blame(self, watch: Watch) -> str | None:
        """Return why the watched attempt has to end so that the disk does not fill, in a sentence, or None.

        Raises:
            DiskFull: the disk was full already when that one began.
        """

    def excess(self, usage: Usage) -> str | None:
        """Return which limit of an attempt is exceeded, in a sentence, or None."""

    def free(self) -> int:
        """Return the bytes that may still be written."""


class Watch:
    """Measures one attempt's folder while its application runs.

    Attributes:
        innocent: the disk was full when this began.
        size: what the folder took in bytes at its end.
    """

    def __init__(self, disk: SharedDisk, scratch: Path, *, innocent: bool) -> None:
        self._cost = 0.0
        self._disk = disk
        self._free = disk.free()
        self._left = disk.budget
        self._next = time.monotonic() + MIN_INTERVAL_SECONDS
        self._scratch = scratch
        self._walk: Iterator[Usage] | None = None
        self.innocent = innocent
        self.size = 0

    def exceeded(self) -> str | None:
        """Return which limit is exceeded as far as is known now, in a sentence, or None; raises DiskFull as ``blame``.

        It is meant to be asked a few times a second: each call looks at the file system's free space, and at some of
        the folder, for a tenth of a second at most. A look at the whole folder is followed by a pause of a second or
        more, so that looking takes a twentieth of the time; the pause ends early where a look costs next to nothing
        and the file system has lost as much as the attempt had left.
        """
        if problem := self._disk.blame(self):
            return problem
        started = time.monotonic()
        if self._walk is None:
            free = self._disk.free()
            hurry = self._cost < CHEAP_SECONDS and self._free - free > self._left
            if started < self._next and not hurry:
                return None
            self._cost, self._free, self._walk = 0.0, free, measure(self._scratch)
        usage = Usage()
        for usage in self._walk:
            if problem := self._disk.excess(usage):
                return problem
            if time.monotonic() - started > SLICE_SECONDS:
                self._cost += time.monotonic() - started
                return None
        ended = time.monotonic()
        self._cost += ended - started
        self._left = self._disk.budget - usage.size
        self._next = ended + max(MIN_INTERVAL_SECONDS, self._cost * (1 / WALK_SHARE - 1))
        self._walk = None
        return None

    def settled(self) -> str | None:
        """Return which limit the application that has ended exceeded, in a sentence, or None; raises as ``blame``."""
        if problem := self._disk.blame(self):
            return problem
        self.size = 0
        for usage in measure(self._scratch):
            self.size = usage.size
            if problem := self._disk.excess(usage):
                return problem
        return None

    def total(self) -> int:
        """Return the bytes of disk that the folder takes."""
        return max((usage.size for usage in measure(self._scratch)), default=0)
