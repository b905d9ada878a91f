"""Slots of one worker and workers on one queue: how much faster they are, and that no file is done twice."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Final

from tests.bench.applications import Application, Ledger, burning
from tests.bench.http_calls import Account
from tests.bench.latency import AWAY, AWAY_SECONDS, delayed
from tests.bench.measurement import Result, Row, Samples, Target
from tests.bench.setting import Setting
from tests.bench.storage import Storage, input_names, running_storage

TOPIC: Final = "side by side"

FILE_BYTES: Final = 10_000
# The workers watch the empty queue for so long that all of them are there when the jobs come.
IDLE_SECONDS: Final = 2.0
SPEED_TARGET: Final = Target("at least", 0.9)
WORKER_SECONDS: Final = 900.0

# The seconds of each round by the numbers of workers and of slots.
Walls = dict[tuple[int, int], list[float]]


def measure(setting: Setting) -> Result:
    """Compare one slot, a slot for each core, and a worker for each core, round by round."""
    cores = setting.cores
    count = setting.size(8, 2) * cores
    burn = 0.1 if setting.quick else 1.0
    folder = setting.place("parallel")
    near: Walls = {(1, 1): [], (1, cores): [], (cores, 1): []}
    far: Walls = {key: [] for key in near}
    with running_storage(folder / "storage") as storage:
        application, ledger = burning(folder, burn)
        for number in range(setting.rounds):
            setting.say(f"{TOPIC}: round {number + 1} of {setting.rounds}")
            with delayed(storage.account, AWAY_SECONDS) as away:
                for walls, account in ((near, storage.account), (far, away)):
                    for (workers, slots), seconds in walls.items():
                        seconds.append(_wall(setting, storage, account, application, ledger, count, workers, slots))
    note = (
        f"{count} files of {burn:g} s of CPU, first start to last end of the application; each has one run and a "
        "receipt of its first attempt"
    )
    return Result(rows=[*_rows(near, cores, "", note), *_rows(far, cores, AWAY, "")])


def _rows(walls: Walls, cores: int, where: str, note: str) -> Iterator[Row]:
    single = Samples(tuple(walls[1, 1]))
    for key, what in (((1, cores), f"{cores} slots of one worker"), ((cores, 1), f"{cores} workers")):
        yield Row(
            measure=f"speed-up of {what}{where}",
            note=note,
            ours=single.over(Samples(tuple(walls[key]))).times(1 / cores),
            target=SPEED_TARGET,
            topic=TOPIC,
            unit="of the cores",
        )
        note = ""


def _wall(
    setting: Setting,
    storage: Storage,
    account: Account,
    application: Application,
    ledger: Ledger,
    count: int,
    workers: int,
    slots: int,
) -> float:
    storage.begin()
    ledger.clear()
    names = input_names(count)
    jobs = storage.put_inputs(names, os.urandom(FILE_BYTES))
    storage.forget()
    running = [
        setting.launcher.start(account, application, idle_seconds=IDLE_SECONDS, slots=slots) for _ in range(workers)
    ]
    try:
        # Two looks at the queue for each slot say that nobody is still starting.
        storage.wait_for(lambda seen: sum(each.claims for each in seen) >= 2 * workers * slots, 30)
        storage.forget()
        storage.put_jobs(jobs)
        for worker in running:
            worker.wait(WORKER_SECONDS)
    except BaseException:
        for worker in running:
            worker.stop()
        raise
    runs = ledger.read()
    if sorted(run.name for run in runs) != [name.rpartition("/")[2] for name in names]:
        raise RuntimeError(f"The application ran {len(runs)} times for {count} files: {runs}")
    storage.check_receipts(names)
    return max(run.end for run in runs) - runs[0].start
