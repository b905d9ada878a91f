"""Many small files through the executions of a Container Apps job: what four of them get done against one."""

from __future__ import annotations

import os
import shutil
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from infra.local.processes.child import Command
from infra.local.processes.supervisor import Supervisor
from infra.local.services.apps_jobs import AppsJob, Delays
from infra.local.services.engines import Definition
from infra.local.services.images import Image
from infra.local.services.keda import Scale
from infra.local.watching.watcher import Stage
from pipeline_app.contract import JOBS_QUEUE, StorageConnection
from pipeline_app.rest.endpoint import open_account
from pipeline_app.rest.operations import message_count
from tests.bench.applications import Application, copying
from tests.bench.measurement import Result, Row, Samples, Target
from tests.bench.setting import Setting
from tests.bench.storage import Storage, input_names, running_storage

TOPIC: Final = "executions"

EXECUTIONS: Final = 4
FILE_BYTES: Final = 10_000
IDLE_SECONDS: Final = 2.0
SPEED_TARGET: Final = Target("at least", 0.9)
REQUESTS_TARGET: Final = Target("at most", 7.5)
SECONDS: Final = 3600.0


class Quiet:
    """A watcher that tells nobody, but of what nobody expects."""

    def log(self, source: str, text: str) -> None:
        """Leave a line out."""

    def made(self, token: str, name: str, seconds: float) -> None:
        """Leave a resource out."""

    def stage(self, file: str, stage: Stage, detail: str = "") -> None:
        """Leave a stage out."""

    def warn(self, source: str, text: str) -> None:
        """Raise nothing, as the receipts tell; but say it."""
        print(f"{source}: {text}", file=sys.stderr)


class Engine:
    """Runs the worker's copy of the code, as an image's folder would be."""

    def __init__(self, environment: Mapping[str, str], folder: Path) -> None:
        self._environment = environment
        self._folder = folder

    def command(self, definition: Definition, port: int) -> Command:
        """Return the worker's process."""
        home = self._folder / definition.name
        home.mkdir(parents=True)
        environment = {**self._environment, "APP_HEALTH_PORT": str(port), "APP_SCRATCH_DIRECTORY": str(home)}
        arguments = [sys.executable, "-m", "pipeline_app.worker"]
        return Command(name=definition.name, arguments=arguments, environment=environment, directory=home)

    def clear(self, definition: Definition) -> None:
        """Leave it as it is; all of it is removed."""

    def clear_all(self) -> None:
        """Leave it as it is; there was no run before."""

    def log_of(self, definition: Definition) -> Path:
        """Return where a log would be; the receipts tell enough."""
        return self._folder / f"{definition.name}.log"

    def remove(self, definition: Definition) -> None:
        """Remove what a worker left."""
        shutil.rmtree(self._folder / definition.name, ignore_errors=True)


def measure(setting: Setting) -> Result:
    """Compare four executions with one, over the same files, round by round."""
    count = 20_000 if setting.full else setting.size(1000, 20)
    folder = setting.place("executions")
    walls: dict[int, list[float]] = {1: [], EXECUTIONS: []}
    requests: list[float] = []
    with running_storage(folder / "storage") as storage:
        application = copying(folder)
        for number in range(setting.rounds if not setting.full else 1):
            setting.say(f"{TOPIC}: round {number + 1}, {count} files")
            for most, seconds in walls.items():
                wall, asked = _wall(setting, storage, application, folder / f"{number}-{most}", count, most)
                seconds.append(wall)
                if most == EXECUTIONS:
                    requests.append(asked)
    one, four = Samples(tuple(walls[1])), Samples(tuple(walls[EXECUTIONS]))
    cores = min(setting.cores, EXECUTIONS)
    note = f"{count} files of {FILE_BYTES:,} B; first job to last receipt; each has a receipt of its first attempt"
    return Result(
        rows=[
            Row(
                measure=f"speed-up of {EXECUTIONS} executions",
                note=note,
                ours=one.over(four).times(1 / cores),
                target=SPEED_TARGET,
                topic=TOPIC,
                unit="of the cores",
            ),
            Row(
                measure="requests for each file",
                note="claims of an empty queue, renewals and the scaler's looks among them",
                ours=Samples(tuple(requests)),
                target=REQUESTS_TARGET,
                topic=TOPIC,
                unit="requests",
            ),
        ]
    )


def _wall(
    setting: Setting, storage: Storage, application: Application, folder: Path, count: int, most: int
) -> tuple[float, float]:
    """Return the seconds of so many files through so many executions, and the requests for each of them."""
    storage.begin()
    names = input_names(count)
    jobs = storage.put_inputs(names, os.urandom(FILE_BYTES))
    folder.mkdir(parents=True)
    _, queues = open_account(StorageConnection(connection_string=storage.account.connection_string), retries=0)
    supervisor = Supervisor(folder / "processes.json", folder / "beacon")
    environment = setting.launcher.environment(storage.account, application, idle_seconds=IDLE_SECONDS)
    definition = Definition(
        command=(),
        container="worker",
        environment={},
        id="/jobs/worker",
        image=Image(digest="", environment={}, folder=None, name="worker"),
        location="here",
        mounts={},
        name="worker",
    )
    scale = Scale(max_executions=most, polling_seconds=0.5, queue_length=1)
    job = AppsJob(
        definition,
        scale,
        SECONDS,
        lambda: message_count(queues, JOBS_QUEUE)[0],
        Engine(environment, folder / "containers"),
        supervisor,
        Quiet(),
        Delays(),
    )
    storage.forget()
    storage.put_jobs(jobs)
    storage.forget()
    start = time.monotonic()
    job.start()
    try:
        storage.wait_for(lambda seen: sum(each.deletes for each in seen) >= count, SECONDS)
        seconds = time.monotonic() - start
        asked = len(storage.seen()) / count
    finally:
        job.stop()
        supervisor.close()
        job.clear()
        queues.close()
    storage.check_receipts(names)
    return seconds, asked
