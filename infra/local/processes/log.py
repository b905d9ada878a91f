"""The log of a supervised process, which the process must never wait for."""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable
from logging.handlers import RotatingFileHandler
from pathlib import Path
from typing import Any, Final

from pipeline_app.worker.share_log import PrintableFormatter

LOG_BYTES: Final = 10 * 1024 * 1024


class ProcessLog(RotatingFileHandler):
    """The log of a process; what cannot be written is told and left out."""

    def __init__(self, path: Path, on_trouble: Callable[[OSError], None]) -> None:
        self._on_trouble = on_trouble
        self._path = path
        # The file is opened with the first line, where an error of the disk is dealt with like any later one.
        super().__init__(path, backupCount=1, delay=True, encoding="utf-8", errors="replace", maxBytes=LOG_BYTES)
        self.setFormatter(PrintableFormatter("%(message)s"))

    def _open(self) -> Any:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        return super()._open()

    def handleError(self, record: logging.LogRecord) -> None:
        """Tell what the disk refused; see logging."""
        error = sys.exception()
        if isinstance(error, OSError):
            self._on_trouble(error)
        else:
            super().handleError(record)

    def close(self) -> None:
        """Close the file, also where what is left of it cannot be written."""
        try:
            super().close()
        except OSError as error:
            self._on_trouble(error)


def log_trouble(error: OSError) -> None:
    """Log what the disk refused, where nobody else is to be told."""
    logging.getLogger(__name__).error("A record or log of a process cannot be written: %s", error)
