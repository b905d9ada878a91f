"""What worker and function logged, as a person reads it; on their consoles it is JSON."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from pipeline_app.contract.log_lines import decode
from pipeline_app.worker.marking import own_lines


def sentence(event: Mapping[str, Any]) -> str:
    """Return what an event says to a person, and below it its traceback, of which no line can pose as another's."""
    trace = event.get("traceback")
    return own_lines(f"{event['text']}\n{trace}" if trace else str(event["text"]))


def shown(event: Mapping[str, Any]) -> str:
    """Return an event as the log on the share has it, with its moment and its level."""
    return " ".join([*(str(event[name]) for name in ("time", "level") if name in event), sentence(event)])


def readable(line: str) -> str:
    """Return a line of a console for a person, as it is where it is no event."""
    event = decode(line)
    return line if event is None else shown(event)


def of_file(name: str, lines: Iterable[str]) -> list[dict[str, Any]]:
    """Return the events of one file, the oldest first, though several workers may have told of them."""
    events = [event for line in lines if (event := decode(line)) is not None and event.get("name") == name]
    return sorted(events, key=lambda event: str(event.get("time")))


def lines_of_workers(folder: Path) -> Iterator[str]:
    """Return what the consoles of a local run's workers have, the older files first; none if there are none."""
    for path in sorted(folder.glob("worker-*.log*"), reverse=True):
        with path.open(encoding="utf-8", errors="replace") as file:
            yield from file
