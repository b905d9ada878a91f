"""What the pipeline costs while there is nothing to do."""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Final

from croniter import croniter

from infra.local.cloud.program import read_stack
from infra.local.services.azurite import Access
from pipeline_app.contract import EVENTS_QUEUE, JOBS_QUEUE
from tests.bench.applications import copying
from tests.bench.measurement import Result, Row, Samples
from tests.bench.prices import (
    BLOB_READ,
    BLOB_WRITE_OR_LIST,
    FUNCTION_GB_SECOND,
    FUNCTION_RUN,
    FUNCTION_SECONDS,
    HOURS,
    INSTANCE_GB,
    QUEUE_CALL,
)
from tests.bench.processes import PROJECT
from tests.bench.setting import Setting
from tests.bench.storage import NAMES, running_storage
from tests.bench.sweep_run import run
from tests.bench.sweeps import prepare

TOPIC: Final = "idle cost"

MINUTES_PER_MONTH: Final = 365.25 / 12 * 24 * 60
# Longer than a worker looks often (pipeline_app/worker/loop.py).
SETTLE_SECONDS: Final = 20.0


def measure(setting: Setting) -> Result:
    """Count what an idle worker and an idle sweep ask of the storage, and put it in money."""
    folder = setting.place("idle")
    with running_storage(folder / "storage") as storage:
        setting.say(f"{TOPIC}: a worker with nothing to do")
        prepare(storage)
        worker = setting.launcher.start(storage.account, copying(folder), idle_seconds=3600)
        try:
            storage.wait_for(lambda seen: any(each.claims for each in seen), 30)
            # It looks less and less often.
            time.sleep(SETTLE_SECONDS / (4 if setting.quick else 1))
            storage.forget()
            seconds = setting.size(60, 2)
            time.sleep(seconds)
            polls = len(storage.seen()) * 60 / seconds
        finally:
            worker.stop()
        # The first one makes the state that the others go on with.
        run(storage.account, NAMES, "sweep")
        storage.forget()
        run(storage.account, NAMES, "sweep")
        # The very last is a look of the benchmark's own.
        sweep = Counter(_kind(each.access) for each in storage.seen()[:-1])
    config = read_stack(PROJECT, "dev", {}).config
    values = {key.rpartition(":")[2]: value for key, value in config.items()}
    return Result(rows=[*_worker_rows(polls, values), *_function_rows(sweep, values["sweepSchedule"])])


def _worker_rows(polls: float, values: Mapping[str, str]) -> list[Row]:
    processors, gibibytes = float(values["containerCpu"]), float(values["containerMemoryGib"])
    group = HOURS["containerInstances"].of(processors, gibibytes) * MINUTES_PER_MONTH / 60
    idle_seconds = float(values["idleSeconds"])
    end = group / (MINUTES_PER_MONTH * 60) * idle_seconds
    return [
        _row("requests of an idle worker", polls, "per minute", f"it ends after {idle_seconds:g} s without work"),
        _row("its requests, were it never to end", polls * MINUTES_PER_MONTH * QUEUE_CALL, "$ per month", ""),
        _row(
            "its container, were it never to end",
            group,
            "$ per month",
            f"{processors:g} processor(s) and {gibibytes:g} GiB; the {idle_seconds:g} s at each end cost ${end:.6f}",
        ),
    ]


def _function_rows(sweep: Counter[str], schedule: str) -> list[Row]:
    host = json.loads((PROJECT / "function" / "host.json").read_text(encoding="utf-8"))
    hours, minutes, seconds = map(float, host["extensions"]["queues"]["maxPollingInterval"].split(":"))
    polls = 60 / (hours * 3600 + minutes * 60 + seconds)
    runs = _runs_per_minute(schedule)
    prices = {"queue": QUEUE_CALL, "read": BLOB_READ, "write": BLOB_WRITE_OR_LIST}
    calls = sum(count * prices[kind] for kind, count in sweep.items())
    execution = FUNCTION_RUN + FUNCTION_SECONDS * INSTANCE_GB * FUNCTION_GB_SECOND
    counted = ", ".join(f"{count} {kind}" for kind, count in sorted(sweep.items()))
    return [
        _row("polls of the function's host", polls, "per minute", "by maxPollingInterval of host.json, not measured"),
        _row("these polls", polls * MINUTES_PER_MONTH * QUEUE_CALL, "$ per month", "while an instance is there"),
        _row("requests of an idle sweep", runs * sum(sweep.values()), "per minute", f"a run makes {counted} requests"),
        _row("these requests", runs * MINUTES_PER_MONTH * calls, "$ per month", ""),
        _row(
            "runs of the sweep",
            runs * MINUTES_PER_MONTH * execution,
            "$ per month",
            f"{INSTANCE_GB:g} GB for {FUNCTION_SECONDS:g} s each, without the free grant, which covers them",
        ),
    ]


def _kind(access: Access) -> str:
    if access.path.split("/")[1] in (EVENTS_QUEUE, JOBS_QUEUE):
        return "queue"
    return "write" if access.method == "PUT" or access.query.get("comp") == "list" else "read"


def _row(measure: str, value: float, unit: str, note: str) -> Row:
    return Row(measure=measure, note=note, ours=Samples((value,)), topic=TOPIC, unit=unit)


def _runs_per_minute(schedule: str) -> float:
    """Return how often a schedule of six fields fires, by an hour of it."""
    start = datetime(2026, 1, 1, tzinfo=UTC)
    # croniter has the seconds last unless it is told.
    times = croniter(schedule, start, second_at_beginning=True)
    count = 0
    while times.get_next(datetime) <= start + timedelta(hours=1):
        count += 1
    return count / 60
