"""Private folders on the local disk: one for the worker, one in it for each attempt."""

from __future__ import annotations

import fcntl
import logging
import os
import shutil
import stat
import subprocess
import sys
import tempfile
import unicodedata
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from pipeline_app.worker.names import is_unseen

INPUT = "input"
WORK = "work"
OUTPUT = f"{WORK}/output"
TEMPORARY = f"{WORK}/tmp"  # noqa: S108 -- within the attempt's own folder.
# What an attempt's folder has, beside its log.
FOLDERS = (INPUT, WORK, OUTPUT, TEMPORARY)
_LOCK = "lock"
_PREFIX = "pipeline-worker-"

_log = logging.getLogger(__name__)


class Vanished(Exception):
    """An attempt's files are gone or changed, and the application of another file is to blame; the text says which."""


@contextmanager
def worker_scratch(parent: Path) -> Iterator[Path]:
    """Make the worker's folder below ``parent`` and remove those of workers that were killed.

    A live worker holds a lock on a file in its folder, which the kernel lets go when the process ends however it does.

    Raises:
        OSError: the folder cannot be made.
    """
    parent.mkdir(parents=True, exist_ok=True)
    # A folder whose lock is not held yet looks like one that was left, so workers make theirs one after the other.
    gate = os.open(parent, os.O_RDONLY)
    try:
        fcntl.flock(gate, fcntl.LOCK_EX)
        for left in parent.glob(f"{_PREFIX}*"):
            _remove_if_unlocked(left)
        folder = Path(tempfile.mkdtemp(prefix=_PREFIX, dir=parent))
        lock = (folder / _LOCK).open("w")
        fcntl.flock(lock, fcntl.LOCK_EX)
    finally:
        os.close(gate)
    with lock:
        try:
            yield folder
        finally:
            remove(folder)


@contextmanager
def attempt_scratch(parent: Path) -> Iterator[Path]:
    """Make a folder for one attempt, as ``FOLDERS`` says, and remove it afterwards."""
    folder = Path(tempfile.mkdtemp(prefix="attempt-", dir=parent))
    for name in FOLDERS:
        (folder / name).mkdir()
    try:
        yield folder
    finally:
        remove(folder)


def clear(folder: Path, *, keep: Path) -> None:
    """Remove all but one entry of an attempt's folder, also if it or the worker's was removed, replaced or locked."""
    put_back(folder.parent)
    put_back(folder)
    for path in folder.iterdir():
        if path == keep:
            continue
        if path.is_dir() and not path.is_symlink():
            remove(path)
        else:
            path.unlink(missing_ok=True)


def put_back(folder: Path) -> None:
    """Make a folder the worker's again, which an application that runs as the same user may remove, replace or lock."""
    if folder.is_symlink() or folder.is_file():
        folder.unlink()
    folder.mkdir(exist_ok=True, mode=0o700, parents=True)
    if stat.S_IMODE(folder.stat().st_mode) != 0o700:
        folder.chmod(0o700)


def require_whole(scratch: Path, input_file: Path, size: int) -> None:
    """Make sure that an attempt's folder is as it was made, with an input of ``size`` bytes, before its run.

    Raises:
        Vanished: an application that ran meanwhile spoiled it.
    """
    found = is_folder(scratch) and all(is_folder(scratch / name) for name in FOLDERS)
    if not found or not input_file.is_file() or input_file.stat().st_size != size:
        raise Vanished(f"{str(scratch)!r} was removed or changed before the application ran, by that of another file")


def is_folder(path: Path) -> bool:
    """Tell whether there is a folder, which a link to one is not."""
    return path.is_dir() and not path.is_symlink()


def remove(folder: Path) -> None:
    """Remove a folder with all in it, also what the application made unreadable; what resists is logged."""

    def insist(function: object, path: str, error: object) -> None:
        try:
            os.chmod(os.path.dirname(path), 0o700)
            if os.path.isdir(path) and not os.path.islink(path):
                os.chmod(path, 0o700)
                shutil.rmtree(path)
            else:
                os.unlink(path)
        except FileNotFoundError:
            return
        except OSError as again:
            _log.warning("%r cannot be removed: %s.", path, again)

    try:
        if sys.version_info >= (3, 12):
            shutil.rmtree(folder, onexc=insist)
        else:
            shutil.rmtree(folder, onerror=insist)
    except RecursionError:
        # Folders within folders, a thousand and more deep, are beyond Python, but not beyond this command.
        subprocess.run(["/bin/rm", "-rf", "--", str(folder)], check=False)  # noqa: S603 -- no shell, and its own path.


def safe_file_name(blob_name: str) -> str:
    """Return a file name for an input: the last part of its blob name, safe on any Linux file system.

    It keeps the extension, which applications go by, and never starts with a dash. What is not seen is replaced, so
    that a result which is called after it can be kept.
    """
    name = blob_name.rsplit("/", 1)[-1]
    name = "".join("_" if unicodedata.category(char) in ("Cc", "Cs") or is_unseen(char) else char for char in name)
    # What is nothing but dots would mean a folder, maybe only once its last dot is cut off.
    if not name.strip("."):
        return "input"
    stem, dot, extension = name.rpartition(".")
    if not dot or len(extension.encode()) > 20:
        stem, extension = name, ""
    limit = 200 - len(extension.encode())
    stem = stem.encode()[:limit].decode("utf-8", "ignore")
    name = f"{stem}{dot if extension else ''}{extension}"
    return f"_{name}" if name.startswith("-") else name


def walk(folder: Path, failed: Callable[[OSError], None]) -> Iterator[os.DirEntry[str]]:
    """Iterate over everything below a folder, without an order, in memory for its folders alone; no link is followed.

    Args:
        folder: where to begin.
        failed: told why a folder cannot be read; unless it raises, the rest goes on.
    """
    pending = [str(folder)]
    while pending:
        try:
            with os.scandir(pending.pop()) as entries:
                for entry in entries:
                    if entry.is_dir(follow_symlinks=False):
                        pending.append(entry.path)
                    yield entry
        except OSError as error:
            failed(error)


def _remove_if_unlocked(folder: Path) -> None:
    try:
        with (folder / _LOCK).open("r") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            remove(folder)
    except (BlockingIOError, FileNotFoundError):
        # Its worker is alive, or another one is just making or removing it.
        return
