"""Where the applications of one slot run: the only folder that they may write to, and one for the input beside it.

The folders stay as long as the slot's keeper, whose confinement names them; what is in them is there for one run alone.
A run's files come in from its attempt's folder, and go back when all of the run's processes have ended, so that they
are out of reach by the time that the next run begins.
"""

from __future__ import annotations

from pathlib import Path

from pipeline_app.worker.scratch import INPUT, WORK, is_folder, put_back, remove


class Stage:
    """The folders of a slot, made below ``folder``."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.input = folder / INPUT
        self.work = folder / WORK
        for each in (self.folder, self.input, self.work):
            put_back(each)

    def set_up(self, attempt: Path) -> None:
        """Move an attempt's input and working folder here.

        Raises:
            OSError: an application that is not confined has spoiled a folder.
        """
        put_back(self.folder)
        for folder, name in self._folders():
            put_back(folder)
            # Nothing is here, unless an application that is not confined put it here after its run.
            _empty(folder)
            _move_all(attempt / name, folder)

    def strike(self, attempt: Path) -> None:
        """Move all back to the attempt's folder, whatever the application did to it."""
        put_back(attempt.parent)
        put_back(attempt)
        for folder, name in self._folders():
            put_back(attempt / name)
            if is_folder(folder):
                _move_all(folder, attempt / name)

    def _folders(self) -> tuple[tuple[Path, str], ...]:
        return (self.input, INPUT), (self.work, WORK)


def _empty(folder: Path) -> None:
    for path in folder.iterdir():
        if is_folder(path):
            remove(path)
        else:
            path.unlink()


def _move_all(source: Path, target: Path) -> None:
    source.chmod(0o700)
    for path in source.iterdir():
        if is_folder(path):
            # To move a folder is to write its way up into it.
            path.chmod(0o700)
        path.rename(target / path.name)
