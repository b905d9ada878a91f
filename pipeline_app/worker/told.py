"""Whether this process was told to stop, as soon as the kernel knows it.

Python calls a handler when the main thread comes to run, which on a busy machine is some time after the signal. Where
the platform tells every process of a container at once, an application may have ended by then, and must not be taken
for one that ended by itself.
"""

from __future__ import annotations

import math
import select
import signal
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from pipeline_app.worker.outside import OUTSIDE, Outside

SIGNALS: Final = frozenset({signal.SIGHUP, signal.SIGINT, signal.SIGTERM})


class Told:
    """What is asked whether the worker is to stop, from any thread that began under ``deaf``.

    Attributes:
        since: the monotonic moment at which that was seen first, infinite until then.
        stopping: set by the handler, for whoever waits.
    """

    def __init__(self, outside: Outside = OUTSIDE) -> None:
        self.since = math.inf
        self.stopping = threading.Event()
        self._heard: socket.socket | None = None
        self._outside = outside

    def __call__(self) -> bool:
        if not (self.stopping.is_set() or SIGNALS & signal.sigpending() or self._has_heard()):
            return False
        # A signal's handler may interrupt this here, so there is no lock; of two moments the later does as well.
        self.since = min(self.since, self._outside.monotonic())
        return True

    def listen(self) -> None:
        """Hear of signals from now on before their handlers do; it is for the main thread to call."""
        self._heard, told = socket.socketpair()
        told.setblocking(False)
        # Python writes to it, and closes nothing.
        signal.set_wakeup_fd(told.detach(), warn_on_full_buffer=False)

    def _has_heard(self) -> bool:
        if self._heard is None:
            return False
        poller = select.poll()
        poller.register(self._heard, select.POLLIN)
        return bool(poller.poll(0))


@contextmanager
def deaf() -> Iterator[None]:
    """Let threads that start meanwhile leave signals to the main thread, and see those that it has not got yet."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
