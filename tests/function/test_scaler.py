"""Azure's own scaler: nothing is started in its place, and one that stands still is told of."""

from __future__ import annotations

import json
import logging
import time
from datetime import timedelta

import pytest
from azure.core.credentials import AccessToken

from pipeline_app.contract import EVENTS_QUEUE
from pipeline_app.contract.function_events import RunnerRefused, ScalerStill
from pipeline_app.contract.log_lines import Event
from pipeline_function import handlers, sweeping
from pipeline_function.azure import _waking
from pipeline_function.azure_executions import AzureExecutions
from pipeline_function.runners import RunnersUnavailable
from pipeline_function.scaler import ScalerWatch
from pipeline_function.services import Services
from pipeline_function.settings import Settings
from pipeline_function.wakeups import WAKE_UP, WakeUps
from tests.function.fakes import GRACE, MOMENT, Arm, group_id, job_id
from tests.function.test_events import event
from tests.function.test_settings import ENVIRONMENT
from tests.memory.function import NAMES, MemoryStorage


class Credential:
    """A credential whose token says for which scopes it was asked."""

    def get_token(self, *scopes: str, **options: object) -> AccessToken:
        return AccessToken(f"token-for-{','.join(scopes)}", int(time.time()) + 3600)


@pytest.fixture
def executions(arm: Arm) -> AzureExecutions:
    return AzureExecutions(arm.url, job_id(), Credential())


def watched(storage: MemoryStorage, executions: AzureExecutions) -> Services:
    watch = ScalerWatch(job_id(), executions, storage.waiting_jobs)
    return Services(grace=GRACE, names=NAMES, pause=timedelta(0), storage=storage, wake_ups=watch)


def told(caplog: pytest.LogCaptureFixture) -> list[Event]:
    return [each.msg for each in caplog.records if isinstance(each.msg, RunnerRefused | ScalerStill)]


@pytest.mark.parametrize(
    ("pages", "at_work"),
    [
        ([[]], 0),
        ([["Succeeded", "Failed", "Stopped", "Degraded", "Unknown"]], 0),
        ([["Running", "Succeeded"], ["Processing", "Running"]], 3),
    ],
)
def test_executions_that_run_or_are_about_to_are_counted_on_all_pages(
    arm: Arm, executions: AzureExecutions, pages: list[list[str]], at_work: int
) -> None:
    arm.executions["worker"] = pages
    assert executions.at_work() == at_work
    assert arm.requests == [("executions", "worker")] * len(pages)
    assert arm.tokens == {f"Bearer token-for-{arm.url}/.default"}


@pytest.mark.parametrize(("status", "code"), [(403, "AuthorizationFailed"), (404, None), (429, "TooManyRequests")])
def test_what_azure_refuses_is_asked_once_and_named(
    arm: Arm, executions: AzureExecutions, status: int, code: str | None
) -> None:
    if code:
        arm.refuse("executions", status, code, Retry_After="1")
    with pytest.raises(RunnersUnavailable, match=rf"jobs/worker \(HTTP {status}: .*{code or 'ResourceNotFound'}"):
        executions.at_work()
    assert arm.requests == [("executions", "worker")]


def test_a_job_that_is_put_asks_azure_for_nothing(arm: Arm, executions: AzureExecutions) -> None:
    storage = MemoryStorage()
    handlers.dispatch(json.dumps(event()).encode(), watched(storage, executions))
    assert [job.name for job in storage.jobs] == ["incoming/a/b.csv"]
    assert not arm.requests
    assert not storage.memory.messages(EVENTS_QUEUE)


@pytest.mark.parametrize("how", ["sweep", "wake-up of a runner before"])
@pytest.mark.parametrize(("states", "still"), [(["Succeeded"], True), (["Running", "Failed"], False)])
def test_jobs_that_wait_while_nothing_runs_are_told_of_and_nothing_is_started(
    arm: Arm,
    executions: AzureExecutions,
    caplog: pytest.LogCaptureFixture,
    how: str,
    states: list[str],
    still: bool,
) -> None:
    storage = MemoryStorage()
    storage.wait(MOMENT, jobs=2, oldest=MOMENT - GRACE)
    arm.executions["worker"] = [states]
    with caplog.at_level(logging.INFO):
        if how == "sweep":
            sweeping.sweep(watched(storage, executions))
        else:
            handlers.dispatch(WAKE_UP, watched(storage, executions))
    expected = ScalerStill(job=job_id(), jobs=2, oldest=(MOMENT - GRACE).isoformat())
    assert told(caplog) == ([expected] if still else [])
    assert arm.requests == [("executions", "worker")]
    assert not storage.memory.messages(EVENTS_QUEUE)


def test_jobs_that_a_worker_holds_wait_for_nobody(
    arm: Arm, executions: AzureExecutions, caplog: pytest.LogCaptureFixture
) -> None:
    storage = MemoryStorage()
    storage.wait(MOMENT, jobs=1)
    with caplog.at_level(logging.INFO):
        sweeping.sweep(watched(storage, executions))
    assert not told(caplog)
    assert not arm.requests


def test_a_refusal_is_told_and_the_sweep_goes_on(
    arm: Arm, executions: AzureExecutions, caplog: pytest.LogCaptureFixture
) -> None:
    storage = MemoryStorage()
    storage.wait(MOMENT, jobs=1, oldest=MOMENT - GRACE)
    arm.refuse("executions", 403, "AuthorizationFailed")
    with caplog.at_level(logging.INFO):
        sweeping.sweep(watched(storage, executions))
    (refused,) = told(caplog)
    assert isinstance(refused, RunnerRefused)
    assert refused.group == job_id()
    assert storage.state is not None


@pytest.mark.parametrize(
    ("changes", "kind"),
    [
        ({"APP_CONTAINER_GROUP_IDS": group_id()}, WakeUps),
        ({"APP_CONTAINER_GROUP_IDS": "", "APP_CONTAINER_APPS_JOB_ID": job_id()}, ScalerWatch),
    ],
)
def test_the_settings_say_who_sees_to_the_jobs(changes: dict[str, str], kind: type) -> None:
    assert isinstance(_waking(Settings.from_environment(ENVIRONMENT | changes), MemoryStorage()), kind)
