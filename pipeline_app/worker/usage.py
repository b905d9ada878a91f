"""What a folder takes of its disk, added up entry by entry."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from pipeline_app.worker.scratch import OUTPUT, walk


@dataclass
class Usage:
    """What an attempt's folder takes: bytes of disk, and files in ``output``."""

    size: int = 0
    output_files: int = 0


def measure(scratch: Path) -> Iterator[Usage]:
    """Add up the folder of an attempt, or of a place where one runs.

    It yields the growing sum after each entry, so that the caller may pause or stop.

    A sparse file counts with its size, since that is what an upload would move; a file with several links counts once.
    """
    linked: set[tuple[int, int]] = set()
    output = f"{scratch / OUTPUT}{os.sep}"
    usage = Usage()
    # What vanishes or cannot be read meanwhile is left out of the sum, but not of the file system's free space.
    for entry in walk(scratch, lambda error: None):
        try:
            status = entry.stat(follow_symlinks=False)
        except OSError:
            continue
        if not stat.S_ISDIR(status.st_mode) and entry.path.startswith(output):
            usage.output_files += 1
        file = (status.st_dev, status.st_ino)
        if file not in linked:
            usage.size += max(status.st_size, status.st_blocks * 512)
        if status.st_nlink > 1 and not stat.S_ISDIR(status.st_mode):
            linked.add(file)
        yield usage
