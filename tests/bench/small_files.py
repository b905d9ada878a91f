"""Small files with an application that costs nothing: what the pipeline itself costs for each file."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Sequence
from typing import Final

from tests.bench import azure_cli, replay
from tests.bench.applications import Application, copying
from tests.bench.http_calls import Account
from tests.bench.latency import AWAY_SECONDS, delayed
from tests.bench.measurement import PeerMissing, Result, Row, Samples, Target
from tests.bench.recording import Call, recorded
from tests.bench.setting import Setting
from tests.bench.storage import Seen, Storage, input_names, running_storage
from tests.bench.workers import Usage

TOPIC: Final = "small files"

FILE_BYTES: Final = 10_000
RECORDED_FILES: Final = 12
WORKER_SECONDS: Final = 600.0

AZ_TARGET: Final = Target("at least", 110.0)
CPU_TARGET: Final = Target("at most", 4.0)
WALL_TARGET: Final = Target("at most", 2.0)


def measure(setting: Setting) -> Result:
    """Compare worker, raw calls and the Azure CLI, round by round."""
    result = Result()
    count, far_count = setting.size(200, 8), setting.size(30, 3)
    folder = setting.place("small-files")
    with running_storage(folder / "storage") as storage:
        application = copying(folder)
        steps = _steps(storage, setting, application, result)
        idle = _idle_cpu(storage, setting, application)
        names = input_names(count)
        stems = [name.rpartition("/")[2].partition(".")[0] for name in names]
        plan = folder / "plan.json"
        cli = _cli(setting, result)
        wall: dict[str, list[float]] = {key: [] for key in ("az", "far", "far raw", "ours", "raw", "raw and cp")}
        cpu: dict[str, list[float]] = {"ours": [], "raw": []}
        for number in range(setting.rounds):
            setting.say(f"{TOPIC}: round {number + 1} of {setting.rounds}")
            _fill(storage, names)
            usage = _work(storage.account, setting, application)
            wall["ours"].append(span(storage.seen()) / count)
            cpu["ours"].append(max(usage.cpu_seconds - idle, 1e-6) / count)
            _fill(storage, names)
            cpu["raw"].append(replay.run(steps, storage.account, stems, plan) / count)
            wall["raw"].append(span(storage.seen()) / count)
            _fill(storage, names)
            replay.run(steps, storage.account, stems, plan, with_application=True)
            wall["raw and cp"].append(span(storage.seen()) / count)
            if cli:
                wall["az"].append(cli.seconds_per_file(storage, setting.size(5, 1), FILE_BYTES))
            with delayed(storage.account, AWAY_SECONDS) as far:
                _fill(storage, names[:far_count])
                _work(far, setting, application)
                wall["far"].append(span(storage.seen()) / far_count)
                _fill(storage, names[:far_count])
                replay.run(steps, far, stems[:far_count], plan)
                wall["far raw"].append(span(storage.seen()) / far_count)
    result.rows += _rows({key: Samples(tuple(each)).times(1000) for key, each in wall.items() if each}, cpu, count)
    return result


def span(seen: Sequence[Seen]) -> float:
    """Return the seconds from the first answered claim to the last answered delete, as the storage saw them."""
    first = next(each.moment for each in seen if each.claims)
    return [each.moment for each in seen if each.deletes][-1] - first


def _rows(wall: dict[str, Samples], cpu: dict[str, list[float]], count: int) -> list[Row]:
    def row(measure: str, ours: Samples, peer: Samples, peer_name: str, target: Target | None, note: str) -> Row:
        return Row(
            measure=measure,
            note=note,
            ours=ours,
            peer=peer,
            peer_name=peer_name,
            target=target,
            topic=TOPIC,
            unit="ms per file",
        )

    side = f"{count} files of 10 KB, first claim to last delete by the storage's access log"
    rows = [
        row("wall time", wall["ours"], wall["raw"], "the same calls, raw", WALL_TARGET, side),
        row(
            "wall time, with the start of cp on both sides",
            wall["ours"],
            wall["raw and cp"],
            "the same calls, raw, and cp",
            None,
            "",
        ),
        row(
            "processor time of the client",
            Samples(tuple(cpu["ours"])).times(1000),
            Samples(tuple(cpu["raw"])).times(1000),
            "the same calls, raw",
            CPU_TARGET,
            "without the application, and without what a worker takes that finds nothing to do",
        ),
        row(
            "wall time, 30 ms to the storage",
            wall["far"],
            wall["far raw"],
            "the same calls, raw",
            None,
            "each request waits 30 ms in a proxy",
        ),
    ]
    if "az" in wall:
        rows.insert(
            0,
            Row(
                inverse=True,
                measure="time a file, the script around the CLI beside it",
                note="az storage blob download, cp, az storage blob upload, one after the other",
                ours=wall["ours"],
                peer=wall["az"],
                peer_name="Azure CLI",
                target=AZ_TARGET,
                topic=TOPIC,
                unit="ms per file",
            ),
        )
    return rows


def _cli(setting: Setting, result: Result) -> azure_cli.AzureCli | None:
    if not setting.with_az:
        result.skipped.append("The Azure CLI was not asked for (--with-az), so nothing is compared with it.")
        return None
    try:
        return azure_cli.installed(setting.say)
    except PeerMissing as missing:
        result.missing.append(str(missing))
        return None


def _fill(storage: Storage, names: Sequence[str]) -> None:
    storage.begin()
    storage.put_jobs(storage.put_inputs(names, os.urandom(FILE_BYTES)))
    storage.forget()


def _work(account: Account, setting: Setting, application: Application) -> Usage:
    return setting.launcher.start(account, application).wait(WORKER_SECONDS)


def _idle_cpu(storage: Storage, setting: Setting, application: Application) -> float:
    """Return the processor seconds of a worker that finds nothing to do."""
    storage.begin()
    runs = [_work(storage.account, setting, application).cpu_seconds for _ in range(setting.size(3, 1))]
    return Samples(tuple(runs)).median


def _steps(storage: Storage, setting: Setting, application: Application, result: Result) -> list[replay.Step]:
    """Record what the worker asks of the storage for a file in the middle of a run."""
    names = input_names(RECORDED_FILES)
    _fill(storage, names)
    calls: list[Call] = []
    with recorded(storage.account, calls) as account:
        _work(account, setting, application)
    stem = names[RECORDED_FILES // 2].rpartition("/")[2].partition(".")[0]
    steps = replay.template(calls, stem)
    result.details.append(f"{TOPIC}: the worker makes {len(steps)} calls for a file:")
    counted = Counter(f"{step.method} {_plain(step)} → {step.status}" for step in steps)
    result.details += [f"    {line}{f' ({times} times)' if times > 1 else ''}" for line, times in counted.items()]
    return steps


def _plain(step: replay.Step) -> str:
    names = [f"{name}={value}" if name in ("comp", "restype") else name for name, value in step.query.items()]
    return step.path + (f"?{'&'.join(names)}" if names else "")
