"""The last seconds of a worker that was told to stop: whatever it holds goes back, whoever is stuck with it.

A slot gives back by itself what it can, and results that are on their way out may still get there. But a thread may be
in the middle of a large input, or wait for a storage that does not answer, for longer than the platform waits before it
kills the worker. That would be a loss, after which a file is worked on alone. A claim is nobody's but the worker's, and
may end at any moment without harm; so the worker ends them all, and then itself.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import contextmanager

from pipeline_app.contract.end_events import WorkerBrokeAway
from pipeline_app.contract.log_lines import tell
from pipeline_app.worker.attempt import Claimed

# Results get so long to be published, and applications to end. Container Apps kills after thirty seconds, which nobody
# can change, and what Container Instances does is not written anywhere.
# Source: https://github.com/microsoft/azure-container-apps/issues/1669
PATIENCE_SECONDS = 6.0
# All at once, each takes one request to the queue. One that does not answer by then keeps its message until the claim
# has run out.
RELEASE_SECONDS = 3.0

_log = logging.getLogger(__name__)


class Parting:
    """Knows what the worker holds, and ends it where the slots do not in time; safe to use from several threads."""

    def __init__(self) -> None:
        self._held: dict[str, Claimed] = {}
        self._lock = threading.Lock()

    @contextmanager
    def holding(self, claimed: Claimed) -> Iterator[None]:
        """Know of a job while the context lasts."""
        with self._lock:
            self._held[claimed.claim.message_id] = claimed
        try:
            yield
        finally:
            with self._lock:
                self._held.pop(claimed.claim.message_id, None)

    def watch(self, stopping: threading.Event, ended: threading.Event, leave: Callable[[int], None]) -> None:
        """See to it, in a thread of its own, that the worker ends in time once it is told to stop.

        Args:
            stopping: set when it is told so.
            ended: set where it has come to its end by itself.
            leave: ends the process at once, with an exit code.
        """

        def part() -> None:
            stopping.wait()
            if not ended.wait(PATIENCE_SECONDS):
                leave(0 if self.give_back() else 1)

        threading.Thread(target=part, name="parting", daemon=True).start()

    def give_back(self) -> bool:
        """Give back all that is held, uncounted and visible at once; return whether that could be said of each."""
        with self._lock:
            held = list(self._held.values())
        names = tuple(sorted(claimed.job.name for claimed in held))
        # Threads of a pool would be waited for when the process is left in order, which it is not.
        pool = ThreadPoolExecutor(max(len(held), 1), thread_name_prefix="parting")
        gone = [pool.submit(claimed.claim.give_back, claimed.job, 0.0, counted=False) for claimed in held]
        wait(gone, RELEASE_SECONDS)
        back = all(each.done() and each.exception() is None for each in gone)
        tell(_log, WorkerBrokeAway(given_back=back, names=names))
        return back
