"""How much of the time an application runs while the storage is 30 ms away: what is not hidden behind it is lost."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Final

from tests.bench.applications import Application, Interval, Ledger, burning
from tests.bench.http_calls import Account
from tests.bench.latency import AWAY, AWAY_SECONDS, delayed
from tests.bench.measurement import Result, Row, Samples, Target
from tests.bench.setting import Setting
from tests.bench.storage import Storage, input_names, running_storage

TOPIC: Final = "latency"

BURN_SECONDS: Final = 0.2
FILE_BYTES: Final = 10_000
SHARE_TARGET: Final = Target("at least", 95.0)
WORKER_SECONDS: Final = 600.0


def measure(setting: Setting) -> Result:
    """Run the application under the delay and, in turns, without it."""
    count = setting.size(40, 3)
    folder = setting.place("waiting")
    near: list[float] = []
    far: list[float] = []
    with running_storage(folder / "storage") as storage:
        application, ledger = burning(folder, BURN_SECONDS)
        for number in range(setting.rounds):
            setting.say(f"{TOPIC}: round {number + 1} of {setting.rounds}")
            near.append(_share(setting, storage, storage.account, application, ledger, count))
            with delayed(storage.account, AWAY_SECONDS) as account:
                far.append(_share(setting, storage, account, application, ledger, count))
    note = f"{count} files, one slot, 200 ms of CPU"
    return Result(
        rows=[
            _row(f"application runs{AWAY}", far, note, SHARE_TARGET),
            _row("application runs, on loopback", near, "the same without the delay", None),
        ]
    )


def share(intervals: Sequence[Interval]) -> float:
    """Return the share of the time from the first start to the last end in which applications ran, in percent."""
    running = sum(each.end - each.start for each in intervals)
    return 100 * running / (max(each.end for each in intervals) - min(each.start for each in intervals))


def _share(
    setting: Setting, storage: Storage, account: Account, application: Application, ledger: Ledger, count: int
) -> float:
    storage.begin()
    ledger.clear()
    storage.put_jobs(storage.put_inputs(input_names(count), os.urandom(FILE_BYTES)))
    setting.launcher.start(account, application).wait(WORKER_SECONDS)
    intervals = ledger.read()
    if len(intervals) != count:
        raise RuntimeError(f"The application ran {len(intervals)} times for {count} files.")
    return share(intervals)


def _row(measure: str, values: list[float], note: str, target: Target | None) -> Row:
    return Row(
        measure=measure, note=note, ours=Samples(tuple(values)), target=target, topic=TOPIC, unit="% of the time"
    )
