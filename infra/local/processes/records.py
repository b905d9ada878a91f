"""What the data folder remembers of child processes, so that the next run can end what a killed run left."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path

import psutil

from infra.local.data.folder import write_private
from infra.local.processes import family


@dataclass
class Record:
    """What the data folder remembers of a child; ``pid`` is 0 between the decision to start it and its start."""

    name: str
    marker: str
    pid: int = 0
    create_time: float = 0.0


def end_recorded(path: Path) -> list[str]:
    """End what a killed run left and forget it; return the names of what was found.

    Only processes that carry a recorded marker are touched. A recorded process id that now belongs to another
    process has another creation time and no such marker.
    """
    if not path.exists():
        return []
    records = [Record(**record) for record in json.loads(path.read_text(encoding="utf-8"))]
    names = {record.marker: record.name for record in records}
    created = {record.pid: record.create_time for record in records if record.pid}
    found: dict[psutil.Process, str] = {}
    for process in psutil.process_iter():
        marker = family.marker_of(process)
        if marker in names and created.get(process.pid, process.create_time()) == process.create_time():
            found[process] = names[marker]
    family.end(set(found))
    path.unlink()
    return sorted(set(found.values()))


def write_records(path: Path, records: Iterable[Record]) -> None:
    """Remember these and no others.

    Raises:
        OSError: the file cannot be written, and is as it was.
    """
    write_private(path, json.dumps([asdict(record) for record in records], indent=2))
