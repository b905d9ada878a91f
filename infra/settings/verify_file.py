"""The user's file that proves a deploy: what it may be, and how it is known again."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from pipeline_app.contract import name_problem

# It goes up and down once at each deploy, and a person waits for it.
MAX_BYTES: Final = 64 * 1024 * 1024


@dataclass(frozen=True, kw_only=True)
class CanaryFile:
    """A file by its path relative to the program's folder and its SHA-256 in hex."""

    path: str
    sha256: str


def canary_file(project: Path, path: str) -> CanaryFile:
    """Return the file at a path below the program's folder.

    Raises:
        OSError: it cannot be read.
        ValueError: it is too large, or no blob can have its name; the text says which.
    """
    file = project / path
    if (size := file.stat().st_size) > MAX_BYTES:
        raise ValueError(f"it has {size:,} bytes; at most {MAX_BYTES:,} are taken.")
    if (reason := name_problem(file.name)) is not None:
        raise ValueError(reason)
    with file.open("rb") as content:
        return CanaryFile(path=path, sha256=hashlib.file_digest(content, "sha256").hexdigest())
