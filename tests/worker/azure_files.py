"""Files and answers for the tests of the Azure adapter."""

from __future__ import annotations

import os
import uuid
from pathlib import Path

# Files that are large for these tests, so that they do not have to be.
LARGE = 1024 * 1024


def write(path: Path, size: int) -> Path:
    path.write_bytes(os.urandom(size))
    return path


def writer() -> str:
    return uuid.uuid4().hex
