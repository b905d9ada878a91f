"""What the parts of a local run tell about themselves; the views in ``view.py`` listen."""

from __future__ import annotations

import re
from typing import Any, Final, Literal, Protocol

from infra.operate.log_lines import sentence
from pipeline_app.contract.log_lines import decode

# What the Functions host writes, who adds time and level to a message, which may be an event.
_LOG_LINE: Final = re.compile(r"^\d{4}-\S+Z (?P<level>[A-Z]+) (?P<text>.*)")
_WARNINGS: Final = frozenset({"CRITICAL", "ERROR", "WARNING"})

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
    """Tell a watcher a line of a part's log, as a warning where its level says so, and of an event its sentence."""
    match = _LOG_LINE.match(line)
    level, text = (match["level"], match["text"]) if match else (None, line)
    if (event := decode(text)) is not None:
        level, text = event.get("level", level), sentence(event)
    first, *more = text.split("\n")
    if level in _WARNINGS:
        watcher.warn(source, first)
    else:
        watcher.log(source, first)
    for each in more:
        watcher.log(source, each)


def event_of(line: str) -> dict[str, Any] | None:
    """Return the event that a line of a part's log tells of, None where it tells of none."""
    match = _LOG_LINE.match(line)
    return decode(match["text"] if match else line)
