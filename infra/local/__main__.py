"""Run the pipeline on this machine, ``python -m infra.local up``, and look after its files, or those in Azure."""

import signal
import sys
from types import FrameType

SIGNALS = (signal.SIGINT, signal.SIGTERM)


def interrupt(_number: int, _frame: FrameType | None) -> None:
    """End what is going on, once: a second signal must not break off the taking down."""
    for number in SIGNALS:
        signal.signal(number, signal.SIG_IGN)
    raise KeyboardInterrupt


try:
    for number in SIGNALS:
        signal.signal(number, interrupt)

    from infra.local.commands import app
    from pipeline_app.rest.proxies import keep_near

    keep_near()
    app(prog_name="python -m infra.local")
except KeyboardInterrupt:
    # It came before the imports were done, so there is nothing to take down.
    sys.exit(0 if sys.argv[1:2] == ["up"] else 130)
