"""The sweep: a runner for the backlog, and a job for every input that has neither a receipt nor a message.

It goes by what is there (inputs, receipts, queues), not by what should have happened, so it repairs lost events, lost
starts and files from before the stack alike. The inputs are listed in passes over many runs; ``sweep_state`` has what
is remembered in between, and ``judging`` what becomes of an input. A run lists for ``RUN_SECONDS``, several
``segments`` side by side, each page while the one before it is judged.
"""

from __future__ import annotations

import logging
import math
import time
from collections import deque
from concurrent.futures import FIRST_COMPLETED, Executor, Future, ThreadPoolExecutor, wait
from threading import Lock
from typing import Final

from pipeline_app.contract.audit import is_beyond
from pipeline_app.contract.function_events import Sweep
from pipeline_app.contract.log_lines import tell
from pipeline_function.judging import judge, judge_doubted
from pipeline_function.segments import Segment
from pipeline_function.services import Backlog, InputBlob, InputPage, Services
from pipeline_function.sweep_state import SweepState

LOGGER = logging.getLogger(__name__)

# After so long a run begins no page, so that it ends before the timer fires again, which it does each minute.
RUN_SECONDS: Final = 50.0
# A run that is killed has lost no more than this.
SAVE_SECONDS: Final = 10.0
# So many pages of inputs are listed at once, of 4 MB each. With a second for each they take one processor's time.
LISTINGS: Final = 20
# So many requests for single blobs are under way at once; each takes some milliseconds, nearly all of them waiting.
PARALLEL: Final = 16

# Whether the host lets a timer fire while its last run is under way is told in two ways, so a run sees to it itself.
# Sources: https://github.com/Azure/azure-functions-host/issues/556, https://github.com/Azure/Azure-Functions/issues/1725
_RUNNING: Final = Lock()


def sweep(services: Services) -> None:
    """Start a runner where there is a backlog, then go on with the pass over the inputs.

    Listing costs money, so after a pass that found all settled the next one has time, unless something waits. It raises
    for a passing fault; the next sweep then goes on where the state was saved last.
    """
    backlog = services.storage.backlog()
    tell(LOGGER, Sweep(events=backlog.events, jobs=backlog.jobs))
    if backlog.jobs:
        services.wake_ups.jobs_are_there()
    if not _RUNNING.acquire(blocking=False):
        return
    try:
        state = SweepState.decode(services.storage.load_state())
        again = [] if state is None or not state.doubted else _look_again(services, backlog, state)
        state = _begun(services, backlog, state)
        if state is not None:
            for blob in again:
                state.note(blob, queued=True)
                state.unsettled = True
            _go_on(services, backlog, state)
            services.storage.save_state(state.encode())
    finally:
        _RUNNING.release()


def _look_again(services: Services, backlog: Backlog, state: SweepState) -> list[InputBlob]:
    """Look at what the run before was in doubt about; keep what came of it, and return what was queued."""
    with ThreadPoolExecutor(PARALLEL) as pool:
        queued = judge_doubted(services, state, backlog.oldest or backlog.moment, pool)
    # The pass that is over may be the last one for a while.
    for blob in queued:
        state.note(blob, queued=True)
    services.storage.save_state(state.encode())
    return queued


def _begun(services: Services, backlog: Backlog, state: SweepState | None) -> SweepState | None:
    """Return the state with which the pass goes on, or the next one begins; None where there is a pause."""
    if state is None:
        return SweepState(horizon=backlog.moment, segments=[Segment()], started=backlog.moment)
    if not state.over:
        return state
    waiting = backlog.jobs or backlog.oldest
    if state.is_costly(backlog.moment):
        return None
    if not waiting and state.pauses(services.grace, services.pause, backlog.moment):
        return None
    state = state.next_pass(services.grace, backlog.moment)
    if waiting:
        state.calm = 0
    return state


def _go_on(services: Services, backlog: Backlog, state: SweepState) -> None:
    """Take the pass further by one run, and note in the state how far it came."""
    # What changed after the oldest waiting message was put there may have a message that waits behind it.
    horizon = min(state.started, backlog.oldest or state.started)
    state.horizon = min(state.horizon, horizon)
    idle = not backlog.events and not backlog.jobs
    with ThreadPoolExecutor(LISTINGS) as listing, ThreadPoolExecutor(PARALLEL) as pool:
        run = _Run(services, state, listing)
        while run.under_way:
            for segment, page in run.finished():
                end = state.end_of(segment)
                ended = page.next is None or (end is not None and page.last != "" and is_beyond(page.last, end))
                if not ended:
                    # The next page comes while this one is judged.
                    run.list_on(segment, page.next)
                blobs = page.blobs
                if ended and end is not None:
                    blobs = [blob for blob in blobs if not is_beyond(blob.name, end)]
                judge(services, state, blobs, horizon, idle=idle, pool=pool)
                if page.anew:
                    segment.restart()
                segment.advance(page.first, page.next, ended=ended)
                run.fill()
                if state.over:
                    state.end(backlog.moment)
                run.save()


class _Run:
    """The pages of inputs that one run asks for; ``under_way`` has those that were not looked at yet."""

    def __init__(self, services: Services, state: SweepState, listing: Executor) -> None:
        self.under_way: dict[Future[InputPage], Segment] = {}
        self._known = frozenset(state.known)
        self._listing = listing
        self._saved = time.monotonic()
        self._services = services
        self._state = state
        self._waiting = deque(segment for segment in state.segments if not segment.done)
        # Each run begins some pages, so that every pass comes to its end.
        self._until = math.inf
        self.fill()
        self._until = time.monotonic() + RUN_SECONDS

    def fill(self) -> None:
        """Begin with further segments, as many as are listed at once, if there is time for them."""
        while self._waiting and len(self.under_way) < LISTINGS and time.monotonic() < self._until:
            segment = self._waiting.popleft()
            self._ask(segment, segment.token)

    def list_on(self, segment: Segment, token: str | None) -> None:
        """Ask for a segment's next page, if there is time for it."""
        if time.monotonic() < self._until:
            self._ask(segment, token)

    def finished(self) -> list[tuple[Segment, InputPage]]:
        """Wait for pages, and return those that are there and of use, in the order in which they were asked for."""
        wait(self.under_way, return_when=FIRST_COMPLETED)
        done = [future for future in self.under_way if future.done()]
        found = [(self.under_way.pop(future), future.result()) for future in done]
        if any(not page.starts and self._state.has(segment) for segment, page in found):
            self._waiting = deque(self._state.list_alone())
        self.fill()
        return [(segment, page) for segment, page in found if self._state.has(segment)]

    def save(self) -> None:
        """Keep how far the pass came, now and then, so that a run that is killed has lost little."""
        if time.monotonic() >= self._saved + SAVE_SECONDS:
            self._saved = time.monotonic()
            self._services.storage.save_state(self._state.encode())

    def _ask(self, segment: Segment, token: str | None) -> None:
        inputs, settled = self._services.storage.inputs, self._state.settled
        self.under_way[self._listing.submit(inputs, token, segment.start, settled, self._known)] = segment
