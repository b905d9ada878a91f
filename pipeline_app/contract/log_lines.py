"""What worker and function log: events with fixed fields, each on a line of JSON that machines read.

Each kind is declared once, in ``worker_events``, ``end_events`` or ``function_events``. A line has ``event``, ``text``
(the sentence that a person reads) and the event's fields; the worker's also have ``time``, ``level``, ``logger`` and,
of an exception, its ``traceback``. Of the function's, Azure keeps time and level in columns of their own.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from dataclasses import dataclass, fields
from datetime import UTC, datetime
from typing import Any, ClassVar, Final

# With its end a line fits into 16 KiB, where a container's runtime may cut it in two.
# Source: max_container_log_line_size in https://github.com/containerd/containerd/blob/main/docs/cri/config.md
LINE_CHARACTERS: Final = 16 * 1024 - 1
# What a line has besides the fields of its event.
HEAD: Final = ("time", "level", "logger", "event", "text", "traceback")
# A name finds the lines of a file, so it is cut last.
_NAME_WEIGHT: Final = 16

KINDS: Final[dict[str, type[Event]]] = {}


@dataclass(frozen=True, kw_only=True)
class Event:
    """Something worth a line; as a text it is the line of the function, whoever writes that down."""

    kind: ClassVar[str]
    level: ClassVar[int]

    def __init_subclass__(cls, *, kind: str, level: int = logging.INFO) -> None:
        if kind in KINDS:
            raise TypeError(f"The event {kind!r} is declared twice.")
        cls.kind, cls.level = kind, level
        KINDS[kind] = cls

    def __str__(self) -> str:
        return encode(self.record())

    def record(self) -> dict[str, Any]:
        """Return what its line says."""
        named = {field.name: getattr(self, field.name) for field in fields(self)}
        return {"event": self.kind, "text": self.sentence(), **named}

    def sentence(self) -> str:
        """Return what a person reads."""
        raise NotImplementedError


@dataclass(frozen=True, kw_only=True)
class Log(Event, kind="log"):
    """A line that is nothing but its text: a plain warning, or what a library has to say."""

    text: str

    def sentence(self) -> str:
        """Return what a person reads."""
        return self.text


@dataclass(frozen=True, kw_only=True)
class Retried(Event, kind="retried"):
    """A request to the storage did not go through and is made again."""

    again_in: float
    problem: str
    request: str

    def sentence(self) -> str:
        """Return what a person reads."""
        return f"{self.request}: {self.problem}; trying again in {self.again_in:.0f} s"


class JsonLines(logging.Formatter):
    """Makes one line of JSON of each record, whatever it quotes."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line of a record."""
        event = record.msg if isinstance(record.msg, Event) else Log(text=record.getMessage())
        moment = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")
        line = {"time": moment.replace("+00:00", "Z"), "level": record.levelname, "logger": record.name}
        line |= event.record()
        if record.exc_info:
            line["traceback"] = self.formatException(record.exc_info)
        return encode(line)


def tell(logger: logging.Logger, event: Event, level: int | None = None, *, traceback: bool = False) -> None:
    """Log an event, at another level than its own if need be, and with the exception that is being handled."""
    logger.log(event.level if level is None else level, event, exc_info=traceback, stacklevel=2)


def sentence(record: logging.LogRecord) -> str:
    """Return what a record says to a person."""
    return record.msg.sentence() if isinstance(record.msg, Event) else record.getMessage()


def encode(record: Mapping[str, Any]) -> str:
    """Return a record as JSON on one line of ASCII, in which the longest texts are cut until it is short enough."""
    cut = {name: _plain(value) if isinstance(value, str) else value for name, value in record.items()}
    while len(line := json.dumps(cut)) > LINE_CHARACTERS:
        weights = {name: _weight(name, value) for name, value in cut.items() if isinstance(value, str)}
        longest = max(weights, key=weights.__getitem__)
        cut[longest] = f"{cut[longest][: len(cut[longest]) // 2]}…"
    return line


def decode(line: str) -> dict[str, Any] | None:
    """Return what a line says, with ``event`` and ``text`` at least; None where it is no line of an event."""
    if not line.startswith("{"):
        return None
    try:
        record = json.loads(line)
    except (RecursionError, ValueError):
        return None
    known = isinstance(record, dict) and isinstance(record.get("event"), str) and isinstance(record.get("text"), str)
    return record if known else None


def _plain(text: str) -> str:
    """Return a text without halves of characters, which not every reader of JSON takes."""
    return text.encode("utf-8", "backslashreplace").decode()


def _weight(name: str, text: str) -> float:
    return len(json.dumps(text)) / (_NAME_WEIGHT if name == "name" else 1)
