"""Calls of the function that take turns: each has a thread of its own, which runs only while it is waited for.

A call stops at each request that it makes until it is let go on, so that nothing happens that nobody has chosen.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from typing import Final

from pipeline_function import handlers
from pipeline_function.services import Services


class Lost(BaseException):
    """The instance of this thread is gone."""


@dataclass(eq=False)
class Message:
    """An event or a wake-up on the queue; it can be taken from a moment on, and is ``taken`` while it is handled."""

    body: bytes
    since: float
    taken: bool = False


class Lock:
    """A lock that can be seen being held."""

    def __init__(self) -> None:
        self.held = False

    def __enter__(self) -> None:
        if self.held:
            CURRENT.handler.stop("lock", lambda: not self.held)
        self.held = True

    def __exit__(self, *error: object) -> None:
        self.held = False


class _Current(threading.local):
    handler: Handler


CURRENT: Final = _Current()


class Handler:
    """One call of the function, in a thread that runs only while it is waited for."""

    def __init__(self, message: Message, services: Services) -> None:
        self.error: BaseException | None = None
        self.lost = False
        self.message = message
        self.ready: Callable[[], bool] = lambda: True
        self.seen: list[Hashable] = []
        self.stopped_at: str | None = "begin"
        self.outcome = "ok"
        self._go = threading.Semaphore(0)
        self._services = services
        self._stopped = threading.Semaphore(0)
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def go(self, outcome: str) -> None:
        """Let it go on to its next request, or its end."""
        self.outcome = outcome
        self.seen.append((self.stopped_at, outcome))
        self._go.release()
        self._stopped.acquire()

    def stop(self, label: str, ready: Callable[[], bool] = lambda: True) -> str:
        """Wait, in its own thread, until it is let go on, once ``ready``; return what is to come of the request."""
        if self.lost:
            raise Lost
        self.ready = ready
        self.stopped_at = label
        self._stopped.release()
        self._go.acquire()
        if self.lost:
            raise Lost
        return self.outcome

    def _run(self) -> None:
        CURRENT.handler = self
        self._go.acquire()
        try:
            if not self.lost:
                handlers.dispatch(self.message.body, self._services)
        except BaseException as error:
            self.error = error
        self.stopped_at = None
        self._stopped.release()
