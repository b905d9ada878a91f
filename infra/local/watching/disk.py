"""The disk of a local run: whoever fills it, the run says so before anything waits for it."""

from __future__ import annotations

import errno
import os
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Final

from infra.local.watching.watcher import Watcher
from pipeline_app.worker.disk import mount_of, reserve_of

# With so little left, storage takes no more uploads and leaves whoever sends one without an answer.
FULL_BYTES: Final = 8 * 1024 * 1024
LOOK_SECONDS: Final = 0.5
MIB: Final = 1024 * 1024


class DiskWatch:
    """Looks at the free space of a folder's disk twice a second until it is closed."""

    def __init__(self, folder: Path, watcher: Watcher, on_full: Callable[[OSError], None]) -> None:
        """Take the folder, who is told while there is little room, and who ends the run when there is none."""
        self._closing = threading.Event()
        self._folder = folder
        self._low = False
        self._on_full = on_full
        self._watcher = watcher
        self._thread = threading.Thread(target=self._watch, daemon=True, name="disk")

    def start(self) -> None:
        """Begin to look."""
        self._thread.start()

    def close(self) -> None:
        """Stop looking."""
        self._closing.set()
        if self._thread.is_alive():
            self._thread.join()

    def look(self) -> None:
        """Look once; what has not changed is not told again."""
        disk = os.statvfs(self._folder)
        free = disk.f_bavail * disk.f_frsize
        # As much as the worker keeps free on its disk, which is this one unless it has a container of its own.
        reserve = reserve_of(disk)
        if free < min(FULL_BYTES, reserve // 2):
            self._on_full(OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)))
        elif free < reserve and not self._low:
            self._low = True
            self._watcher.warn(
                "disk",
                f"The disk of {self._folder} (mounted at {mount_of(self._folder)}) has only {free / MIB:,.0f} MiB "
                f"left. No file is processed with less than {reserve / MIB:,.0f} MiB, and without any no upload is "
                "taken. Make room there, or choose another folder with --data.",
            )
        elif self._low and free >= reserve:
            self._low = False
            self._watcher.log("disk", f"The disk of {self._folder} has room again: {free / MIB:,.0f} MiB.")

    def _watch(self) -> None:
        while not self._closing.wait(LOOK_SECONDS):
            try:
                self.look()
            except OSError as error:
                # The folder may be gone, of which others tell.
                self._watcher.log("disk", f"The disk of {self._folder} cannot be looked at: {error}")
                return
