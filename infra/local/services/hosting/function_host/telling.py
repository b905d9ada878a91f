"""How the host speaks to the runner: log lines, and JSON such as ``{"function", "outcome", "id"}`` or ``{"ready"}``."""

from __future__ import annotations

import json
import logging
import os
import re
import sys
import threading
import time

_output = threading.Lock()


def tell(**fields: object) -> None:
    """Write one JSON object on a line of its own."""
    _write(json.dumps(fields))


class LineHandler(logging.Handler):
    """Writes log records, with time and level in front and tracebacks below."""

    def __init__(self) -> None:
        super().__init__()
        formatter = logging.Formatter("%(asctime)s.%(msecs)03dZ %(levelname)s %(message)s", "%Y-%m-%dT%H:%M:%S")
        formatter.converter = time.gmtime
        self.setFormatter(formatter)

    def emit(self, record: logging.LogRecord) -> None:
        """Write a record."""
        _write(self.format(record))


def resolve(text: str) -> str:
    """Replace each ``%NAME%`` by that app setting.

    Raises:
        KeyError: there is no such setting.
    """
    return re.sub(r"%([^%]+)%", lambda match: os.environ[match[1]], text)


def _write(text: str) -> None:
    with _output:
        sys.stdout.write(f"{text}\n")
        sys.stdout.flush()
