"""One run of the sweep, or one story of a file: ``python -m tests.bench.sweep_run COMMAND [NAME]``.

It is a process of its own, with the Function App's settings in its environment, and prints its seconds and its
processor seconds (without those of the imports), and whether the pass over the inputs has ended, as JSON. ``sweep`` and
``explain NAME`` are measured. After ``settle``, sweeps believe that a pass has just found all receipts; after
``restart``, they know of none.
"""

from __future__ import annotations

import json
import logging
import os
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Final, NamedTuple, TypeVar

from infra.operate.azure_storage import connect
from infra.operate.places import Place
from infra.operate.story import Story, gather
from pipeline_app.contract import StorageNames
from tests.bench.http_calls import Account
from tests.bench.processes import PROJECT

if TYPE_CHECKING:
    from pipeline_function.services import Services

GROUP: Final = (
    "/subscriptions/00000000-0000-0000-0000-000000000000/resourceGroups/bench"
    "/providers/Microsoft.ContainerInstance/containerGroups/worker"
)
SECONDS: Final = 1800.0

Value = TypeVar("Value")


class Done(NamedTuple):
    """What a run took in seconds and in seconds of its processor, and whether the pass ended with it."""

    seconds: float
    processor: float
    ended: bool


def run(account: Account, names: StorageNames, *arguments: str) -> Done:
    """Do it once in a process of its own."""
    environment = {
        "APP_CONTAINER_GROUP_IDS": GROUP,
        "APP_STORAGE_CONNECTION": account.connection_string,
        "APP_STORAGE_CONTAINER": names.container,
        "APP_STORAGE_INPUT_PATH": names.input_path,
        "APP_STORAGE_OUTPUT_PATH": names.output_path,
        "APP_SWEEP_GRACE_SECONDS": "1",
        "AZURE_CLIENT_ID": "bench",
        "PATH": os.environ["PATH"],
        "PYTHONPATH": f"{PROJECT}:{PROJECT / 'function'}",
    }
    command = [sys.executable, "-m", "tests.bench.sweep_run", *arguments]
    done = subprocess.run(
        command, capture_output=True, check=False, cwd=PROJECT, env=environment, text=True, timeout=SECONDS
    )
    if done.returncode:
        raise RuntimeError(f"{' '.join(arguments)} failed:\n{done.stderr}")
    return Done(*json.loads(done.stdout))


def _sweep() -> Done:
    from pipeline_function.sweep_state import SweepState
    from pipeline_function.sweeping import sweep

    services = _services()
    _, seconds, processor = _timed(lambda: sweep(services))
    state = SweepState.decode(services.storage.load_state())
    return Done(seconds, processor, state is not None and state.over)


def _restart() -> Done:
    storage = _services().storage
    _, seconds, processor = _timed(lambda: storage.save_state("{}"))
    return Done(seconds, processor, False)


def _settle() -> Done:
    from pipeline_function.sweep_state import SweepState

    storage = _services().storage
    moment = storage.backlog().moment
    _, seconds, processor = _timed(lambda: storage.save_state(SweepState(horizon=moment, started=moment).encode()))
    return Done(seconds, processor, True)


def _explain(name: str) -> Done:
    names = StorageNames.from_environment(os.environ)
    place = Place(connection_string=os.environ["APP_STORAGE_CONNECTION"], names=names)

    def look() -> Story:
        with connect(place) as storage:
            return gather(name, storage, names, None)

    story, seconds, processor = _timed(look)
    if story.receipt is None:
        raise RuntimeError(f"{name!r} has no receipt.")
    return Done(seconds, processor, True)


def _services() -> Services:
    from datetime import timedelta

    from pipeline_function.azure import AzureStorage
    from pipeline_function.runners import Look
    from pipeline_function.services import Services
    from pipeline_function.settings import Settings
    from pipeline_function.wakeups import WakeUps

    settings = Settings.from_environment(os.environ)
    storage = AzureStorage.connect(settings)
    wake_ups = WakeUps(storage.put_wake_up, lambda: Look(calm=True, requests=0))
    return Services(
        grace=timedelta(seconds=1), names=settings.names, pause=timedelta(0), storage=storage, wake_ups=wake_ups
    )


def _timed(call: Callable[[], Value]) -> tuple[Value, float, float]:
    """Return what a call gives, its seconds, and the seconds of the processor in all threads of this process."""
    start, processor = time.monotonic(), time.process_time()
    value = call()
    return value, time.monotonic() - start, time.process_time() - processor


COMMANDS: Final[Mapping[str, Callable[..., Done]]] = {
    "explain": _explain,
    "restart": _restart,
    "settle": _settle,
    "sweep": _sweep,
}


if __name__ == "__main__":
    logging.disable(logging.CRITICAL)
    print(json.dumps(COMMANDS[sys.argv[1]](*sys.argv[2:])))
