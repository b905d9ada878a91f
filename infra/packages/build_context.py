"""What the image is built from: a copy of the worker's files and the unpacked artifact that is the same everywhere."""

from __future__ import annotations

import os
import shutil
import stat
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

from filelock import FileLock

from infra.packages.archive import EXECUTABLE, PLAIN

ARTIFACT: Final = ".artifact_cache"
CONTEXTS: Final = ".build"

# 1980-01-01T00:00:00Z, the least time that a zip can hold.
SOURCE_DATE_EPOCH: Final = 315532800

# A copy that nobody has used for so long is not one that an update at work reads.
UNUSED_SECONDS: Final = 24 * 3600.0


def copy_context(target: Path, project: Path, sources: Sequence[Path], artifact: Path) -> None:
    """Copy what the image is built from into a folder that is not there yet; see :func:`stage_context`.

    Raises:
        FileNotFoundError: there is no artifact.
    """
    if not artifact.is_dir():
        raise FileNotFoundError(f"There is no unpacked artifact in {artifact}.")
    for source, name, mode in _staged(project, sources, artifact):
        _copy(source, target / name, mode)
    _settle(target)


def stage_context(project: Path, sources: Sequence[Path], artifact: Path, content: str) -> Path:
    """Copy what the image is built from into a folder of its own, and return that folder.

    Names, contents and who may execute a file are taken over; other modes and all times are fixed. So neither the
    umask nor the dates of a checkout reach the hash that the provider takes of the folder, or the image itself. Each
    content has its own folder, which comes to be by a rename: an update that reads one is not disturbed by another.

    Args:
        project: the program's folder.
        sources: the files of the program's folder that are copied.
        artifact: the folder with the unpacked artifact.
        content: a hash of everything that is copied.

    Raises:
        FileNotFoundError: there is no artifact.
    """
    parent = project / CONTEXTS
    parent.mkdir(exist_ok=True)
    target = parent / f"image-{content}"
    with FileLock(parent / "image.lock"):
        if _is_whole(target, project, sources, artifact):
            # Somebody may have changed the modes of the whole checkout since.
            _settle(target)
        else:
            with tempfile.TemporaryDirectory(dir=parent, prefix="staging-") as temporary:
                fresh = Path(temporary, "context")
                copy_context(fresh, project, sources, artifact)
                if target.exists():
                    target.rename(Path(temporary, "stale"))
                fresh.rename(target)
        used = parent / f"{target.name}.used"
        used.touch()
        _remove_unused(parent, time.time() - UNUSED_SECONDS)
    return target


def _copy(source: Path, target: Path, mode: int) -> None:
    target.parent.mkdir(exist_ok=True, parents=True)
    shutil.copyfile(source, target)
    target.chmod(mode)


def _is_whole(target: Path, project: Path, sources: Sequence[Path], artifact: Path) -> bool:
    """Tell whether a folder has just the files that belong into it, each of its size and executable or not."""
    expected = {
        name: (mode == EXECUTABLE, source.stat().st_size) for source, name, mode in _staged(project, sources, artifact)
    }
    found = {
        path.relative_to(target).as_posix(): (bool(path.stat().st_mode & stat.S_IXUSR), path.stat().st_size)
        for path in target.rglob("*")
        if not path.is_dir()
    }
    return found == expected


def _remove_unused(parent: Path, before: float) -> None:
    for used in parent.glob("image-*.used"):
        if used.stat().st_mtime < before:
            shutil.rmtree(used.with_suffix(""), ignore_errors=True)
            used.unlink()


def _settle(folder: Path) -> None:
    """Fix all modes, but for who may execute a file, and all times, a folder's after those of what is in it."""
    for path, folders, names in os.walk(folder, topdown=False):
        for name in names:
            file = Path(path, name)
            file.chmod(EXECUTABLE if file.stat().st_mode & stat.S_IXUSR else PLAIN)
        for name in [*names, *folders]:
            os.utime(Path(path, name), (SOURCE_DATE_EPOCH, SOURCE_DATE_EPOCH))
        Path(path).chmod(EXECUTABLE)
    os.utime(folder, (SOURCE_DATE_EPOCH, SOURCE_DATE_EPOCH))


def _staged(project: Path, sources: Sequence[Path], artifact: Path) -> Iterator[tuple[Path, str, int]]:
    for path in sources:
        yield path, path.relative_to(project).as_posix(), PLAIN
    for path in sorted(artifact.rglob("*")):
        if path.is_file() and "__pycache__" not in path.relative_to(artifact).parts:
            mode = EXECUTABLE if path.stat().st_mode & stat.S_IXUSR else PLAIN
            yield path, f"{ARTIFACT}/{path.relative_to(artifact).as_posix()}", mode
