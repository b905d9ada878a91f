"""What is explored: an input of so many versions, attempts, and faults, with a worker that nothing else depends on."""

from __future__ import annotations

import gc
import logging
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final
from unittest.mock import patch

from pipeline_app.worker.claim import Claim
from pipeline_app.worker.settings import WorkerSettings
from tests.interleavings.attempts import Ends
from tests.interleavings.exploring import INPUT, Exploration, Found
from tests.interleavings.promises import Promises
from tests.worker.world import settings_in

# The names of the results of each version: some of them are those of the version before, and some are its own.
VERSIONS: Final = ((b"a", b"b"), (b"b", b"c"), (b"c", b"d"))
# Each run of the worker's code makes some files and removes them, which is several times as fast in memory.
_MEMORY: Final = Path("/dev/shm")


@dataclass(frozen=True, kw_only=True)
class Bounds:
    """How much may happen: attempts that begin, faults, and how often the input is overwritten.

    Attributes:
        ends: where the first worker is told to stop.
        long: whether applications take so long that this is noted in storage.
        results: how many each of them leaves, one or two.
    """

    attempts: int
    faults: int
    uploads: int
    ends: Ends = Ends.NEVER
    long: bool = False
    results: int = 2


@contextmanager
def worker() -> Iterator[WorkerSettings]:
    """Make a worker whose code does the same each time; the time stands still, and nothing is logged."""
    with ExitStack() as stack:
        # All that is made is kept to the end, so looking for what could be thrown away takes a tenth of the time.
        gc.disable()
        stack.callback(gc.enable)
        # Whether a claim is renewed is no part of what is explored: it may expire at any moment.
        stack.enter_context(patch.object(Claim, "__enter__", lambda claim: claim))
        stack.enter_context(patch.object(Claim, "_stop", lambda claim: None))
        where = _MEMORY if _MEMORY.is_dir() else None
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(dir=where, prefix="interleavings-")))
        logging.disable()
        stack.callback(logging.disable, logging.NOTSET)
        yield replace(
            settings_in(folder),
            claim_seconds=100_000,
            log_file=None,
            # More than there are attempts, since nothing here is the file's fault.
            max_attempts=20,
            scratch=folder,
        )


def explore(settings: WorkerSettings, bounds: Bounds) -> Found:
    """Go through all orders within the bounds."""
    versions = tuple(b" ".join(names[: bounds.results]) for names in VERSIONS[: bounds.uploads + 1])
    return Exploration(
        settings,
        Promises(INPUT),
        versions,
        ends=bounds.ends,
        faults=bounds.faults,
        long=bounds.long,
        most=bounds.attempts,
    ).explore()
