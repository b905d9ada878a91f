"""The queries of the alerts find the lines that the code really logs, in tables that are there."""

from __future__ import annotations

import io
import json
import logging
import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from infra.components.alert_rules import HOST_POISON, PLATFORM, UNAVAILABLE, log_alerts
from pipeline_app.contract import EXIT_REFUSED, FileJob, now
from pipeline_app.contract.log_lines import JsonLines
from pipeline_app.contract.worker_events import JobClaimed
from pipeline_app.worker.__main__ import _log_to
from pipeline_app.worker.attempt import Outcome
from pipeline_app.worker.job import JobProcessor
from pipeline_app.worker.keepers import Keepers
from pipeline_app.worker.settings import WorkerSettings
from pipeline_function import handlers, sweeping
from pipeline_function.runners import GroupState, RunnersUnavailable, ensure_running
from pipeline_function.services import Services
from tests.function.fakes import GRACE, MOMENT, FakeGroups, FakeWakeUps, group_id
from tests.infra.components.kusto import parse
from tests.infra.recording import PROJECT_FOLDER, Run
from tests.memory.function import ACCOUNT, NAMES
from tests.memory.function import MemoryStorage as FunctionStorage
from tests.memory.worker import MemoryQueue, MemoryStore
from tests.worker.world import process

ALERTS = log_alerts(
    backlog_events=500, backlog_jobs=1000, failed_files=10, runner="containerInstances", silent_minutes=30
)
QUERIES = {name: parse(alert.query) for name, alert in ALERTS.items()}
SWEEPS = {"backlog", "silent-sweep", "waiting-events"}


def found(text: str, column: str = "Message") -> set[str]:
    """Return the alerts that a line counts for, where it is in a column of the tables that they read."""
    return {name for name, query in QUERIES.items() if query.run({column: text}) is not None}


def told(caplog: pytest.LogCaptureFixture, level: int = logging.INFO) -> list[str]:
    """Return what the host gets of the function's lines: its handler has no format of its own."""
    return [logging.Formatter().format(record) for record in caplog.records if record.levelno >= level]


@pytest.fixture
def console() -> Iterator[io.StringIO]:
    """What the worker writes to its console, in its own format."""
    stream, root = io.StringIO(), logging.getLogger()
    handler, level = logging.StreamHandler(stream), root.level
    _log_to(handler, JsonLines())
    yield stream
    root.removeHandler(handler)
    root.setLevel(level)


def work(folder: Path, command: str, contents: list[str]) -> list[Outcome]:
    """Let the worker process messages with a command as its application and one attempt for each file."""
    environment = {
        "APP_ALIAS": command,
        "APP_MAX_ATTEMPTS": "1",
        "APP_STORAGE_CONNECTION": "unused",
        "APP_STORAGE_CONTAINER": "c",
        "APP_STORAGE_INPUT_PATH": "incoming",
        "APP_STORAGE_OUTPUT_PATH": "outgoing",
    }
    queue, store = MemoryQueue(), MemoryStore()
    store.upload("incoming/it's failed again.csv", b"x")
    settings = WorkerSettings.from_environment(environment)
    outcomes = []
    with Keepers(settings, folder) as keepers:
        processor = JobProcessor(settings, store, queue, folder, lambda: False, keepers)
        for content in contents:
            queue.put(content)
            message = queue.receive(60)
            assert message is not None
            outcomes.append(process(processor, message).outcome)
    return outcomes


def services(*, events: int = 0, jobs: int = 0) -> Services:
    storage = FunctionStorage()
    storage.wait(MOMENT, events=events, jobs=jobs)
    return Services(grace=GRACE, names=NAMES, pause=timedelta(0), storage=storage, wake_ups=FakeWakeUps())


def job() -> str:
    return FileJob(etag="0x1", event_id="e", name="incoming/it's failed again.csv", queued_at=now(), size=1).encode()


def test_a_buried_job_counts_as_poison(tmp_path: Path, console: io.StringIO) -> None:
    assert work(tmp_path, "true", ["no job"]) == [Outcome.BURIED]
    lines = console.getvalue().splitlines()
    assert [found(line) for line in lines if found(line)] == [{"poisoned-messages"}]


