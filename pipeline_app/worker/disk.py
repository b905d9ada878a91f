"""The disk that attempts may use: a budget for each, a bound on its result files, and a reserve that stays free."""

from __future__ import annotations

import errno
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pipeline_app.worker.settings import WorkerSettings
from pipeline_app.worker.usage import Usage
from pipeline_app.worker.watching import Watch

# What the worker itself writes after an application filled the disk (log, receipt) fits into this many times over.
RESERVE_BYTES = 256 * 1024 * 1024
RESERVE_FILES = 10_000
# A small file system, such as one in memory, keeps this part of itself free instead.
RESERVE_SHARE = 1 / 8

# This part of what is free is for jobs whose application does not run (yet, or any more).
ASIDE_SHARE = 1 / 8


class DiskFull(OSError):
    """The scratch file system is below its reserve, and no file that is being processed is to blame."""


class Disk:
    """The scratch file system of one worker, which its attempts share.

    Args:
        folder: the worker's scratch folder.
        settings: an attempt's budget (by default an equal share of what is free now, less the reserve), the bound on
            its result files, and the number of attempts side by side.

    Raises:
        DiskFull: the file system is below its reserve already.
    """

    def __init__(self, folder: Path, settings: WorkerSettings) -> None:
        self._folder = folder
        self._lock = threading.Lock()
        self._watches: list[Watch] = []
        total = self._status()
        self._reserve_bytes = reserve_of(total)
        # Some file systems have no fixed number of files and say 0.
        self._reserve_files = min(RESERVE_FILES, int(total.f_files * RESERVE_SHARE))
        self.max_output_files = settings.max_output_files
        self.require()
        # Beside the application of each slot, one input waits and two results go out.
        free = self.free() - self._reserve_bytes
        self.aside = int(free * ASIDE_SHARE) // (3 * settings.slots)
        self.budget = settings.scratch_bytes or int(free * (1 - ASIDE_SHARE)) // settings.slots

    def free(self) -> int:
        """Return the bytes that may still be written to the file system."""
        now = self._status()
        return now.f_bavail * now.f_frsize

    def require(self) -> None:
        """Make sure that a new attempt does not have to pay for a disk that was full before it.

        Raises:
            DiskFull: the file system is below its reserve, and no other attempt is there that may fill it.
        """
        with self._lock:
            busy = bool(self._watches)
        problem = self.shortage()
        if problem and not busy:
            raise DiskFull(problem)

    @contextmanager
    def watch(self, scratch: Path) -> Iterator[Watch]:
        """Watch an attempt's folder while the context lasts.

        Raises:
            DiskFull: as ``require``; the input may have come in while the disk was not full yet.
        """
        self.require()
        watch = Watch(self, scratch, innocent=self.shortage() is not None)
        with self._lock:
            self._watches.append(watch)
        try:
            yield watch
        finally:
            with self._lock:
                self._watches.remove(watch)

    def refusal(self, size: int) -> str | None:
        """Return why an input of so many bytes is not downloaded, in a sentence, or None."""
        if size <= self.budget:
            return None
        return (
            f"The input has {_size(size)}; an attempt may take {_size(self.budget)} of disk, its input included. "
            "Raise scratchGib (APP_SCRATCH_BYTES), or upload it in parts."
        )

    def excess(self, usage: Usage) -> str | None:
        """Return which limit of an attempt is exceeded, in a sentence, or None."""
        if usage.size > self.budget:
            return (
                f"The application's files take at least {_size(usage.size)}; an attempt may take "
                f"{_size(self.budget)} of disk, its input included. Let it write less, or raise scratchGib "
                "(APP_SCRATCH_BYTES)."
            )
        if usage.output_files > self.max_output_files:
            return too_many_files(usage.output_files, self.max_output_files)
        return None

    def shortage(self) -> str | None:
        """Return why the file system counts as full, in a sentence, or None."""
        free, files = self.free(), self._status().f_favail
        if free < self._reserve_bytes:
            return (
                f"The disk of {str(self._folder)!r} (mounted at {mount_of(self._folder)}) has {_size(free)} left; "
                f"{_size(self._reserve_bytes)} must stay free. {self._way_out(free)}"
            )
        if files < self._reserve_files:
            return (
                f"The disk of {str(self._folder)!r} has room for {files} more files; room for "
                f"{self._reserve_files} must stay free. Let the application write fewer files, or set "
                "APP_SCRATCH_DIRECTORY to a folder on a disk with more."
            )
        return None

    def _way_out(self, free: int) -> str:
        """Return who may have filled the file system, and what to do, in sentences."""
        with self._lock:
            watches = list(self._watches)
        taken = sum(watch.total() for watch in watches)
        if watches and free + taken >= self._reserve_bytes:
            return (
                "Let the application write less outside of {output} and $TMPDIR too, or lower scratchGib "
                "(APP_SCRATCH_BYTES) to what the disk has."
            )
        if watches:
            return (
                f"The files of what is processed take {_size(taken)} of it. The rest is another program's, or was "
                "written by an application outside of {output} and $TMPDIR. Make room on that disk."
            )
        return (
            "No file that is processed takes it, but another program, or what an application left outside of {output} "
            "and $TMPDIR. Make room on that disk."
        )

    def blame(self, watch: Watch) -> str | None:
        """Return why this attempt has to end so that the disk does not fill, in a sentence, or None.

        Of several attempts the one that takes the most has to end, and the others are left alone until it is gone.

        Raises:
            DiskFull: it would be this one's turn, but the disk was full already when it began.
        """
        problem = self.shortage()
        if problem is None:
            return None
        with self._lock:
            watches = list(self._watches)
        if len(watches) > 1 and max(watches, key=Watch.total) is not watch:
            return None
        if watch.innocent:
            raise DiskFull(problem)
        return problem

    def _status(self) -> os.statvfs_result:
        """Return the file system's figures, also while the folder is not there, since an application removed it."""
        for folder in (self._folder, *self._folder.parents):
            try:
                return os.statvfs(folder)
            except OSError as error:
                if error.errno not in (errno.EACCES, errno.ENOENT, errno.ENOTDIR):
                    raise
        raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), str(self._folder))


def is_full(error: OSError) -> bool:
    """Tell whether an error says that a disk has no room."""
    return error.errno in (errno.EDQUOT, errno.ENOSPC)


def reserve_of(disk: os.statvfs_result) -> int:
    """Return the bytes that are kept free on a file system."""
    return min(RESERVE_BYTES, int(disk.f_blocks * disk.f_frsize * RESERVE_SHARE))


def mount_of(path: Path) -> Path:
    """Return where the file system of a folder is mounted."""
    path = path.resolve()
    device = path.stat().st_dev
    while path != path.parent and path.parent.stat().st_dev == device:
        path = path.parent
    return path


def too_many_files(count: int, limit: int) -> str:
    """Return the sentence that says that there are too many result files."""
    return (
        f"The application wrote at least {count} result files; at most {limit} are taken. Let it pack them into fewer, "
        "or raise maxOutputFiles (APP_MAX_OUTPUT_FILES)."
    )


def _size(count: int) -> str:
    return f"{count / 1024**2:,.1f} MiB"
