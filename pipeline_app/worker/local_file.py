"""A result of an application while it is a file on this machine."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, kw_only=True)
class LocalFile:
    """A result on disk as its run left it, and as nothing else is published.

    Attributes:
        name: below the output folder.
        path: of the file.
        pieces: the SHA-256 of each piece in hex, as ``azure_ranges.piece_bytes`` cuts it.
        sha256: of all of it, in hex.
        size: in bytes.
    """

    name: str
    path: Path
    pieces: tuple[str, ...]
    size: int
    sha256: str
