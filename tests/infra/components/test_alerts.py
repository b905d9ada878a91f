"""The alerts: what they are declared with, and that their terms are in the lines that the code really logs."""

from __future__ import annotations

import io
import json
import logging
import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from infra.components.alert_rules import HOST_POISON, PLATFORM, LogAlert, log_alerts
from pipeline_app.contract import EXIT_REFUSED, FileJob, now
from pipeline_app.worker.__main__ import _log_to
from pipeline_app.worker.attempt import Outcome
from pipeline_app.worker.job import JobProcessor
from pipeline_app.worker.keepers import Keepers
from pipeline_app.worker.settings import WorkerSettings
from pipeline_function import handlers, sweeping
from pipeline_function.runners import GroupState, RunnersUnavailable, ensure_running
from pipeline_function.services import Backlog, Services
from tests.function.fakes import ACCOUNT, GRACE, MOMENT, NAMES, FakeGroups, FakeStorage, FakeWakeUps, group_id
from tests.infra.recording import FROM_OUTPUT, PROJECT_FOLDER, Run, run_program
from tests.worker.fakes import FakeBlobStore, FakeJobQueue
from tests.worker.world import process

ACTION_GROUP = "/subscriptions/s/resourceGroups/g/providers/microsoft.insights/actionGroups/on-call"
ALERTS = log_alerts(backlog_events=500, backlog_jobs=1000, failed_files=10, silent_minutes=30)
SWEEPS = {"backlog", "silent-sweep", "waiting-events"}
TERM = re.compile(r'(contains_cs|startswith_cs) "([^"]+)"')


def finds(alert: LogAlert, text: str) -> bool:
    """Tell whether an alert's query selects a text, by the terms that stand in it."""
    terms = TERM.findall(alert.query)
    assert terms
    return any(term in text if operator == "contains_cs" else text.startswith(term) for operator, term in terms)


def found(text: str) -> set[str]:
    """Return the alerts that a text counts for."""
    return {name for name, alert in ALERTS.items() if finds(alert, text)}


@pytest.fixture
def console() -> Iterator[io.StringIO]:
    """What the worker writes to its console, in its own format."""
    stream, root = io.StringIO(), logging.getLogger()
    handler, level = logging.StreamHandler(stream), root.level
    _log_to(handler)
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
    queue, store = FakeJobQueue(), FakeBlobStore()
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


def services(backlog: Backlog) -> Services:
    return Services(
        grace=GRACE, names=NAMES, pause=timedelta(0), storage=FakeStorage(count=backlog), wake_ups=FakeWakeUps()
    )


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


@pytest.mark.parametrize(("alert", "column", "value"), [("backlog", "Jobs", "1234"), ("waiting-events", "Events", "7")])
def test_a_sweep_s_line_is_the_measure_of_what_waits(
    caplog: pytest.LogCaptureFixture, alert: str, column: str, value: str
) -> None:
    caplog.set_level(logging.INFO)
    sweeping.sweep(services(Backlog(events=7, jobs=1234, moment=MOMENT)))
    (line,) = [record.getMessage() for record in caplog.records if found(record.getMessage())]
    assert found(line) == SWEEPS
    assert ALERTS[alert].measure == column
    # The query's parse operator, as a regular expression.
    pattern = rf'parse Message with \* "(.*?)" {column}: long "(.*?)" \*'
    before, after = re.findall(pattern, ALERTS[alert].query)[0]
    measured = re.fullmatch(f".*?{re.escape(before)}(\\d+){re.escape(after)}.*", line)
    assert measured
    assert measured[1] == value