def test_a_worker_that_confines_nothing_counts_once(
    tmp_path: Path, console: io.StringIO, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pipeline_app.worker.confinement.landlock.version", lambda: 0)
    assert work(tmp_path, "true", [job()]) == [Outcome.SUCCEEDED]
    lines = console.getvalue().splitlines()
    assert [found(line) for line in lines if found(line)] == [{"unconfined-applications"}]


def test_a_failed_file_counts_once_and_a_succeeded_one_not_at_all(tmp_path: Path, console: io.StringIO) -> None:
    assert work(tmp_path, "false", [job()]) == [Outcome.FAILED]
    assert [found(line) for line in console.getvalue().splitlines()].count({"failed-files"}) == 1
    console.truncate(0)
    assert work(tmp_path, "true", [job(), job()]) == [Outcome.SUCCEEDED, Outcome.SKIPPED]
    lines = console.getvalue().splitlines()
    assert len(lines) >= 4
    assert [line for line in lines if found(line)] == []


@pytest.mark.parametrize(("alert", "column", "value"), [("backlog", "Jobs", 1234), ("waiting-events", "Events", 7)])
def test_a_sweep_s_line_is_the_measure_of_what_waits(
    caplog: pytest.LogCaptureFixture, alert: str, column: str, value: int
) -> None:
    caplog.set_level(logging.INFO)
    sweeping.sweep(services(events=7, jobs=1234))
    (line,) = [line for line in told(caplog) if found(line)]
    assert found(line) == SWEEPS
    assert ALERTS[alert].measure == column
    assert QUERIES[alert].run({"Message": line, "TimeGenerated": "now"}) == {column: value, "TimeGenerated": "now"}


def test_a_sweep_reports_whatever_it_finds_so_that_silence_means_something(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    idle = services()
    for _ in range(3):
        sweeping.sweep(idle)
    assert [found(line) for line in told(caplog) if found(line)] == [SWEEPS] * 3
    # A sampled line could be one that is missed.
    host = json.loads((PROJECT_FOLDER / "function" / "host.json").read_text(encoding="utf-8"))
    sampling = host["logging"]["applicationInsights"]["samplingSettings"]
    assert "Trace" in sampling["excludedTypes"].split(";")


def test_a_group_that_is_not_there_or_refuses_to_start_counts(caplog: pytest.LogCaptureFixture) -> None:
    ensure_running(FakeGroups({group_id(): None}), [group_id()], lambda: 1)
    (line,) = told(caplog)
    assert found(line) == {"unstartable-group"}
    stopped = GroupState(provisioning="Succeeded", state="Stopped")
    groups = FakeGroups({group_id(): stopped}, start_faults={group_id(): RunnersUnavailable("Could not start it.")})
    held = GroupState(exit_code=EXIT_REFUSED, finished=datetime.now(UTC), provisioning="Succeeded", state="Failed")
    for unstarted in (groups, FakeGroups({group_id(): held})):
        caplog.clear()
        ensure_running(unstarted, [group_id()], lambda: 1)
        (line,) = told(caplog, logging.WARNING)
        assert found(line) == {"unstartable-group"}


def test_an_everyday_dispatch_counts_for_nothing(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    event = {
        "topic": f"/subscriptions/s/resourceGroups/r/providers/Microsoft.Storage/storageAccounts/{ACCOUNT}",
        "subject": f"/blobServices/default/containers/{NAMES.container}/blobs/incoming/a.csv",
        "eventType": "Microsoft.Storage.BlobCreated",
        "id": "e",
        "data": {"api": "PutBlob", "contentLength": 3, "eTag": "0x1"},
    }
    for body in (json.dumps(event).encode(), b"no event"):
        handlers.dispatch(body, services())
    assert len(caplog.records) == 2
    assert [line for line in told(caplog) if found(line)] == []


@pytest.mark.parametrize(
    ("line", "alert"),
    [
        (f"{HOST_POISON} of 5. Moving message to queue 'events-poison'.", "poisoned-messages"),
        *((f"{term} registry.example/worker@sha256:0", "unstartable-group") for term in PLATFORM),
    ],
)
def test_the_lines_of_the_platform_count(line: str, alert: str) -> None:
    assert found(line) == {alert}
    # A file of such a name is no fault of the platform's.
    assert found(str(JobClaimed(attempt=1, event_id="e", name=line))) == set()


@pytest.mark.parametrize("column", ["InnermostMessage", "OuterMessage"])
def test_an_exception_about_the_groups_that_nobody_caught_counts(column: str) -> None:
    assert RunnersUnavailable.__name__ == UNAVAILABLE
    assert found(f"Exception: {UNAVAILABLE}: Could not start it.", column) == {"unstartable-group"}


def test_no_query_needs_a_table_that_a_new_workspace_does_not_have() -> None:
    for name, alert in ALERTS.items():
        source = alert.query.splitlines()[0]
        assert source == "AppTraces" or source.startswith("union isfuzzy=true (datatable("), name


def test_what_containers_print_is_read_from_the_tables_of_diagnostic_settings(program: Run) -> None:
    settings = [each for each in program.all("monitor:DiagnosticSetting") if each.name.startswith("worker-")]
    categories = {log["category"] for each in settings for log in each.inputs["logs"]}
    read = {table for alert in ALERTS.values() for table in re.findall(r"\bContainer\w+", alert.query)}
    # The second of each is the legacy one, which a policy may fill.
    assert categories == {"ContainerEvent", "ContainerInstanceLog"}
    assert read == categories | {f"{each}_CL" for each in categories}
