"""Ctrl-C, SIGTERM and a closed terminal: the first ends what is going on, and none breaks off the destroy.

Whether a signal raises is one variable, so that there is no moment between asking and destroying in which it could
raise where nobody expects it.
"""

from __future__ import annotations

import signal
from collections.abc import Callable
from types import FrameType
from typing import Final

SIGNALS: Final = (signal.SIGHUP, signal.SIGINT, signal.SIGTERM)

Answer = Callable[[], object]

_answer: Answer | None = None


def listen() -> None:
    """Have the next signal raise KeyboardInterrupt, and those after it do nothing."""
    global _answer
    _answer = None
    for number in SIGNALS:
        signal.signal(number, _handle)


def withhold(answer: Answer) -> None:
    """Have signals be answered from now on, and never raise."""
    global _answer
    _answer = answer


def _handle(_number: int, _frame: FrameType | None) -> None:
    # A handler, and not SIG_IGN, which programs that are started would inherit.
    if _answer is not None:
        _answer()
        return
    withhold(lambda: None)
    raise KeyboardInterrupt
