"""Zips as an attacker makes them, and a place to unpack them in that shows what was written outside."""

from __future__ import annotations

import io
import stat
import tempfile
import warnings
import zipfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from infra.packages.archive import unzip
from infra.packages.archive_entries import ArchiveError

FILE = stat.S_IFREG | 0o644
BOUND = 10_000


def zipped(entries: Sequence[tuple[str, int, bytes]], compression: int = zipfile.ZIP_DEFLATED) -> bytes:
    """Return a zip of entries whose names are taken as they are."""
    sink = io.BytesIO()
    with warnings.catch_warnings(), zipfile.ZipFile(sink, "w", compression) as target:
        warnings.simplefilter("ignore", UserWarning)
        for name, mode, content in entries:
            entry = zipfile.ZipInfo()
            # The constructor cuts names and turns separators, which an attacker would not.
            entry.filename = name
            entry.external_attr = mode << 16
            target.writestr(entry, content, compression)
    return sink.getvalue()


@contextmanager
def place(content: bytes) -> Iterator[tuple[Path, Path]]:
    """Give an archive and a folder to unpack it into, and see that nothing but this folder was written to."""
    with tempfile.TemporaryDirectory() as temporary:
        root = Path(temporary, "a", "b")
        (root / "victim").mkdir(parents=True)
        (root / "victim" / "file").write_bytes(b"victim")
        archive = root / "artifact.zip"
        archive.write_bytes(content)
        folder = root / "out"
        yield archive, folder
        assert archive.read_bytes() == content
        assert (root / "victim" / "file").read_bytes() == b"victim"
        outside = {path for path in Path(temporary).rglob("*") if folder not in (path, *path.parents)}
        assert outside == {root.parent, root, root / "victim", root / "victim" / "file", archive}


def unpacked(archive: Path, folder: Path) -> str | None:
    """Unpack and return None, or the text of the one error that is allowed."""
    try:
        unzip(archive, folder, max_bytes=BOUND)
    except ArchiveError as error:
        return str(error)
    return None


def judge(archive: Path, folder: Path) -> str | None:
    """Unpack, having seen that what is there then is files and folders, not too much, and nothing special."""
    reason = unpacked(archive, folder)
    written = 0
    for path in folder.rglob("*") if folder.exists() else ():
        state = path.lstat()
        assert stat.S_ISREG(state.st_mode) or stat.S_ISDIR(state.st_mode)
        assert not state.st_mode & (stat.S_ISUID | stat.S_ISGID)
        written += state.st_size if path.is_file() else 0
    assert written <= BOUND
    return reason
