"""Sweeps over an account of very many inputs: ``python -m tests.bench.audit_run PORT PAGES WHAT``.

It is a process of its own, for its memory and its processor's time, and prints what passes took as JSON. ``first`` is a
first pass, one that knows its segments, and one that finds an input without event and receipt; ``run`` is one run of a
pass that knows its segments, of which a pass over more inputs has many.
"""

from __future__ import annotations

import json
import logging
import resource
import sys
import time
from contextlib import closing
from datetime import timedelta
from http.client import HTTPConnection

from pipeline_app.contract import StorageConnection
from pipeline_app.rest.endpoint import open_account
from pipeline_function import sweeping
from pipeline_function.azure import AzureStorage
from pipeline_function.segments import MAX_SEGMENTS, MIN_PAGES, Segment
from pipeline_function.services import Services
from pipeline_function.sweep_state import PAGES_PER_SECOND, SweepState
from tests.bench.audit_figures import GRACE, MINUTE, Limits, Pass
from tests.bench.storage import NAMES
from tests.memory.account import EPOCH


class Wakes:
    """Nobody has to be woken up."""

    def job_was_put(self) -> None:
        """Do nothing."""

    def jobs_are_there(self) -> None:
        """Do nothing."""


class Far:
    """The account that is served, its clock, and sweeps over it."""

    def __init__(self, port: int, pages: int) -> None:
        self.clock = 0.0
        self.pages = pages
        self._port = port
        url = f"http://127.0.0.1:{port}/bench"
        text = f"BlobEndpoint={url};QueueEndpoint={url};AccountName=bench;AccountKey=a2V5"
        storage = AzureStorage("bench", NAMES, *open_account(StorageConnection(connection_string=text)))
        self.services = Services(grace=GRACE, names=NAMES, pause=timedelta(0), storage=storage, wake_ups=Wakes())

    def set(self, lost: int = -1) -> dict[str, int]:
        """Tell the account what time it is, and in which page an input comes now; return what it has counted."""
        with closing(HTTPConnection("127.0.0.1", self._port)) as connection:
            connection.request("GET", f"/control?clock={self.clock}&lost={lost}")
            counted: dict[str, int] = json.loads(connection.getresponse().read())
        return counted

    def sweep(self, most: int = 10_000) -> Pass:
        """Sweep at each minute until a pass is over, or for so many runs; time between the runs is not waited for."""
        listed, processor = self.set()["listed"], time.process_time()
        began, running, took = self.clock, 0.0, 0.0
        for number in range(most):
            self.clock += max(MINUTE, took) if number else 0.0
            self.set()
            start = time.monotonic()
            sweeping.sweep(self.services)
            took = time.monotonic() - start
            running += took
            state = SweepState.decode(self.services.storage.load_state())
            if state is None or state.over:
                break
        return Pass(
            seconds=self.clock - began + took,
            running=running,
            processor=time.process_time() - processor,
            pages=self.set()["listed"] - listed,
            mebibytes=resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
            state_bytes=len(self.services.storage.load_state() or ""),
        )


def first(far: Far) -> list[Pass]:
    """Return a first pass, one that knows its segments, and one that finds an input that was lost."""
    passes = [far.sweep()]
    far.clock += 10 * MINUTE
    passes.append(far.sweep())
    far.clock += MINUTE
    far.set(far.pages // 2)
    far.clock += GRACE.total_seconds() + MINUTE
    passes.append(far.sweep())
    if (jobs := far.set()["jobs"]) != 1:
        raise RuntimeError(f"The sweep has queued {jobs} files, where one was lost.")
    return passes


def one_run(far: Far) -> list[Pass]:
    """Return one run of a pass over all that was settled before."""
    length = max(1, far.pages // MAX_SEGMENTS)
    starts = [f"{NAMES.input_path}/{page:06}-0000.csv" for page in range(length, far.pages, length)]
    segments = [Segment(stride=length), *(Segment(start=start, stride=length) for start in starts)]
    settled = EPOCH - timedelta(days=1)
    state = SweepState(horizon=EPOCH, previous=EPOCH, segments=segments, settled=settled, started=EPOCH)
    far.services.storage.save_state(state.encode())
    return [far.sweep(1)]


if __name__ == "__main__":
    logging.disable(logging.CRITICAL)
    asked = Far(int(sys.argv[1]), int(sys.argv[2]))
    limits = Limits(sweeping.LISTINGS, MAX_SEGMENTS, MIN_PAGES, PAGES_PER_SECOND, sweeping.RUN_SECONDS)
    print(json.dumps([limits, (first if sys.argv[3] == "first" else one_run)(asked)]))
