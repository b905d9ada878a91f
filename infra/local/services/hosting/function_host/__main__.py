"""Run as ``python -s -P -m function_host ROOT TIMERS`` with the app settings as environment.

ROOT is the unpacked archive, TIMERS a folder that remembers when each timer last ran. Of the project, only what is in
ROOT and this package can be imported.
"""

from __future__ import annotations

import importlib
import json
import logging
import os
import signal
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final

from .queues import QueueOptions, QueueTrigger
from .telling import LineHandler, tell
from .timers import TimerTrigger

GRACE_SECONDS: Final = 8.0
MOST_THREADS: Final = 32


def calling_threads() -> ThreadPoolExecutor:
    """Return the threads that calls of all functions share: as many as the setting says, or as Python chooses.

    Source: ``azure_functions_runtime/utils/threadpool.py`` of the package azure-functions-runtime.
    """
    count = os.environ.get("PYTHON_THREADPOOL_THREAD_COUNT", "")
    return ThreadPoolExecutor(int(count) if count.isdecimal() and 1 <= int(count) <= MOST_THREADS else None)


def triggers(
    root: Path, memory: Path, stop: threading.Event, calls: ThreadPoolExecutor
) -> list[QueueTrigger | TimerTrigger]:
    """Import the app and return its triggers.

    Raises:
        ValueError: a function has a binding that this host does not serve.
    """
    sys.path.insert(0, str(root))
    # The archive's own packages are for the Python of the Function App; this one's, of the same versions, go first.
    sys.path.append(str(root / ".python_packages" / "lib" / "site-packages"))
    options = QueueOptions.read(json.loads((root / "host.json").read_text(encoding="utf-8")))
    found: list[QueueTrigger | TimerTrigger] = []
    app = importlib.import_module("function_app").app
    # It warns of each app without an HTTP trigger that its HTTP triggers would be open.
    logging.disable(logging.WARNING)
    functions = app.get_functions()
    logging.disable(logging.NOTSET)
    for function in functions:
        kinds = [binding.get_dict_repr()["type"] for binding in function.get_bindings()]
        if kinds == ["queueTrigger"]:
            found.append(QueueTrigger(function, options, stop, calls))
        elif kinds == ["timerTrigger"]:
            found.append(TimerTrigger(function, memory / function.get_function_name(), stop, calls))
        else:
            name = function.get_function_name()
            raise ValueError(f"Function {name} has the bindings {kinds}; this host serves one queue or timer trigger.")
    return found


def main(root: Path, memory: Path) -> None:
    """Serve the app in ROOT until a signal comes."""
    logging.basicConfig(level=logging.INFO, handlers=[LineHandler()])
    for noisy in ("azure", "urllib3"):
        logging.getLogger(noisy).setLevel(logging.WARNING)
    signals = {signal.SIGINT, signal.SIGTERM}
    signal.pthread_sigmask(signal.SIG_BLOCK, signals)
    memory.mkdir(parents=True, exist_ok=True)
    stop = threading.Event()
    calls = calling_threads()
    found = triggers(root, memory, stop, calls)
    # A call that does not end must not keep the host from ending, so its threads are daemons.
    threads = [threading.Thread(target=trigger.serve, daemon=True) for trigger in found]
    for thread in threads:
        thread.start()
    tell(ready=len(threads))
    signal.sigwait(signals)
    stop.set()
    end = time.monotonic() + GRACE_SECONDS
    for thread in threads:
        thread.join(max(0.0, end - time.monotonic()))
    # Nobody hands over calls any more; those that run get the rest of the time.
    running = threading.Thread(target=calls.shutdown, daemon=True)
    running.start()
    running.join(max(0.0, end - time.monotonic()))
    sys.stdout.flush()
    os._exit(0)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
