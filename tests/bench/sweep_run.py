"""One run of the sweep, or one story of a file: ``python -m tests.bench.sweep_run sweep|explain [NAME]``.

It is a process of its own, with the Function App's settings in its environment, and prints its seconds (without those
of the imports), and whether the pass over the inputs has ended, as JSON.
"""

from __future__ import annotations

import json
import logging
import os
import subprocess
import sys
import time
from typing import Final, NamedTuple

from infra.operate.azure_storage import connect
from infra.operate.places import Place
from infra.operate.story import gather
from pipeline_app.contract import StorageNames
from tests.bench.http_calls import Account
from tests.bench.processes import PROJECT

GROUP: Final = (
    "/subscriptions/00000000-0000-0000-0000-000000000000/resourceGroups/bench"
    "/providers/Microsoft.ContainerInstance/containerGroups/worker"
)
SECONDS: Final = 1800.0


class Done(NamedTuple):
    """What a run took in seconds, and whether the pass ended with it."""

    seconds: float
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
    from datetime import timedelta

    from pipeline_function.azure import AzureStorage
    from pipeline_function.services import Services
    from pipeline_function.settings import Settings
    from pipeline_function.sweep_state import SweepState
    from pipeline_function.sweeping import sweep

    settings = Settings.from_environment(os.environ)
    storage = AzureStorage(settings)
    services = Services(ensure_running=lambda: None, grace=timedelta(seconds=1), names=settings.names, storage=storage)
    start = time.monotonic()
    sweep(services)
    seconds = time.monotonic() - start
    state = SweepState.decode(storage.load_state())
    return Done(seconds, state is not None and state.token is None)


def _explain(name: str) -> Done:
    names = StorageNames.from_environment(os.environ)
    place = Place(connection_string=os.environ["APP_STORAGE_CONNECTION"], names=names)
    start = time.monotonic()
    with connect(place) as storage:
        story = gather(name, storage, names, None)
    if story.receipt is None:
        raise RuntimeError(f"{name!r} has no receipt.")
    return Done(time.monotonic() - start, True)


if __name__ == "__main__":
    logging.disable(logging.CRITICAL)
    print(json.dumps(_sweep() if sys.argv[1] == "sweep" else _explain(sys.argv[2])))
