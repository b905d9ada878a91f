"""What the parts of a local run tell about themselves; the views in ``view.py`` listen."""

from __future__ import annotations

import re
from typing import Final, Literal, Protocol

_LOG_LINE: Final = re.compile(r"^\d{4}-\S+Z (?P<level>[A-Z]+) (?P<text>.*)")

Stage = Literal["uploaded", "event", "job", "processing", "succeeded", "failed"]


class Watcher(Protocol):
    """A listener; every method may be called from any thread."""

    def log(self, source: str, text: str) -> None:
        """Take one line that a part of the run wrote."""

    def made(self, token: str, name: str, seconds: float) -> None:
        """Take note that a resource is there, and how long it took."""

    def stage(self, file: str, stage: Stage, detail: str = "") -> None:
        """Take note that an input, named as its blob is, has come to a stage of its way."""

    def warn(self, source: str, text: str) -> None:
        """Take a line that a person should see."""


def pass_on(watcher: Watcher, source: str, line: str) -> None:
    """Tell a watcher a line of a part's log, as a warning where its level says so."""
    match = _LOG_LINE.match(line)
    text = match["text"] if match else line
    if match and match["level"] in ("CRITICAL", "ERROR", "WARNING"):
        watcher.warn(source, text)
    else:
        watcher.log(source, text)
