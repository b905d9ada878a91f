"""What ends a local run in good order: Ctrl-C, Ctrl-\\, SIGTERM, and a terminal that is closed."""

from __future__ import annotations

import signal
from types import FrameType
from typing import Final

SIGNALS: Final = (signal.SIGHUP, signal.SIGINT, signal.SIGQUIT, signal.SIGTERM)


def listen() -> None:
    """Have the first of these signals raise KeyboardInterrupt in the main thread, and those after it do nothing."""
    for number in SIGNALS:
        # Whoever started this by nohup wants it to outlive the terminal.
        if number != signal.SIGHUP or signal.getsignal(number) != signal.SIG_IGN:
            signal.signal(number, _interrupt)


def ignore() -> None:
    """Have these signals do nothing: from here on nothing may break off."""
    for number in SIGNALS:
        signal.signal(number, signal.SIG_IGN)


def _interrupt(_number: int, _frame: FrameType | None) -> None:
    ignore()
    raise KeyboardInterrupt
