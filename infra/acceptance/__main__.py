"""Ask a real subscription what no document says: ``python -m infra.acceptance --stack NAME``."""

import signal
import sys
from types import FrameType

SIGNALS = (signal.SIGINT, signal.SIGTERM)


def interrupt(_number: int, _frame: FrameType | None) -> None:
    """End what is going on, once: a second signal must not break off the destroy."""
    for number in SIGNALS:
        signal.signal(number, ignore)
    raise KeyboardInterrupt


def ignore(_number: int, _frame: FrameType | None) -> None:
    """Take no notice; as a handler, and not SIG_IGN, since programs that are started would inherit that."""


try:
    for number in SIGNALS:
        signal.signal(number, interrupt)

    from infra.acceptance.command import app

    app(prog_name="python -m infra.acceptance", standalone_mode=True)
except KeyboardInterrupt:
    # It came before anything was made.
    sys.exit(130)
