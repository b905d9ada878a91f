"""A Container Apps job as processes: when executions begin, how they end, and what is left of them."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from infra.local.processes.supervisor import Supervisor
from infra.local.services import apps_jobs
from infra.local.services.apps_jobs import AppsJob, Delays
from infra.local.services.engines import ProcessEngine
from infra.local.services.keda import Scale
from pipeline_app.rest.endpoint import StorageError
from tests.local.fakes import Eventually, Recorder
from tests.local.services.test_containers import define

Make = Callable[..., AppsJob]


class Queue:
    """So many messages, or what asking for them raises."""

    def __init__(self, messages: int) -> None:
        self.asked = 0
        self.messages: int | Exception = messages

    def count(self) -> int:
        self.asked += 1
        if isinstance(self.messages, Exception):
            raise self.messages
        return self.messages


@pytest.fixture
def make(supervisor: Supervisor, tmp_path: Path, watcher: Recorder) -> Iterator[Make]:
    made: list[AppsJob] = []

    def job(script: str, queue: Queue, *, most: int = 10, timeout: float = 60, delays: Delays | None = None) -> AppsJob:
        engine = ProcessEngine(tmp_path / "containers", tmp_path / "logs", tmp_path)
        scale = Scale(max_executions=most, polling_seconds=0.02, queue_length=1)
        definition = define(tmp_path, script)
        made.append(AppsJob(definition, scale, timeout, queue.count, engine, supervisor, watcher, delays or Delays()))
        made[-1].start()
        return made[-1]

    yield job
    for each in made:
        each.stop()
    supervisor.close()
    for each in made:
        each.clear()


def states(job: AppsJob) -> list[str]:
    return sorted(each["properties"]["status"] for each in job.executions())


def test_executions_begin_for_the_messages_that_are_there_and_no_more(
    make: Make, tmp_path: Path, eventually: Eventually
) -> None:
    queue = Queue(3)
    job = make(f"while [ ! -e {tmp_path}/go ]; do sleep 0.02; done", queue, most=2)
    eventually(lambda: states(job) == ["Running", "Running"])
    asked = queue.asked
    eventually(lambda: queue.asked > asked + 3)
    assert states(job) == ["Running", "Running"]
    queue.messages = 0
    (tmp_path / "go").touch()
    eventually(lambda: states(job) == ["Succeeded", "Succeeded"])
    eventually(lambda: not any((tmp_path / "containers").iterdir()))
    for each in job.executions():
        properties: dict[str, Any] = each["properties"]
        assert properties["startTime"] < properties["endTime"]
        assert each["id"].endswith(f"/executions/{each['name']}")


def test_one_that_fails_is_told_of_and_begins_anew_only_by_the_queue(
    make: Make, eventually: Eventually, watcher: Recorder
) -> None:
    queue = Queue(1)
    job = make("exit 3", queue, most=1)
    eventually(lambda: "Failed" in states(job))
    queue.messages = 0
    eventually(lambda: not {"Processing", "Running"} & set(states(job)))
    assert any("ended with exit code 3" in text for _, text in watcher.warnings)


def test_at_the_replica_s_timeout_it_is_asked_to_end_and_then_made_to(
    make: Make, tmp_path: Path, eventually: Eventually, monkeypatch: pytest.MonkeyPatch, watcher: Recorder
) -> None:
    monkeypatch.setattr(apps_jobs, "GRACE_SECONDS", 0.3)
    queue = Queue(1)
    script = f"trap 'touch {tmp_path}/asked' TERM; touch {tmp_path}/up; while :; do sleep 0.02; done"
    job = make(script, queue, most=1, timeout=1.0)
    eventually((tmp_path / "up").exists)
    queue.messages = 0
    eventually(lambda: states(job) == ["Failed"])
    assert (tmp_path / "asked").exists()
    assert any(f"exit code {128 + signal.SIGKILL}" in text for _, text in watcher.warnings)


def test_the_time_of_a_replica_counts_from_the_start_of_its_execution(
    make: Make, tmp_path: Path, eventually: Eventually
) -> None:
    queue = Queue(1)
    job = make(f"touch {tmp_path}/began; sleep 60", queue, most=1, timeout=0.4, delays=Delays(start=0.5))
    eventually(lambda: "Failed" in states(job))
    queue.messages = 0
    # Its time was over before the process could begin, or with it.
    eventually(lambda: not {"Processing", "Running"} & set(states(job)))


def test_delays_count_as_being_at_work(make: Make, eventually: Eventually) -> None:
    queue = Queue(1)
    job = make("exit 0", queue, delays=Delays(start=0.3, end=0.3))
    eventually(lambda: states(job) == ["Processing"])
    eventually(lambda: states(job) == ["Running"])
    queue.messages = 0
    eventually(lambda: states(job) == ["Succeeded"])


def test_a_scaler_that_may_not_count_says_so_once_and_goes_on(
    make: Make, eventually: Eventually, watcher: Recorder
) -> None:
    queue = Queue(1)
    queue.messages = StorageError(403, "AuthorizationPermissionMismatch", "not authorized")
    job = make("exit 0", queue)
    eventually(lambda: queue.asked > 3)
    assert states(job) == []
    assert len([text for _, text in watcher.warnings if "cannot count the jobs" in text]) == 1
    queue.messages = 1
    eventually(lambda: "Succeeded" in states(job))


def test_only_so_many_ended_executions_are_remembered_and_their_logs_go_with_them(
    make: Make, tmp_path: Path, eventually: Eventually, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(apps_jobs, "HISTORY", 2)
    queue = Queue(1)
    job = make("echo told", queue, most=1)
    seen: set[str] = set()

    def enough() -> bool:
        seen.update(each["name"] for each in job.executions())
        return len(seen) >= 5

    eventually(enough)
    queue.messages = 0
    eventually(lambda: not {"Processing", "Running"} & set(states(job)))
    kept = {each["name"] for each in job.executions()}
    assert len(kept) == 2
    assert {path.stem for path in (tmp_path / "logs").iterdir()} == kept


def test_a_run_that_ends_starts_no_more(
    make: Make, supervisor: Supervisor, eventually: Eventually, tmp_path: Path
) -> None:
    queue = Queue(5)
    job = make("sleep 60", queue, most=5)
    eventually(lambda: states(job) == ["Running"] * 5)
    job.stop()
    supervisor.close()
    job.clear()
    assert not any((tmp_path / "containers").iterdir())
    asked = queue.asked
    job.stop()
    assert queue.asked == asked


def test_what_executions_of_a_killed_run_left_goes_with_the_next(tmp_path: Path) -> None:
    left = tmp_path / "containers" / "worker-0123abcd" / "tmp" / "scratch"
    left.mkdir(parents=True)
    ProcessEngine(tmp_path / "containers", tmp_path / "logs", tmp_path).clear_all()
    assert list((tmp_path / "containers").iterdir()) == []
