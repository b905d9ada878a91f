"""The events of a worker that has little time left; the others are in ``worker_events``."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass

from pipeline_app.contract.log_lines import Event


@dataclass(frozen=True, kw_only=True)
class WorkerDrains(Event, kind="worker_drains"):
    """A worker claims no more, since its end is near, and ends by itself once what it has is done; all in seconds.

    ``need`` is what a file may take, as far as this worker knows, and None where it has met one that takes more than is
    ``left`` twice, and had nothing else to do in between.
    """

    left: float
    lifetime: float
    need: float | None

    def sentence(self) -> str:
        """Return what a person reads."""
        why = "what waits needs more" if self.need is None else f"a file may take {self.need:.1f} s"
        return f"claims no more files: {self.left:.1f} s of its {self.lifetime:g} s are left, and {why}"


@dataclass(frozen=True, kw_only=True)
class WorkerBrokeAway(Event, kind="worker_broke_away", level=logging.WARNING):
    """A worker that was told to stop could not in time, and ends with what it held.

    ``names`` are its files, and ``given_back`` says whether they all went back to the queue; one that did not is free
    once its claim has run out.
    """

    given_back: bool
    names: Sequence[str]

    def sentence(self) -> str:
        """Return what a person reads."""
        held = ", ".join(map(repr, self.names)) or "nothing"
        back = "given back" if self.given_back else "left to their claims"
        return f"could not stop in time, and ends at once; it held {held}, {back}"
