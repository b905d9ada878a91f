"""A worker whose messages are suspects."""

from __future__ import annotations

import time

from tests.worker.staged import StagedWorker


class World(StagedWorker):
    """A queue of files, some of them suspects, and the worker's loop over them."""

    def __init__(self, *names: str, slots: int) -> None:
        super().__init__(*names, slots=slots)
        self.processor.suspects = {name for name in names if name.startswith("suspect")}

    @property
    def noted(self) -> list[str]:
        return self.processor.noted

    def part(self, first: str, second: str) -> None:
        """Let one slot have the first of two and run it, and another slot the second."""
        self.act("fetch", first, lambda: self.await_all(f"claim {second}"))
        self.act("claim", second, lambda: self.await_all(f"run {first}"))

    def await_all(self, *entries: str) -> None:
        """Wait until all of these stages were noted."""
        deadline = time.monotonic() + 10
        while not set(entries) <= set(self.noted):
            assert time.monotonic() < deadline, (entries, self.noted)
            time.sleep(0.002)

    def order(self, *entries: str) -> bool:
        """Tell whether these stages were noted in this order, by the last time of each."""
        last = {entry: number for number, entry in enumerate(self.noted)}
        return sorted(entries, key=last.__getitem__) == list(entries)
