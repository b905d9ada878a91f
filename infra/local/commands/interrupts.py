"""What ends a local run in good order: Ctrl-C, Ctrl-\\, SIGTERM, and a terminal that is closed."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Final

SIGNALS: Final = (signal.SIGHUP, signal.SIGINT, signal.SIGQUIT, signal.SIGTERM)


def listen() -> None:
    """Have the first of these signals raise KeyboardInterrupt in the main thread, and those after it do nothing."""
    for number in SIGNALS:
        # Whoever started this by nohup wants it to outlive the terminal.
        if number != signal.SIGHUP or signal.getsignal(number) != signal.SIG_IGN:
            signal.signal(number, _interrupt)


@contextmanager
def held_back() -> Iterator[None]:
    """Hold these signals back until the context ends, which is for whatever cannot be interrupted, such as an import.

    An exception that a handler raises while Python drops a module's lock is swallowed, and the lock of all imports
    stays held: no other thread would ever import anything again. Source: CPython's Lib/importlib/_bootstrap.py,
    ``_get_module_lock``.
    """
    before = signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def ignore() -> None:
    """Have these signals do nothing: from here on nothing may break off."""
    for number in SIGNALS:
        signal.signal(number, signal.SIG_IGN)


def _interrupt(_number: int, _frame: FrameType | None) -> None:
    ignore()
    raise KeyboardInterrupt
