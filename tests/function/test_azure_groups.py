"""Container groups through the real management client, against Azure Resource Manager on loopback."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from threading import Event

import pytest
from azure.core.credentials import AccessToken

from pipeline_app.contract import EXIT_REFUSED
from pipeline_function.azure_groups import AzureGroups
from pipeline_function.runners import Look, ensure_running
from pipeline_function.wakeups import SOON_SECONDS, WakeUps
from tests.function.fakes import Arm, group_id


class Credential:
    """A credential whose token says for which scopes it was asked."""

    def get_token(self, *scopes: str, **options: object) -> AccessToken:
        return AccessToken(f"token-for-{','.join(scopes)}", int(time.time()) + 3600)


@pytest.fixture
def groups(arm: Arm) -> AzureGroups:
    return AzureGroups(arm.url, Credential())


def ensure(groups: AzureGroups, *names: str, jobs: int = 1) -> Look:
    return ensure_running(groups, [group_id(name) for name in names], lambda: jobs)


@pytest.mark.parametrize(
    ("state", "provisioning", "container", "requests", "calm"),
    [
        ("Failed", "Succeeded", "Terminated", ["GET", "start"], True),
        ("Pending", "Succeeded", "Waiting", ["GET"], True),
        ("Running", "Succeeded", "Running", ["GET"], True),
        ("Running", "Succeeded", "Terminated", ["GET"], False),
        ("Stopped", "Succeeded", "Terminated", ["GET", "start"], True),
        ("Succeeded", "Succeeded", "Terminated", ["GET", "start"], True),
        ("Terminated", "Succeeded", "Terminated", ["GET", "start"], True),
        (None, "Creating", "Waiting", ["GET"], True),
    ],
)
def test_each_state_leads_to_its_requests(
    arm: Arm,
    groups: AzureGroups,
    state: str | None,
    provisioning: str,
    container: str,
    requests: list[str],
    calm: bool,
) -> None:
    arm.have("group", container=container, provisioning=provisioning, state=state)
    assert ensure(groups, "group") == Look(calm=calm, requests=len(requests))
    assert arm.requests == [(verb, "group") for verb in requests]


def test_when_and_how_a_worker_ended_holds_its_group_back(arm: Arm, groups: AzureGroups) -> None:
    moment = datetime.now(UTC) - timedelta(minutes=1)
    arm.have(
        "group",
        container="Terminated",
        exitCode=EXIT_REFUSED,
        finishTime=f"{moment:%Y-%m-%dT%H:%M:%SZ}",
        state="Failed",
    )
    assert ensure(groups, "group").calm
    assert arm.requests == [("GET", "group")]
    state = groups.state(group_id())
    assert state is not None
    assert (state.exit_code, state.finished) == (EXIT_REFUSED, moment.replace(microsecond=0))


def test_a_start_of_a_group_that_somebody_else_has_started_is_no_failure(arm: Arm, groups: AzureGroups) -> None:
    arm.have("group", state="Running")
    groups.start(group_id())
    assert arm.requests == [("start", "group")]


def test_the_token_is_for_this_resource_manager(arm: Arm, groups: AzureGroups) -> None:
    arm.have("group", state="Running")
    ensure(groups, "group")
    assert arm.tokens == {f"Bearer token-for-{arm.url}/.default"}


def test_a_missing_group_is_no_failure_and_is_named_with_the_fix(
    arm: Arm, groups: AzureGroups, caplog: pytest.LogCaptureFixture
) -> None:
    ensure(groups, "gone")
    assert arm.requests == [("GET", "gone")]
    assert f"{group_id('gone')} does not exist" in caplog.text
    assert "pulumi up" in caplog.text


@pytest.mark.parametrize("verb", ["GET", "start"])
@pytest.mark.parametrize(
    ("status", "code"), [(403, "AuthorizationFailed"), (409, "ContainerGroupTransitioning"), (429, "TooManyRequests")]
)
def test_what_is_refused_is_asked_once_and_told(
    arm: Arm, groups: AzureGroups, caplog: pytest.LogCaptureFixture, verb: str, status: int, code: str
) -> None:
    """A function that waits for what Retry-After says costs money meanwhile, and the wake-up after it comes anyway."""
    arm.have("group", state="Succeeded")
    for _ in range(4):
        arm.refuse(verb, status, code, Retry_After="1")
    assert not ensure(groups, "group").calm
    assert [made for made, _ in arm.requests].count(verb) == 1
    asked = "read" if verb == "GET" else verb
    assert f"Could not {asked} the container group {group_id()} (HTTP {status}: " in caplog.text
    assert code in caplog.text


def test_an_endpoint_out_of_reach_is_told(caplog: pytest.LogCaptureFixture) -> None:
    assert not ensure(AzureGroups("https://127.0.0.1:9", Credential()), "group").calm
    assert "Could not read the container group" in caplog.text


def test_only_as_many_groups_are_started_as_there_are_jobs(arm: Arm, groups: AzureGroups) -> None:
    for name in ("a", "b", "c"):
        arm.have(name, state="Stopped")
    ensure(groups, "a", "b", "c", jobs=2)
    assert [request for request in arm.requests if request[0] == "start"] == [("start", "a"), ("start", "b")]


def test_many_dispatches_at_once_ask_no_more_than_one(arm: Arm, groups: AzureGroups) -> None:
    arm.have("group", state="Running")
    reading, go_on = Event(), Event()

    def hold() -> None:
        reading.set()
        assert go_on.wait(10)

    arm.on_request = hold
    put: list[int] = []
    wake_ups = WakeUps(put.append, lambda: ensure(groups, "group"))
    with ThreadPoolExecutor(32) as pool:
        first = pool.submit(wake_ups.job_was_put)
        assert reading.wait(10)
        # While one asks, the others are done at once.
        for call in [pool.submit(wake_ups.job_was_put) for _ in range(31)]:
            call.result(10)
        go_on.set()
        first.result(10)
    assert len(arm.requests) == 1
    assert SOON_SECONDS in put
