"""What the application left in its output folder, checked and hashed."""

from __future__ import annotations

import hashlib
import os
import stat
from pathlib import Path

from pipeline_app.contract import name_problem
from pipeline_app.worker.azure_ranges import piece_bytes
from pipeline_app.worker.disk import too_many_files
from pipeline_app.worker.local_file import LocalFile
from pipeline_app.worker.names import reserved_likeness, taken_for_each_other, unseen_in
from pipeline_app.worker.scratch import INPUT, OUTPUT, TEMPORARY, WORK, Vanished, walk

_CHUNK = 1024 * 1024
_RENAME = "Have the application give it another name."
_SHOWN = 5


class OutputError(ValueError):
    """The application left something that cannot be a result; the text names it and why."""


def collect(folder: Path, directory: str, max_files: int) -> list[LocalFile]:
    """Return the files below ``folder``, sorted by name; empty folders do not count.

    Args:
        folder: the output folder that the application was given.
        directory: where the files will be in the container, which bounds the length of their names.
        max_files: how many there may be.

    Raises:
        Vanished: the folder is gone.
        OutputError: a link or special file, a name that Azure would not take or that is taken for another one, or too
            many files.
    """
    paths = _files(folder, max_files)
    files = [_local_file(path, path.relative_to(folder).as_posix(), directory) for path in paths]
    if (alike := taken_for_each_other(file.name for file in files)) is not None:
        raise OutputError(
            f"The application's results {alike[0]!a} and {alike[1]!a} have names that a person, or a file system of "
            f"Windows or macOS, takes for the same. {_RENAME}"
        )
    return files


def left_elsewhere(scratch: Path) -> list[str]:
    """Return a few of the files that the application left in its attempt's folder and not among its results.

    It is started there, so whatever it writes without a folder lies there, or beside its input.
    """
    found: list[str] = []
    for entry in walk(scratch / WORK, lambda _: None):
        name = Path(entry.path).relative_to(scratch)
        if not entry.is_dir(follow_symlinks=False) and "/".join(name.parts[:2]) not in (OUTPUT, TEMPORARY):
            found.append(Path(*name.parts[1:]).as_posix())
    # An application that is not confined may have put some beside its input, which is one of these if it is there.
    beside = [entry.name for entry in (scratch / INPUT).iterdir()]
    shown = sorted(found) + ([f"{INPUT}/{name}" for name in sorted(beside)] if len(beside) > 1 else [])
    return shown[:_SHOWN]


def _hashed(name: str, path: Path) -> LocalFile:
    whole, pieces = hashlib.sha256(), []
    with path.open("rb", buffering=0) as source:
        size = os.fstat(source.fileno()).st_size
        step = piece_bytes(size)
        for _ in range(0, size, step):
            piece, left = hashlib.sha256(), step
            while left and (data := source.read(min(_CHUNK, left))):
                left -= len(data)
                piece.update(data)
                if step < size:
                    whole.update(data)
            pieces.append(piece.hexdigest())
    sha256 = pieces[0] if len(pieces) == 1 else whole.hexdigest()
    return LocalFile(name=name, path=path, pieces=tuple(pieces), sha256=sha256, size=size)


def _files(folder: Path, max_files: int) -> list[Path]:
    found: list[Path] = []

    def fail(error: OSError) -> None:
        if isinstance(error, FileNotFoundError) and not folder.exists():
            # It was there when the application had ended.
            raise Vanished(f"{str(folder)!r} was removed by the application of another file") from error
        raise OutputError(f"The application's output folder cannot be read: {error}.") from error

    for entry in walk(folder, fail):
        if not entry.is_dir(follow_symlinks=False):
            found.append(Path(entry.path))
        if len(found) > max_files:
            raise OutputError(too_many_files(len(found), max_files))
    return sorted(found)


def _local_file(path: Path, name: str, directory: str) -> LocalFile:
    mode = path.lstat().st_mode
    if not stat.S_ISREG(mode):
        kind = "a link" if stat.S_ISLNK(mode) else "a special file"
        raise OutputError(f"The application's result {name!r} is {kind}; only files and folders can be results.")
    if (reserved := reserved_likeness(name)) is not None:
        raise OutputError(
            f"The application's result {name!a} is called {reserved!r}, or would be taken for it, which the pipeline "
            f"writes itself. {_RENAME}"
        )
    if (unseen := unseen_in(name)) is not None:
        raise OutputError(
            f"The application's result {name!a} has the character {unseen} in its name, which is not seen or changes "
            f"the order of others, so it looks like another one. {_RENAME}"
        )
    if (problem := name_problem(name) or name_problem(f"{directory}/{name}", exists=True)) is not None:
        raise OutputError(f"The application's result {name!r} cannot be kept: {problem} {_RENAME}")
    try:
        return _hashed(name, path)
    except OSError as error:
        raise OutputError(f"The application's result {name!r} cannot be read: {error.strerror or error}.") from error
