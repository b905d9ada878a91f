"""The worker's log on the share, which may be full, away, or not mounted yet, and which other workers write to as well.

The file is rotated by its size, so that it never fills the share. Several workers (of container groups, each over SMB)
append to one file and none knows the others, so nothing here needs a lock: the file is renamed to a name that nobody
else takes, which overwrites nothing, and whoever still holds it open goes on in it until the next look. Where it cannot
be renamed it is emptied at twice the size; that loses lines which the console has.

Sources: https://github.com/Azure/AKS/issues/1232 (a rename over a file leaves it unreadable),
https://learn.microsoft.com/azure/storage/files/storage-files-scale-targets
"""

from __future__ import annotations

import logging
import os
import stat
import time
import uuid
from datetime import UTC, datetime
from pathlib import Path
from typing import BinaryIO, Final

from pipeline_app.contract.log_lines import sentence
from pipeline_app.printable import printable
from pipeline_app.worker.marking import MARK, own_lines

# All files together have some 80 MiB, of a share that has 1 GiB at least.
KEPT_FILES: Final = 4
MAX_FILE_BYTES: Final = 16 * 1024 * 1024
# After so much of its own, or such a time, a worker looks at what became of the file. Each look is a request.
LOOK_BYTES: Final = 256 * 1024
LOOK_SECONDS: Final = 60.0
# Whole lines are written at once, so that no other writer's line gets into the middle of one.
BATCH_CHARACTERS: Final = 64 * 1024
LINE_CHARACTERS: Final = 16 * 1024

_log = logging.getLogger(__name__)


class PrintableFormatter(logging.Formatter):
    """Makes lines that no terminal obeys, of which only the first of a record begins as a record does.

    What an error quotes may be a file's name or what an application wrote.
    """

    def format(self, record: logging.LogRecord) -> str:
        """Return the text of a record."""
        return own_lines(super().format(record))

    def formatMessage(self, record: logging.LogRecord) -> str:
        """Return the first part of a record's text, with an event's sentence in it; see logging."""
        record.message = sentence(record)
        return super().formatMessage(record)


def append_log(source: Path, target: Path) -> None:
    """Append the log of an attempt to a log that others write to as well.

    Each line is whole where it comes to lie, and a long one of the application's is cut into several that are marked.

    Raises:
        OSError: the one cannot be read or the other not be written.
    """
    with (
        os.fdopen(_open(target), "ab", buffering=0) as log,
        source.open(encoding="utf-8", errors="backslashreplace", newline="\n") as text,
    ):
        batch: list[str] = []
        length = 0
        begin = ""
        while line := text.readline(LINE_CHARACTERS):
            # What is left of a line that is too long counts as the application's, whose lines alone are so.
            shown = begin + printable(line.removesuffix("\n"))
            begin = "" if line.endswith("\n") else MARK
            batch.append(f"{shown}\n")
            length += len(shown)
            if length >= BATCH_CHARACTERS:
                _write_all(log, "".join(batch))
                batch, length = [], 0
        _write_all(log, "".join(batch))


def _open(path: Path) -> int:
    """Open a log to append to it, and not a file elsewhere by a link that an application left in its place."""
    return os.open(path, os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW | os.O_WRONLY, 0o666)


def _write_all(log: BinaryIO, text: str) -> None:
    left = text.encode("utf-8", "backslashreplace")
    while left:
        left = left[log.write(left) :]


class ShareLog(logging.Handler):
    """Appends records to a file; while it cannot be written, its lines cost one warning and no traceback.

    The console has the same lines. Every line tries anew, so the file goes on when the share is back. Beside it are the
    ``KEPT_FILES`` that it was before, with the moment of their end in UTC behind its name.
    """

    def __init__(self, path: Path, max_bytes: int = MAX_FILE_BYTES) -> None:
        super().__init__()
        self._file: BinaryIO | None = None
        self._look_at = 0.0
        self._max_bytes = max_bytes
        self._missed = 0
        self._path = path
        self._unseen = 0

    def emit(self, record: logging.LogRecord) -> None:
        """Append one record."""
        try:
            line = self.format(record)
        except Exception:
            # A record whose arguments do not fit its text is the code's fault, which logging itself reports.
            self.handleError(record)
            return
        try:
            if self._missed:
                self._append(f"[{self._missed} line(s) are missing here; the console has them]\n")
                self._missed = 0
            self._append(f"{line}\n")
        except OSError as error:
            self._drop()
            self._missed += 1
            # This very warning comes here, too, and is the second line that is missing.
            if self._missed == 1:
                _log.warning("the log %s cannot be written; the console alone goes on: %s", self._path, error)

    def close(self) -> None:
        """Close the file."""
        self._drop()
        super().close()

    def _append(self, text: str) -> None:
        if self._file is None or self._unseen >= min(LOOK_BYTES, self._max_bytes) or time.monotonic() >= self._look_at:
            self._look()
        if self._file is None:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            # Without a buffer a line that could not be written is not tried again when the file is closed.
            self._file = os.fdopen(_open(self._path), "ab", buffering=0)
        left = text.encode("utf-8", "backslashreplace")
        self._unseen += len(left)
        while left:
            left = left[self._file.write(left) :]

    def _look(self) -> None:
        """See what became of the file: rotate it if it is large, and let go of one that another worker has rotated."""
        self._look_at = time.monotonic() + LOOK_SECONDS
        self._unseen = 0
        try:
            there = self._path.lstat()
        except FileNotFoundError:
            self._drop()
            return
        if stat.S_ISREG(there.st_mode) and there.st_size >= self._max_bytes:
            self._drop()
            self._rotate(there.st_size)
        elif self._file is not None and not os.path.samestat(there, os.fstat(self._file.fileno())):
            self._drop()

    def _rotate(self, size: int) -> None:
        moment = datetime.now(UTC).strftime("%Y%m%dT%H%M%S.%fZ")
        try:
            self._path.rename(self._path.with_name(f"{self._path.name}.{moment}-{uuid.uuid4().hex[:8]}"))
        except FileNotFoundError:
            # Another worker was faster.
            return
        except OSError as error:
            _log.debug("the log %s could not be renamed: %s", self._path, error)
            if size >= 2 * self._max_bytes:
                os.truncate(self._path, 0)
            return
        for old in sorted(self._path.parent.glob(f"{self._path.name}.*"))[:-KEPT_FILES]:
            try:
                old.unlink(missing_ok=True)
            except OSError as error:
                # The next rotation tries again.
                _log.debug("the old log %s could not be removed: %s", old, error)

    def _drop(self) -> None:
        file, self._file = self._file, None
        if file is not None:
            try:
                file.close()
            except OSError as error:
                # A share may report an earlier failure only now; the lines are on the console.
                _log.debug("the log %s could not be closed: %s", self._path, error)