def test_a_sweep_reports_whatever_it_finds_so_that_silence_means_something(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    idle = services(Backlog(events=0, jobs=0, moment=MOMENT))
    for _ in range(3):
        sweeping.sweep(idle)
    assert [found(record.getMessage()) for record in caplog.records if "Backlog" in record.getMessage()] == [SWEEPS] * 3
    # A sampled line could be one that is missed.
    host = json.loads((PROJECT_FOLDER / "function" / "host.json").read_text(encoding="utf-8"))
    sampling = host["logging"]["applicationInsights"]["samplingSettings"]
    assert "Trace" in sampling["excludedTypes"].split(";")


def test_a_group_that_is_not_there_or_refuses_to_start_counts(caplog: pytest.LogCaptureFixture) -> None:
    ensure_running(FakeGroups({group_id(): None}), [group_id()], lambda: 1)
    (line,) = [record.getMessage() for record in caplog.records]
    assert found(line) == {"unstartable-group"}
    stopped = GroupState(provisioning="Succeeded", state="Stopped")
    groups = FakeGroups({group_id(): stopped}, start_faults={group_id(): RunnersUnavailable("Could not start it.")})
    held = GroupState(exit_code=EXIT_REFUSED, finished=datetime.now(UTC), provisioning="Succeeded", state="Failed")
    for unstarted in (groups, FakeGroups({group_id(): held})):
        caplog.clear()
        ensure_running(unstarted, [group_id()], lambda: 1)
        (line,) = [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]
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
        handlers.dispatch(body, services(Backlog(events=0, jobs=0, moment=MOMENT)))
    assert len(caplog.records) == 2
    assert [record.getMessage() for record in caplog.records if found(record.getMessage())] == []


@pytest.mark.parametrize(
    ("line", "alert"),
    [
        (f"{HOST_POISON} of 5. Moving message to queue 'events-poison'.", "poisoned-messages"),
        *((f"{term} registry.example/worker@sha256:0", "unstartable-group") for term in PLATFORM),
    ],
)
def test_the_lines_of_the_platform_count(line: str, alert: str) -> None:
    assert found(line) == {alert}


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


def test_a_sweep_that_is_not_heard_of_counts_as_a_function_that_does_not_run(program: Run) -> None:
    rule = program.one("monitor:ScheduledQueryRule", "alerts-silent-sweep")
    (condition,) = rule.inputs["criteria"]["allOf"]
    assert (condition["operator"], condition["threshold"], condition["timeAggregation"]) == ("LessThan", 1, "Count")
    assert (rule.inputs["windowSize"], condition["failingPeriods"]["numberOfEvaluationPeriods"]) == ("PT30M", 1)
    # It would fire at once if it were there before the code that is to report.
    assert "function-code" in {urn.rpartition("::")[2] for urn in rule.request.dependencies}


@pytest.mark.parametrize(
    ("config", "window"),
    [
        ({"sweepSchedule": "0 */20 * * * *"}, "PT30M"),
        ({"sweepSchedule": "0 */30 * * * *"}, "PT45M"),
        ({"sweepSchedule": "0 0 * * * *"}, "PT2H"),
        ({"sweepSchedule": "0 0 3 * * *"}, "P2D"),
        ({"sweepSchedule": "0 0 3 * * MON"}, None),
        ({"alertSilentMinutes": "60"}, "PT1H"),
        ({"alertSilentMinutes": "0"}, None),
    ],
)
def test_silence_is_longer_than_the_schedule_lets_the_sweep_be_silent(
    function_package: None, artifact_cache: Path, config: dict[str, str], window: str | None
) -> None:
    run = run_program(config | {"artifactCache": str(artifact_cache)})
    rules = {each.name: each.inputs["windowSize"] for each in run.all("monitor:ScheduledQueryRule")}
    assert rules.get("alerts-silent-sweep") == window


def test_the_thresholds_are_those_of_the_configuration(function_package: None, artifact_cache: Path) -> None:
    config = {
        "alertBacklogEvents": "5",
        "alertBacklogJobs": "7",
        "alertFailedFiles": "3",
        "artifactCache": str(artifact_cache),
    }
    run = run_program(config)
    thresholds = {
        each.name: each.inputs["criteria"]["allOf"][0]["threshold"] for each in run.all("monitor:ScheduledQueryRule")
    }
    assert thresholds == {
        "alerts-backlog": 7,
        "alerts-failed-files": 3,
        "alerts-poisoned-messages": 0,
        "alerts-silent-sweep": 1,
        "alerts-unconfined-applications": 0,
        "alerts-unstartable-group": 0,
        "alerts-waiting-events": 5,
    }


def test_a_log_alert_looks_at_the_stack_s_own_workspace(program: Run) -> None:
    workspace = program.one("operationalinsights:Workspace").id
    for each in program.all("monitor:ScheduledQueryRule"):
        assert each.inputs["scopes"] == [workspace]
        assert each.inputs["skipQueryValidation"] is True
        assert each.inputs["enabled"] is True
        assert each.inputs["evaluationFrequency"] == "PT5M"
        (condition,) = each.inputs["criteria"]["allOf"]
        assert condition["operator"] == ("LessThan" if each.name == "alerts-silent-sweep" else "GreaterThan")
        assert condition["query"]


def test_the_backlog_has_to_stay_and_a_group_has_to_keep_failing(program: Run) -> None:
    backlog = program.one("monitor:ScheduledQueryRule", "alerts-backlog").inputs
    (condition,) = backlog["criteria"]["allOf"]
    assert (condition["timeAggregation"], condition["metricMeasureColumn"]) == ("Minimum", "Jobs")
    assert (condition["threshold"], backlog["windowSize"]) == (1000, "PT15M")
    group = program.one("monitor:ScheduledQueryRule", "alerts-unstartable-group").inputs
    (condition,) = group["criteria"]["allOf"]
    assert (condition["timeAggregation"], group["windowSize"]) == ("Count", "PT5M")
    assert condition["failingPeriods"] == {"minFailingPeriodsToAlert": 3, "numberOfEvaluationPeriods": 3}


def test_a_metric_alert_counts_what_the_stack_s_topic_could_not_deliver(program: Run) -> None:
    topic = program.one("eventgrid:SystemTopic").id
    metrics = set()
    for each in program.all("monitor:MetricAlert"):
        assert each.inputs["scopes"] == [topic]
        assert each.inputs["location"] == "global"
        (condition,) = each.inputs["criteria"]["allOf"]
        assert (condition["operator"], condition["threshold"], condition["timeAggregation"]) == (
            "GreaterThan",
            0,
            "Total",
        )
        metrics.add(condition["metricName"])
    assert metrics == {"DeadLetteredCount", "DroppedEventCount"}


def test_alerts_on_a_topic_that_somebody_else_made_go_by_that_topic(
    function_package: None, artifact_cache: Path
) -> None:
    run = run_program({"artifactCache": str(artifact_cache), "systemTopicName": "files0123-topic"})
    for each in run.all("monitor:MetricAlert"):
        assert each.inputs["scopes"] == [f"{FROM_OUTPUT}topic-of-somebody"]


def notified(run: Run) -> list[list[str]]:
    """Return the action groups of every alert."""
    logs = [each.inputs["actions"].get("actionGroups", []) for each in run.all("monitor:ScheduledQueryRule")]
    metrics = [
        [action["actionGroupId"] for action in each.inputs.get("actions", [])]
        for each in run.all("monitor:MetricAlert")
    ]
    return logs + metrics


def test_without_anybody_to_notify_the_alerts_are_there_all_the_same(program: Run) -> None:
    assert program.all("monitor:ActionGroup") == []
    assert notified(program) == [[]] * 9


def test_every_alert_notifies_the_given_group_and_the_addresses(function_package: None, artifact_cache: Path) -> None:
    config = {
        "actionGroupId": ACTION_GROUP,
        "alertEmails": "one@example.com, two@example.com",
        "artifactCache": str(artifact_cache),
    }
    run = run_program(config)
    group = run.one("monitor:ActionGroup")
    assert [each["emailAddress"] for each in group.inputs["emailReceivers"]] == ["one@example.com", "two@example.com"]
    assert len({each["name"] for each in group.inputs["emailReceivers"]}) == 2
    assert len(group.inputs["groupShortName"]) <= 12
    assert group.id.startswith(FROM_OUTPUT)
    assert notified(run) == [[ACTION_GROUP, group.id]] * 9
