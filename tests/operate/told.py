"""The story of a file as it is told."""

from __future__ import annotations

from infra.operate.story import gather
from infra.operate.telling import Section, tell
from tests.memory.operate import MOMENT, NAMES, MemoryStorage

NAME = "incoming/a.csv"


def told(storage: MemoryStorage, name: str = NAME, log: list[str] | None = None) -> dict[str, Section]:
    """Return the sections of a file's story by their headings."""
    return {each.heading: each for each in tell(gather(name, storage, NAMES, log), NAMES, MOMENT)}


def advice(storage: MemoryStorage, name: str = NAME) -> tuple[str, str]:
    """Return the mood and the text of what is advised."""
    last = told(storage, name)["What to do"]
    return last.mood, " ".join(last.lines)
