"""The worker's log on the share, which may be full, away, or not mounted yet."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import BinaryIO

_log = logging.getLogger(__name__)


class ShareLog(logging.Handler):
    """Appends records to a file; while it cannot be written, its lines cost one warning and no traceback.

    The console has the same lines. Every line tries anew, so the file goes on when the share is back.
    """

    def __init__(self, path: Path) -> None:
        super().__init__()
        self._file: BinaryIO | None = None
        self._missed = 0
        self._path = path

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
        if self._file is None:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            # Without a buffer a line that could not be written is not tried again when the file is closed.
            self._file = self._path.open("ab", buffering=0)
        left = text.encode("utf-8", "backslashreplace")
        while left:
            left = left[self._file.write(left) :]

    def _drop(self) -> None:
        file, self._file = self._file, None
        if file is not None:
            try:
                file.close()
            except OSError as error:
                # A share may report an earlier failure only now; the lines are on the console.
                _log.debug("the log %s could not be closed: %s", self._path, error)
